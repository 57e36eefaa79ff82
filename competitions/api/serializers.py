import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.pictures.names import SMALL, picture_url
from competitions import rules
from competitions.api.rules import NamesThatExist, Rules, patched_policy
from competitions.models import Competition, Participant, Seat
from competitions.policy import Policy
from competitions.rules import Kind, Metric, ScoreSource, Status, TieRule, Visibility
from config.core.api import PageQuery, plain_text
from config.core.clock import parsed_day, zone_names
from config.core.money import CURRENCIES, WrongAmount, to_decimal, to_minor

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]+([Zz]|[+-][0-9]{2}:[0-9]{2})")
_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]+)?")


@extend_schema_field(
    {
        "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}],
        "examples": ["2026-06-01", "2026-06-01T06:00:00Z"],
    }
)
class MomentOrDay(serializers.Field[Any, Any, Any, Any]):
    """An RFC 3339 time, or a day: the whole day in the competition's zone."""

    def to_internal_value(self, data: Any) -> date | datetime:
        if (day := parsed_day(data)) is not None:
            return day
        if isinstance(data, str) and _TIME.fullmatch(data):
            try:
                return datetime.fromisoformat(data)
            except ValueError:
                pass
        raise serializers.ValidationError("Write a day such as 2026-06-01 or a time such as 2026-06-01T06:00:00Z.")

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "number", "minimum": 0, "maximum": 10**15, "examples": [10.5]})
class Amount(serializers.Field[Any, Any, Any, Any]):
    """Money in the currency's own decimals; the currency is known only beside it, so the body checks the places."""

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, int | Decimal | str) or len(str(data)) > 32:
            raise serializers.ValidationError("Write an amount such as 10.50.")
        if isinstance(data, str) and not _AMOUNT.fullmatch(data):
            raise serializers.ValidationError("Write an amount such as 10.50.")
        return Decimal(data)

    def to_representation(self, value: Any) -> Any:
        return value


class Weights(NamesThatExist):
    """Points per step, metre, kilocalorie and active minute."""

    unknown = "This cannot be weighted."

    steps = serializers.DecimalField(max_digits=10, decimal_places=6, min_value=Decimal(0), required=False)
    distance = serializers.DecimalField(max_digits=10, decimal_places=6, min_value=Decimal(0), required=False)
    calories = serializers.DecimalField(max_digits=10, decimal_places=6, min_value=Decimal(0), required=False)
    active_minutes = serializers.DecimalField(max_digits=10, decimal_places=6, min_value=Decimal(0), required=False)


class CompetitionBody(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120, validators=[plain_text])
    description = serializers.CharField(max_length=5000, allow_blank=True, required=False)
    type = serializers.ChoiceField(list(Kind), required=False)
    start_date = MomentOrDay()
    end_date = MomentOrDay(required=False, help_text="May be left out unless the type is custom.")
    timezone = serializers.CharField(max_length=64, required=False, help_text="IANA, such as Europe/Berlin.")
    grace_hours = serializers.IntegerField(min_value=0, max_value=24 * 30, required=False)
    metric = serializers.ChoiceField(list(Metric), required=False)
    weights = Weights(required=False)
    score_source = serializers.ChoiceField(list(ScoreSource), required=False)
    tie_rule = serializers.ChoiceField(list(TieRule), required=False)
    visibility = serializers.ChoiceField(list(Visibility), required=False)
    max_participants = serializers.IntegerField(min_value=1, max_value=2**31 - 1, allow_null=True, required=False)
    entry_fee = Amount(required=False)
    prize_pool = Amount(required=False)
    currency = serializers.CharField(min_length=3, max_length=3, required=False, help_text="ISO 4217, such as EUR.")
    rules = Rules(allow_null=True, required=False, help_text="What is not named stays; null is as by default.")

    def validate_timezone(self, value: str) -> str:
        if value not in zone_names():
            raise serializers.ValidationError("Write an IANA time zone, such as Europe/Berlin.")
        return value

    def validate_currency(self, value: str) -> str:
        if value.upper() not in CURRENCIES:
            raise serializers.ValidationError("Write a currency of ISO 4217, such as EUR.")
        return value.upper()


