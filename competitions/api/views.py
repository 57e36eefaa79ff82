from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSetMixin

from accounts.permissions import PersonOnly, caller
from competitions import queries
from competitions.api.filters import CompetitionFilter
from competitions.api.rules import RulesHistoryAnswer
from competitions.api.serializers import (
    CompetitionAnswer,
    CompetitionChangeBody,
    CompetitionListQuery,
    JoinBody,
    NewCompetitionBody,
    ParticipantAnswer,
    SeatAnswer,
    columns_of,
    span_from,
)
from competitions.checkout import checkout
from competitions.documents import rules_to_be
from competitions.models import Competition, Seat
from competitions.services import enrolment, lifecycle, seats
from config.core.api import APIView, PageQuery, body_of, paginated, query_of, success, uuid_of
from config.core.errors import Forbidden


class CompetitionViewSet(ViewSetMixin, APIView):
    """Competitions that the caller may see; changes are for owners and staff."""

    permission_classes = [PersonOnly]
    lookup_field = "competition_id"
    lookup_value_regex = "[^/]+"

    @extend_schema(parameters=[CompetitionListQuery], responses=CompetitionAnswer(many=True))
    def list(self, request: Request) -> Response:
        query, now = query_of(request, CompetitionListQuery), timezone.now()
        filtered = CompetitionFilter(request.query_params, queries.competitions_visible_to(caller(request)))
        if not filtered.is_valid():
            raise ValidationError(filtered.errors)
        found = filtered.qs
        limit, offset = query["limit"], query["offset"]
        rows = [self._answer(request, competition, now) for competition in found[offset : offset + limit]]
        return paginated(request, rows, limit=limit, offset=offset, total=found.count())

    @extend_schema(request=NewCompetitionBody, responses={201: CompetitionAnswer})
    def create(self, request: Request) -> Response:
        if settings.COMPETITIONS_BY_STAFF_ONLY and not request.user.has_perm("competitions.add_competition"):
            raise Forbidden("Only staff may create competitions here.")
        body, now = body_of(request, NewCompetitionBody), timezone.now()
        span = span_from(body, None)
        assert span is not None
        competition = lifecycle.create_competition(
            owner=caller(request), fields=columns_of(body, None), span=span, published=not body["draft"], now=now
        )
        return success(self._answer(request, competition, now), status=201)

    @extend_schema(responses=CompetitionAnswer)
    def retrieve(self, request: Request, competition_id: str) -> Response:
        competition = queries.access_competition(caller(request), uuid_of(competition_id))
        return success(self._answer(request, competition, timezone.now()))

    @extend_schema(request=CompetitionChangeBody, responses={200: CompetitionAnswer, 409: None})
    def partial_update(self, request: Request, competition_id: str) -> Response:
        competition, now = self._mine(request, competition_id), timezone.now()
        body = body_of(request, CompetitionChangeBody, partial=True)
        changed = lifecycle.change_competition(
            competition_id=competition.id,
            merge=lambda current: (columns_of(body, current), span_from(body, current)),
            by=caller(request),
            reason=body.get("rules_reason", ""),
            now=now,
        )
        return success(self._answer(request, changed, now))

    @extend_schema(request=None, responses={200: None, 409: None})
    def destroy(self, request: Request, competition_id: str) -> Response:
        competition = self._mine(request, competition_id)
        lifecycle.delete_competition(competition_id=competition.id, now=timezone.now())
        return success(message="Deleted.")

    @extend_schema(request=None, responses={200: CompetitionAnswer, 409: None})
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, competition_id: str) -> Response:
        competition, now = self._mine(request, competition_id), timezone.now()
        changed = lifecycle.publish_competition(competition_id=competition.id, by=caller(request), now=now)
        return success(self._answer(request, changed, now))

    @extend_schema(request=None, responses={200: CompetitionAnswer, 409: None})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, competition_id: str) -> Response:
        competition, now = self._mine(request, competition_id), timezone.now()
        changed = lifecycle.cancel_competition(competition_id=competition.id, by=caller(request), now=now)
        return success(self._answer(request, changed, now))

    @extend_schema(request=JoinBody, responses={200: ParticipantAnswer, 202: SeatAnswer, 409: None})
    @action(detail=True, methods=["post"])
    def join(self, request: Request, competition_id: str) -> Response:
        """200: takes part. 202: a seat is held, and the entry fee is to be paid."""
        code, now = body_of(request, JoinBody).get("join_code"), timezone.now()
        competition, user_id = queries.competition(uuid_of(competition_id)), caller(request).id
        if queries.fee_due(competition, user_id):
            seat = seats.reserve_seat(competition=competition, user_id=user_id, join_code=code, now=now)
            return self._to_pay(seat, now)
        participant = enrolment.join_competition(competition=competition, user_id=user_id, join_code=code, now=now)
        return success(ParticipantAnswer(participant).data, message="Joined.")

    @extend_schema(request=None, responses={200: None, 409: None})
    @action(detail=True, methods=["post"])
    def leave(self, request: Request, competition_id: str) -> Response:
        competition = queries.access_competition(caller(request), uuid_of(competition_id))
        enrolment.leave_competition(competition=competition, user_id=caller(request).id, now=timezone.now())
        return success(message="Left.")

    @extend_schema(parameters=[PageQuery], responses=ParticipantAnswer(many=True))
    @action(detail=True, methods=["get"])
    def participants(self, request: Request, competition_id: str) -> Response:
        competition, query = (
            queries.access_competition(caller(request), uuid_of(competition_id)),
            query_of(request, PageQuery),
        )
        found = queries.participants_of(competition.id)
        limit, offset = query["limit"], query["offset"]
        rows = [ParticipantAnswer(participant).data for participant in found[offset : offset + limit]]
        return paginated(request, rows, limit=limit, offset=offset, total=competition.participant_count)

    @extend_schema(responses=RulesHistoryAnswer)
    @action(detail=True, methods=["get"])
    def rules(self, request: Request, competition_id: str) -> Response:
        """The rules as they were frozen at the start, and every version since; before it, as they would be."""
        competition = queries.access_competition(caller(request), uuid_of(competition_id))
        versions = list(queries.rules_versions(competition.id))
        current = versions[-1] if versions else rules_to_be(competition)
        history = {"frozen": bool(versions), "current": current, "versions": versions}
        return success(RulesHistoryAnswer(history).data)

    def _to_pay(self, seat: Seat, now: datetime) -> Response:
        """Opens the page once the seat is committed: a gateway may take its time, and a retry finds the same seat."""
        page = checkout().open_checkout(seat=seat, now=now)
        where = "Pay the entry fee to take part." if page.url else "Pay the entry fee to a treasurer to take part."
        return success(SeatAnswer(seat, context={"checkout_url": page.url}).data, message=where, status=202)

    def _mine(self, request: Request, competition_id: str) -> Competition:
        return queries.access_competition_to_change(caller(request), uuid_of(competition_id))

    def _answer(self, request: Request, competition: Competition, now: Any) -> Any:
        return CompetitionAnswer(competition, context={"now": now, "viewer_id": request.user.id}).data
