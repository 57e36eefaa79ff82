"""What participants did, day by day and hour by hour: of one competition or of several."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from config.core.clock import zone_named
from fitness.rules import SampleType
from leaderboards.scoring import Totals

HERE = """(SELECT DISTINCT user_id FROM competitions_participant
            WHERE competition_id = ANY(%(competitions)s) AND left_at IS NULL)"""
"""Who takes part in any of them."""
SHOWN_TO_OTHERS = "s.channel <> ALL(%(owner_only)s::text[]) AND lower(d.app) <> ALL(%(owner_only)s::text[])"
"""Of a sample ``s`` and its source ``d``: what sources may show to nobody but their owner is in no sum."""

_DAYS = """
    SELECT day, count(*) FILTER (WHERE steps + distance_mm + energy_cal + active_seconds > 0),
           sum(steps)::bigint, sum(distance_mm)::bigint, sum(energy_cal)::bigint, sum(active_seconds)::bigint
      FROM (SELECT user_id, day, max(steps) AS steps, max(distance_mm) AS distance_mm, max(energy_cal) AS energy_cal,
                   max(active_seconds) AS active_seconds
              FROM fitness_countedday
             WHERE competition_id = ANY(%(competitions)s) AND day BETWEEN %(first)s AND %(last)s
             GROUP BY user_id, day) person
     GROUP BY day
"""
_HOURS = f"""
    SELECT hour, sum(amount)::bigint
      FROM (SELECT user_id, hour, max(amount) AS amount
              FROM (SELECT s.user_id, s.source_id, width_bucket(s.start_at, %(hours)s::timestamptz[]) AS hour,
                           sum(s.amount) AS amount
                      FROM {HERE} here JOIN fitness_sample s USING (user_id)
                      JOIN fitness_datasource d ON d.id = s.source_id
                     WHERE s.superseded_at IS NULL AND s.type = %(type)s AND {SHOWN_TO_OTHERS}
                       AND s.start_at >= %(since)s AND s.start_at < %(until)s
                     GROUP BY s.user_id, s.source_id, hour) by_source
             GROUP BY user_id, hour) by_person
     GROUP BY hour
"""  # noqa: S608 - constants
_QUARTER = timedelta(minutes=15)  # every zone is whole quarters away from UTC
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TurnoutDay:
    """``active``: people of whom something counted, also those who have left since or were disqualified; ``totals``:
    what counted of them all. Of somebody in several competitions the largest of each metric, once."""

    day: date
    active: int
    totals: Totals


def turnout_by_day(competition_ids: Collection[UUID], *, first: date, last: date) -> list[TurnoutDay]:
    """Every day, oldest first, both ends included: one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, {"competitions": list(competition_ids), "first": first, "last": last})
        known = {day: TurnoutDay(day, active, Totals(*amounts)) for day, active, *amounts in cursor.fetchall()}
    span = [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]
    return [known.get(day, TurnoutDay(day, 0, Totals())) for day in span]


def amounts_by_hour(
    competition_ids: Collection[UUID], type_: SampleType, *, zone: str, since: datetime, until: datetime
) -> list[int]:
    """What samples that began in each of the 24 hours of the clock there measured, in base units, over all days from
    ``since`` until ``until``. Where several sources of a person measured the same hour, the one that measured most;
    what rules cut off is in it, day totals are not: they have no hour."""
    hours = hours_between(zone, since, until)
    sums = [0] * 24
    if not hours:
        return sums
    parameters: dict[str, Any] = {
        "competitions": list(competition_ids),
        "hours": [begins for begins, _ in hours],
        "type": type_.value,
        "since": since,
        "until": until,
        "owner_only": sorted(settings.OWNER_ONLY_SOURCES),
    }
    with connection.cursor() as cursor:
        cursor.execute(_HOURS, parameters)
        for place, amount in cursor.fetchall():
            sums[hours[place - 1][1]] += amount
    return sums


def hours_between(zone: str, since: datetime, until: datetime) -> Sequence[tuple[datetime, int]]:
    """When each hour of the clock begins there, and which one it is; where the clocks go back one comes twice. The
    first began at a quarter of an hour before ``since``, or then."""
    there = zone_named(zone)
    hours: list[tuple[datetime, int]] = []
    known = None
    moment = since - (since - _EPOCH) % _QUARTER  # else every hour would begin as late as since does
    while moment < until:
        local = moment.astimezone(there)
        shown = (local.date(), local.hour, local.utcoffset())
        if shown != known:
            hours.append((moment, local.hour))
            known = shown
        moment += _QUARTER
    return hours
