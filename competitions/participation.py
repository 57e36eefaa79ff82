"""Who takes part, day by day: of one competition, or of several, where somebody in two of them counts twice."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Count, Min, Q

from competitions.models import Participant
from config.core.clock import midnights

_MOVES = """
    SELECT place, sum(joined), sum(gone)
      FROM (SELECT width_bucket(joined_at, %(midnights)s::timestamptz[]) AS place, 1 AS joined, 0 AS gone
              FROM competitions_participant WHERE competition_id = ANY(%(competitions)s)
             UNION ALL
            SELECT width_bucket(left_at, %(midnights)s::timestamptz[]), 0, 1
              FROM competitions_participant WHERE competition_id = ANY(%(competitions)s) AND left_at IS NOT NULL) move
     GROUP BY place
"""


@dataclass(frozen=True)
class ParticipationDay:
    """``here``: who takes part at its end. Of somebody who left and came back only the last coming is known."""

    day: date
    joined: int
    left: int
    here: int


def participation_by_day(
    competition_ids: Collection[UUID], *, zone: str, first: date, last: date
) -> list[ParticipationDay]:
    """Days there, oldest first, both ends included: one statement."""
    begins = midnights(zone, first, last)
    with connection.cursor() as cursor:
        cursor.execute(_MOVES, {"midnights": begins, "competitions": list(competition_ids)})
        moves = {place: (int(joined), int(gone)) for place, joined, gone in cursor.fetchall()}
    before = moves.get(0, (0, 0))
    here = before[0] - before[1]
    days: list[ParticipationDay] = []
    for place in range(1, len(begins)):
        joined, gone = moves.get(place, (0, 0))
        here += joined - gone
        days.append(ParticipationDay(first + timedelta(days=place - 1), joined, gone, here))
    return days


@dataclass(frozen=True)
class Enrolled:
    """Of participations: how many go on, and how many were given up; ``first_at``: when the oldest began."""

    here: int
    left: int
    first_at: datetime | None


def enrolled_in(competition_ids: Collection[UUID]) -> Enrolled:
    rows = Participant.objects.filter(competition_id__in=list(competition_ids))
    found = rows.aggregate(
        here=Count("id", filter=Q(left_at=None)), left=Count("id", filter=~Q(left_at=None)), first_at=Min("joined_at")
    )
    return Enrolled(**found)
