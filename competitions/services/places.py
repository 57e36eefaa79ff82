"""Holding a competition's places still, and giving up seats in it."""

from datetime import datetime
from uuid import UUID

from django.db.models import F, QuerySet

from competitions.checkout import checkout
from competitions.models import Competition, Seat
from competitions.rules import SeatState
from config.core.errors import NotFound


def lock_places(competition_id: UUID) -> Competition:
    """The competition as it is now; until the transaction ends nobody else changes its counts, dates, fee or seats.
    Whoever locks people too locks them first. Raises NotFound."""
    competition = Competition.objects.select_for_update(no_key=True).filter(id=competition_id).first()
    if competition is None:
        raise NotFound("There is no such competition.")
    return competition


def release_reserved(competition: Competition, seats: QuerySet[Seat], *, now: datetime) -> int:
    """Gives up those of these seats, all in the locked ``competition``, that nobody has paid. Says how many."""
    waiting = seats.filter(state=SeatState.RESERVED)
    released = waiting.update(state=SeatState.RELEASED, released_at=now)
    if released:
        Competition.objects.filter(id=competition.id).update(reserved_count=F("reserved_count") - released)
        competition.reserved_count -= released
    return released


def give_back_taken(seats: QuerySet[Seat], *, reason: str, now: datetime) -> None:
    """Gives up those of these seats that are paid, and the money back. Their competition is locked."""
    paid = list(seats.filter(state=SeatState.TAKEN).select_related("competition"))
    Seat.objects.filter(id__in=[seat.id for seat in paid]).update(state=SeatState.RELEASED, released_at=now)
    for seat in paid:
        seat.state, seat.released_at = SeatState.RELEASED, now
    if paid:
        checkout().give_back(seats=paid, reason=reason, now=now)
