"""Entry fees: from the checkout page to a seat that is taken, and back."""

from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from accounts.services.people import lock_people
from competitions.checkout import CheckoutPage
from competitions.models import Seat
from competitions.queries import expired_seats
from competitions.rules import Status
from competitions.services.lifecycle import lock_competition
from competitions.services.seats import release_seat, take_seat
from config.core.errors import Conflict, Invalid, Unavailable
from config.core.limits import MONEY, take_token
from prizes import pots
from prizes.actors import Actor
from prizes.gateways import gateway
from prizes.gateways.base import (
    Charge,
    CheckoutState,
    CheckoutStatus,
    GatewayBusy,
    GatewayRefused,
    OutcomeUnknown,
)
from prizes.models import Distribution, EntryKind, Payment, PaymentState, Purpose, Transfer
from prizes.services.audit import record_action
from prizes.services.ledger import NewEntry, empty_pool, post_entries, post_entry
from prizes.services.transfers import order_transfers

log = structlog.get_logger(__name__)


class CheckoutRefused(Conflict):
    message = "The entry fee cannot be paid at the moment; the organiser has been told why."


class NotRefundable(Conflict):
    message = "The prizes of this competition are being distributed, so its fees stay."


def open_checkout(*, seat: Seat, now: datetime) -> CheckoutPage:
    """Where the fee for this seat is paid; the same seat again gives the same page. Never inside a transaction.

    Raises TooMany, Unavailable when the gateway does not answer or our counters are out, CheckoutRefused.
    """
    payment, _ = Payment.objects.get_or_create(
        seat=seat,
        defaults={
            "competition_id": seat.competition_id,
            "user_id": seat.user_id,
            "gateway": settings.PAYMENT_GATEWAY,
            "amount_minor": seat.fee_minor,
            "currency": seat.currency,
            "created_at": now,
        },
    )
    if not payment.checkout_reference:
        take_token(MONEY, f"caller:{seat.user_id}")
        _find_page(payment, seat)
    return CheckoutPage(payment.checkout_url or None)


def _find_page(payment: Payment, seat: Seat) -> None:
    charge = Charge(
        key=str(payment.id),
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        description=f"Entry fee: {seat.competition.name}",
        expires_at=seat.expires_at,
        return_url=f"{settings.PUBLIC_URL}/competitions/{seat.competition_id}",
    )
    try:
        checkout = gateway(payment.gateway).open_checkout(charge)
    except (GatewayBusy, OutcomeUnknown) as error:
        log.warning("checkout_unavailable", payment_id=str(payment.id), reason=str(error))
        raise Unavailable("The payment page is not available for a moment; join again.") from None
    except GatewayRefused as error:
        log.error("checkout_refused", payment_id=str(payment.id), reason=str(error))
        raise CheckoutRefused from None
    payment.checkout_reference, payment.checkout_url = checkout.reference, checkout.url
    payment.save(update_fields=["checkout_reference", "checkout_url"])


@transaction.atomic
def record_payment(
    *, payment_id: UUID, payment_reference: str, amount_minor: int, currency: str, now: datetime
) -> None:
    """The money is there: the seat is taken, or where none is left any more the money goes back. A second report of the
    same changes nothing."""
    payment = Payment.objects.get(id=payment_id)
    lock_people([payment.user_id])
    payment = Payment.objects.select_for_update(no_key=True).get(id=payment_id)
    if payment.state == PaymentState.PAID:
        return
    if (amount_minor, currency) != (payment.amount_minor, payment.currency):
        log.error("payment_of_another_amount", payment_id=str(payment.id), amount_minor=amount_minor, currency=currency)
        return
    payment.state, payment.paid_at, payment.payment_reference = PaymentState.PAID, now, payment_reference
    payment.save(update_fields=["state", "paid_at", "payment_reference"])
    entry = NewEntry(
        key=f"fee:{payment.id}",
        kind=EntryKind.ENTRY_FEE,
        postings={
            pots.cash(payment.gateway, payment.currency): payment.amount_minor,
            pots.fees(payment.competition_id, payment.currency): -payment.amount_minor,
        },
        competition_id=payment.competition_id,
        user_id=payment.user_id,
    )
    post_entry(entry=entry, now=now)
    if take_seat(seat_id=payment.seat_id, now=now) is None:
        owe_refunds(payments=[payment], note="There was no seat left.", now=now)


def mark_payment_paid(*, payment_id: UUID, reference: str, actor: Actor, reason: str, now: datetime) -> None:
    """A treasurer has the fee in hand. Raises Invalid without a reference, Conflict for a fee of another gateway."""
    payment = Payment.objects.get(id=payment_id)
    if not reference.strip():
        raise Invalid(details={"reference": ["Write the reference of the payment."]})
    if payment.gateway != "manual":
        raise Conflict("This fee is paid at the gateway, which tells us by itself.")
    if payment.state == PaymentState.PAID:
        if payment.payment_reference != reference:
            raise Conflict("This fee was marked as paid before, under another reference.")
        return
    with transaction.atomic():
        record_payment(
            payment_id=payment.id,
            payment_reference=reference,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            now=now,
        )
        record_action(
            competition_id=payment.competition_id,
            action="mark_fee_paid",
            actor=actor,
            reason=reason,
            now=now,
            payment=str(payment.id),
            reference=reference,
        )


