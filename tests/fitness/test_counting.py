"""Counting the days of a sync alone is counting everything anew."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.services.people import lock_people
from competitions.models import Competition
from competitions.policy import DayBoundary, Policy, policy_to_store
from competitions.rules import DeviceKind
from competitions.services.enrolment import join_competition
from fitness.models import CountedDay
from fitness.rules import Channel, Reading, Recording, SampleType, Source
from fitness.samples import SampleReading, SourceKey
from fitness.services.counting import count_activity
from fitness.services.samples import SampleChanges
from fitness.services.syncing import sync_activities
from leaderboards.models import Standing
from leaderboards.scoring import Totals

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def walk(id_: str, hours: float, length: float, steps: int, zone: str, kind: DeviceKind) -> SampleReading:
    start = MIDNIGHT + hours * HOUR
    source = SourceKey("apple_health", "", kind)
    times = start, start + length * HOUR
    return SampleReading(id_, 0, source, SampleType.STEPS, *times, steps, Recording.AUTOMATIC, zone)


@pytest.fixture
def board(make_competition: Any, person: User) -> Competition:
    """Of the day before yesterday and yesterday, where each participant was."""
    policy = Policy(day_boundary=DayBoundary.PARTICIPANT)
    made: Competition = make_competition(
        starts=-2, ends=-1, created_at=MIDNIGHT - 72 * HOUR, grace_hours=72, stored_policy=policy_to_store(policy)
    )
    join_competition(competition=made, user_id=person.id, join_code=None, now=MIDNIGHT - 48 * HOUR)
    return made


def counted(board: Competition) -> dict[int, int]:
    """The steps by days before today, as they are and as they are when everything is counted anew."""

    def days() -> dict[int, int]:
        found = dict(CountedDay.objects.filter(competition=board).values_list("day", "steps"))
        assert sum(found.values()) == Standing.objects.get(competition=board).synced_steps
        return {(day - MIDNIGHT.date()).days: steps for day, steps in found.items()}

    as_they_are = days()
    with transaction.atomic():
        lock_people(board.participants.values_list("user_id", flat=True))
        count_activity(competitions=[board], user_ids=None, now=datetime.now(UTC))
    assert days() == as_they_are
    return as_they_are


def test_a_source_that_is_on_a_day_that_does_not_count_takes_nothing_from_one_that_is(
    board: Competition, person: User
) -> None:
    """Yesterday at 23:00 UTC it was today in Berlin."""
    phone = walk("p", -1, 1, 500, "UTC", DeviceKind.PHONE)
    watch = walk("w", -1, 1, 900, "Europe/Berlin", DeviceKind.WATCH)
    sync_activities(samples=[SampleChanges(person.id, Channel.PUSH, [phone, watch])], now=datetime.now(UTC))
    assert counted(board) == {-1: 500}


def test_an_offset_at_the_date_line_is_counted_at_once(board: Competition, person: User) -> None:
    """At 11:00 UTC it is 23:00 of the day before at UTC-12, and 1:00 of the next day at UTC+14."""
    line = [walk("west", -13, 1, 70, "-12:00", DeviceKind.WATCH), walk("east", -37, 1, 8, "+14:00", DeviceKind.WATCH)]
    sync_activities(samples=[SampleChanges(person.id, Channel.PUSH, line)], now=datetime.now(UTC))
    assert counted(board) == {-2: 70, -1: 8}


def test_the_day_of_joining_does_not_hang_on_where_a_sample_was_measured(make_competition: Any, person: User) -> None:
    """Joined yesterday at 20:00 UTC, which is today in Auckland; yesterday's total came from there."""
    policy = policy_to_store(Policy(day_boundary=DayBoundary.PARTICIPANT, since_joining=True))
    board = make_competition(starts=-2, ends=2, created_at=MIDNIGHT - 72 * HOUR, stored_policy=policy)
    join_competition(competition=board, user_id=person.id, join_code=None, now=MIDNIGHT - 4 * HOUR)
    yesterday = (MIDNIGHT - HOUR).date()
    sync_activities(
        readings=[Reading(person.id, Source.FITBIT, yesterday, Totals(steps=40))],
        samples=[SampleChanges(person.id, Channel.PUSH, [walk("a", -8, 1, 9, "Pacific/Auckland", DeviceKind.WATCH)])],
        now=datetime.now(UTC),
    )
    assert counted(board) == {-1: 40}


def test_a_day_of_which_nothing_is_left_is_found_by_its_key(board: Competition, person: User) -> None:
    """The competition's and the person's own: PostgreSQL is asked how it looks for them among millions."""
    walked = walk("p", -10, 1, 500, "UTC", DeviceKind.PHONE)
    sync_activities(samples=[SampleChanges(person.id, Channel.PUSH, [walked])], now=datetime.now(UTC))
    assert CountedDay.objects.filter(user=person).count() == 2
    with CaptureQueriesContext(connection) as asked:
        sync_activities(samples=[SampleChanges(person.id, Channel.PUSH, deleted=["p"])], now=datetime.now(UTC))
    assert not CountedDay.objects.filter(user=person).exists()
    [taken_out] = [query["sql"] for query in asked.captured_queries if "DELETE FROM fitness_countedday" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO fitness_countedday (user_id, day, steps, distance_mm, energy_cal, active_seconds)"
            " SELECT %s, date '1990-01-01' + n, 1, 1, 1, 1 FROM generate_series(1, 3000) AS n",
            [person.id],
        )
        cursor.execute("ANALYZE fitness_countedday")
        cursor.execute("EXPLAIN " + taken_out[taken_out.index("DELETE") :])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Cond: ((competition_id = gone.competition_id) AND (user_id" in plan
    assert "Index Cond: ((competition_id IS NULL) AND (user_id" in plan
