"""Reading activity. The merge of a day's sources, the larger of each metric, is said once, in ``_MERGED``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from competitions.models import Competition
from fitness.models import Activity
from leaderboards.scoring import Totals
from leaderboards.services import Total

_MERGED = """
    SELECT user_id, day, max(steps) AS steps, max(distance_mm) AS distance_mm, max(energy_cal) AS energy_cal,
           max(active_seconds) AS active_seconds
      FROM fitness_activity WHERE {where} GROUP BY user_id, day
"""
_SUMS = ", ".join(f"coalesce(sum({column}), 0)" for column in ("steps", "distance_mm", "energy_cal", "active_seconds"))


@dataclass(frozen=True)
class Day:
    """A person's day, its sources merged."""

    day: date
    totals: Totals


def totals_in(competition_ids: Iterable[UUID], user_ids: Iterable[UUID] | None) -> list[Total]:
    """What these participants (all of them for None) did in each of these competitions: one statement."""
    merged = _MERGED.format(where="user_id = p.user_id AND day BETWEEN c.starts_on AND c.last_on")
    people = list(user_ids) if user_ids is not None else None
    sql = f"""
        SELECT p.competition_id, p.user_id, d.*
          FROM competitions_participant p
          JOIN competitions_competition c ON c.id = p.competition_id
          CROSS JOIN LATERAL (SELECT {_SUMS} FROM ({merged}) merged) d
         WHERE p.competition_id = ANY(%s) AND p.left_at IS NULL AND (%s::uuid[] IS NULL OR p.user_id = ANY(%s))
    """  # noqa: S608 - put together from constants
    rows = _rows(sql, [list(competition_ids), people, people])
    return [Total(row[0], row[1], Totals(*map(int, row[2:]))) for row in rows]


def totals_of(user_id: UUID, *, competition: Competition | None = None) -> Totals:
    """Everything a person did, or what of it falls into a competition."""
    first, last = _window(competition)
    merged = _MERGED.format(where="user_id = %s AND day BETWEEN %s AND %s")
    row = _rows(f"SELECT {_SUMS} FROM ({merged}) merged", [user_id, first, last])[0]  # noqa: S608 - constants
    return Totals(*map(int, row))


def days_of(user_id: UUID, *, first: date, last: date) -> list[Day]:
    """The person's days with activity, oldest first, both ends included."""
    merged = _MERGED.format(where="user_id = %s AND day BETWEEN %s AND %s")
    rows = _rows(f"{merged} ORDER BY day", [user_id, first, last])
    return [Day(row[1], Totals(*row[2:])) for row in rows]


def days_in(user_id: UUID, competition: Competition | None) -> list[Day]:
    first, last = _window(competition)
    return days_of(user_id, first=first, last=last)


def every_day(days: Sequence[Day], *, first: date, last: date) -> list[Day]:
    """All days of the span, oldest first; one without activity stands there with zeros."""
    known = {day.day: day for day in days}
    span = [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]
    return [known.get(day, Day(day, Totals())) for day in span]


def sum_of(days: Iterable[Day]) -> Totals:
    listed = [day.totals for day in days]
    return Totals(
        sum(totals.steps for totals in listed),
        sum(totals.distance_mm for totals in listed),
        sum(totals.energy_cal for totals in listed),
        sum(totals.active_seconds for totals in listed),
    )


def latest_activities(user_id: UUID, *, limit: int) -> QuerySet[Activity]:
    return Activity.objects.filter(user_id=user_id).order_by("-synced_at", "-day")[:limit]


def _window(competition: Competition | None) -> tuple[date, date]:
    return (competition.starts_on, competition.last_on) if competition else (date.min, date.max)


def _rows(sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
