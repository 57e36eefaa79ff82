"""`GET /leaderboard/{id}/explain/{user_id}`: why this score."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.paths import person_named
from accounts.permissions import PersonOnly, caller
from config.core.api import APIView, success, uuid_of
from fitness.api.serializers import Sums
from fitness.explaining import SENTENCES, ExplainedDay, SourceLine
from fitness.queries.explanation import Explanation, access_explanation
from fitness.reckoning import AMOUNTS
from fitness.rules import SampleType
from leaderboards.api.serializers import CorrectionAnswer
from leaderboards.queries import access_board
from leaderboards.scoring import Totals, score_of
from leaderboards.units import totals_to_wire


class LeftOut(serializers.Serializer[Any]):
    reason = serializers.CharField()
    amount = serializers.FloatField()
    message = serializers.CharField()


class Line(serializers.Serializer[Any]):
    """What one source said of one metric, in its wire unit. What counted and what was left out add up to it."""

    app = serializers.CharField()
    device = serializers.CharField()
    kind = serializers.CharField()
    metric = serializers.ChoiceField(list(SampleType))
    said = serializers.FloatField()
    counted = serializers.FloatField()
    left_out = LeftOut(many=True)


class ExplainedDayAnswer(Sums):
    """What counted on a day; ``capped``: what the sources came to beyond the daily cap."""

    date = serializers.DateField()
    capped = Sums()
    sources = Line(many=True)


class ExplanationAnswer(serializers.Serializer[Any]):
    """The days add up to ``synced``; ``counted`` is what of that and of ``reported`` the rules take, ``points`` what it
    is worth, and ``points`` with the corrections, not below zero, the score."""

    competition_id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    metric = serializers.CharField()
    score_source = serializers.CharField()
    rules_version = serializers.IntegerField()
    days = ExplainedDayAnswer(many=True)
    synced = Sums()
    reported = Sums()
    counted = Sums()
    points = serializers.IntegerField()
    corrections = CorrectionAnswer(many=True)
    score = serializers.IntegerField()
    disqualified_reason = serializers.CharField()


class ExplainView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=ExplanationAnswer)
    def get(self, request: Request, competition_id: str, user_id: str) -> Response:
        """Why somebody has the score that they have: per day, per source, what counted and what did not, and why."""
        viewer = caller(request)
        board = access_board(viewer, uuid_of(competition_id))
        return success(_answer(access_explanation(viewer, board, person_named(request, user_id), timezone.now())))


def _answer(found: Explanation) -> dict[str, Any]:
    competition, standing = found.competition, found.standing
    return {
        "competition_id": competition.id,
        "user_id": standing.user_id,
        "metric": competition.metric,
        "score_source": competition.score_source,
        "rules_version": competition.rules_version,
        "days": [_day(day) for day in found.days],
        "synced": totals_to_wire(standing.synced),
        "reported": totals_to_wire(standing.reported),
        "counted": totals_to_wire(standing.totals),
        "points": score_of(standing.totals, competition.metric, competition.weights),
        "corrections": [CorrectionAnswer(correction).data for correction in found.corrections],
        "score": standing.score,
        "disqualified_reason": standing.disqualified_reason,
    }


def _day(day: ExplainedDay) -> dict[str, Any]:
    return {
        "date": day.day,
        **totals_to_wire(day.counted),
        "capped": totals_to_wire(day.capped),
        "sources": [_line(line) for line in day.lines],
    }


def _line(line: SourceLine) -> dict[str, Any]:
    left_out = [
        {"reason": reason.value, "amount": _wire(line.type, amount), "message": SENTENCES[reason]}
        for reason, amount in line.left_out.items()
    ]
    return {
        **line.source._asdict(),
        "metric": line.type.value,
        "said": _wire(line.type, line.said),
        "counted": _wire(line.type, line.counted),
        "left_out": left_out,
    }


def _wire(type_: SampleType, amount: int) -> int | float:
    return totals_to_wire(Totals(**{AMOUNTS[type_]: amount}))[type_.value]
