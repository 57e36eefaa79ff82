"""From readings to the days that count, and from those to scores."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import islice
from uuid import UUID

from django.db import connection

from competitions.models import Competition
from competitions.queries import participants_of
from config.core.sql import Value, columns
from fitness.queries.activity import sum_of, totals_counted
from fitness.queries.readings import frames_of, own_frame, readings_of, readings_on
from fitness.reckoning import Frame, Part, Readings, counted_days, reckon
from leaderboards.scoring import Totals
from leaderboards.services import record_synced_totals

AT_ONCE = 500
"""Participants whose whole competition is held in memory."""

Row = tuple[UUID | None, UUID, date, Totals]
Cell = tuple[UUID | None, UUID, date]
"""A day of a person in a competition, or of their own."""


def count_activity(*, competitions: Iterable[Competition], user_ids: Collection[UUID] | None, now: datetime) -> None:
    """Counts everything that these participants (all of them for None) did in each competition anew, and has it scored.
    Inside a transaction, with the people locked and the rules held."""
    for competition in competitions:
        here = participants_of(competition.id).order_by("user_id")
        ids = here.values_list("user_id", flat=True) if user_ids is None else sorted(user_ids)
        for some in _chunks(ids):
            _count_whole(competition, some)
            totals = totals_counted([(competition.id, user_id) for user_id in some])
            record_synced_totals(totals=totals, now=now)


def count_days(
    *,
    changed: Mapping[UUID, Collection[date]],
    competitions: Mapping[UUID, Sequence[Competition]],
    arrived_at: Mapping[UUID, datetime],
) -> dict[UUID, dict[date, Totals]]:
    """Counts these days of these people anew, for themselves and in their competitions as far as they fall into them,
    and has it scored. Says what counts of their own days, whatever competitions make of them. Inside a transaction,
    with the people locked and the rules held. The number of statements does not depend on how many they are."""
    readings = readings_on(changed)
    pairs = [(competition, user_id) for user_id in changed for competition in competitions.get(user_id, ())]
    frames = frames_of(pairs)
    rows: list[Row] = []
    cells: list[Cell] = []
    for user_id, days in changed.items():
        views: list[tuple[UUID | None, Frame]] = [(None, own_frame())]
        views += [(c.id, frames[c.id, user_id]) for c in competitions.get(user_id, ())]
        looked = _Looks(readings[user_id])
        for competition_id, frame in views:
            theirs = [day for day in days if frame.first_day <= day <= frame.last_day]
            counted = counted_days(frame, looked.parts(frame)) if theirs else {}
            rows += [(competition_id, user_id, day, counted[day]) for day in theirs if day in counted]
            cells += [(competition_id, user_id, day) for day in theirs if day not in counted]
    _write(rows, cells)
    touched = {(row[0], row[1]) for row in [*rows, *cells]}
    totals = totals_counted([(c.id, user_id) for c, user_id in pairs if (c.id, user_id) in touched])
    record_synced_totals(totals=totals, now=max(arrived_at.values()), arrived_at=arrived_at)
    own: dict[UUID, dict[date, Totals]] = {}
    for competition_id, user_id, day, counts in rows:
        if competition_id is None:
            own.setdefault(user_id, {})[day] = counts
    return own


class _Looks:
    """Somebody's readings as several competitions look at them now: most look in the same way."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        zones = {sample.zone for sample in readings.samples}
        self._only_zone = zones.pop() if len(zones) == 1 else None
        self._names = {day.source for day in readings.days} | {sample.channel for sample in readings.samples}
        self._names |= {source.app.lower() for source in readings.sources.values()}
        self._known: list[tuple[Frame, list[Part]]] = []

    def parts(self, frame: Frame) -> list[Part]:
        """Of the frame's days at least; ``frame`` is open, so nothing has arrived too late for it."""
        whole = replace(frame, closes=None, policy=replace(frame.policy, daily_cap={}))
        if not whole.owner_only & self._names:
            whole = replace(whole, owner_only=frozenset())
        if whole.zone is None and whole.joined is None:  # a zone would move the day of joining
            whole = replace(whole, zone=self._only_zone)
        if whole.zone is not None:  # with several it is another day for each source, and only those of the frame count
            whole = replace(whole, first_day=date.min, last_day=date.max)
        for known, parts in self._known:
            if known == whole:
                return parts
        self._known.append((whole, reckon(whole, self._readings)))
        return self._known[-1][1]


