"""The live board as a web page: whole and readable as it arrives, live from then on.

Everything a reader needs is in the HTML; the script only keeps it fresh.
"""

import json
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from competitions.models import Competition
from competitions.queries import public_competition, public_competitions
from competitions.rules import Metric, Status, TieRule
from config.core.api import uuid_of
from config.core.errors import Refusal, as_refusal, error_headers
from leaderboards import words
from leaderboards.frames import snapshot_frame
from leaderboards.queries import board_page
from leaderboards.tickets import BOARD_LIFETIME, Issued, ticket_for_board
from leaderboards.watching import FRAME_ROWS

SHOWN_BOARDS = 100
_LIST_ORDER = (Status.ACTIVE, Status.UPCOMING, Status.ENDED, Status.COMPLETED, Status.CANCELLED)
View = Callable[..., HttpResponseBase]


def for_people(view: View) -> View:
    """A browser gets a refusal as a small page of the same status; everybody else the JSON they know."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except Exception as error:
            refusal = as_refusal(error)
            if refusal is None or not wants_a_page(request):
                raise
            response = refusal_page(request, refusal)
        patch_vary_headers(response, ["Accept"])
        return response

    return shown


def wants_a_page(request: HttpRequest) -> bool:
    try:
        return request.get_preferred_type(["application/json", "text/html"]) == "text/html"
    except (LookupError, ValueError):  # a parameter in a charset that does not exist (RFC 2231)
        return False


def refusal_page(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    response = render(request, "leaderboards/refusal.html", {"refusal": refusal}, status=int(refusal.status))
    for name, value in error_headers(refusal).items():
        response[name] = value
    return response


@for_people
def boards_page_view(request: HttpRequest) -> HttpResponse:
    """The public competitions, the running ones first."""
    now = timezone.now()
    boards = [described(competition, now) for competition in public_competitions()[:SHOWN_BOARDS]]
    boards.sort(key=lambda board: _LIST_ORDER.index(board["run"].status))
    return render(request, "leaderboards/boards.html", {"boards": boards})


@for_people
def board_page_view(request: HttpRequest, competition_id: str) -> HttpResponse:
    """For anybody, if the competition is public."""
    now = timezone.now()
    competition = public_competition(uuid_of(competition_id))
    context = board_context(competition, Issued(ticket_for_board(competition.id, now), now + BOARD_LIFETIME), now)
    response = render(request, "leaderboards/board.html", context)
    response["Cache-Control"] = "private, no-store"  # it carries a ticket
    return response


def board_context(competition: Competition, ticket: Issued, now: datetime) -> dict[str, Any]:
    """What `leaderboards/board.html` shows to whoever holds this ticket."""
    page = board_page(competition, offset=0, limit=FRAME_ROWS)
    return described(competition, now) | {
        "page": page,
        "rows": words.rows_of(page.entries, competition.metric),
        "total": f"{page.total:,}",
        "updated": words.moment_in_words(datetime.fromisoformat(page.updated_at), competition),
        "rules": [f"Counting {words.counted_in_words(competition)}.", words.TIE_WORDS[TieRule(competition.tie_rule)]],
        "final": words.final_in_words(competition),
        "unit": words.UNITS[Metric(competition.metric)],
        "aside": "steps" if competition.metric == Metric.DISTANCE else "distance",
        "frame": json.loads(snapshot_frame(page)),
        "ticket": ticket.text,
        "ticket_expires_at": ticket.expires_at,
        "now": now,
        "reload_in": round(words.next_change(competition, now).total_seconds()),
    }


def described(competition: Competition, now: datetime) -> dict[str, Any]:
    return {
        "competition": competition,
        "run": words.run_of(competition, now),
        "dates": words.dates_in_words(competition),
        "zone": "UTC" if competition.timezone == "UTC" else f"{competition.timezone.replace('_', ' ')} time",
        "metric": "points" if competition.metric == Metric.WEIGHTED else words.METRIC_WORDS[Metric(competition.metric)],
    }
