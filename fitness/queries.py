"""Reading activity. The merge of a day's sources, the larger of each metric, is said once, in ``_MERGED``."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
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
      FROM {rows} WHERE {where} GROUP BY user_id, day
"""
_NOW = "fitness_activity"
_EVER = """(
    SELECT user_id, day, steps, distance_mm, energy_cal, active_seconds, synced_at,
           'infinity'::timestamptz AS superseded_at
      FROM fitness_activity
     UNION ALL
    SELECT user_id, day, steps, distance_mm, energy_cal, active_seconds, synced_at, superseded_at
      FROM fitness_supersededactivity
) ever"""
_IN_COMPETITION = """
    SELECT p.competition_id, p.user_id, d.*
      FROM competitions_participant p
      JOIN competitions_competition c ON c.id = p.competition_id
      CROSS JOIN LATERAL (SELECT {sums} FROM ({merged}) merged) d
     WHERE p.competition_id = ANY(%s) AND p.left_at IS NULL AND (%s::uuid[] IS NULL OR p.user_id = ANY(%s))
"""
_INSIDE = "user_id = p.user_id AND day BETWEEN c.starts_on AND c.last_on AND synced_at < c.closes_at"
_TURN = """
    WITH theirs AS (
        SELECT c.* FROM competitions_participant p JOIN competitions_competition c ON c.id = p.competition_id
         WHERE p.user_id = ANY(%(people)s) AND p.left_at IS NULL
           AND c.starts_on <= %(last)s AND c.last_on >= %(first)s
    ), turn AS (
        SELECT greatest(
            %(now)s,
            (SELECT max(closes_at) FROM theirs WHERE status = 'completed'),
            (SELECT max(synced_at) FROM fitness_activity
              WHERE user_id = ANY(%(people)s) AND synced_at > %(now)s AND synced_at < %(now)s + %(longest_wait)s)
        ) AS at
    )
    SELECT at, EXISTS (SELECT 1 FROM theirs WHERE closes_at <= at) FROM turn
"""
_LONGEST_WAIT = timedelta(minutes=5)  # far beyond any wait for a lock; not so far that a wrong clock lingers for years
_SUMS = ", ".join(f"coalesce(sum({column}), 0)" for column in ("steps", "distance_mm", "energy_cal", "active_seconds"))


@dataclass(frozen=True)
class Day:
    """A person's day, its sources merged."""

    day: date
    totals: Totals


@dataclass(frozen=True)
class Turn:
    """The moment a sync counts as arrived, and whether any of the people's competitions around these days is closed by
    then."""

    at: datetime
    some_closed: bool


def totals_in(competition_ids: Iterable[UUID], user_ids: Iterable[UUID] | None) -> list[Total]:
    """What these participants (all of them for None) did in each of these competitions: one statement."""
    people = list(user_ids) if user_ids is not None else None
    return _totals_in(_NOW, _INSIDE, list(competition_ids), people)


def totals_when_closed(competition_id: UUID) -> dict[UUID, Totals]:
    """What each participant had done by what had arrived when the grace ended, whatever arrived since: one statement.
    For people who were erased since that is nothing."""
    where = f"{_INSIDE} AND superseded_at >= c.closes_at"
    return {total.user_id: total.totals for total in _totals_in(_EVER, where, [competition_id], None)}


def _totals_in(rows: str, where: str, competition_ids: list[UUID], user_ids: list[UUID] | None) -> list[Total]:
    sql = _IN_COMPETITION.format(sums=_SUMS, merged=_MERGED.format(rows=rows, where=where))
    found = _rows(sql, [competition_ids, user_ids, user_ids])
    return [Total(row[0], row[1], Totals(*map(int, row[2:]))) for row in found]


def turn_of(people: Iterable[UUID], days: Collection[date], now: datetime) -> Turn:
    """When what these people sent arrives, as far as competitions are concerned. Asked for with the people locked and
    the rules held: whoever read the clock and then waited, while the standings were frozen or a later request of the
    same person went first, comes after that."""
    parameters = {
        "people": list(people),
        "first": min(days),
        "last": max(days),
        "now": now,
        "longest_wait": _LONGEST_WAIT,
    }
    return Turn(*_rows(_TURN, parameters)[0])


def totals_of(user_id: UUID, *, competition: Competition | None = None) -> Totals:
    """Everything a person did, or what of it falls into a competition."""
    first, last = _window(competition)
    merged = _MERGED.format(rows=_NOW, where="user_id = %s AND day BETWEEN %s AND %s")
    row = _rows(f"SELECT {_SUMS} FROM ({merged}) merged", [user_id, first, last])[0]  # noqa: S608 - constants
    return Totals(*map(int, row))


def days_of(user_id: UUID, *, first: date, last: date) -> list[Day]:
    """The person's days with activity, oldest first, both ends included."""
    merged = _MERGED.format(rows=_NOW, where="user_id = %s AND day BETWEEN %s AND %s")
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


def _rows(sql: str, parameters: list[Any] | dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
