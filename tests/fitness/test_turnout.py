"""What is counted of many people at once, against plain counting of the same rows."""

import random
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounts.growth import people_by_day
from accounts.models import User
from competitions.models import Competition, Participant
from competitions.rules import DeviceKind
from competitions.services.enrolment import enrol_people, leave_competition
from fitness.models import Activity, CountedDay, DataSource, Sample, SyncHour
from fitness.queries.provenance import DELAYS, MOST_APPS, Span, delays_of_readings, sources_used
from fitness.queries.silence import SPANS, silence_of_participants
from fitness.queries.syncs import syncs_by_hour
from fitness.queries.turnout import amounts_by_hour, hours_between, turnout_by_day
from fitness.rules import Reading, Recording, SampleType, Source
from fitness.samples import SourceKey
from fitness.services.sync_counts import forget_sync_counts
from leaderboards.scoring import Totals
from tests.fitness.walking import measured, sync

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
APPS = ["apple_health", "garmin", "=cmd", "strava", "Strava", "oura"]


class World:
    """Two competitions with some of the same people, and whatever their sources sent."""

    def __init__(self, seed: int, make_competition: Any, make_person: Any) -> None:
        chance = random.Random(seed)
        self.now = datetime.now(UTC)
        self.zone = chance.choice(["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
        made = self.now - timedelta(days=9)
        ends = chance.choice([-2, 3])
        self.boards: list[Competition] = [
            make_competition(starts=-8, ends=ends, timezone=self.zone, created_at=made, score_source=source)
            for source in ("synced", "either")
        ]
        people = [make_person() for _ in range(8)]
        for board, theirs in zip(self.boards, (people[:6], people[3:]), strict=True):
            enrol_people(competition=board, user_ids=[one.id for one in theirs], now=made)
        for person in people[1:]:
            self._send(chance, person)
        left_at = min(self.now, self.boards[0].end_at - HOUR)
        leave_competition(competition=self.boards[0], user_id=people[2].id, now=left_at)
        self.ids = [board.id for board in self.boards]
        board = self.boards[0]
        self.span = Span(board.start_at, board.end_at, board.starts_on, board.last_on)

    def _send(self, chance: random.Random, person: User) -> None:
        for _ in range(3):
            source = SourceKey(chance.choice(APPS), "", chance.choice(list(DeviceKind)))
            at = self.now - chance.randrange(200) * HOUR
            samples = []
            for _ in range(8):
                start = at - chance.randrange(1, 3000) * timedelta(minutes=7)
                type_ = chance.choice([SampleType.STEPS, SampleType.STEPS, SampleType.DISTANCE])
                recording = chance.choice(list(Recording))
                fields: dict[str, Any] = {"source": source, "type": type_, "recording": recording}
                samples.append(measured(start, chance.randrange(9000), 420, **fields))
            day = at.date() - timedelta(days=chance.randrange(3))
            total = Reading(person.id, chance.choice([Source.FITBIT, Source.MANUAL, Source.STRAVA]), day, Totals(7, 7))
            sync(person, *samples, total, now=at)

    def here(self, ids: list[Any]) -> set[Any]:
        return {row.user_id for row in Participant.objects.filter(competition_id__in=ids, left_at=None)}

    def samples(self, ids: list[Any]) -> list[Sample]:
        """That others may see, and that stand."""
        rows = Sample.objects.filter(user_id__in=self.here(ids), superseded_at=None).select_related("source")
        seen = [row for row in rows if row.source.app.lower() != "strava"]
        return [row for row in seen if self.span.since <= row.start_at < self.span.until]

    def totals(self, ids: list[Any]) -> list[Activity]:
        rows = Activity.objects.filter(user_id__in=self.here(ids)).exclude(source="strava")
        return [row for row in rows if self.span.first <= row.day <= self.span.last]


@pytest.fixture(params=range(4))
def world(request: Any, make_competition: Any, make_person: Any, settings: Any) -> World:
    settings.OWNER_ONLY_SOURCES = frozenset({"strava"})
    return World(request.param, make_competition, make_person)


@pytest.mark.slow
def test_everything_is_counted_as_by_hand(world: World) -> None:
    for ids in ([world.ids[0]], world.ids):
        check_turnout(world, ids)
        check_hours(world, ids)
        check_sources(world, ids)
        check_delays(world, ids)
        check_silence(world, ids)


def check_turnout(world: World, ids: list[Any]) -> None:
    first, last = world.span.first - timedelta(days=2), world.span.last
    best: dict[tuple[Any, date], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in CountedDay.objects.filter(competition_id__in=ids):
        amounts = (row.steps, row.distance_mm, row.energy_cal, row.active_seconds)
        best[row.user_id, row.day] = [max(pair) for pair in zip(best[row.user_id, row.day], amounts, strict=True)]
    days = turnout_by_day(ids, first=first, last=last)
    assert [day.day for day in days] == [first + timedelta(days=n) for n in range((last - first).days + 1)]
    for day in days:
        theirs = [amounts for (_, on), amounts in best.items() if on == day.day]
        assert day.active == sum(any(amounts) for amounts in theirs)
        assert day.totals == Totals(*(sum(column) for column in zip(*theirs, strict=True))) if theirs else Totals()
    assert sum(day.active for day in days)


def check_hours(world: World, ids: list[Any]) -> None:
    by_source: Counter[Any] = Counter()
    for row in world.samples(ids):
        local = row.start_at.astimezone(ZoneInfo(world.zone))
        if row.type == SampleType.STEPS:
            by_source[row.user_id, local.date(), local.hour, local.utcoffset(), row.source_id] += row.amount
    best: dict[Any, int] = {}
    for (*hour, _), amount in by_source.items():
        best[tuple(hour)] = max(best.get(tuple(hour), 0), amount)
    expected = [0] * 24
    for (_, _, hour, _), amount in best.items():
        expected[hour] += amount
    found = amounts_by_hour(ids, SampleType.STEPS, zone=world.zone, since=world.span.since, until=world.span.until)
    assert found == expected
    assert sum(found)


def check_sources(world: World, ids: list[Any]) -> None:
    people: dict[str, dict[str, set[Any]]] = {"kind": {}, "app": {}, "recording": {}}
    readings: Counter[tuple[str, str]] = Counter()
    rows = [(row.user_id, row.source.kind, row.source.app, row.recording) for row in world.samples(ids)]
    for total in world.totals(ids):
        rows.append((total.user_id, "day totals", total.source, "manual" if total.source == "manual" else "not said"))
    for user_id, *named in rows:
        for what, name in zip(people, named, strict=True):
            people[what].setdefault(name, set()).add(user_id)
            readings[what, name] += 1
    found = sources_used(ids, world.span)
    for what, used in (("kind", found.kinds), ("app", found.apps), ("recording", found.recordings)):
        expected = {name: (len(users), readings[what, name]) for name, users in people[what].items()}
        assert {one.name: (one.people, one.readings) for one in used} == expected
        assert [one.people for one in used] == sorted((one.people for one in used), reverse=True)


def check_delays(world: World, ids: list[Any]) -> None:
    limits = [HOUR, 6 * HOUR, 24 * HOUR, 48 * HOUR, 168 * HOUR]
    samples = [row.synced_at - row.end_at for row in world.samples(ids)]
    totals = []
    for row in world.totals(ids):
        midnight = datetime.combine(row.day + timedelta(days=1), time(), ZoneInfo(world.zone))
        totals.append(row.synced_at - midnight.astimezone(UTC))
    found = delays_of_readings(ids, world.span, world.zone)
    for delays, counts in zip((samples, totals), found, strict=True):
        places = Counter(sum(delay >= limit for limit in limits) for delay in delays)
        assert counts == [places[place] for place in range(len(DELAYS))]


def check_silence(world: World, ids: list[Any]) -> None:
    expected: Counter[int] = Counter()
    for row in Participant.objects.filter(competition_id__in=ids, left_at=None).select_related("competition"):
        moments = [
            *Activity.objects.filter(user=row.user_id).values_list("synced_at", flat=True),
            *DataSource.objects.filter(user=row.user_id).values_list("synced_at", flat=True),
        ]
        silent = min(row.competition.end_at, world.now) - max(moments) if moments else None
        limits = [timedelta(days=days) for days in (1, 2, 4, 8, 15)]
        expected[6 if silent is None else sum(silent >= limit for limit in limits)] += 1
    assert silence_of_participants(ids, world.now) == [expected[place] for place in range(len(SPANS))]


def test_the_most_used_apps_are_shown_and_no_more(make_competition: Any, join: Any, person: Any, now: datetime) -> None:
    board = make_competition()
    join(board, person)
    for number in range(MOST_APPS + 3):
        source = SourceKey(f"app {number:02}", "", DeviceKind.WATCH)
        sync(person, *(measured(now - (n + 1) * HOUR, 5, source=source) for n in range(number + 1)), now=now)
    found = sources_used([board.id], Span(board.start_at, board.end_at, board.starts_on, board.last_on))
    assert [one.name for one in found.apps] == [f"app {number:02}" for number in range(MOST_APPS + 2, 2, -1)]
    assert [(one.name, one.people) for one in found.kinds] == [("watch", 1)]


def test_with_nobody_there_is_nothing(make_competition: Any, now: datetime) -> None:
    board = make_competition()
    span = Span(board.start_at, board.end_at, board.starts_on, board.last_on)
    for ids in ([], [board.id]):
        assert not any(day.active for day in turnout_by_day(ids, first=board.starts_on, last=board.last_on))
        assert amounts_by_hour(ids, SampleType.STEPS, zone="UTC", since=board.start_at, until=board.end_at) == [0] * 24
        assert amounts_by_hour(ids, SampleType.STEPS, zone="UTC", since=board.end_at, until=board.start_at) == [0] * 24
        assert sources_used(ids, span).apps == []
        assert delays_of_readings(ids, span, "UTC") == ([0] * 6, [0] * 6)
        assert silence_of_participants(ids, now) == [0] * 7


def test_the_hour_that_comes_twice_is_the_same_hour_of_the_clock() -> None:
    since, until = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)
    hours = [hour for _, hour in hours_between("Europe/Berlin", since, until)]
    assert hours == [0, 1, 2, 2, *range(3, 24)]
    spring = hours_between(
        "Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)
    )
    assert [hour for _, hour in spring] == [0, 1, *range(3, 24)]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_hours_begin_by_the_clock_whenever_one_looks(zone: str) -> None:
    since = datetime(2026, 6, 1, 10, 7, 23, tzinfo=UTC)
    hours = hours_between(zone, since, since + 2 * timedelta(days=1))
    assert hours[0][0] <= since
    for begins, hour in hours[1:]:
        local = begins.astimezone(ZoneInfo(zone))
        assert (local.hour, local.minute, local.second) == (hour, 0, 0)


class TestSyncs:
    def test_each_sync_is_counted_in_its_hour_and_nothing_else_is(self, person: Any, other: Any) -> None:
        now = datetime.now(UTC).replace(minute=20)
        for hours_ago, who in ((0, person), (0, other), (0, person), (2, other), (30, person)):
            sync(who, measured(now - 200 * HOUR, 5), now=now - hours_ago * HOUR)
        hours = syncs_by_hour(now)
        assert [count for _, count in hours[-3:]] == [1, 0, 3]
        assert sum(count for _, count in hours) == 4
        assert hours[-1][0] == now.replace(minute=0, second=0, microsecond=0)
        assert len(hours) == 24
        forget_sync_counts(now=now + timedelta(days=6))
        assert sum(row.syncs for row in SyncHour.objects.all()) == 4


def test_people_are_counted_by_the_day_on_which_they_joined(make_person: Any, now: datetime) -> None:
    chance = random.Random(1)
    for _ in range(30):
        person = make_person()
        User.objects.filter(id=person.id).update(joined_at=now - chance.randrange(20 * 24) * HOUR)
    first, last = now.date() - timedelta(days=9), now.date()
    joined = [person.joined_at.astimezone(UTC).date() for person in User.objects.all()]
    for day in people_by_day(first, last):
        assert day.joined == joined.count(day.day)
        assert day.total == sum(each <= day.day for each in joined)
