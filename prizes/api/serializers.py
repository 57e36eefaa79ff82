"""Money and plans as they cross the wire."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from competitions.api.serializers import Amount
from competitions.models import Competition
from config.core.api import PageQuery, body_of, plain_text
from config.core.money import WrongAmount, to_decimal, to_minor
from prizes import plans
from prizes.allocation import Leftover
from prizes.calculation import Calculation
from prizes.models import Award, AwardList, Entry, Purpose, Transfer, TransferState
from prizes.queries import SHOWN_TO_PERSON, transfers_of
from prizes.services.distribution import Distributed

MAX_PLACE = 100_000
_WIRE_STATUS = {TransferState.PAID: "completed", TransferState.FAILED: "failed", TransferState.CANCELLED: "failed"}


class Percent(serializers.DecimalField):
    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_digits=9,
            decimal_places=6,
            min_value=Decimal(0),
            max_value=Decimal(100),
            **options,
        )


class InCurrency(serializers.Serializer[Any]):
    """A body about money. It may say which currency it means; the competition's is the only right one."""

    currency = serializers.CharField(max_length=3, required=False, help_text="The competition's, if it is named.")


def checked_body(request: Request, body: type[InCurrency], competition: Competition) -> dict[str, Any]:
    """Raises a validation error that names the field."""
    parsed = body_of(request, body)
    if parsed.get("currency", competition.currency).upper() != competition.currency:
        raise serializers.ValidationError(
            {"currency": [f"The currency of this competition is {competition.currency}."]}
        )
    return parsed


