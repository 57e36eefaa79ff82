"""Prizes' side of a paid join."""

from collections.abc import Sequence
from datetime import datetime

from competitions.checkout import CheckoutPage
from competitions.models import Seat
from prizes.models import Payment, PaymentState
from prizes.services.fees import open_checkout, owe_refunds


class EntryFees:
    """Implements `competitions.checkout.Checkout`."""

    def open_checkout(self, *, seat: Seat, now: datetime) -> CheckoutPage:
        return open_checkout(seat=seat, now=now)

    def give_back(self, *, seats: Sequence[Seat], reason: str, now: datetime) -> None:
        paid = Payment.objects.filter(seat__in=seats, state=PaymentState.PAID)
        owe_refunds(payments=list(paid), note=reason, now=now)