class CompetitionChangeBody(CompetitionBody):
    rules_reason = serializers.CharField(
        max_length=1000,
        allow_blank=True,
        default="",
        validators=[plain_text],
        help_text="Why the rules change; after the start it is needed.",
    )


class NewCompetitionBody(CompetitionBody):
    draft = serializers.BooleanField(default=False, help_text="Seen by its owner alone until it is published.")


def columns_of(body: Mapping[str, Any], current: Competition | None) -> dict[str, Any]:
    """The body's fields as columns of Competition, without the dates. A validation error names the field."""
    same = (
        "name",
        "description",
        "timezone",
        "grace_hours",
        "metric",
        "score_source",
        "tie_rule",
        "visibility",
    )
    columns = {name: body[name] for name in (*same, "max_participants") if name in body}
    if "type" in body:
        columns["kind"] = body["type"]
    if "rules" in body:
        columns["stored_policy"] = patched_policy(body["rules"], current.policy if current else Policy())
    if current is None or body.keys() & {"currency", "entry_fee", "prize_pool"}:
        columns |= _money_columns(body, current)
    metric = columns.get("metric", current.metric if current else Metric.STEPS)
    if "weights" in body:
        columns["weights"] = {name: format(weight.normalize(), "f") for name, weight in body["weights"].items()}
    weights = columns.get("weights", current.weights if current else {})
    if metric == Metric.WEIGHTED and not any(Decimal(weight) for weight in weights.values()):
        raise serializers.ValidationError({"weights": ["The weighted metric needs a weight above zero."]})
    source = rules.default_score_source(
        at_stake=bool(columns.get("entry_fee_minor") or columns.get("prize_pool_minor")),
        was_at_stake=current is not None and current.money_at_stake,
        new=current is None,
    )
    if source is not None:
        columns.setdefault("score_source", source)
    return columns


def _money_columns(body: Mapping[str, Any], current: Competition | None) -> dict[str, Any]:
    old_currency = current.currency if current else "USD"
    currency = body.get("currency", old_currency)
    columns: dict[str, Any] = {"currency": currency}
    for name in ("entry_fee", "prize_pool"):
        held = to_decimal(getattr(current, f"{name}_minor"), old_currency) if current else Decimal(0)
        try:
            columns[f"{name}_minor"] = to_minor(body.get(name, held), currency)
        except WrongAmount as error:
            raise serializers.ValidationError({name: [str(error)]}) from None
    return columns


def span_from(body: Mapping[str, Any], current: Competition | None) -> rules.Span | None:
    """The span that the body asks for; None when it changes neither dates nor zone nor type."""
    if current is not None and not body.keys() & {"start_date", "end_date", "timezone", "type"}:
        return None
    kind = rules.Kind(body.get("type", current.kind if current else Kind.CUSTOM))
    zone = body.get("timezone", current.timezone if current else "UTC")
    start: Any = body.get("start_date")
    end: Any = body.get("end_date")
    if current is not None:
        whole_days = rules.runs_over_whole_days(current.start_at, current.end_at, current.timezone)
        start = start or (current.starts_on if whole_days else current.start_at)
        if end is None and ("type" not in body or kind is Kind.CUSTOM):
            end = current.last_on if whole_days else current.end_at
    try:
        return rules.span_of(start, end, zone, kind)
    except rules.WrongSpan as error:
        raise serializers.ValidationError({error.field: [str(error)]}) from None


class JoinBody(serializers.Serializer[Any]):
    join_code = serializers.CharField(max_length=16, required=False)


class StatusQuery(PageQuery):
    status = serializers.ChoiceField(list(Status), required=False)


class CompetitionListQuery(StatusQuery):
    """Pages, and beside them what CompetitionFilter filters by."""

    type = serializers.ChoiceField(list(Kind), required=False)
    metric = serializers.ChoiceField(list(Metric), required=False)
    visibility = serializers.ChoiceField(list(Visibility), required=False)
    search = serializers.CharField(max_length=120, required=False, help_text="Part of the name.")


