"""Joining where it costs something: a seat is reserved, paid, and taken; or released."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts.services.people import lock_people
from competitions.models import Competition, Participant, Seat
from competitions.queries import fee_due, participation, seat
from competitions.rules import SeatState, Status
from competitions.services.enrolment import (
    PAID,
    CompetitionFull,
    EntryFeeChanged,
    refuse_unless_admitted,
    start_participation,
    take_places,
)
from competitions.services.places import lock_places, release_reserved

SEAT_HOLD = timedelta(hours=1)
"""As long as the gateway's page lives. Stripe wants at least 30 minutes, also if it is opened at the second try."""


@transaction.atomic
def reserve_seat(*, competition: Competition, user_id: UUID, join_code: str | None, now: datetime) -> Seat:
    """Holds a place while its person pays. Whoever asks again has the same seat, for no longer than before; once it has
    expired, a new one.

    Raises what `join_competition` raises; EntryFeeChanged when there is nothing to pay (any more).
    """
    lock_people([user_id])
    competition = lock_places(competition.id)
    mine = Seat.objects.filter(competition=competition, user_id=user_id, state=SeatState.RESERVED)
    reserved = mine.first()
    refuse_unless_admitted(competition, user_id, join_code, now, known_inside=reserved is not None)
    if reserved is not None and reserved.expires_at > now:
        return reserved
    if not fee_due(competition, user_id):
        raise EntryFeeChanged
    release_reserved(competition, mine, now=now)
    take_places(competition.id, 1, only_if=PAID, counted_in="reserved_count")
    return Seat.objects.create(
        competition=competition,
        user_id=user_id,
        fee_minor=competition.entry_fee_minor,
        currency=competition.currency,
        reserved_at=now,
        expires_at=now + SEAT_HOLD,
    )


@transaction.atomic
def take_seat(*, seat_id: UUID, now: datetime) -> Participant | None:
    """The fee of this seat is paid: its person takes part. Called inside the transaction that records the payment; a
    second time it answers the same and changes nothing.

    Money that comes after the seat was released buys a place if there still is one for the same fee. None when there
    is not, when its person has left, or when the seat was given back already: then the money belongs back with them,
    once. Raises NotFound.
    """
    found = seat(seat_id)
    user_id = found.user_id
    lock_people([user_id])
    competition = lock_places(found.competition_id)
    paid = seat(seat_id)  # read again: only from here on nobody else changes it
    if paid.state == SeatState.TAKEN:
        return Participant.objects.get(competition=competition, user_id=user_id)
    if paid.taken_at is not None or paid.given_up_at is not None:
        return None
    # Its own place becomes free, or that of a seat reserved since, and is taken again below: nobody comes in between.
    release_reserved(competition, Seat.objects.filter(competition=competition, user_id=user_id), now=now)
    if not _buys_a_place(paid, competition, now):
        return None
    paid.state, paid.taken_at, paid.released_at = SeatState.TAKEN, now, None
    paid.save(update_fields=["state", "taken_at", "released_at"])
    return start_participation(competition, user_id, now)


def _buys_a_place(paid: Seat, competition: Competition, now: datetime) -> bool:
    if competition.status_at(now) not in (Status.UPCOMING, Status.ACTIVE):
        return False
    if participation(competition.id, paid.user_id) is not None or not fee_due(competition, paid.user_id):
        return False
    if (paid.fee_minor, paid.currency) != (competition.entry_fee_minor, competition.currency):
        return False  # changed after the seat was released: others would play for another price
    try:
        take_places(competition.id, 1, only_if=Q())
    except CompetitionFull:
        return False
    return True


@transaction.atomic
def release_seat(*, seat_id: UUID, now: datetime) -> bool:
    """Gives up a seat that nobody has paid. False when it was taken or released meanwhile. Raises NotFound."""
    competition = lock_places(seat(seat_id).competition_id)
    return release_reserved(competition, Seat.objects.filter(id=seat_id), now=now) > 0
