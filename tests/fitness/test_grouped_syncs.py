"""Syncs of several callers in one transaction"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from accounts.services.people import lock_people
from competitions.models import Competition
from competitions.rules import DeviceKind
from competitions.services.enrolment import join_competition
from config.core.errors import NotFound
from config.core.gathering import Gatherer, one_per_loop
from config.core.threads import in_thread
from fitness.models import Activity, CountedDay, Sample, SupersededActivity, Tombstone
from fitness.rules import Channel, Reading, Recording, SampleType, Source
from fitness.samples import SampleReading, SourceKey
from fitness.services import syncing as services
from fitness.services.samples import SampleChanges
from fitness.services.syncing import Batch, SyncResult, sync_activities, sync_together
from leaderboards.models import Standing
from leaderboards.queries import board_page
from leaderboards.scoring import Totals
from leaderboards.settling import settle_competition
from leaderboards.verification import check_board
from tests.leaderboards.test_mirror import run_together
from tests.locks import until_somebody_waits

pytestmark = pytest.mark.django_db
TODAY = datetime.now(UTC).date()
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

gathered_syncs = one_per_loop(lambda: Gatherer(in_thread(sync_together)))


def reading(user_id: UUID, *, ago: int = 0, steps: int = 1000, source: Source = Source.FITBIT) -> Reading:
    return Reading(user_id, source, TODAY - timedelta(days=ago), Totals(steps=steps, distance_mm=steps * 700))


def steps_of(competition: Competition) -> dict[UUID, int]:
    return dict(Standing.objects.filter(competition=competition).values_list("user_id", "score"))


class World:
    """Three people in competitions that overlap, of which two close at ``closing``."""

    def __init__(self, make_person: Any, make_competition: Any) -> None:
        self.people: list[User] = [make_person(f"P{number}") for number in range(3)]
        long_ago = datetime.now(UTC) - timedelta(days=20)
        make = partial(make_competition, created_at=long_ago, grace_hours=24)
        self.closing_first = make(starts=-9, ends=-5)
        self.closing_too = make(starts=-7, ends=-5, metric="distance")
        self.closing_later = make(starts=-6, ends=-4, metric="weighted", weights={"steps": "0.5", "distance": "2"})
        self.reported = make(starts=-9, ends=-2, score_source="reported")
        self.cancelled = make(starts=-9, ends=-2)
        self.closing: datetime = self.closing_first.closes_at
        seats = {
            self.closing_first: self.people,
            self.closing_too: self.people[1:],
            self.closing_later: self.people[:2],
            self.reported: self.people[:1],
            self.cancelled: self.people,
        }
        for competition, people in seats.items():
            for person in people:
                join_competition(competition=competition, user_id=person.id, join_code=None, now=long_ago)
        Competition.objects.filter(id=self.cancelled.id).update(cancelled_at=long_ago)

    def batch(self, drawn: tuple[int, list[tuple[int, ...]], dict[int, Any]]) -> Batch:
        """Of a moment in seconds around the closing, readings of people, sources, days and amounts, and by person what
        their samples say."""
        seconds, records, samples = drawn
        readings = [
            Reading(
                self.people[who].id,
                (Source.FITBIT, Source.GARMIN)[source],
                self.closing_first.starts_on + timedelta(days=day),
                Totals(steps=steps, distance_mm=metres * 1000),
            )
            for who, source, day, steps, metres in records
        ]
        changes = [self.changes(who, *theirs) for who, theirs in samples.items()]
        return Batch(readings, self.closing + seconds * SECOND, changes)

    def changes(
        self, who: int, walks: list[tuple[int, int, int, int]], deleted: set[int], complete: bool
    ) -> SampleChanges:
        """Of ids, versions, hours since the start and steps; ``complete``: of the third day."""
        start = self.closing_first.start_at
        samples = [
            SampleReading(
                external_id=str(id_),
                version=version,
                source=SourceKey("health", "", list(DeviceKind)[id_ % 2]),
                type=SampleType.STEPS,
                start_at=start + hours * HOUR,
                end_at=start + (hours + 1.5) * HOUR,
                amount=steps,
                recording=Recording.AUTOMATIC,
                zone="UTC",
            )
            for id_, version, hours, steps in walks
        ]
        window = (start + 48 * HOUR, start + 72 * HOUR) if complete else None
        return SampleChanges(self.people[who].id, Channel.PUSH, samples, {str(id_) for id_ in deleted}, window)


def everything() -> list[list[tuple[Any, ...]]]:
    """What is stored, but for numbers that count transactions."""
    days = ("user_id", "day", "source", "steps", "distance_mm", "energy_cal", "active_seconds", "synced_at")
    standings = [
        *("competition_id", "user_id", "synced_steps", "synced_distance_mm", "steps", "distance_mm", "score"),
        *("reached_at", "last_synced_at", "updated_at"),
    ]
    samples = ("user_id", "external_id", "version", "start_at", "amount", "synced_at", "superseded_at", "source__kind")
    counted = ("competition_id", "user_id", "day", "steps", "distance_mm")
    tombstones = ("user_id", "external_id", "deleted_at")
    return [
        list(Sample.objects.order_by(*samples).values_list(*samples, "removed_by_window")),
        list(Tombstone.objects.order_by(*tombstones).values_list(*tombstones)),
        list(CountedDay.objects.order_by(*counted).values_list(*counted)),
        list(Activity.objects.order_by(*days).values_list(*days, "created_at")),
        list(SupersededActivity.objects.order_by(*days, "superseded_at").values_list(*days, "superseded_at")),
        list(Standing.objects.order_by(*standings).values_list(*standings)),
    ]


def versions() -> dict[int, int]:
    return dict(Standing.objects.values_list("id", "version"))


@pytest.fixture
def world(make_person: Any, make_competition: Any) -> World:
    return World(make_person, make_competition)


records = st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 6), st.integers(0, 4), st.integers(0, 3))
walks = st.tuples(st.integers(0, 4), st.integers(0, 1), st.integers(-3, 120), st.integers(0, 4))
changes = st.tuples(st.lists(walks, max_size=4), st.sets(st.integers(0, 4), max_size=1), st.booleans())
samples = st.dictionaries(st.integers(0, 2), changes, max_size=2)
batches = st.tuples(st.integers(-3, 3), st.lists(records, max_size=4), samples)


@pytest.mark.slow
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    earlier=st.lists(batches, max_size=3),
    frozen=st.booleans(),
    group=st.lists(batches, min_size=1, max_size=7),
)
def test_together_is_what_it_would_have_been_one_after_another(
    earlier: list[Any], frozen: bool, group: list[Any], world: World
) -> None:
    """Also of somebody who is in several batches, and when a competition closes, or was frozen, between them."""

    def outcome(store: Callable[[Sequence[Batch]], list[SyncResult]]) -> Any:
        with transaction.atomic():
            for batch in map(world.batch, earlier):
                sync_activities(readings=batch.readings, samples=batch.samples, now=batch.now)
            if frozen:  # while these were on their way
                settle_competition(competition_id=world.closing_first.id, now=world.closing)
            before = versions()
            results = store([world.batch(drawn) for drawn in group])
            after = versions()
            moved = {standing for standing in after if after[standing] != before[standing]}
            told = [replace(result, counted_in=sorted(result.counted_in)) for result in results]
            found = told, moved, everything()
            transaction.set_rollback(True)
            return found

    assert outcome(sync_together) == outcome(
        lambda batches: [sync_activities(readings=b.readings, samples=b.samples, now=b.now) for b in batches]
    )


@pytest.mark.slow
def test_the_number_of_statements_does_not_grow_with_the_callers(
    make_person: Any, make_competition: Any, join: Any, now: datetime
) -> None:
    people = [make_person(f"P{number}") for number in range(42)]
    boards = [make_competition(), make_competition(metric="distance")]
    for board in boards:
        join(board, *people)

    def statements(callers: Sequence[User]) -> int:
        with CaptureQueriesContext(connection) as captured:
            results = sync_together([Batch([reading(person.id)], now) for person in callers])
        assert [(result.accepted, len(result.counted_in)) for result in results] == [(1, 2)] * len(callers)
        return len(captured)

    assert statements(people[:2]) == statements(people[2:])


def test_each_caller_hears_of_the_competitions_of_their_own_people_and_days(
    person: User, other: User, make_competition: Any, join: Any, now: datetime
) -> None:
    both, mine, later = make_competition(), make_competition(), make_competition(starts=-1)
    join(both, person, other)
    join(mine, person)
    join(later, other)
    results = sync_together(
        [
            Batch([reading(person.id)], now),
            Batch([reading(other.id, ago=2)], now),
            Batch([reading(other.id)], now),
            Batch([reading(person.id), reading(other.id, ago=9)], now),
            Batch([], now),
        ]
    )
    expected = [{both.id, mine.id}, {both.id}, {both.id, later.id}, {both.id, mine.id}, set()]
    assert [set(result.counted_in) for result in results] == expected
    assert [(result.accepted, result.unchanged) for result in results] == [(1, 0), (1, 0), (1, 0), (1, 1), (0, 0)]


def test_of_two_who_come_around_the_closing_one_counts(world: World) -> None:
    day = world.closing_first.starts_on
    first, second = (
        Batch([Reading(person.id, Source.FITBIT, day, Totals(steps=9))], world.closing + offset)
        for person, offset in zip(world.people, (-SECOND, timedelta(0)), strict=False)
    )
    in_time, late = sync_together([first, second])
    assert list(in_time.counted_in) == [world.closing_first.id]
    assert list(late.counted_in) == []
    scores = steps_of(world.closing_first)
    assert [scores[person.id] for person in world.people] == [9, 0, 0]


def stored_steps(user_id: UUID) -> int | None:
    return Activity.objects.filter(user_id=user_id).values_list("steps", flat=True).first()


@pytest.mark.django_db(transaction=True)
class TestThroughTheGatherer:
    @pytest.fixture
    def people(self, make_person: Any) -> list[User]:
        return [make_person(f"P{number}") for number in range(12)]

    @pytest.fixture
    def board(self, make_competition: Any, people: list[User], join: Any) -> Competition:
        board: Competition = make_competition()
        join(board, *people)
        board_page(board, offset=0, limit=1)  # from now on Redis has a copy
        return board

    def gather(self, batches: Sequence[Batch]) -> list[Any]:
        async def all_at_once() -> list[Any]:
            puts = (gathered_syncs().put(batch) for batch in batches)
            return await asyncio.gather(*puts, return_exceptions=True)

        return asyncio.run(all_at_once())

    @pytest.mark.slow
    def test_everybody_is_counted(self, people: list[User], board: Competition, now: datetime) -> None:
        results = self.gather([Batch([reading(p.id, steps=n + 1)], now) for n, p in enumerate(people)])
        assert results == [SyncResult(1, 0, [board.id])] * len(people)
        assert steps_of(board) == {person.id: number + 1 for number, person in enumerate(people)}
        assert check_board(board).difference == ""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("bad", "error"),
        [(reading(uuid4()), NotFound), (reading(uuid4(), steps=2**70), DataError)],
    )
    def test_a_bad_caller_harms_no_neighbour(
        self, people: list[User], board: Competition, now: datetime, bad: Reading, error: type[Exception]
    ) -> None:
        guilty = Reading(people[5].id if error is DataError else bad.user_id, bad.source, bad.day, bad.totals)
        batches = [Batch([guilty if n == 5 else reading(p.id)], now) for n, p in enumerate(people)]
        results = self.gather(batches)
        assert isinstance(results.pop(5), error)
        assert results == [SyncResult(1, 0, [board.id])] * (len(people) - 1)
        assert sorted(steps_of(board).values()) == [0] + [1000] * (len(people) - 1)

    @pytest.mark.slow
    def test_nobody_is_answered_before_the_commit_that_holds_their_data(
        self, people: list[User], board: Competition, now: datetime
    ) -> None:
        """One of the group has to wait for a lock, so all of them do; whoever was answered is seen by others."""
        slow, quick = people[:2]
        locked, release = threading.Event(), threading.Event()

        def hold() -> None:
            with transaction.atomic():
                lock_people([slow.id])
                locked.set()
                release.wait(20)
            connection.close()

        async def both() -> None:
            await asyncio.to_thread(locked.wait, 20)
            puts = [asyncio.create_task(gathered_syncs().put(Batch([reading(p.id)], now))) for p in (quick, slow)]
            done, _ = await asyncio.wait(puts, timeout=0.3)
            assert not done
            assert await in_thread(stored_steps)(quick.id) is None
            release.set()
            for put, person in zip(puts, (quick, slow), strict=True):
                assert (await put).accepted == 1
                assert await in_thread(stored_steps)(person.id) == 1000

        holder = threading.Thread(target=hold)
        holder.start()
        try:
            asyncio.run(both())
        finally:
            release.set()
            holder.join(20)

    def test_a_competition_frozen_while_the_group_waits_counts_none_of_it_and_the_others_do(
        self, people: list[User], make_competition: Any
    ) -> None:
        start = datetime.now(UTC) - timedelta(days=9)
        frozen, other = (make_competition(starts=-5, ends=-1, created_at=start) for _ in range(2))
        for walk, walkers in ((frozen, people[:2]), (other, people[1:3])):
            for walker in walkers:
                join_competition(competition=walk, user_id=walker.id, join_code=None, now=start)
        in_time = frozen.closes_at - SECOND
        frozen_now, proceed = threading.Event(), threading.Event()

        def freeze() -> None:
            with transaction.atomic():
                settle_competition(competition_id=frozen.id, now=frozen.closes_at)
                frozen_now.set()
                proceed.wait(20)
            connection.close()

        holder = threading.Thread(target=freeze)
        holder.start()
        frozen_now.wait(20)
        threading.Timer(0.3, proceed.set).start()
        results = self.gather([Batch([reading(p.id, ago=2)], in_time) for p in people[:3]])
        holder.join(20)
        assert [list(result.counted_in) for result in results] == [[], [], [other.id]]
        assert set(steps_of(frozen).values()) == {0}
        assert steps_of(other) == {people[1].id: 0, people[2].id: 1000}

    @pytest.mark.slow
    def test_groups_of_several_servers_about_the_same_people_lose_nothing_and_never_block_for_good(
        self, people: list[User], board: Competition, now: datetime
    ) -> None:
        def server(number: int) -> None:
            order = people[number:] + people[:number]
            for ago in range(number % 2, 4, 2):
                sync_together([Batch([reading(p.id, ago=ago, steps=100)], now) for p in order[::-1] + order])
            connection.close()

        run_together([partial(server, number) for number in range(4)])
        days: set[date] = set(Activity.objects.values_list("day", flat=True))
        assert len(days) == 4
        assert set(steps_of(board).values()) == {400}
        assert check_board(board).difference == ""


@pytest.mark.django_db(transaction=True)
def test_a_group_of_several_waves_and_a_neighbour_do_not_wait_for_each_other(
    make_person: Any, make_competition: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=20)
    past = make_competition(starts=-6, ends=-4, grace_hours=240, created_at=long_ago)
    present = make_competition(starts=-2, ends=2, created_at=long_ago)
    ada, ben = make_person("Ada"), make_person("Ben")
    for competition in (past, present):
        for person in (ada, ben):
            join_competition(competition=competition, user_id=person.id, join_code=None, now=long_ago)
    last, first = sorted([(past.id, 5), (present.id, 0)], reverse=True)  # and how many days ago
    store, moved = services._store, threading.Event()

    def slow(*args: Any) -> Any:
        stored = store(*args)
        if threading.current_thread().name == "group" and not moved.is_set():
            moved.set()
            until_somebody_waits()
        return stored

    monkeypatch.setattr(services, "_store", slow)
    now = datetime.now(UTC)

    def group() -> None:
        threading.current_thread().name = "group"
        sync_together([Batch([reading(ada.id, ago=ago)], now) for _, ago in (last, first)])

    def neighbour() -> None:
        assert moved.wait(10)
        sync_together([Batch([reading(ben.id, ago=ago) for ago in (0, 5)], now)])

    run_together([group, neighbour])
    assert steps_of(past) == steps_of(present) == {ada.id: 1000, ben.id: 1000}
