"""Flags over the wire: what was seen, what it means, what one may do about it."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView as AnyView

from accounts.models import User
from accounts.paths import person_named
from accounts.permissions import PersonOnly, caller
from competitions.policy import Check
from config.core.api import APIView, PageQuery, body_of, paginated, query_of, success, uuid_of
from fitness.models import Flag, FlagEvent, FlagEventKind, FlagEvidence
from fitness.plausibility import Decision, FlagState
from fitness.queries.flags import DECIDE, access_flag, flags_seen_by
from fitness.rules import SampleType
from fitness.services.decisions import appeal_flag, decide_flag


class DeciderOnly(BasePermission):
    message = "Only staff who decide flags may do this."

    def has_permission(self, request: Request, view: AnyView) -> bool:
        return bool(request.user.is_authenticated and caller(request).has_perm(DECIDE))


class FlagQuery(PageQuery):
    competition_id = serializers.CharField(required=False)
    user_id = serializers.CharField(required=False, help_text="For staff; or me.")
    state = serializers.ChoiceField(list(FlagState), required=False)


class AppealBody(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=2000, help_text="Why it should count.")


class DecisionBody(serializers.Serializer[Any]):
    decision = serializers.ChoiceField(list(Decision))
    reason = serializers.CharField(max_length=500, help_text="The person reads it.")


class EvidenceAnswer(serializers.Serializer[Any]):
    text = serializers.CharField()
    numbers = serializers.DictField(help_text="seen, limit, unit, and what else explains them.")
    source = serializers.CharField()  # type: ignore[assignment]  # Field.source means something else
    metric = serializers.ChoiceField(list(SampleType), allow_null=True, help_text="Null: all of the record.")
    start = serializers.DateTimeField(allow_null=True)
    end = serializers.DateTimeField(allow_null=True)
    date = serializers.DateField(allow_null=True, help_text="Of a daily record.")
    found_at = serializers.DateTimeField()
    other_user_id = serializers.UUIDField(required=False, allow_null=True, help_text="For staff only.")


class EventAnswer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    what = serializers.ChoiceField(list(FlagEventKind))
    by = serializers.ChoiceField(["server", "person", "staff"])
    decision = serializers.ChoiceField(list(Decision), allow_null=True)
    text = serializers.CharField()


class FlagAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    competition_id = serializers.UUIDField()
    competition_name = serializers.CharField()
    user_id = serializers.UUIDField()
    check = serializers.ChoiceField(list(Check))
    date = serializers.DateField()
    state = serializers.ChoiceField(list(FlagState))
    held = serializers.BooleanField()
    meaning = serializers.CharField(help_text="Whether the data counts.")
    next = serializers.CharField(help_text="What the person may do.")
    can_appeal = serializers.BooleanField()
    evidence = EvidenceAnswer(many=True)
    opened_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()
    appeal = serializers.CharField()
    appealed_at = serializers.DateTimeField(allow_null=True)


class FlagWithHistory(FlagAnswer):
    history = EventAnswer(many=True)


class FlagsView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(parameters=[FlagQuery], responses={200: FlagAnswer(many=True), 404: None})
    def get(self, request: Request) -> Response:
        """One's own flags, the latest first; for staff who decide them everybody's."""
        query, viewer = query_of(request, FlagQuery), caller(request)
        person = person_named(request, query["user_id"]) if "user_id" in query else None
        found = flags_seen_by(viewer, person)
        if "competition_id" in query:
            found = found.filter(competition_id=uuid_of(query["competition_id"]))
        if "state" in query:
            found = found.filter(state=query["state"])
        limit, offset = query["limit"], query["offset"]
        rows = [_flag_answer(flag, viewer) for flag in _with_evidence(found)[offset : offset + limit]]
        return paginated(request, rows, limit=limit, offset=offset, total=found.count())


class FlagView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=FlagWithHistory)
    def get(self, request: Request, flag_id: str) -> Response:
        """A flag and what happened to it, for its person and for staff who decide."""
        return _shown(request, uuid_of(flag_id))


class AppealView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(request=AppealBody, responses={200: FlagWithHistory, 409: None})
    def post(self, request: Request, flag_id: str) -> Response:
        """Asks for another look, once, at what is held or was decided against oneself."""
        flag = access_flag(caller(request), uuid_of(flag_id))
        text = body_of(request, AppealBody)["text"]
        appeal_flag(flag_id=flag.id, text=text, by=caller(request), now=timezone.now())
        return _shown(request, flag.id)


class DecisionView(APIView):
    permission_classes = [DeciderOnly]

    @extend_schema(request=DecisionBody, responses={200: FlagWithHistory, 409: None})
    def post(self, request: Request, flag_id: str) -> Response:
        """Decides about everything that the flag shows, or answers its appeal. 409 when somebody else has decided
        otherwise, and when final standings counted what would be excluded."""
        flag = access_flag(caller(request), uuid_of(flag_id))
        body = body_of(request, DecisionBody)
        decision = Decision(body["decision"])
        decide_flag(flag_id=flag.id, decision=decision, reason=body["reason"], by=caller(request), now=timezone.now())
        return _shown(request, flag.id)


def _with_evidence(flags: QuerySet[Flag]) -> QuerySet[Flag]:
    return flags.prefetch_related("evidence__source")


def _shown(request: Request, flag_id: UUID) -> Response:
    flag = access_flag(caller(request), flag_id)
    history = [_event_answer(event, flag) for event in flag.events.all()]
    return success(_flag_answer(flag, caller(request)) | {"history": history})


def _flag_answer(flag: Flag, viewer: User) -> dict[str, Any]:
    for_staff = viewer.has_perm(DECIDE) and viewer.id != flag.user_id
    return {
        "id": flag.id,
        "competition_id": flag.competition_id,
        "competition_name": flag.competition.name,
        "user_id": flag.user_id,
        "check": flag.check_name,
        "date": flag.day,
        "state": flag.state,
        "held": flag.held,
        "meaning": _meaning(flag),
        "next": _next(flag),
        "can_appeal": flag.can_be_appealed,
        "evidence": [_evidence_answer(piece, for_staff=for_staff) for piece in flag.evidence.all()],
        "opened_at": flag.opened_at,
        "decided_at": flag.decided_at,
        "reason": flag.reason,
        "appeal": flag.appeal,
        "appealed_at": flag.appealed_at,
    }


def _meaning(flag: Flag) -> str:
    match FlagState(flag.state):
        case FlagState.OPEN if flag.held:
            return "This data does not count until somebody has decided."
        case FlagState.OPEN:
            return "This data counts unless somebody decides otherwise."
        case FlagState.ACCEPTED:
            return "Somebody has looked at this data and accepted it."
        case FlagState.EXCLUDED:
            return f"This data does not count. The reason: {flag.reason}"
        case FlagState.DISQUALIFIED:
            return f"This data does not count, and its person is off the board. The reason: {flag.reason}"


def _next(flag: Flag) -> str:
    if flag.can_be_appealed:
        return "You may appeal once and say why it should count."
    if flag.appeal_waits:
        return "Your appeal waits for an answer."
    if flag.appealed_at is not None:
        return "Your appeal was answered; there is no further one."
    return "There is nothing that you need to do."


def _evidence_answer(piece: FlagEvidence, *, for_staff: bool) -> dict[str, Any]:
    answer = {
        "text": piece.text,
        "numbers": piece.numbers,
        "source": str(piece.source) if piece.source else piece.source_name,
        "metric": piece.type or None,
        "start": piece.start_at,
        "end": piece.end_at,
        "date": piece.day,
        "found_at": piece.found_at,
    }
    return answer | ({"other_user_id": piece.other_user_id} if for_staff else {})


def _event_answer(event: FlagEvent, flag: Flag) -> dict[str, Any]:
    by_people = {None: "server", flag.user_id: "person"}
    return {
        "at": event.at,
        "what": event.kind,
        "by": by_people.get(event.by_id, "staff"),
        "decision": event.decision or None,
        "text": flag.appeal if event.kind == FlagEventKind.APPEALED else event.text,
    }
