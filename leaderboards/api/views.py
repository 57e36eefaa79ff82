from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Scope, ServiceKey
from accounts.paths import person_named
from accounts.permissions import PersonOnly, PersonOrKey, caller, caller_or_key
from accounts.queries import access_person
from accounts.tokens import Claims
from competitions.api.serializers import CompetitionAnswer, StatusQuery
from competitions.models import Competition
from competitions.rules import Status
from config.core.api import APIView, body_of, paginated, query_of, success, uuid_of
from config.core.errors import Forbidden, Unauthenticated
from config.core.limits import SYNCS, TICKETS, throttles
from leaderboards import queries, tickets
from leaderboards.api.answers import board_bytes
from leaderboards.api.reports import UPDATED, read_report
from leaderboards.api.serializers import (
    BoardAnswer,
    BoardQuery,
    CorrectionAnswer,
    CorrectionBody,
    CorrectionsQuery,
    Entry,
    MyCompetition,
    ReportBody,
    StreamQuery,
    TicketAnswer,
    TicketBody,
)
from leaderboards.frames import snapshot_frame
from leaderboards.models import Standing
from leaderboards.services import report_totals
from leaderboards.settling import add_correction
from leaderboards.units import from_base


class BoardView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(parameters=[BoardQuery], responses=BoardAnswer)
    def get(self, request: Request, competition_id: str) -> HttpResponseBase:
        """A page of the board, best first, or a window around somebody. ``If-None-Match`` with the ``ETag`` of the last
        answer gives 304 while nothing has changed; with ``wait`` beside it, only after so many seconds."""
        query, now = query_of(request, BoardQuery), timezone.now()
        board = queries.access_board(caller(request), uuid_of(competition_id))
        if around := query.get("around"):
            page = queries.board_around(board, person_named(request, around), limit=query["limit"])
        else:
            page = queries.board_page(board, offset=query["offset"], limit=query["limit"])
        found = board_bytes(page, board, now)
        headers = {"ETag": found.etag.decode(), "Cache-Control": "private"}
        answer = HttpResponse(found.body, content_type="application/json", headers=headers)
        return get_conditional_response(request._request, etag=headers["ETag"], response=answer) or answer


class StreamView(APIView):
    """The front streams (`leaderboards.api.front`). Without it this is one event, and the client comes again."""

    permission_classes = [AllowAny]

    @extend_schema(parameters=[StreamQuery], responses={(200, "text/event-stream"): str})
    def get(self, request: Request, competition_id: str) -> HttpResponseBase:
        """The board as Server-Sent Events: the messages of the socket, each with ``epoch:version`` as its id, from
        which ``Last-Event-ID`` goes on. Signed in by header, by ``ticket`` or by ``token``."""
        query = query_of(request, StreamQuery)
        if not request.user.is_authenticated:
            raise Unauthenticated
        board = queries.access_board(caller(request), uuid_of(competition_id))
        page = queries.board_page(board, offset=0, limit=query["limit"])
        event = f"id: {page.epoch}:{page.version}\ndata: {snapshot_frame(page)}\n\n"
        return HttpResponse(event, content_type="text/event-stream", headers={"Cache-Control": "no-store"})


class RankView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=Entry)
    def get(self, request: Request, competition_id: str, user_id: str) -> Response:
        """One participant's entry with their rank."""
        board = queries.access_board(caller(request), uuid_of(competition_id))
        return success(queries.entry_of(board, person_named(request, user_id)))