class PlaceBody(serializers.Serializer[Any]):
    """What place ``first``, or each of the places up to ``last``, is worth: per cent of the pool, or an amount."""

    first = serializers.IntegerField(min_value=1, max_value=MAX_PLACE)
    last = serializers.IntegerField(min_value=1, max_value=MAX_PLACE, required=False)
    percent = Percent(required=False)
    amount = Amount(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("percent" in attrs) == ("amount" in attrs):
            raise serializers.ValidationError({"percent": ["Write either a percentage or an amount."]})
        return {"last": attrs["first"], **attrs}


class PlanBody(InCurrency):
    """Either ``places``, or a ``target`` in points: everybody who reached it gets the same."""

    places = PlaceBody(many=True, default=list, max_length=1000)  # type: ignore[call-arg]  # of the list that many=True makes
    target = serializers.IntegerField(min_value=1, max_value=2**53 - 1, allow_null=True, default=None)
    leftover = serializers.ChoiceField(
        list(Leftover), default=Leftover.REDISTRIBUTE, help_text="What becomes of places that nobody holds."
    )
    platform_fee_percent = Percent(default=Decimal(0), help_text="Of the entry fees, taken first.")
    fee_share_percent = Percent(
        default=Decimal(100), help_text="Of the entry fees without the platform fee: what goes into the pool."
    )


def document_of(body: Mapping[str, Any], currency: str) -> plans.Document:
    """The body as a plan is stored. A validation error names the place with more decimals than the currency has."""
    return {
        "places": [_stored_place(place, index, currency) for index, place in enumerate(body["places"])],
        "target": body["target"],
        "leftover": Leftover(body["leftover"]).value,
        "platform_fee_percent": plans.percent_text(body["platform_fee_percent"]),
        "fee_share_percent": plans.percent_text(body["fee_share_percent"]),
    }


def _stored_place(place: Mapping[str, Any], index: int, currency: str) -> dict[str, Any]:
    span = {"first": place["first"], "last": place["last"]}
    if "percent" in place:
        return span | {"percent": plans.percent_text(place["percent"])}
    return span | {"amount_minor": minor_of(place["amount"], currency, f"places[{index}].amount")}


def minor_of(amount: Decimal, currency: str, field: str) -> int:
    """Raises a validation error that names ``field``."""
    try:
        return to_minor(amount, currency)
    except WrongAmount as error:
        raise serializers.ValidationError({field: [str(error)]}) from None


def plan_on_wire(document: plans.Document, currency: str) -> dict[str, Any]:
    return {
        "places": [_shown_place(place, currency) for place in document["places"]],
        "target": document["target"],
        "leftover": document["leftover"],
        "platform_fee_percent": Decimal(document["platform_fee_percent"]),
        "fee_share_percent": Decimal(document["fee_share_percent"]),
    }


def _shown_place(place: Mapping[str, Any], currency: str) -> dict[str, Any]:
    span = {"first": place["first"], "last": place["last"]}
    if "percent" in place:
        return span | {"percent": Decimal(place["percent"])}
    return span | {"amount": to_decimal(place["amount_minor"], currency)}


class PlanAnswer(PlanBody):
    currency = serializers.CharField()


class CalculateBody(InCurrency):
    prize_pool = Amount(required=False, help_text="What if the pool were this, entry fees aside?")


class ReasonBody(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500, required=False, default="", validators=[plain_text])


class FundingBody(InCurrency):
    amount = Amount()
    reference = serializers.CharField(max_length=80, validators=[plain_text], help_text="The bank's; once for each.")
    from_reserve = serializers.BooleanField(default=False, help_text="Out of what was rolled over to the organiser.")
    reason = serializers.CharField(max_length=500, required=False, default="", validators=[plain_text])


class FundingAnswer(serializers.Serializer[Any]):
    prize_pool = serializers.DecimalField(max_digits=None, decimal_places=3)
    funded = serializers.DecimalField(max_digits=None, decimal_places=3)
    currency = serializers.CharField()
    prize_pool_funded = serializers.BooleanField()


class PrizeRow(serializers.Serializer[Any]):
    user_id = serializers.UUIDField()
    rank = serializers.IntegerField()
    amount = serializers.DecimalField(max_digits=None, decimal_places=3)
    currency = serializers.CharField()
    status = serializers.CharField(
        help_text="provisional, calculated, awaiting_approval; then pending, sent, unknown, paid or failed."
    )
    waits_for = serializers.CharField(allow_null=True, help_text="What a pending prize lacks.")


class PrizesAnswer(serializers.Serializer[Any]):
    competition_id = serializers.UUIDField()
    prizes = PrizeRow(many=True)
    currency = serializers.CharField()
    prize_pool = serializers.DecimalField(max_digits=None, decimal_places=3)
    remainder = serializers.DecimalField(
        max_digits=None, decimal_places=3, help_text="What of the pool no prize takes."
    )
    final = serializers.BooleanField()
    version = serializers.IntegerField(allow_null=True, help_text="Of the final standings; null while provisional.")
    status = serializers.CharField(help_text="provisional, calculated, awaiting_approval or distributed.")


def calculated(found: Calculation) -> dict[str, Any]:
    status = "calculated" if found.standings else "provisional"
    return {
        "competition_id": found.competition_id,
        "prizes": [
            _row(award.user_id, award.rank, award.amount_minor, found.currency, status) for award in found.awards
        ],
        "currency": found.currency,
        "prize_pool": to_decimal(found.pool_minor, found.currency),
        "remainder": to_decimal(found.allocation.kept_minor, found.currency),
        "final": found.standings is not None,
        "version": found.standings.number if found.standings else None,
        "status": status,
    }


def distributed(done: Distributed) -> dict[str, Any]:
    award_list = done.award_list
    status = "awaiting_approval" if done.waits_for_approval else "distributed"
    sent = transfers_of(award_list.competition_id).filter(purpose=Purpose.PRIZE)
    latest = {transfer.user_id: transfer for transfer in sent if transfer.state != TransferState.CANCELLED}
    return {
        "competition_id": award_list.competition_id,
        "prizes": [
            _award_row(award, award_list, None if done.waits_for_approval else latest.get(award.user_id))
            for award in award_list.awards.all()
        ],
        "currency": award_list.currency,
        "prize_pool": to_decimal(award_list.pool_minor, award_list.currency),
        "remainder": to_decimal(award_list.kept_minor, award_list.currency),
        "final": True,
        "version": award_list.version,
        "status": status,
    }


def _award_row(award: Award, award_list: AwardList, transfer: Transfer | None) -> dict[str, Any]:
    """``transfer``: the latest of this person, which a correction that left the award alone has not replaced."""
    shown = transfer.state if transfer else "awaiting_approval"
    row = _row(award.user_id, award.rank, award.amount_minor, award_list.currency, shown)
    return row | {"waits_for": transfer.waits_for or None if transfer else None}


def _row(user_id: Any, rank: int, amount_minor: int, currency: str, status: str) -> dict[str, Any]:
    amount = to_decimal(amount_minor, currency)
    return {
        "user_id": user_id,
        "rank": rank,
        "amount": amount,
        "currency": currency,
        "status": status,
        "waits_for": None,
    }


class TransactionQuery(PageQuery):
    type = serializers.ChoiceField(sorted(SHOWN_TO_PERSON.values()), required=False)


class TransactionAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    type = serializers.ChoiceField(sorted(SHOWN_TO_PERSON.values()))
    amount = serializers.DecimalField(max_digits=None, decimal_places=3)
    currency = serializers.CharField()
    status = serializers.ChoiceField(["pending", "completed", "failed"])
    competition_id = serializers.UUIDField()
    competition_name = serializers.CharField()
    waits_for = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


def transaction_of(entry: Entry) -> dict[str, Any]:
    transfer: Transfer | None = getattr(entry, "transfer", None)
    currency = entry.postings.all()[0].account.currency
    assert entry.competition is not None
    return {
        "id": entry.id,
        "type": SHOWN_TO_PERSON[entry.kind],  # type: ignore[index]  # a TextChoices member equals its text
        "amount": _amount_of(entry, currency),
        "currency": currency,
        "status": _WIRE_STATUS.get(TransferState(transfer.state), "pending") if transfer else "completed",
        "competition_id": entry.competition_id,
        "competition_name": entry.competition.name,
        "waits_for": transfer.waits_for or None if transfer else None,
        "created_at": entry.created_at,
    }


def _amount_of(entry: Entry, currency: str) -> Decimal:
    """The one side of the entry: both are the same."""
    return to_decimal(sum(p.amount_minor for p in entry.postings.all() if p.amount_minor > 0), currency)


class HistoryAnswer(serializers.Serializer[Any]):
    competition_id = serializers.UUIDField()
    competition_name = serializers.CharField()
    rank = serializers.IntegerField()
    amount = serializers.DecimalField(max_digits=None, decimal_places=3)
    currency = serializers.CharField()
    status = serializers.CharField(help_text="The transfer's: pending, sent, unknown, paid, failed, cancelled.")
    waits_for = serializers.CharField(allow_null=True)
    awarded_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)


def prize_of(entry: Entry) -> dict[str, Any]:
    transfer = entry.transfer
    assert transfer.award is not None
    assert entry.competition is not None
    return {
        "competition_id": entry.competition_id,
        "competition_name": entry.competition.name,
        "rank": transfer.award.rank,
        "amount": to_decimal(transfer.amount_minor, transfer.currency),
        "currency": transfer.currency,
        "status": transfer.state,
        "waits_for": transfer.waits_for or None,
        "awarded_at": entry.created_at,
        "paid_at": transfer.paid_at,
    }


class PayoutAccountAnswer(serializers.Serializer[Any]):
    gateway = serializers.CharField()
    ready = serializers.BooleanField()
    onboarding_url = serializers.CharField(
        allow_null=True, help_text="Where to connect a bank; good for a few minutes."
    )


@extend_schema_field(OpenApiTypes.OBJECT)
class Json(serializers.JSONField):
    """A document that is signed as it is."""


class StatementAnswer(serializers.Serializer[Any]):
    statement = Json()
    key_id = serializers.CharField()
    signature = serializers.CharField(help_text="Ed25519 over the canonical JSON (RFC 8785) of the statement, base64.")
