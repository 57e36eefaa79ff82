"""What a person is shown of their own activity, and cheap marks that move with it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from competitions.models import Competition
from config.core.clock import EARLIEST_ZONE, day_in
from fitness.insights import DEFAULT_GOAL, Streaks, streaks_of
from fitness.queries.activity import Day, days_of_people, sum_of
from fitness.queries.insights import steps_by_day
from leaderboards.queries import rank_by_standing, standings_of_people
from leaderboards.scoring import Totals

DAYS_SHOWN = 31
"""What changes on an earlier day is seen in the totals alone."""

_MARKS = """
    SELECT person.id, person.timezone,
           greatest((SELECT max(synced_at) FROM fitness_activity WHERE user_id = person.id),
                    (SELECT max(synced_at) FROM fitness_datasource WHERE user_id = person.id)),
           (SELECT coalesce(sum(version), 0)::bigint FROM leaderboards_standing WHERE user_id = person.id)
      FROM accounts_user person WHERE person.id = ANY(%s) AND person.is_active
"""


class Mark(NamedTuple):
    """Differs as soon as something of the person's was stored later than all before, or a standing of theirs moved."""

    zone: str
    synced_at: datetime | None
    versions: int


class Place(NamedTuple):
    score: int
    rank: int


@dataclass(frozen=True)
class Picture:
    """A person's activity as it was read at ``read_at``. ``days``: those with activity from ``first_day`` on;
    ``totals``: of all days; ``places``: by competition, where it has started and still accepts activity."""

    mark: Mark
    read_at: datetime
    first_day: date
    days: Mapping[date, Totals]
    totals: Totals
    places: Mapping[UUID, Place]
    streaks: Streaks


def marks_of(user_ids: Iterable[UUID]) -> dict[UUID, Mark]:
    """Of those who are active: one statement, and index lookups for each."""
    with connection.cursor() as cursor:
        cursor.execute(_MARKS, [list(user_ids)])
        return {user_id: Mark(*mark) for user_id, *mark in cursor.fetchall()}


def pictures_of(user_ids: Collection[UUID], now: datetime) -> dict[UUID, Picture]:
    """Of those who are active: a handful of statements, however many they are. The marks are read first, so a change
    meanwhile makes them differ from the next."""
    marks = marks_of(user_ids)
    days = days_of_people(marks, last=day_in(EARLIEST_ZONE, now))
    places: dict[UUID, dict[UUID, Place]] = {}
    moving = Competition.objects.all().accepting(now).filter(start_at__lte=now)
    standings = list(standings_of_people(marks.keys()).filter(competition__in=moving))
    ranks = rank_by_standing(standings)
    for standing in standings:
        places.setdefault(standing.user_id, {})[standing.competition_id] = Place(standing.score, ranks[standing.pk])
    return {
        user_id: _picture(mark, days.get(user_id, []), places.get(user_id, {}), now) for user_id, mark in marks.items()
    }


def _picture(mark: Mark, history: Sequence[Day], places: Mapping[UUID, Place], now: datetime) -> Picture:
    today = day_in(mark.zone or "UTC", now)
    first_day = today - timedelta(days=DAYS_SHOWN - 1)
    return Picture(
        mark=mark,
        read_at=now,
        first_day=first_day,
        days={day.day: day.totals for day in history if day.day >= first_day},
        totals=sum_of(day.totals for day in history),
        places=places,
        streaks=streaks_of(steps_by_day(history), goal=DEFAULT_GOAL, today=today),
    )