def totals_when_closed(competition: Competition) -> dict[UUID, Totals]:
    """What each participant had done by what had arrived when the grace ended, whatever arrived since. For people who
    were erased since that is nothing."""
    return _totals_of_all(competition, at=competition.closes_at)


def totals_under(competition: Competition) -> dict[UUID, Totals]:
    """What counting each participant anew would come to by these rules, which need not be those that are stored.
    Nothing is written and nobody held up."""
    return _totals_of_all(competition)


def _totals_of_all(competition: Competition, at: datetime | None = None) -> dict[UUID, Totals]:
    totals = {}
    for some in _chunks(participants_of(competition.id).order_by("user_id").values_list("user_id", flat=True)):
        for user_id, days in _whole(competition, some, at).items():
            totals[user_id] = sum_of(days.values())
    return totals


def _whole(
    competition: Competition, user_ids: Sequence[UUID], at: datetime | None = None
) -> dict[UUID, dict[date, Totals]]:
    """All days that count of these participants."""
    readings = readings_of(dict.fromkeys(user_ids, (competition.starts_on, competition.last_on)))
    frames = frames_of([(competition, user_id) for user_id in user_ids], at)
    views = {user_id: frames[competition.id, user_id] for user_id in user_ids}
    return {user_id: counted_days(frame, reckon(frame, readings[user_id])) for user_id, frame in views.items()}


def _count_whole(competition: Competition, user_ids: Sequence[UUID]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM fitness_countedday WHERE competition_id = %s AND user_id = ANY(%s)",
            [competition.id, list(user_ids)],
        )
    counted = _whole(competition, user_ids)
    rows = [(competition.id, user_id, day, totals) for user_id, days in counted.items() for day, totals in days.items()]
    _write(rows, [])


def _chunks(ids: Iterable[UUID]) -> Iterator[list[UUID]]:
    remaining = iter(ids)
    while some := list(islice(remaining, AT_ONCE)):
        yield some


def _write(rows: Sequence[Row], empty: Sequence[Cell]) -> None:
    """The days that count, and those on which nothing does any more."""
    with connection.cursor() as cursor:
        if rows:
            written: list[tuple[Value, ...]] = [
                (competition_id, user_id, day, t.steps, t.distance_mm, t.energy_cal, t.active_seconds)
                for competition_id, user_id, day, t in rows
            ]
            cursor.execute(
                """
                INSERT INTO fitness_countedday AS c
                       (competition_id, user_id, day, steps, distance_mm, energy_cal, active_seconds)
                SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::date[], %s::bigint[], %s::bigint[], %s::bigint[],
                                     %s::bigint[])
                    ON CONFLICT (competition_id, user_id, day) DO UPDATE
                   SET steps = excluded.steps, distance_mm = excluded.distance_mm, energy_cal = excluded.energy_cal,
                       active_seconds = excluded.active_seconds
                 WHERE (c.steps, c.distance_mm, c.energy_cal, c.active_seconds) IS DISTINCT FROM
                       (excluded.steps, excluded.distance_mm, excluded.energy_cal, excluded.active_seconds)
                """,
                columns(written, 7),
            )
        if empty:
            # No index finds what IS NOT DISTINCT FROM asks for, so either kind is looked for by itself; and each by
            # itself, as PostgreSQL would go through the whole table where its statistics lag behind a large import.
            cursor.execute(
                """
                DELETE FROM fitness_countedday
                 WHERE id IN (
                       SELECT c.id
                         FROM unnest(%s::uuid[], %s::uuid[], %s::date[]) AS gone (competition_id, user_id, day)
                        CROSS JOIN LATERAL (
                             (SELECT id FROM fitness_countedday
                               WHERE competition_id = gone.competition_id AND user_id = gone.user_id AND day = gone.day
                               LIMIT 1)
                              UNION ALL
                             (SELECT id FROM fitness_countedday
                               WHERE gone.competition_id IS NULL AND competition_id IS NULL
                                 AND user_id = gone.user_id AND day = gone.day
                               LIMIT 1)) c)
                """,
                columns(empty, 3),
            )
