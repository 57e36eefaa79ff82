"""How many people there are, and how many came."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import connection

from config.core.clock import midnights

_JOINED = """
    SELECT width_bucket(joined_at, %(midnights)s::timestamptz[]) AS place, count(*)
      FROM accounts_user WHERE joined_at >= %(since)s GROUP BY place
"""
_BEFORE = "SELECT count(*) FROM accounts_user WHERE joined_at < %s"


@dataclass(frozen=True)
class GrowthDay:
    """``total``: everybody who had come by its end, also those who were erased since."""

    day: date
    joined: int
    total: int


def people_by_day(first: date, last: date) -> list[GrowthDay]:
    """Days in UTC, oldest first."""
    begins = midnights("UTC", first, last)
    with connection.cursor() as cursor:
        cursor.execute(_BEFORE, [begins[0]])
        total = cursor.fetchone()[0]
        cursor.execute(_JOINED, {"midnights": begins, "since": begins[0]})
        joined = dict(cursor.fetchall())
    days: list[GrowthDay] = []
    for place in range(1, len(begins)):
        total += joined.get(place, 0)
        days.append(GrowthDay(first + timedelta(days=place - 1), joined.get(place, 0), total))
    return days


def joined_in(days: Sequence[GrowthDay]) -> int:
    return sum(day.joined for day in days)
