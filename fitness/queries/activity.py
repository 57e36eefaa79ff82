"""Reading activity. The merge of a day's sources, the larger of each metric, is said once, in ``_MERGED``."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from competitions.models import Competition
from config.core.sql import columns
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
      FROM {participants}
      JOIN competitions_competition c ON c.id = p.competition_id
      CROSS JOIN LATERAL (SELECT {sums} FROM ({merged}) merged) d
"""
_HERE = """(
    SELECT competition_id, user_id FROM competitions_participant
     WHERE competition_id = ANY(%s) AND left_at IS NULL AND (%s::uuid[] IS NULL OR user_id = ANY(%s))
) p"""
_NAMED = "unnest(%s::uuid[], %s::uuid[]) AS p (competition_id, user_id)"
_INSIDE = "user_id = p.user_id AND day BETWEEN c.starts_on AND c.last_on AND synced_at < c.closes_at"
_TURNS = """
    SELECT sent.user_id, turn.at, theirs.first_closing <= turn.at
      FROM unnest(%(people)s::uuid[], %(arrived)s::timestamptz[], %(first)s::date[], %(last)s::date[])
           AS sent (user_id, arrived_at, first_day, last_day)
      CROSS JOIN LATERAL (
           SELECT min(c.closes_at) AS first_closing, max(c.closes_at) FILTER (WHERE c.status = 'completed') AS frozen_at
             FROM competitions_participant p JOIN competitions_competition c ON c.id = p.competition_id
            WHERE p.user_id = sent.user_id AND p.left_at IS NULL
              AND c.starts_on <= sent.last_day AND c.last_on >= sent.first_day) theirs
      CROSS JOIN LATERAL (
           SELECT max(synced_at) AS synced_at FROM fitness_activity a
            WHERE a.user_id = sent.user_id
              AND a.synced_at > sent.arrived_at AND a.synced_at < sent.arrived_at + %(longest_wait)s) latest
      CROSS JOIN LATERAL (SELECT greatest(sent.arrived_at, theirs.frozen_at, latest.synced_at) AS at) turn
     WHERE turn.at > sent.arrived_at OR theirs.first_closing <= turn.at
"""
_LONGEST_WAIT = timedelta(minutes=5)  # far beyond any wait for a lock; not so far that a wrong clock lingers for years
_SUMS = ", ".join(
    f"coalesce(sum({column}), 0)::bigint" for column in ("steps", "distance_mm", "energy_cal", "active_seconds")
)


@dataclass(frozen=True)
class Day:
    """A person's day, its sources merged."""

    day: date
    totals: Totals


@dataclass(frozen=True)
class Turn:
    """The moment at which what somebody sent counts as arrived, and whether any of their competitions around its days
    is closed by then."""

    at: datetime
    some_closed: bool


def totals_in(competition_ids: Iterable[UUID], user_ids: Iterable[UUID] | None) -> list[Total]:
    """What these participants (all of them for None) did in each of these competitions: one statement."""
    people = list(user_ids) if user_ids is not None else None
    return _totals_in(_NOW, _INSIDE, _HERE, [list(competition_ids), people, people])


def totals_of_participants(named: Collection[tuple[UUID, UUID]]) -> list[Total]:
    """What each did in the competition beside them, by its id and theirs: one statement."""
    return _totals_in(_NOW, _INSIDE, _NAMED, columns(named, 2))


def totals_when_closed(competition_id: UUID) -> dict[UUID, Totals]:
    """What each participant had done by what had arrived when the grace ended, whatever arrived since: one statement.
    For people who were erased since that is nothing."""
    where = f"{_INSIDE} AND superseded_at >= c.closes_at"
    return {total.user_id: total.totals for total in _totals_in(_EVER, where, _HERE, [[competition_id], None, None])}


def _totals_in(rows: str, where: str, participants: str, parameters: list[Any]) -> list[Total]:
    merged = _MERGED.format(rows=rows, where=where)
    found = _rows(_IN_COMPETITION.format(sums=_SUMS, merged=merged, participants=participants), parameters)
    return [Total(row[0], row[1], Totals(*row[2:])) for row in found]


def turns_of(sent: Mapping[UUID, tuple[datetime, Collection[date]]]) -> dict[UUID, Turn]:
    """When what people sent arrives, as far as competitions are concerned; ``sent``: by person, when they did so and of
    which days. Asked for with the people locked and the rules held: whoever read the clock and then waited, while the
    standings were frozen or a later request of the same person went first, comes after that."""
    parameters = {
        "people": list(sent),
        "arrived": [at for at, _ in sent.values()],
        "first": [min(days) for _, days in sent.values()],
        "last": [max(days) for _, days in sent.values()],
        "longest_wait": _LONGEST_WAIT,
    }
    at_once = {user_id: Turn(at, some_closed=False) for user_id, (at, _) in sent.items()}
    return at_once | {user_id: Turn(at, bool(closed)) for user_id, at, closed in _rows(_TURNS, parameters)}


def totals_of(user_id: UUID, *, competition: Competition | None = None) -> Totals:
    """Everything a person did, or what of it falls into a competition."""
    first, last = _window(competition)
    merged = _MERGED.format(rows=_NOW, where="user_id = %s AND day BETWEEN %s AND %s")
    row = _rows(f"SELECT {_SUMS} FROM ({merged}) merged", [user_id, first, last])[0]  # noqa: S608 - constants
    return Totals(*row)


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
