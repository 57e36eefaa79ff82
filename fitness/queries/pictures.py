"""What a person is shown of their own activity, and cheap marks that move with it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from competitions.models import Competition
from config.core.clock import day_in
from fitness.insights import DEFAULT_GOAL, Streaks, streaks_of
from fitness.queries.activity import days_of, sum_of
from fitness.queries.insights import steps_by_day
from fitness.rules import FIRST_DAY
from leaderboards.models import Standing
from leaderboards.queries import rank_of, standings_of_people
from leaderboards.scoring import Totals

DAYS_SHOWN = 31
"""What changes on an earlier day is seen in the totals alone."""

_MARKS = """
    SELECT person.id, person.timezone,
           (SELECT max(synced_at) FROM fitness_activity WHERE user_id = person.id),
           (SELECT coalesce(sum(version), 0)::bigint FROM leaderboards_standing WHERE user_id = person.id)
      FROM accounts_user person WHERE person.id = ANY(%s) AND person.is_active
"""


class Mark(NamedTuple):
    """Differs as soon as a record of the person's was stored, or one of their standings moved. A change of samples that
    moves no standing is not in it."""

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

    mark: Mark = field(compare=False)
    read_at: datetime = field(compare=False)
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
    """Of those who are active. The marks are read first, so a change meanwhile makes them differ from the next."""
    marks = marks_of(user_ids)
    places: dict[UUID, dict[UUID, Place]] = {}
    for standing in _open_standings(marks, now):
        places.setdefault(standing.user_id, {})[standing.competition_id] = Place(standing.score, rank_of(standing))
    return {user_id: _picture(user_id, mark, places.get(user_id, {}), now) for user_id, mark in marks.items()}


def _open_standings(user_ids: Collection[UUID], now: datetime) -> Iterable[Standing]:
    moving = Competition.objects.all().accepting(now).filter(start_at__lte=now)
    return standings_of_people(user_ids).filter(competition__in=moving)


def _picture(user_id: UUID, mark: Mark, places: Mapping[UUID, Place], now: datetime) -> Picture:
    today = day_in(mark.zone or "UTC", now)
    first_day = today - timedelta(days=DAYS_SHOWN - 1)
    history = days_of(user_id, first=FIRST_DAY, last=today + timedelta(days=1))  # begun somewhere, if not here
    return Picture(
        mark=mark,
        read_at=now,
        first_day=first_day,
        days={day.day: day.totals for day in history if day.day >= first_day},
        totals=sum_of(history),
        places=places,
        streaks=streaks_of(steps_by_day(history), goal=DEFAULT_GOAL, today=today),
    )
