"""The live board as a web page: whole and readable as it arrives, live from then on."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from competitions.queries import public_competition, public_competitions
from config.core.api import uuid_of
from leaderboards.hub import FRAME_ROWS
from leaderboards.queries import board_page
from leaderboards.tickets import ticket_for_board


def boards_page_view(request: HttpRequest) -> HttpResponse:
    """The public competitions, the running ones first."""
    now = timezone.now()
    shown = [(competition, competition.status_at(now)) for competition in public_competitions()[:100]]
    shown.sort(key=lambda pair: pair[1] != "active")
    return render(request, "leaderboards/boards.html", {"boards": shown})


def board_page_view(request: HttpRequest, competition_id: str) -> HttpResponse:
    """For anybody, if the competition is public."""
    competition = public_competition(uuid_of(competition_id))
    page = board_page(competition, offset=0, limit=FRAME_ROWS)
    context = {
        "competition": competition,
        "status": competition.status_at(timezone.now()),
        "page": page,
        "ticket": ticket_for_board(competition.id),
    }
    response = render(request, "leaderboards/board.html", context)
    response["Cache-Control"] = "private, no-store"  # it carries a ticket
    return response
