"""What prizes knows of a person, for their export."""

from collections.abc import Iterator
from uuid import UUID

from config.core.exports import Table
from config.core.money import to_decimal
from prizes.api.serializers import prize_of, transaction_of
from prizes.models import Payment, PayoutAccount
from prizes.queries import prizes_of, transactions_of

_CHUNK = 500
_TRANSACTION = ["id", "created_at", "type", "amount", "currency", "status", "competition_id", "competition_name"]
_PRIZE = ["competition_id", "competition_name", "rank", "amount", "currency", "status", "awarded_at", "paid_at"]


def tables_of(user_id: UUID) -> Iterator[Table]:
    yield Table(
        "money/transactions",
        "Your entry fees, prizes and refunds.",
        _TRANSACTION,
        (
            [shown[column] for column in _TRANSACTION]
            for shown in map(transaction_of, transactions_of(user_id).iterator(_CHUNK))
        ),
    )
    yield Table(
        "money/prizes",
        "Your prizes, and whether they were paid.",
        _PRIZE,
        ([shown[column] for column in _PRIZE] for shown in map(prize_of, prizes_of(user_id).iterator(_CHUNK))),
    )
    yield Table(
        "money/payments",
        "Your entry fees at the payment gateway.",
        ["competition_id", "amount", "currency", "state", "gateway", "reference", "created_at", "paid_at"],
        (
            [
                paid.competition_id,
                to_decimal(paid.amount_minor, paid.currency),
                paid.currency,
                paid.state,
                paid.gateway,
                paid.payment_reference,
                paid.created_at,
                paid.paid_at,
            ]
            for paid in Payment.objects.filter(user_id=user_id).order_by("created_at", "id")
        ),
    )
    yield Table(
        "money/payout_accounts",
        "Where your prizes go.",
        ["gateway", "reference", "ready", "created_at"],
        PayoutAccount.objects.filter(user_id=user_id)
        .order_by("created_at", "id")
        .values_list("gateway", "reference", "ready", "created_at"),
    )