@transaction.atomic
def owe_refunds(*, payments: list[Payment], note: str, now: datetime, actor: Actor | None = None) -> None:
    """Promises these fees back and has them sent. What was promised before is left as it is."""
    promised = set(Transfer.objects.filter(payment__in=payments).values_list("payment_id", flat=True))
    fresh = [payment for payment in payments if payment.id not in promised]
    entries = post_entries(entries=[_refund_entry(payment, note, actor) for payment in fresh], now=now)
    order_transfers(
        transfers=[
            Transfer(
                key=_refund_key(payment),
                purpose=Purpose.REFUND,
                competition_id=payment.competition_id,
                user_id=payment.user_id,
                payment=payment,
                owed=entries[_refund_key(payment)],
                amount_minor=payment.amount_minor,
                currency=payment.currency,
                gateway=payment.gateway,
                created_at=now,
                updated_at=now,
            )
            for payment in fresh
        ],
        now=now,
    )


def _refund_key(payment: Payment) -> str:
    return f"refund:{payment.id}"


def _refund_entry(payment: Payment, note: str, actor: Actor | None) -> NewEntry:
    return NewEntry(
        key=_refund_key(payment),
        kind=EntryKind.REFUND_OWED,
        postings={
            pots.fees(payment.competition_id, payment.currency): payment.amount_minor,
            pots.refunds_owed(payment.competition_id, payment.user_id, payment.currency): -payment.amount_minor,
        },
        competition_id=payment.competition_id,
        user_id=payment.user_id,
        by_id=actor.user_id if actor else None,
        note=note,
    )


@transaction.atomic
def close_payment(*, payment: Payment, now: datetime) -> None:
    """Nobody paid in time: the seat is free again."""
    lock_people([payment.user_id])
    closed = Payment.objects.filter(id=payment.id, state=PaymentState.OPEN).update(state=PaymentState.CLOSED)
    if closed:
        release_seat(seat_id=payment.seat_id, now=now)


def release_expired_seats(*, now: datetime) -> int:
    """Closes the pages of seats that nobody has paid for in time, and then frees the seats. Says how many. A page that
    was paid in the last moment counts as paid. One that goes wrong does not keep the others."""
    released = 0
    for seat in expired_seats(now).select_related("competition", "payment"):
        try:
            released += _release(seat, now)
        except Exception:
            log.exception("seat_not_released", seat_id=str(seat.id))
    return released


def _release(seat: Seat, now: datetime) -> bool:
    payment: Payment | None = getattr(seat, "payment", None)
    if payment is None:
        return release_seat(seat_id=seat.id, now=now)
    if payment.gateway == "manual" and seat.competition.status_at(now) is Status.UPCOMING:
        return False  # a treasurer takes the money, which may take days
    page = _closed(payment)
    if page.status is CheckoutStatus.PAID:
        record_payment(
            payment_id=payment.id,
            payment_reference=page.payment_reference,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            now=now,
        )
    if page.status is CheckoutStatus.CLOSED:
        close_payment(payment=payment, now=now)
    return page.status is CheckoutStatus.CLOSED  # while it is open, the money is on its way


def _closed(payment: Payment) -> CheckoutState:
    if not payment.checkout_reference:
        return CheckoutState(CheckoutStatus.CLOSED)  # nobody ever saw the page
    try:
        return gateway(payment.gateway).close_checkout(payment.checkout_reference)
    except (GatewayBusy, GatewayRefused, OutcomeUnknown) as error:
        log.warning("checkout_not_closed", payment_id=str(payment.id), reason=str(error))
        return CheckoutState(CheckoutStatus.OPEN)


@transaction.atomic
def refund_competition(*, competition_id: UUID, actor: Actor, reason: str, now: datetime) -> int:
    """Gives every fee of the competition back, and what its pool holds to its organiser. Says how many refunds are new;
    a second time none are.

    Raises NotFound, NotRefundable while it runs and once somebody has asked for its distribution.
    """
    competition = lock_competition(competition_id)
    if competition.status_at(now) not in (Status.CANCELLED, Status.ENDED, Status.COMPLETED):
        raise NotRefundable("The competition is under way; cancel it first.")
    if Distribution.objects.filter(award_list__competition=competition).exists():
        raise NotRefundable
    # Whoever else promises a refund holds the competition as well, so none is promised twice.
    payments = list(Payment.objects.filter(competition=competition, state=PaymentState.PAID, refund=None))
    owe_refunds(payments=payments, note=reason, now=now, actor=actor)
    returned_minor = empty_pool(
        competition=competition,
        into=pots.organiser(competition.owner_id, competition.currency),
        key=f"remainder:{competition.id}:refund:{now.isoformat()}",
        now=now,
        by_id=actor.user_id,
        note=reason,
    )
    if payments or returned_minor:
        record_action(
            competition_id=competition.id,
            action="refund",
            actor=actor,
            reason=reason,
            now=now,
            fees=len(payments),
            returned_minor=returned_minor,
        )
    return len(payments)
