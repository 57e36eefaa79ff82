"""The live board of any competition that the person may see, with themselves pinned to it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.models import User
from competitions.models import Competition
from competitions.wording import points_are
from config.core.api import uuid_of
from config.pages.competitions import standing_of
from config.pages.doors import for_participants
from config.pages.words import counted
from leaderboards import words
from leaderboards.pages import board_context
from leaderboards.queries import access_board, board_around, points_to_next_rank, rank_by_standing, standings_to_climb
from leaderboards.tickets import BOARD_LIFETIME, board_ticket
from leaderboards.watching import FRAME_ROWS
from prizes.wording import ordinal

_NEIGHBOURS = 7


@for_participants
def board_view(request: HttpRequest, person: User, competition_id: str) -> HttpResponse:
    now = timezone.now()
    competition = access_board(person, uuid_of(competition_id))
    ticket = board_ticket(person, competition.id, now + BOARD_LIFETIME, now)
    context = board_context(competition, ticket, now) | {
        "here": "competitions",
        "me": str(person.id),
        "mine": standing_of(person, competition, now),
        "pinned": _pinned(person, competition),
    }
    return render(request, "pages/board.html", context)


@for_participants
def my_row_view(request: HttpRequest, person: User, competition_id: str) -> HttpResponse:
    """Only what is pinned, for the script."""
    competition = access_board(person, uuid_of(competition_id))
    context = {"competition": competition, "me": str(person.id), "pinned": _pinned(person, competition)}
    return render(request, "pages/_pinned.html", context)


def _pinned(person: User, competition: Competition) -> dict[str, Any] | None:
    """The person's place, the way to the next one, and where the board shows only the best, who is around them. None
    for somebody who is not on the board."""
    standing = standings_to_climb(person.id).filter(competition=competition).first()
    if standing is None:
        return None
    rank, unit = rank_by_standing([standing])[standing.pk], points_are(competition.metric)
    around = board_around(competition, person.id, limit=_NEIGHBOURS) if rank > FRAME_ROWS else None
    return {
        "place": ordinal(rank),
        "score": f"{standing.score:,}",
        "unit": unit,
        "missing": _missing_in_words(points_to_next_rank(standing), rank, unit),
        "around": words.rows_of(around.entries, competition.metric) if around else [],
    }


def _missing_in_words(points: int | None, rank: int, unit: str) -> str:
    if points is None:
        return "You lead." if rank == 1 else ""
    return f"{counted(points, unit.removesuffix('s'), unit)} to the next place"
