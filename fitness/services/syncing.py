"""Everything that stores activity and carries its effect into competitions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from accounts.services.people import lock_people
from competitions.models import Competition, Participant
from competitions.queries import held_for
from competitions.rules import ScoreSource
from config.core.errors import NotFound
from config.core.sql import columns
from fitness.models import Activity, CountedDay, DataSource, Sample, SourcePreference, SupersededActivity, Tombstone
from fitness.plausibility import Change, DayTotal, StoredSample
from fitness.queries.activity import Turn, turns_of
from fitness.reckoning import days_touched, microseconds
from fitness.rules import Reading, Source
from fitness.samples import SampleReading
from fitness.services.counting import count_activity, count_days
from fitness.services.flags import open_flags, open_flags_of_days
from fitness.services.samples import Plan, Refused, SampleChanges, plan_samples, write_samples
from fitness.services.sync_counts import count_syncs
from fitness.signals import activity_stored
from leaderboards.scoring import Totals
from leaderboards.services import hold_boards

Key = tuple[UUID, date, Source]


@dataclass(frozen=True)
class Batch:
    """What one caller sent, and when it arrived. ``samples``: one for each person at most."""

    readings: Sequence[Reading]
    now: datetime
    samples: Sequence[SampleChanges] = ()

    @cached_property
    def days(self) -> dict[UUID, set[date]]:
        """The days that the daily readings of each person are about, and who else is in it."""
        days: dict[UUID, set[date]] = {changes.user_id: set() for changes in self.samples}
        for reading in self.readings:
            days.setdefault(reading.user_id, set()).add(reading.day)
        return days


@dataclass(frozen=True)
class SyncResult:
    """How many readings changed something, how many said nothing new, and how many samples were taken out;
    ``counted_in``: competitions, by id, that accept any of their days; ``refused``: for each of the batch's samples,
    in their order, those that contradict what is stored."""

    accepted: int
    unchanged: int
    counted_in: Sequence[UUID]
    removed: int = 0
    refused: Sequence[Sequence[Refused]] = ()


def sync_activities(
    *, readings: Sequence[Reading] = (), samples: Sequence[SampleChanges] = (), now: datetime
) -> SyncResult:
    """Stores readings and samples of people who exist, and moves their boards. The number of statements does not depend
    on how many there are. Raises NotFound for somebody who was erased."""
    return sync_together([Batch(readings, now, samples)])[0]


@transaction.atomic
def sync_together(batches: Sequence[Batch]) -> list[SyncResult]:
    """Stores what several callers sent in one transaction, and says to each what they would have heard had they come
    one after another. The number of statements does not depend on how many they are, as long as nobody is in two
    batches; what somebody sent in several keeps its order."""
    if not batches:
        return []
    people = {user_id for batch in batches for user_id in batch.days}
    if people - lock_people(people):
        raise NotFound("There is no such person.")  # they were erased while this waited
    competitions = held_for(people, min(batch.now for batch in batches))
    activity = {user_id: _fed_by_activity(theirs) for user_id, theirs in competitions.items()}
    results: dict[int, SyncResult] = {}
    waves = _waves(batches)
    if len(waves) > 1:  # each would lock the boards that it moves, in order only among themselves
        hold_boards({competition.id for theirs in activity.values() for competition in theirs})
    for wave in waves:
        stored = _store([batches[place] for place in wave], activity)
        results |= dict(zip(wave, stored, strict=True))
    count_syncs(syncs=len(batches), now=batches[-1].now)  # the last statement: nobody waits behind its lock
    return [results[place] for place in range(len(batches))]


@transaction.atomic
def forget_activity(*, user_id: UUID) -> None:
    """Of a person who is erased; finished standings keep the sums, under an id that means nobody any more."""
    Sample.objects.filter(user_id=user_id).delete()
    for theirs in (Activity, SupersededActivity, DataSource, Tombstone, SourcePreference):
        theirs.objects.filter(user_id=user_id).delete()
    took_part = Participant.objects.filter(user_id=user_id).values("competition_id")
    days = CountedDay.objects.filter(user_id=user_id)
    days.filter(Q(competition=None) | Q(competition__in=took_part)).delete()


def _fed_by_activity(competitions: Iterable[Competition]) -> list[Competition]:
    return [competition for competition in competitions if competition.score_source != ScoreSource.REPORTED]


def _waves(batches: Sequence[Batch]) -> list[list[int]]:
    """The places of the batches, so divided that nobody is twice in a wave, and everybody's come in their order."""
    waves: list[list[int]] = []
    next_wave: dict[UUID, int] = {}
    for place, batch in enumerate(batches):
        number = max((next_wave.get(user_id, 0) for user_id in batch.days), default=0)
        if number == len(waves):
            waves.append([])
        waves[number].append(place)
        next_wave |= dict.fromkeys(batch.days, number + 1)
    return waves


