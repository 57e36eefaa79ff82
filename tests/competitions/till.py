"""Stands where prizes stands: behind the port by which competitions has entry fees paid. It is no double of a payment
gateway; it writes down what competitions asks of whoever handles money."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db import connection

from competitions.checkout import CheckoutPage
from competitions.models import Competition, Participant, Seat
from config.core.errors import Refusal


class Till:
    opened: ClassVar[list[UUID]] = []
    inside_a_transaction: ClassVar[list[bool]] = []
    given_back: ClassVar[list[tuple[UUID, str]]] = []
    refusal: ClassVar[Refusal | None] = None
    by_hand: ClassVar[bool] = False

    def open_checkout(self, *, seat: Seat, now: datetime) -> CheckoutPage:
        self.opened.append(seat.id)
        self.inside_a_transaction.append(connection.in_atomic_block)
        if self.refusal is not None:
            raise self.refusal
        return CheckoutPage(url=None if self.by_hand else f"https://pay.example/{seat.id}")

    def give_back(self, *, seats: Sequence[Seat], reason: str, now: datetime) -> None:
        assert connection.in_atomic_block
        for seat in seats:
            assert (seat.state, seat.released_at) == ("released", now)
            self.given_back.append((seat.id, reason))

    @classmethod
    def empty(cls) -> None:
        cls.opened, cls.inside_a_transaction, cls.given_back = [], [], []
        cls.refusal, cls.by_hand = None, False


def counts(competition: Competition) -> tuple[int, int]:
    """``(participants, reserved)``, when the rows agree with them and nobody is too many."""
    competition.refresh_from_db()
    here = Participant.objects.filter(competition=competition, left_at=None).count()
    reserved = Seat.objects.filter(competition=competition, state="reserved").count()
    assert (competition.participant_count, competition.reserved_count) == (here, reserved)
    assert competition.max_participants is None or here + reserved <= competition.max_participants
    return here, reserved
