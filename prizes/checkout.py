"""Prizes' side of a paid join."""

from datetime import datetime

from competitions.checkout import CheckoutPage
from competitions.models import Seat
from prizes.models import Payment, PaymentState
from prizes.services.fees import open_checkout, owe_refunds


class EntryFees:
    """Implements `competitions.checkout.Checkout`."""

    def open_checkout(self, *, seat: Seat, now: datetime) -> CheckoutPage:
        return open_checkout(seat=seat, now=now)

    def give_back(self, *, seat: Seat, reason: str, now: datetime) -> None:
        owe_refunds(payments=list(Payment.objects.filter(seat=seat, state=PaymentState.PAID)), note=reason, now=now)
