"""Everything that stores activity and carries its effect into competitions."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import connection, transaction

from accounts.services import lock_people
from competitions.models import Competition
from competitions.queries import competitions_counting, held
from competitions.rules import ScoreSource
from fitness.models import Activity, SupersededActivity
from fitness.queries import totals_in, turn_of
from fitness.rules import Reading, Source
from fitness.signals import activity_stored
from leaderboards.scoring import Totals
from leaderboards.services import record_synced_totals

Key = tuple[UUID, date, Source]


@dataclass(frozen=True)
class SyncResult:
    """How many readings changed something and how many said nothing new; ``counted_in``: competitions, by id, in
    which any of the days count."""

    accepted: int
    unchanged: int
    counted_in: Sequence[UUID]


@transaction.atomic
def sync_activities(*, readings: Sequence[Reading], now: datetime) -> SyncResult:
    """Stores readings of people who exist, and moves their boards. The number of statements does not depend on
    how many readings there are."""
    people = {reading.user_id for reading in readings}
    lock_people(people)
    stored = _stored(readings)
    before = dict(stored)
    accepted = sum(_takes(stored, reading) for reading in readings)
    changed = {key: totals for key, totals in stored.items() if before.get(key) != totals}
    competitions = _counting(readings, people, now)
    if changed:
        turn = turn_of(people, {day for _, day, _ in changed}, now)
        competitions = [competition for competition in competitions if competition.closes_at > turn.at]
        if turn.some_closed and before.keys() & changed.keys():
            _keep_superseded(changed.keys() & before.keys(), turn.at)
        _upsert(changed, turn.at)
        count_activity(competitions=competitions, user_ids=people, now=turn.at)
        activity_stored.send(Activity, user_ids=people)
    return SyncResult(accepted, len(readings) - accepted, [competition.id for competition in competitions])


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


def _stored(readings: Sequence[Reading]) -> dict[Key, Totals]:
    rows = Activity.objects.filter(
        user_id__in={reading.user_id for reading in readings}, day__in={reading.day for reading in readings}
    )
    return {(row.user_id, row.day, Source(row.source)): row.totals for row in rows}


def _takes(stored: dict[Key, Totals], reading: Reading) -> bool:
    """Whether the reading is new or larger than what is stored; if so it stands now."""
    key = (reading.user_id, reading.day, reading.source)
    known = stored.get(key)
    larger = reading.totals.larger_of_each(known) if known else reading.totals
    stored[key] = larger
    return larger != known


def _keep_superseded(keys: Collection[Key], superseded_at: datetime) -> None:
    """Copies what is about to be replaced, as far as a competition that is closed by then has counted it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO fitness_supersededactivity
                   (user_id, day, source, steps, distance_mm, energy_cal, active_seconds, synced_at, superseded_at)
            SELECT a.user_id, a.day, a.source, a.steps, a.distance_mm, a.energy_cal, a.active_seconds, a.synced_at, %s
              FROM fitness_activity a
              JOIN unnest(%s::uuid[], %s::date[], %s::text[]) AS replaced (user_id, day, source)
                   USING (user_id, day, source)
             WHERE EXISTS (
                   SELECT 1 FROM competitions_participant p JOIN competitions_competition c ON c.id = p.competition_id
                    WHERE p.user_id = a.user_id AND p.left_at IS NULL AND a.day BETWEEN c.starts_on AND c.last_on
                      AND c.cancelled_at IS NULL AND c.score_source <> 'reported'
                      AND c.closes_at <= %s AND a.synced_at < c.closes_at)
            """,
            [superseded_at, *map(list, zip(*keys, strict=True)), superseded_at],
        )


def _upsert(changed: dict[Key, Totals], now: datetime) -> None:
    Activity.objects.bulk_create(
        [
            Activity(
                user_id=user_id,
                day=day,
                source=source.value,
                steps=totals.steps,
                distance_mm=totals.distance_mm,
                energy_cal=totals.energy_cal,
                active_seconds=totals.active_seconds,
                created_at=now,
                synced_at=now,
            )
            for (user_id, day, source), totals in changed.items()
        ],
        update_conflicts=True,
        unique_fields=["user", "day", "source"],
        update_fields=["steps", "distance_mm", "energy_cal", "active_seconds", "synced_at"],
    )


def _counting(readings: Sequence[Reading], people: Collection[UUID], now: datetime) -> list[Competition]:
    """Holds all that these people take part in, also those that do not count these days: at this very moment somebody
    may be moving their dates or choosing what counts."""
    days = [reading.day for reading in readings]
    synced = [c for c in held(competitions_counting(people, now)) if c.score_source != ScoreSource.REPORTED]
    return [c for c in synced if any(c.starts_on <= day <= c.last_on for day in days)]