class CorrectionsView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(parameters=[CorrectionsQuery], responses=CorrectionAnswer(many=True))
    def get(self, request: Request, competition_id: str) -> Response:
        """Bonuses and penalties, the first one first: one's own; everybody's for the owner and staff."""
        query, viewer = query_of(request, CorrectionsQuery), caller(request)
        board = queries.access_board(viewer, uuid_of(competition_id))
        sees_all = board.owner_id == viewer.id or viewer.has_perm("leaderboards.view_correction")
        usual = None if sees_all else viewer.id
        whose = person_named(request, query["user_id"]) if "user_id" in query else usual
        if not sees_all and whose != viewer.id:
            raise Forbidden("Only the owner and staff see other people's corrections.")
        found, limit, offset = queries.corrections_of(board.id, whose), query["limit"], query["offset"]
        rows = [CorrectionAnswer(correction).data for correction in found[offset : offset + limit]]
        return paginated(request, rows, limit=limit, offset=offset, total=found.count())

    @extend_schema(request=CorrectionBody, responses={200: CorrectionAnswer, 201: CorrectionAnswer})
    def post(self, request: Request, competition_id: str) -> Response:
        """Gives somebody points or takes them, for good; for staff. 200: it was there already."""
        viewer = caller(request)
        board = queries.access_board(viewer, uuid_of(competition_id))
        if not viewer.has_perm("leaderboards.add_correction"):
            raise Forbidden("Only staff may correct a score.")
        body = body_of(request, CorrectionBody)
        correction, is_new = add_correction(
            competition_id=board.id,
            user_id=body["user_id"],
            points=body["points"],
            reason=body["reason"],
            by=viewer,
            correction_id=body.get("id"),
            now=timezone.now(),
        )
        return success(CorrectionAnswer(correction).data, status=201 if is_new else 200)


class ReportView(APIView):
    permission_classes = [PersonOrKey]
    throttle_classes = throttles(SYNCS, people_only=True)
    key_scope = Scope.SCORES_WRITE

    @extend_schema(request=ReportBody, responses={200: None})
    def post(self, request: Request) -> Response:
        """Reports somebody's totals so far: one's own, or anybody's with a key or as staff."""
        report = read_report(caller_or_key(request), request.data, timezone.now())
        report_totals(competition=report.competition, user_id=report.user_id, reported=report.reported, now=report.now)
        return success(message=UPDATED)


class TicketView(APIView):
    permission_classes = [AllowAny]  # a ticket renews itself
    throttle_classes = throttles(TICKETS)

    @extend_schema(request=TicketBody, responses={201: TicketAnswer})
    def post(self, request: Request) -> Response:
        """A ticket to stand in an address instead of a token.

        ``{}``: good for one connection within 30 seconds, which then lives as long as the token would.
        ``{competition_id}``: reads that board until it expires. ``{ticket}``: a fresh one for such a ticket.
        """
        if isinstance(request.auth, ServiceKey):
            raise Forbidden("Tickets are for people.")
        body, now = body_of(request, TicketBody), timezone.now()
        issued = self._renewed(body["ticket"], now) if "ticket" in body else self._given(request, body, now)
        return success({"ticket": issued.text, "expires_at": issued.expires_at}, status=201)

    def _renewed(self, ticket: str, now: datetime) -> tickets.Issued:
        try:
            return tickets.renewed_ticket(ticket, now)
        except tickets.InvalidTicket:
            raise Unauthenticated("This ticket does not hold any more.") from None

    def _given(self, request: Request, body: dict[str, Any], now: datetime) -> tickets.Issued:
        if not isinstance(request.auth, Claims):
            raise Unauthenticated
        if "competition_id" not in body:
            return tickets.one_time_ticket(caller(request), request.auth.expires_at, now)
        board = queries.access_board(caller(request), uuid_of(body["competition_id"]))
        return tickets.board_ticket(caller(request), board.id, request.auth.expires_at, now)


class MyCompetitionsView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(parameters=[StatusQuery], responses=MyCompetition(many=True))
    def get(self, request: Request, user_id: str) -> Response:
        """The competitions somebody takes part in, each with their place."""
        query, now = query_of(request, StatusQuery), timezone.now()
        whose = access_person(caller(request), person_named(request, user_id))
        standings = queries.standings_of_person(whose.id)
        if "status" in query:
            there = Competition.objects.all().with_status(Status(query["status"]), now)
            standings = standings.filter(competition__in=there)
        limit, offset = query["limit"], query["offset"]
        context = {"now": now, "viewer_id": request.user.id}
        page = list(standings[offset : offset + limit])
        ranks = queries.rank_by_standing(page)
        rows = [my_competition(standing, ranks[standing.pk], context) for standing in page]
        return paginated(request, rows, limit=limit, offset=offset, total=standings.count())


def my_competition(standing: Standing, rank: int, context: dict[str, Any]) -> dict[str, Any]:
    return {
        **CompetitionAnswer(standing.competition, context=context).data,
        "current_rank": rank,
        "user_score": standing.score,
        "user_steps": standing.steps,
        "user_calories": from_base(standing.energy_cal, 1000),
        "user_distance": from_base(standing.distance_mm, 1000),
        "joined_at": standing.joined_at,
    }