class CompetitionAnswer(serializers.Serializer[Competition]):
    """What everybody who may see a competition sees of it. ``context["now"]`` is the moment of the request and
    ``context["viewer_id"]`` whoever asks: the join code is for the owner."""

    id = serializers.UUIDField()
    owner_id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    status = serializers.SerializerMethodField()
    type = serializers.CharField(source="kind")
    start_date = serializers.DateTimeField(source="start_at")
    end_date = serializers.DateTimeField(source="end_at")
    first_day = serializers.DateField(source="starts_on")
    last_day = serializers.DateField(source="last_on")
    timezone = serializers.CharField()
    grace_hours = serializers.IntegerField()
    accepts_data_until = serializers.DateTimeField(source="closes_at")
    metric = serializers.CharField()
    weights = serializers.SerializerMethodField()
    score_source = serializers.CharField()
    tie_rule = serializers.CharField()
    rules = Rules(source="policy")
    rules_version = serializers.IntegerField(help_text="The newest of the frozen rules; 0 before the start.")
    visibility = serializers.CharField()
    max_participants = serializers.IntegerField(allow_null=True)
    participant_count = serializers.IntegerField()
    entry_fee = serializers.SerializerMethodField()
    prize_pool = serializers.SerializerMethodField()
    currency = serializers.CharField()
    prize_pool_funded = serializers.SerializerMethodField()
    join_code = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    @extend_schema_field(serializers.ChoiceField(list(Status)))
    def get_status(self, competition: Competition) -> str:
        return competition.status_at(self.context["now"]).value

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "number"}})
    def get_weights(self, competition: Competition) -> dict[str, Decimal]:
        return {name: Decimal(weight) for name, weight in competition.weights.items()}

    @extend_schema_field(OpenApiTypes.NUMBER)
    def get_entry_fee(self, competition: Competition) -> Decimal:
        return to_decimal(competition.entry_fee_minor, competition.currency)

    @extend_schema_field(OpenApiTypes.NUMBER)
    def get_prize_pool(self, competition: Competition) -> Decimal:
        return to_decimal(competition.prize_pool_minor, competition.currency)

    def get_prize_pool_funded(self, competition: Competition) -> bool:
        """Whether a treasurer has confirmed the promised pool. Entry fees come on top as they are paid."""
        return competition.prize_pool_funded

    @extend_schema_field({"type": ["string", "null"]})
    def get_join_code(self, competition: Competition) -> str | None:
        return competition.join_code if competition.owner_id == self.context.get("viewer_id") else None


class ParticipantAnswer(serializers.Serializer[Participant]):
    user_id = serializers.UUIDField()
    user_name = serializers.CharField(source="user.name")
    avatar = serializers.SerializerMethodField()
    joined_at = serializers.DateTimeField()

    @extend_schema_field({"type": ["string", "null"]})
    def get_avatar(self, participant: Participant) -> str | None:
        return picture_url(participant.user_id, participant.user.avatar, SMALL)


class SeatAnswer(serializers.Serializer[Seat]):
    """A seat that waits for its money. ``context["checkout_url"]`` is where it is paid; None: a treasurer takes it."""

    seat_id = serializers.UUIDField(source="id")
    status = serializers.SerializerMethodField()
    checkout_url = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField()
    amount = serializers.SerializerMethodField()
    currency = serializers.CharField()

    @extend_schema_field({"const": "reserved"})
    def get_status(self, seat: Seat) -> str:
        return seat.state

    @extend_schema_field({"type": ["string", "null"], "format": "uri"})
    def get_checkout_url(self, seat: Seat) -> str | None:
        url: str | None = self.context["checkout_url"]
        return url

    @extend_schema_field(OpenApiTypes.NUMBER)
    def get_amount(self, seat: Seat) -> Decimal:
        return to_decimal(seat.fee_minor, seat.currency)
