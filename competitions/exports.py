"""What competitions knows of a person, for their export."""

from collections.abc import Iterator
from uuid import UUID

from competitions.models import Competition, Participant, Seat
from config.core.exports import Table
from config.core.money import to_decimal


def tables_of(user_id: UUID) -> Iterator[Table]:
    yield Table(
        "competitions/participations",
        "The competitions that you joined.",
        ["competition_id", "competition", "joined_at", "left_at"],
        Participant.objects.filter(user_id=user_id)
        .order_by("joined_at", "id")
        .values_list("competition_id", "competition__name", "joined_at", "left_at"),
    )
    yield Table(
        "competitions/seats",
        "The places that you reserved where an entry fee is asked.",
        ["competition_id", "state", "fee", "currency", "reserved_at", "taken_at", "released_at"],
        (
            [
                seat.competition_id,
                seat.state,
                to_decimal(seat.fee_minor, seat.currency),
                seat.currency,
                seat.reserved_at,
                seat.taken_at,
                seat.released_at,
            ]
            for seat in Seat.objects.filter(user_id=user_id).order_by("reserved_at", "id")
        ),
    )
    yield Table(
        "competitions/organised",
        "The competitions that you organise.",
        ["competition_id", "name", "description", "start_at", "end_at", "created_at", "published_at", "cancelled_at"],
        Competition.objects.filter(owner_id=user_id)
        .order_by("created_at", "id")
        .values_list("id", "name", "description", "start_at", "end_at", "created_at", "published_at", "cancelled_at"),
    )
