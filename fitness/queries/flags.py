"""Reading flags, what they set aside, and what checks compare with: one statement each, however many people."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from accounts.models import User
from competitions.models import Competition
from config.core.errors import Forbidden, NotFound
from config.core.sql import columns
from fitness.models import Activity, Flag, Sample
from fitness.plausibility import (
    HISTORY_DAYS,
    MANUAL_SPAN,
    MEASURES,
    SHARED_PART,
    WITNESSES,
    Change,
    DayAmount,
    DayTotal,
    Hold,
    StoredSample,
)
from fitness.rules import Recording, SampleType, Source
from fitness.samples import LONGEST

DECIDE = "fitness.decide_flag"

_HOLDS = """
    SELECT f.competition_id, f.user_id, f.id, e.source_id, e.source_name, e.type, e.start_at, e.end_at, e.day,
           decided.decision IS NOT NULL, coalesce(decided.text, e.text)
      FROM unnest(%(competitions)s::uuid[], %(people)s::uuid[]) AS named (competition_id, user_id)
      JOIN fitness_flag f USING (competition_id, user_id)
      JOIN fitness_flagevidence e ON e.flag_id = f.id
      LEFT JOIN LATERAL (
           SELECT decision, text FROM fitness_flagevent
            WHERE flag_id = f.id AND kind = 'decided' AND at >= e.found_at AND at < %(at)s
            ORDER BY id DESC LIMIT 1) decided ON true
     WHERE e.found_at < %(at)s AND CASE WHEN decided.decision IS NULL THEN e.held ELSE decided.decision <> 'accept' END
     ORDER BY e.id
"""
# As `plausibility.bears_witness` says it, and the index `sample_bearing_witness`.
_WITNESS = "{0}.superseded_at IS NULL AND {0}.amount >= 100 AND {0}.amount %% 8 = 5"
_SAME = f"""other.start_at = mine.start_at AND other.amount = mine.amount AND other.type = mine.type
       AND other.end_at = mine.end_at AND {_WITNESS.format("other")}"""
_ALIKE = f"""
    SELECT mine.user_id, other.user_id, array_agg(DISTINCT mine.place)
      FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[])
           WITH ORDINALITY AS mine (user_id, least, type, start_at, end_at, amount, place)
      JOIN fitness_sample other ON other.user_id <> mine.user_id AND {_SAME}
     GROUP BY mine.user_id, other.user_id, mine.least HAVING count(DISTINCT mine.place) >= mine.least
     ORDER BY count(*) DESC LIMIT {{most}}
"""  # noqa: S608 - constants
_SHARED = f"""
    WITH pair AS (
         SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[]) AS pair (user_id, other_id, until)
    ), mine AS MATERIALIZED (
         SELECT latest.*
           FROM (SELECT user_id, max(until) AS until FROM pair GROUP BY user_id) looking
           CROSS JOIN LATERAL (
                SELECT * FROM fitness_sample s
                 WHERE s.user_id = looking.user_id AND s.start_at <= looking.until AND {_WITNESS.format("s")}
                 ORDER BY s.start_at DESC LIMIT {{latest}}) latest)
    SELECT mine.user_id, pair.other_id, mine.id, mine.source_id, mine.type, mine.start_at, mine.end_at, mine.amount,
           mine.recording
      FROM pair
      JOIN mine USING (user_id)
     WHERE EXISTS (SELECT FROM fitness_sample other WHERE other.user_id = pair.other_id AND {_SAME} OFFSET 0)
     ORDER BY mine.start_at
"""  # noqa: S608 - constants
_MOST_ALIKE = 50
_LATEST = 8 * WITNESSES
_TYPED_IN = """
    SELECT user_id, id, source_id, type, start_at, end_at, amount, recording
      FROM fitness_sample
     WHERE user_id = ANY(%s) AND start_at >= %s AND synced_at > %s AND recording = %s AND superseded_at IS NULL
     ORDER BY start_at