def _store(batches: Sequence[Batch], competitions: Mapping[UUID, Sequence[Competition]]) -> list[SyncResult]:
    """Batches of different people. ``competitions``: of each person, held, as far as activity counts in them."""
    stored = _stored({_key(reading) for batch in batches for reading in batch.readings})
    before = dict(stored)
    accepted = [sum(_takes(stored, reading) for reading in batch.readings) for batch in batches]
    new_totals = {key: totals for key, totals in stored.items() if before.get(key) != totals}
    planned = iter(plan_samples([changes for batch in batches for changes in batch.samples]))
    plans = [[next(planned) for _ in batch.samples] for batch in batches]
    all_plans = [plan for theirs in plans for plan in theirs]
    changed = _days_changed(new_totals, all_plans)
    turns = _turns(batches, changed)
    replaced = [key for key in new_totals if key in before and turns[key[0]].keeps_history]
    if replaced:
        _keep_superseded(replaced, turns)
    if new_totals:
        _upsert(new_totals, turns)
    samples = write_samples(all_plans, {user_id: turn.at for user_id, turn in turns.items()})
    if changed:
        at = {user_id: turns[user_id].at for user_id in changed}
        open_to_all = {user_id: [c for c in competitions[user_id] if c.closes_at > at[user_id]] for user_id in changed}
        changes, now = _changes(new_totals, samples), max(at.values())
        flagged = open_flags(changes=changes, competitions=open_to_all, now=now)
        counted = count_days(changed=changed, competitions=open_to_all, arrived_at=at)
        flagged |= open_flags_of_days(changes=changes, competitions=open_to_all, counted=counted, now=now)
        for user_id in flagged & changed.keys():
            count_activity(competitions=open_to_all[user_id], user_ids=[user_id], now=at[user_id])
        activity_stored.send(Activity, user_ids=changed.keys())
    return [
        SyncResult(
            accepted=number + sum(plan.accepted for plan in theirs),
            unchanged=len(batch.readings) - number + sum(plan.unchanged for plan in theirs),
            counted_in=sorted(_accepting(batch, competitions, turns)),
            removed=sum(plan.removed for plan in theirs),
            refused=tuple(plan.refused for plan in theirs),
        )
        for batch, number, theirs in zip(batches, accepted, plans, strict=True)
    ]


def _days_changed(new_totals: Iterable[Key], plans: Iterable[Plan]) -> dict[UUID, set[date]]:
    """On which something may count otherwise than before."""
    days: dict[UUID, set[date]] = {}
    for user_id, day, _ in new_totals:
        days.setdefault(user_id, set()).add(day)
    for plan in plans:
        if theirs := plan.days():
            days.setdefault(plan.changes.user_id, set()).update(theirs)
    return days


def _changes(new_totals: Mapping[Key, Totals], samples: Mapping[UUID, Sequence[StoredSample]]) -> list[Change]:
    days: dict[UUID, list[DayTotal]] = {}
    for (user_id, day, source), totals in new_totals.items():
        days.setdefault(user_id, []).append(DayTotal(source, day, totals))
    return [
        Change(user_id, samples.get(user_id, ()), days.get(user_id, ())) for user_id in samples.keys() | days.keys()
    ]


def _key(reading: Reading) -> Key:
    return reading.user_id, reading.day, reading.source


