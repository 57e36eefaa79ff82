from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Scope
from accounts.paths import person_named
from accounts.permissions import PersonOnly, PersonOrKey, caller, caller_or_key
from accounts.queries import access_person
from competitions.api.serializers import CompetitionAnswer, StatusQuery
from competitions.models import Competition
from competitions.rules import Status
from config.core.api import APIView, paginated, query_of, success, uuid_of
from leaderboards import queries
from leaderboards.api.reports import read_report
from leaderboards.api.serializers import BoardAnswer, BoardQuery, Entry, MyCompetition, ReportBody
from leaderboards.models import Standing
from leaderboards.services import report_totals
from leaderboards.units import from_base


class BoardView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(parameters=[BoardQuery], responses=BoardAnswer)
    def get(self, request: Request, competition_id: str) -> Response:
        """A page of the board, best first, or a window around somebody."""
        query, now = query_of(request, BoardQuery), timezone.now()
        board = queries.access_board(caller(request), uuid_of(competition_id))
        if around := query.get("around"):
            page = queries.board_around(board, person_named(request, around), limit=query["limit"])
        else:
            page = queries.board_page(board, offset=query["offset"], limit=query["limit"])
        return success(board_answer(page, board, now))


class RankView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=Entry)
    def get(self, request: Request, competition_id: str, user_id: str) -> Response:
        """One participant's entry with their rank."""
        board = queries.access_board(caller(request), uuid_of(competition_id))
        return success(queries.entry_of(board, person_named(request, user_id)))


class ReportView(APIView):
    permission_classes = [PersonOrKey]
    key_scope = Scope.SCORES_WRITE

    @extend_schema(request=ReportBody, responses={200: None})
    def post(self, request: Request) -> Response:
        """Reports somebody's totals so far: one's own, or anybody's with a key or as staff."""
        report = read_report(caller_or_key(request), request.data, timezone.now())
        report_totals(competition=report.competition, user_id=report.user_id, reported=report.reported, now=report.now)
        return success(message="Leaderboard updated.")


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
        rows = [my_competition(standing, context) for standing in standings[offset : offset + limit]]
        return paginated(request, rows, limit=limit, offset=offset, total=standings.count())


def board_answer(page: queries.BoardPage, competition: Competition, now: datetime) -> dict[str, Any]:
    standings, final_at = queries.standings_now(competition, now)
    return {
        "competition_id": page.competition_id,
        "entries": page.entries,
        "total_count": page.total,
        "updated_at": page.updated_at,
        "epoch": page.epoch,
        "version": page.version,
        "standings": standings,
        "final_at": final_at,
    }


def my_competition(standing: Standing, context: dict[str, Any]) -> dict[str, Any]:
    return {
        **CompetitionAnswer(standing.competition, context=context).data,
        "current_rank": queries.rank_of(standing),
        "user_score": standing.score,
        "user_steps": standing.steps,
        "user_calories": from_base(standing.energy_cal, 1000),
        "user_distance": from_base(standing.distance_mm, 1000),
        "joined_at": standing.joined_at,
    }