"""
_MANUAL_REACH = timedelta(days=366)  # keeps it on the index by start
_SUMS = """
    SELECT asked.place - 1, sum(s.amount)::bigint
      FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::date[])
           WITH ORDINALITY AS asked (user_id, source_id, type, day, place)
      JOIN fitness_sample s ON s.user_id = asked.user_id AND s.source_id = asked.source_id AND s.type = asked.type
       AND s.start_at >= asked.day::timestamp AT TIME ZONE 'UTC'
       AND s.start_at < (asked.day + 1)::timestamp AT TIME ZONE 'UTC'
     WHERE s.superseded_at IS NULL
     GROUP BY asked.place
"""
_METRICS = ", ".join(f"coalesce(sum(s.amount) FILTER (WHERE s.type = '{type_}'), 0)::bigint" for type_ in MEASURES)
_HISTORY = f"""
    SELECT asked.place - 1, daily.day, max(daily.steps), max(daily.distance_mm), max(daily.energy_cal),
           max(daily.active_seconds)
      FROM unnest(%s::uuid[], %s::date[]) WITH ORDINALITY AS asked (user_id, day, place)
      CROSS JOIN LATERAL (
           SELECT a.day, a.steps, a.distance_mm, a.energy_cal, a.active_seconds
             FROM fitness_activity a
            WHERE a.user_id = asked.user_id AND a.day >= asked.day - {HISTORY_DAYS} AND a.day < asked.day
            UNION ALL
           SELECT (s.start_at AT TIME ZONE 'UTC')::date, {_METRICS}
             FROM fitness_sample s
            WHERE s.user_id = asked.user_id AND s.superseded_at IS NULL
              AND s.start_at >= (asked.day - {HISTORY_DAYS})::timestamp AT TIME ZONE 'UTC'
              AND s.start_at < asked.day::timestamp AT TIME ZONE 'UTC'
            GROUP BY s.source_id, 1) daily
     GROUP BY asked.place, daily.day
"""  # noqa: S608 - constants


def holds_among(
    pairs: Collection[tuple[UUID, UUID]], at: datetime | None = None
) -> Mapping[tuple[UUID, UUID], Sequence[Hold]]:
    """What of these participants' data, each a competition and a person by their ids, is set aside: now, or by what was
    known before ``at``, for what was frozen then. Whoever has nothing set aside is not in it."""
    if not pairs:
        return {}
    competitions, people = columns(pairs, 2)
    found = _rows(_HOLDS, {"competitions": competitions, "people": people, "at": at or "infinity"})
    holds: dict[tuple[UUID, UUID], list[Hold]] = {}
    for competition_id, user_id, *hold in found:
        holds.setdefault((competition_id, user_id), []).append(_hold(*hold))
    return holds


def _hold(
    flag_id: UUID,
    source_id: int | None,
    source_name: str,
    type_: str,
    start_at: datetime | None,
    end_at: datetime | None,
    day: date | None,
    decided: bool,
    reason: str,
) -> Hold:
    metric = SampleType(type_) if type_ else None
    return Hold(flag_id, source_id, source_name or None, metric, start_at, end_at, day, day, decided, reason)


def flags_seen_by(viewer: User, user_id: UUID | None = None) -> QuerySet[Flag]:
    """One's own; for staff who decide flags everybody's, or ``user_id``'s. Raises Forbidden."""
    flags = Flag.objects.select_related("competition")
    if viewer.has_perm(DECIDE):
        return flags.filter(user_id=user_id) if user_id else flags
    if user_id not in (None, viewer.id):
        raise Forbidden("You may only see your own flags.")
    return flags.filter(user_id=viewer.id)


def access_flag(viewer: User, flag_id: UUID) -> Flag:
    """Raises NotFound, also for somebody else's."""
    found = flags_seen_by(viewer).filter(id=flag_id).first()
    if found is None:
        raise NotFound("There is no such flag.")
    return found


