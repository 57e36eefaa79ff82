"""What somebody's sources say, as `reckoning` looks at it, and how their competitions look at it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Lower

from competitions.models import Competition
from competitions.policy import DEFAULT_PREFERENCE, MergeRule, Policy
from competitions.rules import DeviceKind, runs_over_whole_days
from config.core.sql import columns
from fitness.models import Activity, DataSource, Sample, SourcePreference
from fitness.queries.activity import sum_of, totals_of
from fitness.queries.flags import holds_among
from fitness.reckoning import (
    AMOUNTS,
    EPOCH,
    Frame,
    KnownDay,
    KnownSample,
    Part,
    Readings,
    counted_days,
    microseconds,
    reckon,
)
from fitness.rules import Channel
from fitness.samples import LONGEST, SourceKey
from leaderboards.scoring import Totals

Days = tuple[date, date]
"""The first and the last."""

_DAYS = """
    SELECT asked.user_id, d.source, d.day, d.steps, d.distance_mm, d.energy_cal, d.active_seconds,
           (extract(epoch FROM d.synced_at) * 1000000)::bigint, (extract(epoch FROM d.superseded_at) * 1000000)::bigint
      FROM unnest(%s::uuid[], %s::date[], %s::date[]) AS asked (user_id, first_day, last_day)
      CROSS JOIN LATERAL (
           SELECT source, day, steps, distance_mm, energy_cal, active_seconds, synced_at,
                  NULL::timestamptz AS superseded_at
             FROM fitness_activity a
            WHERE a.user_id = asked.user_id AND a.day BETWEEN asked.first_day AND asked.last_day
            UNION ALL
           SELECT source, day, steps, distance_mm, energy_cal, active_seconds, synced_at, superseded_at
             FROM fitness_supersededactivity s
            WHERE s.user_id = asked.user_id AND s.day BETWEEN asked.first_day AND asked.last_day) d
"""
_SAMPLES = """
    SELECT s.user_id, s.id, s.source_id, s.type,
           (extract(epoch FROM s.start_at) * 1000000)::bigint, (extract(epoch FROM s.end_at) * 1000000)::bigint,
           s.amount, s.recording, s.zone, s.channel,
           (extract(epoch FROM s.synced_at) * 1000000)::bigint, (extract(epoch FROM s.superseded_at) * 1000000)::bigint
      FROM unnest(%s::uuid[], %s::date[], %s::date[]) AS asked (user_id, first_day, last_day)
      JOIN fitness_sample s ON s.user_id = asked.user_id
       AND s.start_at > asked.first_day::timestamp AT TIME ZONE 'UTC' - interval '14 hours' - %s
       AND s.start_at < asked.last_day::timestamp AT TIME ZONE 'UTC' + interval '36 hours'
     ORDER BY s.user_id, s.start_at, s.id
"""
_SOURCES = "SELECT user_id, id, app, device, kind FROM fitness_datasource WHERE user_id = ANY(%s)"
_JOINED = """
    SELECT competition_id, user_id, joined_at FROM competitions_participant
      JOIN unnest(%s::uuid[], %s::uuid[]) AS named (competition_id, user_id) USING (competition_id, user_id)
"""
_PREFERENCES = """
    SELECT asked.user_id, asked.before, latest.kinds
      FROM unnest(%s::uuid[], %s::timestamptz[]) AS asked (user_id, before)
      CROSS JOIN LATERAL (
           SELECT kinds FROM fitness_sourcepreference p
            WHERE p.user_id = asked.user_id AND p.since_at < asked.before
            ORDER BY p.since_at DESC LIMIT 1) latest
"""


def readings_of(asked: Mapping[UUID, Days]) -> dict[UUID, Readings]:
    """What each of these people's sources say of these days, wherever on Earth they begin: three statements at most."""
    return _readings([(user_id, *days) for user_id, days in asked.items()])


def readings_on(asked: Mapping[UUID, Collection[date]]) -> dict[UUID, Readings]:
    """The same of single days, at least; what lies far from all of them is not loaded."""
    return _readings([(user_id, *days) for user_id, listed in asked.items() for days in _runs(listed)])


_FAR = timedelta(days=7)
"""Beyond it nothing that is loaded for one day can be loaded for the other too."""


def _runs(days: Collection[date]) -> Iterator[Days]:
    ordered = sorted(days)
    first = ordered[0]
    for day, following in pairwise(ordered):
        if following - day > _FAR:
            yield first, day
            first = following
    yield first, ordered[-1]


def _readings(rows: Sequence[tuple[UUID, date, date]]) -> dict[UUID, Readings]:
    days: dict[UUID, list[KnownDay]] = {user_id: [] for user_id, _, _ in rows}
    samples: dict[UUID, list[KnownSample]] = {user_id: [] for user_id in days}
    sources: dict[UUID, dict[int, SourceKey]] = {user_id: {} for user_id in days}
    for user_id, source, day, *amounts, known_from, known_until in _rows(_DAYS, columns(rows, 3)):
        days[user_id].append(KnownDay(source, day, Totals(*amounts), known_from, known_until))
    for user_id, source_id, app, device, kind in _rows(_SOURCES, [list(days)]):
        sources[user_id][source_id] = SourceKey(app, device, DeviceKind(kind))
    rows = [row for row in rows if sources[row[0]]]
    if rows:
        for user_id, *sample in _rows(_SAMPLES, [*columns(rows, 3), LONGEST]):
            samples[user_id].append(KnownSample(*sample))
    return {user_id: Readings(days[user_id], samples[user_id], sources[user_id]) for user_id in days}


