"""Where participants' readings come from, and how long they took."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from config.core.clock import midnights
from fitness.queries.turnout import HERE, SHOWN_TO_OTHERS

DAY_TOTALS, NOT_SAID = "day totals", "not said"
MOST_APPS = 12
_LATE_SECONDS = (3600, 6 * 3600, 24 * 3600, 48 * 3600, 7 * 86_400)
DELAYS = ("within an hour", "1 to 6 hours", "6 to 24 hours", "1 to 2 days", "2 to 7 days", "7 days or more")

_SAMPLES = f"""
      FROM {HERE} here JOIN fitness_sample s USING (user_id) JOIN fitness_datasource d ON d.id = s.source_id
     WHERE s.superseded_at IS NULL AND {SHOWN_TO_OTHERS}
       AND s.start_at >= %(since)s AND s.start_at < %(until)s
"""
_TOTALS = f"""
      FROM {HERE} here JOIN fitness_activity a USING (user_id)
     WHERE a.day BETWEEN %(first)s AND %(last)s AND a.source <> ALL(%(owner_only)s::text[])
"""
_USED = f"""
    WITH used AS (
         SELECT s.user_id, d.kind, d.app, s.recording, count(*) AS readings {_SAMPLES}
          GROUP BY s.user_id, d.kind, d.app, s.recording
          UNION ALL
         SELECT a.user_id, '{DAY_TOTALS}', a.source, CASE a.source WHEN 'manual' THEN 'manual' ELSE '{NOT_SAID}' END,
                count(*) {_TOTALS}
          GROUP BY a.user_id, a.source)
    SELECT what, name, people, readings
      FROM (SELECT CASE WHEN grouping(kind) = 0 THEN 'kind' WHEN grouping(app) = 0 THEN 'app'
                        ELSE 'recording' END AS what,
                   coalesce(kind, app, recording) AS name, count(DISTINCT user_id) AS people,
                   sum(readings)::bigint AS readings
              FROM used GROUP BY GROUPING SETS ((kind), (app), (recording))
             ORDER BY grouping(app) DESC, people DESC, readings DESC, name
             LIMIT %(most)s) found
"""  # noqa: S608 - constants
_MOST_ROWS = MOST_APPS + 6 + 4  # every kind of device and day totals, every way of recording
_LATE = f"""
    SELECT 'sample', width_bucket(extract(epoch FROM s.synced_at - s.end_at), %(seconds)s::numeric[]) AS delay, count(*)
           {_SAMPLES} GROUP BY delay
     UNION ALL
    SELECT 'day', width_bucket(extract(epoch FROM a.synced_at - day.ends), %(seconds)s::numeric[]) AS delay, count(*)
      FROM {HERE} here JOIN fitness_activity a USING (user_id)
      JOIN unnest(%(days)s::date[], %(ends)s::timestamptz[]) AS day (day, ends) ON day.day = a.day
     WHERE a.source <> ALL(%(owner_only)s::text[])
     GROUP BY delay
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Span:
    """Of what is looked at: samples that began from ``since`` until ``until``, day totals of both days and between."""

    since: datetime
    until: datetime
    first: date
    last: date


@dataclass(frozen=True)
class Used:
    """How many people sent such readings, and how many of theirs stand."""

    name: str
    people: int
    readings: int


@dataclass(frozen=True)
class Sources:
    """Each with the most used first. ``apps`` are named by those who send, and the ``MOST_APPS`` most used at most."""

    kinds: Sequence[Used]
    apps: Sequence[Used]
    recordings: Sequence[Used]


def sources_used(competition_ids: Collection[UUID], span: Span) -> Sources:
    """By those who take part, as far as others may see them: one statement."""
    rows = _rows(_USED, competition_ids, span, most=_MOST_ROWS)
    found: dict[str, list[Used]] = {"kind": [], "app": [], "recording": []}
    for what, *used in rows:
        found[what].append(Used(*used))
    return Sources(found["kind"], found["app"][:MOST_APPS], found["recording"])


def delays_of_readings(competition_ids: Collection[UUID], span: Span, zone: str) -> tuple[list[int], list[int]]:
    """How many samples, and how many day totals, arrived so long (``DELAYS``) after their end: in the version that
    stands, whether they count or not. A day ends at its midnight in ``zone``."""
    days = [span.first + timedelta(days=ahead) for ahead in range((span.last - span.first).days + 1)]
    ends = midnights(zone, span.first, span.last)[1:]
    rows = _rows(_LATE, competition_ids, span, days=days, ends=ends, seconds=list(_LATE_SECONDS))
    counts = {(what, delay): count for what, delay, count in rows}
    samples, totals = ([counts.get((what, place), 0) for place in range(len(DELAYS))] for what in ("sample", "day"))
    return samples, totals


def _rows(sql: str, competition_ids: Collection[UUID], span: Span, **more: Any) -> list[tuple[Any, ...]]:
    parameters = {
        "competitions": list(competition_ids),
        "owner_only": sorted(settings.OWNER_ONLY_SOURCES),
        "since": span.since,
        "until": span.until,
        "first": span.first,
        "last": span.last,
        **more,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