def sent_before(competition: Competition, user_ids: Collection[UUID]) -> list[Change]:
    """What these people have in the competition's days: two statements."""
    samples: dict[UUID, list[StoredSample]] = {}
    standing = Sample.objects.filter(user_id__in=user_ids, superseded_at=None)
    inside = standing.filter(start_at__gt=competition.start_at - LONGEST, start_at__lt=competition.end_at)
    for user_id, *sample in inside.order_by("start_at").values_list("user_id", *StoredSample._fields):
        samples.setdefault(user_id, []).append(_sample(sample))
    days: dict[UUID, list[DayTotal]] = {}
    for one in Activity.objects.filter(user_id__in=user_ids, day__range=(competition.starts_on, competition.last_on)):
        days.setdefault(one.user_id, []).append(DayTotal(Source(one.source), one.day, one.totals))
    people = samples.keys() | days.keys()
    return [Change(u, samples.get(u, ()), days.get(u, ()), at_once=False) for u in sorted(people)]


def alike(witnesses: Mapping[UUID, Sequence[StoredSample]]) -> dict[tuple[UUID, UUID], list[StoredSample]]:
    """Which of these samples another account has as well, by person and other: where that is no small part of them, and
    no more than are worth a second look."""
    named = [(user_id, sample) for user_id, samples in witnesses.items() for sample in samples]
    rows = [
        (user_id, -(-len(witnesses[user_id]) // SHARED_PART), x.type, x.start_at, x.end_at, x.amount)
        for user_id, x in named
    ]
    found = _rows(_ALIKE.format(most=_MOST_ALIKE), columns(rows, 6))
    return {(user_id, other_id): [named[place - 1][1] for place in places] for user_id, other_id, places in found}


def shared_before(pairs: Mapping[tuple[UUID, UUID], datetime]) -> dict[tuple[UUID, UUID], list[StoredSample]]:
    """The witnesses of each person that the other account has as well, among the latest that began until then."""
    rows = _rows(_SHARED.format(latest=_LATEST), columns([(*pair, until) for pair, until in pairs.items()], 3))
    shared: dict[tuple[UUID, UUID], list[StoredSample]] = {pair: [] for pair in pairs}
    for user_id, other_id, *sample in rows:
        shared[user_id, other_id].append(_sample(sample))
    return shared


def typed_in(user_ids: Collection[UUID], now: datetime) -> dict[UUID, list[StoredSample]]:
    """The manual entries that arrived within ``MANUAL_SPAN``."""
    parameters = [list(user_ids), now - _MANUAL_REACH, now - MANUAL_SPAN, Recording.MANUAL.value]
    entries: dict[UUID, list[StoredSample]] = {}
    for user_id, *sample in _rows(_TYPED_IN, parameters):
        entries.setdefault(user_id, []).append(_sample(sample))
    return entries


def sums_of(asked: Sequence[tuple[UUID, DayAmount]]) -> list[tuple[UUID, DayAmount]]:
    """What these sources' days of samples come to in all."""
    rows = [(user_id, amount.source_id, amount.type, amount.day) for user_id, amount in asked]
    return [
        (asked[place][0], asked[place][1]._replace(amount=total)) for place, total in _rows(_SUMS, columns(rows, 4))
    ]


def histories_before(asked: Sequence[tuple[UUID, date]]) -> list[dict[SampleType, list[int]]]:
    """Of each person and day in their order: what the days before came to, by metric, the largest source of each day;
    days without any are not in it."""
    histories: list[dict[SampleType, list[int]]] = [{type_: [] for type_ in MEASURES} for _ in asked]
    for place, _, *amounts in _rows(_HISTORY, columns(asked, 2)):
        for type_, amount in zip(MEASURES, amounts, strict=True):
            if amount:
                histories[place][type_].append(amount)
    return histories


def _sample(row: Sequence[Any]) -> StoredSample:
    id_, source_id, type_, start_at, end_at, amount, recording = row
    return StoredSample(id_, source_id, SampleType(type_), start_at, end_at, amount, Recording(recording))


def _rows(sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
