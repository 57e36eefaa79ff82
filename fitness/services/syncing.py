"""Everything that stores activity and carries its effect into competitions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from uuid import UUID

from django.db import connection, transaction

from accounts.services import lock_people
from competitions.models import Competition
from competitions.queries import held_for
from competitions.rules import ScoreSource
from config.core.sql import columns
from fitness.models import Activity, SupersededActivity
from fitness.queries.activity import Turn, totals_in, totals_of_participants, turns_of
from fitness.rules import Reading, Source
from fitness.signals import activity_stored
from leaderboards.scoring import Totals
from leaderboards.services import hold_boards, record_synced_totals

Key = tuple[UUID, date, Source]


@dataclass(frozen=True)
class Batch:
    """What one caller sent, and when it arrived."""

    readings: Sequence[Reading]
    now: datetime

    @cached_property
    def days(self) -> dict[UUID, set[date]]:
        """Of each person in it."""
        days: dict[UUID, set[date]] = {}
        for reading in self.readings:
            days.setdefault(reading.user_id, set()).add(reading.day)
        return days


@dataclass(frozen=True)
class SyncResult:
    """How many readings changed something and how many said nothing new; ``counted_in``: competitions, by id, in
    which any of them counts."""

    accepted: int
    unchanged: int
    counted_in: Sequence[UUID]


def sync_activities(*, readings: Sequence[Reading], now: datetime) -> SyncResult:
    """Stores readings of people who exist, and moves their boards. The number of statements does not depend on
    how many readings there are."""
    return sync_together([Batch(readings, now)])[0]


@transaction.atomic
def sync_together(batches: Sequence[Batch]) -> list[SyncResult]:
    """Stores what several callers sent in one transaction, and says to each what they would have heard had they come
    one after another. The number of statements does not depend on how many they are, as long as nobody is in two
    batches; what somebody sent in several keeps its order."""
    if not batches:
        return []
    people = {user_id for batch in batches for user_id in batch.days}
    lock_people(people)
    competitions = held_for(people, min(batch.now for batch in batches))
    activity = {user_id: _fed_by_activity(theirs) for user_id, theirs in competitions.items()}
    results: dict[int, SyncResult] = {}
    waves = _waves(batches)
    if len(waves) > 1:  # each would lock the boards that it moves, in order only among themselves
        hold_boards({competition.id for theirs in activity.values() for competition in theirs})
    for wave in waves:
        stored = _store([batches[place] for place in wave], activity)
        results |= dict(zip(wave, stored, strict=True))
    return [results[place] for place in range(len(batches))]


@transaction.atomic
def forget_activity(*, user_id: UUID) -> None:
    """Of a person who is erased; finished standings keep the sums, under an id that means nobody any more."""
    Activity.objects.filter(user_id=user_id).delete()
    SupersededActivity.objects.filter(user_id=user_id).delete()


def count_activity(*, competitions: Iterable[Competition], user_ids: Collection[UUID] | None, now: datetime) -> None:
    """Adds up what these participants (all of them for None) did in each competition, and has it scored. Inside a
    transaction, with the people locked and the rules held."""
    ids = [competition.id for competition in competitions]
    if ids:
        record_synced_totals(totals=totals_in(ids, user_ids), now=now)


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
    changed = {key: totals for key, totals in stored.items() if before.get(key) != totals}
    turns = _turns(batches, changed)
    counted = [_counted(batch, competitions, turns) for batch in batches]
    if changed:
        replaced = [key for key in changed if key in before and turns[key[0]].some_closed]
        if replaced:
            _keep_superseded(replaced, turns)
        _upsert(changed, turns)
        moved = [pair for pairs in counted for pair in pairs if pair[1] in turns]
        arrived_at = {user_id: turn.at for user_id, turn in turns.items()}
        record_synced_totals(totals=totals_of_participants(moved), now=max(arrived_at.values()), arrived_at=arrived_at)
        activity_stored.send(Activity, user_ids=turns.keys())
    return [
        SyncResult(number, len(batch.readings) - number, sorted({competition_id for competition_id, _ in pairs}))
        for batch, number, pairs in zip(batches, accepted, counted, strict=True)
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


def _turns(batches: Iterable[Batch], changed: Iterable[Key]) -> dict[UUID, Turn]:
    """Of those whose activity has changed."""
    arrived_at = {user_id: batch.now for batch in batches for user_id in batch.days}
    days: dict[UUID, list[date]] = {}
    for user_id, day, _ in changed:
        days.setdefault(user_id, []).append(day)
    return turns_of({user_id: (arrived_at[user_id], theirs) for user_id, theirs in days.items()}) if days else {}


def _counted(
    batch: Batch, competitions: Mapping[UUID, Sequence[Competition]], turns: Mapping[UUID, Turn]
) -> list[tuple[UUID, UUID]]:
    """The participants whom these readings count for, by competition and person."""
    counted = []
    for user_id, days in batch.days.items():
        arrived_at = turns[user_id].at if user_id in turns else batch.now
        counted += [
            (competition.id, user_id)
            for competition in competitions[user_id]
            if competition.closes_at > arrived_at
            and any(competition.starts_on <= day <= competition.last_on for day in days)
        ]
    return counted


def _keep_superseded(replaced: Collection[Key], turns: Mapping[UUID, Turn]) -> None:
    """Copies what is about to be replaced, as far as a competition that is closed by then has counted it."""
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
                      AND c.closes_at <= at AND a.synced_at < c.closes_at)
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
