"""How competitions has entry fees paid: a small port. Whoever handles money stands behind it; the settings say who."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from competitions.models import Seat


@dataclass(frozen=True)
class CheckoutPage:
    """Where a seat is paid."""

    url: str | None
    """None: a treasurer takes the money."""


class Checkout(Protocol):
    """Confirmed money comes back by `services.seats.take_seat`; seats that expire, by `release_seat`."""

    def open_checkout(self, *, seat: Seat, now: datetime) -> CheckoutPage:
        """The page of a reserved seat; the same seat again gives the same page. Called outside transactions. May raise
        Unavailable, Conflict."""
        ...

    def give_back(self, *, seats: Sequence[Seat], reason: str, now: datetime) -> None:
        """Enqueues the refunds of seats that were paid and are released now; ``reason`` is a sentence. Called inside
        the transaction that released them, with the competition locked: it waits for no gateway, and for no lock whose
        holder may be waiting in `take_seat`, nor for one on people."""
        ...


def checkout() -> Checkout:
    """The implementation that ``SEAT_CHECKOUT`` names, loaded when it is needed: it stands above this app."""
    implementation: type[Checkout] = import_string(settings.SEAT_CHECKOUT)
    return implementation()
