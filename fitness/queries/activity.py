"""Reading activity: what of it counts, in competitions and for its people themselves."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from competitions.models import Competition
from competitions.queries import participation
from competitions.rules import ScoreSource
from config.core.sql import columns
from leaderboards.scoring import Totals
from leaderboards.services import Total

_TURNS = """
    SELECT sent.user_id, turn.at, theirs.first_closing <= turn.at OR theirs.late_ones_do_not_count
      FROM unnest(%(people)s::uuid[], %(arrived)s::timestamptz[], %(first)s::date[], %(last)s::date[])
           AS sent (user_id, arrived_at, first_day, last_day)
      CROSS JOIN LATERAL (
           SELECT min(c.closes_at) AS first_closing,
                  max(c.closes_at) FILTER (WHERE c.status = 'completed') AS frozen_at,
                  bool_or(c.stored_policy ->> 'backfill_days' IS NOT NULL) AS late_ones_do_not_count
             FROM competitions_participant p JOIN competitions_competition c ON c.id = p.competition_id
            WHERE p.user_id = sent.user_id AND p.left_at IS NULL
              AND c.starts_on <= sent.last_day AND c.last_on >= sent.first_day) theirs
      CROSS JOIN LATERAL (
           SELECT max(synced_at) AS synced_at
             FROM (SELECT user_id, synced_at FROM fitness_activity
                    UNION ALL
                   SELECT user_id, synced_at FROM fitness_datasource) any_source
            WHERE user_id = sent.user_id
              AND synced_at > sent.arrived_at AND synced_at < sent.arrived_at + %(longest_wait)s) latest
      CROSS JOIN LATERAL (SELECT greatest(sent.arrived_at, theirs.frozen_at, latest.synced_at) AS at) turn
     WHERE turn.at > sent.arrived_at OR theirs.first_closing <= turn.at OR theirs.late_ones_do_not_count
"""
_LONGEST_WAIT = timedelta(minutes=5)  # far beyond any wait for a lock; not so far that a wrong clock lingers for years
_SUMS = ", ".join(
    f"coalesce(sum({column}), 0)::bigint" for column in ("steps", "distance_mm", "energy_cal", "active_seconds")
)

_DAYS = "SELECT day, steps, distance_mm, energy_cal, active_seconds FROM fitness_countedday"
_THEIRS = "competition_id IS NULL AND user_id = %s"


@dataclass(frozen=True)
class Day:
    """A person's day, its sources merged."""

    day: date
    totals: Totals


@dataclass(frozen=True)
class Turn:
    """The moment at which what somebody sent counts as arrived, and whether one of their competitions around its days
    goes by what was known before: it is closed by then, or late data does not count in it."""

    at: datetime
    keeps_history: bool


def totals_counted(named: Collection[tuple[UUID, UUID]]) -> list[Total]:
    """What counts of each person in the competition beside them, by its id and theirs: one statement."""
    rows = _rows(
        f"""
        SELECT named.competition_id, named.user_id, d.*
          FROM unnest(%s::uuid[], %s::uuid[]) AS named (competition_id, user_id)
          CROSS JOIN LATERAL (
               SELECT {_SUMS} FROM fitness_countedday c
                WHERE c.competition_id = named.competition_id AND c.user_id = named.user_id) d
        """,  # noqa: S608 - constants
        columns(named, 2),
    )
    return [Total(row[0], row[1], Totals(*row[2:])) for row in rows]


def turns_of(sent: Mapping[UUID, tuple[datetime, Collection[date]]]) -> dict[UUID, Turn]:
    """When what people sent arrives, as far as competitions are concerned; ``sent``: by person, when they did so and of
    which days. Asked for with the people locked and the rules held: whoever read the clock and then waited, while the
    standings were frozen or a later request of the same person went first, comes after that."""
    if not sent:
        return {}
    parameters = {
        "people": list(sent),
        "arrived": [at for at, _ in sent.values()],
        "first": [min(days) for _, days in sent.values()],
        "last": [max(days) for _, days in sent.values()],
        "longest_wait": _LONGEST_WAIT,
    }
    at_once = {user_id: Turn(at, keeps_history=False) for user_id, (at, _) in sent.items()}
    return at_once | {user_id: Turn(at, bool(history)) for user_id, at, history in _rows(_TURNS, parameters)}


def totals_of(user_id: UUID) -> Totals:
    """Everything a person did."""
    row = _rows(f"SELECT {_SUMS} FROM fitness_countedday WHERE {_THEIRS}", [user_id])[0]  # noqa: S608 - constants
    return Totals(*row)


def days_of(user_id: UUID, *, first: date, last: date) -> list[Day]:
    """The person's days with activity, oldest first, both ends included."""
    rows = _rows(f"{_DAYS} WHERE {_THEIRS} AND day BETWEEN %s AND %s ORDER BY day", [user_id, first, last])
    return [Day(day, Totals(*amounts)) for day, *amounts in rows]


def days_of_people(user_ids: Iterable[UUID], *, last: date) -> dict[UUID, list[Day]]:
    """Each person's days with activity until then, oldest first; nobody is there who has none: one statement."""
    rows = _rows(
        """
        SELECT user_id, day, steps, distance_mm, energy_cal, active_seconds FROM fitness_countedday
         WHERE competition_id IS NULL AND user_id = ANY(%s) AND day <= %s ORDER BY day
        """,
        [list(user_ids), last],
    )
    days: dict[UUID, list[Day]] = {}
    for user_id, day, *amounts in rows:
        days.setdefault(user_id, []).append(Day(day, Totals(*amounts)))
    return days


def days_in(user_id: UUID, competition: Competition | None) -> list[Day]:
    """The person's days that count in a competition; all that fall into it for somebody who only looks, and without
    one all of them."""
    if competition is None:
        return days_of(user_id, first=date.min, last=date.max)
    if competition.score_source == ScoreSource.REPORTED or participation(competition.id, user_id) is None:
        return days_of(user_id, first=competition.starts_on, last=competition.last_on)
    rows = _rows(f"{_DAYS} WHERE competition_id = %s AND user_id = %s ORDER BY day", [competition.id, user_id])
    return [Day(day, Totals(*amounts)) for day, *amounts in rows]


def every_day(days: Sequence[Day], *, first: date, last: date) -> list[Day]:
    """All days of the span, oldest first; one without activity stands there with zeros."""
    known = {day.day: day for day in days}
    span = [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]
    return [known.get(day, Day(day, Totals())) for day in span]


def sum_of(listed: Iterable[Totals]) -> Totals:
    totals = list(listed)
    return Totals(
        sum(each.steps for each in totals),
        sum(each.distance_mm for each in totals),
        sum(each.energy_cal for each in totals),
        sum(each.active_seconds for each in totals),
    )


def _rows(sql: str, parameters: list[Any] | dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