def own_frame() -> Frame:
    """How people see themselves: everything counts, where they were."""
    return Frame()


def totals_shown_of(user_id: UUID) -> Totals:
    """Everything a person did that others may see."""
    if not _has_what_only_they_may_see(user_id):
        return totals_of(user_id)
    frame = Frame(owner_only=settings.OWNER_ONLY_SOURCES)
    parts = reckon(frame, readings_of({user_id: (date.min, date.max)})[user_id])
    return sum_of(counted_days(frame, parts).values())


def _has_what_only_they_may_see(user_id: UUID) -> bool:
    names = list(settings.OWNER_ONLY_SOURCES)
    channels = [channel.value for channel in Channel if channel in names]
    sources = DataSource.objects.filter(user_id=user_id).annotate(name=Lower("app"))
    return (
        Activity.objects.filter(user_id=user_id, source__in=names).exists()
        or sources.filter(name__in=names).exists()
        or (bool(channels) and Sample.objects.filter(user_id=user_id, channel__in=channels).exists())
    )


def frames_of(
    pairs: Collection[tuple[Competition, UUID]], at: datetime | None = None
) -> dict[tuple[UUID, UUID], Frame]:
    """How each competition looks at the participant beside it, by their ids: three statements at most. ``at``: with
    what was held back then."""
    policies = {competition.id: competition.policy for competition, _ in pairs}
    joined = _joined([(c.id, user_id) for c, user_id in pairs if policies[c.id].since_joining])
    theirs = _preferences([pair for pair in pairs if policies[pair[0].id].merge is MergeRule.PREFERRED])
    holds = holds_among([(c.id, user_id) for c, user_id in pairs], at)
    seen_alike = {competition.id: _frame(competition, policies[competition.id]) for competition, _ in pairs}
    frames = {}
    for competition, user_id in pairs:
        pair, frame = (competition.id, user_id), seen_alike[competition.id]
        if pair in joined or pair in theirs or pair in holds:
            frame = replace(frame, joined=joined.get(pair), preference=theirs.get(pair), holds=holds.get(pair, ()))
        frames[pair] = frame
    return frames


def _frame(competition: Competition, policy: Policy) -> Frame:
    """As far as it is the same for all its participants."""
    whole_days = runs_over_whole_days(competition.start_at, competition.end_at, competition.timezone)
    return Frame(
        first_day=competition.starts_on,
        last_day=competition.last_on,
        zone=competition.day_zone,
        opens=None if whole_days else microseconds(competition.start_at),
        ends=None if whole_days else microseconds(competition.end_at),
        closes=microseconds(competition.closes_at),
        policy=policy,
        owner_only=settings.OWNER_ONLY_SOURCES,
    )


def _joined(pairs: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], int]:
    if not pairs:
        return {}
    rows = _rows(_JOINED, columns(pairs, 2))
    return {(competition_id, user_id): microseconds(at) for competition_id, user_id, at in rows}


def _preferences(pairs: Collection[tuple[Competition, UUID]]) -> dict[tuple[UUID, UUID], Sequence[DeviceKind]]:
    """The competition's, else the person's as it was when the competition closed, else the usual one."""
    asking = {(user_id, c.closes_at) for c, user_id in pairs if not c.policy.preference}
    theirs: dict[tuple[UUID, datetime], Sequence[DeviceKind]] = {}
    if asking:
        for user_id, before, kinds in _rows(_PREFERENCES, columns(asking, 2)):
            theirs[user_id, before] = [DeviceKind(kind) for kind in kinds]
    return {
        (c.id, user_id): c.policy.preference or theirs.get((user_id, c.closes_at), DEFAULT_PREFERENCE)
        for c, user_id in pairs
    }


def _rows(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def source_preference(user_id: UUID) -> list[DeviceKind] | None:
    """What the person said last; None when they never did."""
    latest = SourcePreference.objects.filter(user_id=user_id).order_by("-since_at", "-id").first()
    return [DeviceKind(kind) for kind in latest.kinds] if latest else None


def data_sources_of(user_id: UUID) -> QuerySet[DataSource]:
    """The one that was heard of last comes first."""
    return DataSource.objects.filter(user_id=user_id).order_by("-synced_at", "id")


@dataclass(frozen=True)
class SourceDay:
    """What one app said of one day, whether it counts or not."""

    day: date
    source: str
    totals: Totals
    synced_at: datetime


def recent_activity(user_id: UUID, *, today: date, limit: int) -> list[SourceDay]:
    """What came last: of day totals, and of the samples of the last two weeks."""
    totals = Activity.objects.filter(user_id=user_id).order_by("-synced_at", "-day")[:limit]
    found = [SourceDay(each.day, each.source, each.totals, each.synced_at) for each in totals]
    readings = readings_of({user_id: (today - timedelta(days=13), today)})[user_id]
    parts = reckon(Frame(), Readings(samples=readings.samples, sources=readings.sources))
    by_day: dict[tuple[date, str], list[Part]] = {}
    for part in parts:
        by_day.setdefault((part.day, part.source.app), []).append(part)
    for (day, app), theirs in by_day.items():
        amounts = dict.fromkeys(AMOUNTS.values(), 0)
        for part in theirs:
            amounts[AMOUNTS[part.type]] += part.amount
        last = max(part.reading.known_from for part in theirs)
        found.append(SourceDay(day, app, Totals(**amounts), EPOCH + timedelta(microseconds=last)))
    return sorted(found, key=lambda each: (each.synced_at, each.day), reverse=True)[:limit]