def _stored(keys: Collection[Key]) -> dict[Key, Totals]:
    sent = list(keys)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT sent.place, a.steps, a.distance_mm, a.energy_cal, a.active_seconds
              FROM unnest(%s::uuid[], %s::date[], %s::text[]) WITH ORDINALITY AS sent (user_id, day, source, place)
              JOIN fitness_activity a USING (user_id, day, source)
            """,
            columns(sent, 3),
        )
        return {sent[place - 1]: Totals(*amounts) for place, *amounts in cursor.fetchall()}


def _takes(stored: dict[Key, Totals], reading: Reading) -> bool:
    """Whether the reading is new or larger than what is stored; if so it stands now."""
    key = _key(reading)
    known = stored.get(key)
    larger = reading.totals.larger_of_each(known) if known else reading.totals
    stored[key] = larger
    return larger != known


def _turns(batches: Iterable[Batch], changed: Mapping[UUID, Collection[date]]) -> dict[UUID, Turn]:
    """Of everybody in the batches; only those whose activity has changed may have to wait for theirs."""
    at_once = {user_id: Turn(batch.now, keeps_history=False) for batch in batches for user_id in batch.days}
    return at_once | turns_of({user_id: (at_once[user_id].at, days) for user_id, days in changed.items()})


def _accepting(
    batch: Batch, competitions: Mapping[UUID, Sequence[Competition]], turns: Mapping[UUID, Turn]
) -> set[UUID]:
    """The competitions, by id, that take what this batch says."""
    accepting: set[UUID] = set()
    for user_id, days in batch.days.items():
        arrived_at = turns[user_id].at
        for competition in competitions[user_id]:
            if competition.closes_at > arrived_at and any(
                competition.starts_on <= day <= competition.last_on for day in days
            ):
                accepting.add(competition.id)
    for changes in batch.samples:
        arrived_at = turns[changes.user_id].at
        for competition in competitions[changes.user_id]:
            zone = competition.day_zone
            if competition.closes_at > arrived_at and any(_falls_into(competition, zone, s) for s in changes.samples):
                accepting.add(competition.id)
    return accepting


def _falls_into(competition: Competition, zone: str | None, sample: SampleReading) -> bool:
    first, last = days_touched(microseconds(sample.start_at), microseconds(sample.end_at), zone or sample.zone)
    return first <= competition.last_on and last >= competition.starts_on


def _keep_superseded(replaced: Collection[Key], turns: Mapping[UUID, Turn]) -> None:
    """Copies what is about to be replaced, as far as a competition has counted it that is closed by then, or that only
    takes what arrives some days after it was measured."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO fitness_supersededactivity
                   (user_id, day, source, steps, distance_mm, energy_cal, active_seconds, synced_at, superseded_at)
            SELECT a.user_id, a.day, a.source, a.steps, a.distance_mm, a.energy_cal, a.active_seconds, a.synced_at, at
              FROM fitness_activity a
              JOIN unnest(%s::uuid[], %s::date[], %s::text[], %s::timestamptz[]) AS replaced (user_id, day, source, at)
                   USING (user_id, day, source)
             WHERE EXISTS (
                   SELECT 1 FROM competitions_participant p JOIN competitions_competition c ON c.id = p.competition_id
                    WHERE p.user_id = a.user_id AND p.left_at IS NULL AND a.day BETWEEN c.starts_on AND c.last_on
                      AND c.cancelled_at IS NULL AND c.score_source <> 'reported'
                      AND a.synced_at < c.closes_at
                      AND (c.closes_at <= at OR c.stored_policy ->> 'backfill_days' IS NOT NULL))
            """,
            columns([(*key, turns[key[0]].at) for key in replaced], 4),
        )


def _upsert(changed: Mapping[Key, Totals], turns: Mapping[UUID, Turn]) -> None:
    rows = [
        (*key, totals.steps, totals.distance_mm, totals.energy_cal, totals.active_seconds, turns[key[0]].at)
        for key, totals in changed.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO fitness_activity
                   (user_id, day, source, steps, distance_mm, energy_cal, active_seconds, created_at, synced_at)
            SELECT user_id, day, source, steps, distance_mm, energy_cal, active_seconds, at, at
              FROM unnest(%s::uuid[], %s::date[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
                          %s::timestamptz[])
                   AS changed (user_id, day, source, steps, distance_mm, energy_cal, active_seconds, at)
                ON CONFLICT (user_id, day, source) DO UPDATE
               SET steps = excluded.steps, distance_mm = excluded.distance_mm, energy_cal = excluded.energy_cal,
                   active_seconds = excluded.active_seconds, synced_at = excluded.synced_at
            """,
            columns(rows, 8),
        )
