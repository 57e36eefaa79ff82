"""What of somebody's readings counts, by hand and against a brute force that walks through time and knows nothing of
the code but what a reading says."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import cycle
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from competitions.policy import Policy
from competitions.rules import DeviceKind
from fitness.explaining import explained_days
from fitness.plausibility import Hold
from fitness.reckoning import (
    Frame,
    KnownDay,
    KnownSample,
    Part,
    Readings,
    Reason,
    counted_days,
    day_at,
    days_touched,
    in_whole_units,
    microseconds,
    reckon,
    start_of,
)
from fitness.rules import Recording, SampleType
from fitness.samples import SourceKey
from leaderboards.scoring import Totals

HOUR = 3_600_000_000
DAY = 24 * HOUR
WATCH, PHONE, RING = 1, 2, 3
SOURCES = {
    WATCH: SourceKey("apple_health", "Watch", DeviceKind.WATCH),
    PHONE: SourceKey("apple_health", "Phone", DeviceKind.PHONE),
    RING: SourceKey("oura", "Ring", DeviceKind.RING),
}
FRAME = Frame(zone="UTC")
JUNE_1, JUNE_2, JUNE_3 = (date(2026, 6, day) for day in (1, 2, 3))


def moment(text: str) -> int:
    return microseconds(datetime.fromisoformat(text))


def sample(start: str, end: str, amount: int, **fields: Any) -> KnownSample:
    usual: dict[str, Any] = {
        "id": 1,
        "source_id": WATCH,
        "type": "steps",
        "start": moment(start),
        "end": moment(end),
        "amount": amount,
        "recording": "automatic",
        "zone": "UTC",
        "channel": "push",
        "known_from": moment(end),
        "known_until": None,
    }
    return KnownSample(**(usual | fields))


def total(day: date, steps: int, source: str = "fitbit", **fields: Any) -> KnownDay:
    usual: dict[str, Any] = {"known_from": moment(f"{day}T12:00Z"), "known_until": None}
    return KnownDay(source, day, Totals(steps=steps), **(usual | fields))


def reckoned(frame: Frame, *readings: KnownSample | KnownDay) -> list[Part]:
    days = [reading for reading in readings if isinstance(reading, KnownDay)]
    samples = [reading for reading in readings if isinstance(reading, KnownSample)]
    return reckon(frame, Readings(days, samples, SOURCES))


def steps(frame: Frame, *readings: KnownSample | KnownDay) -> dict[date, int]:
    return {day: totals.steps for day, totals in counted_days(frame, reckoned(frame, *readings)).items()}


def reasons(frame: Frame, *readings: KnownSample | KnownDay) -> list[Reason | None]:
    return [part.reason for part in reckoned(frame, *readings)]


class TestDays:
    @pytest.mark.parametrize(
        ("zone", "day", "first_moment", "hours"),
        [
            ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00Z", 23),
            ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00Z", 25),
            ("America/Santiago", "2026-09-06", "2026-09-06T04:00Z", 23),  # 0:00 does not exist, it begins at 1:00
            ("America/Santiago", "2026-04-04", "2026-04-04T03:00Z", 25),  # 24:00 becomes 23:00
            ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00Z", 24),
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00Z", 0),  # was left out
            ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00Z", 24),
            ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30Z", 23.5),
            ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00Z", 24.5),
            ("America/St_Johns", "2010-11-07", "2010-11-07T02:30Z", 25),  # at 0:01 it became 23:01 of the day before
            ("America/Havana", "2026-11-01", "2026-11-01T04:00Z", 25),  # 0:00 comes twice
            ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00Z", 23),
            ("+05:45", "2026-06-01", "2026-05-31T18:15Z", 24),
            ("-12:00", "2026-06-01", "2026-06-01T12:00Z", 24),
        ],
    )
    def test_a_day_begins_and_ends_where_the_clocks_say(
        self, zone: str, day: str, first_moment: str, hours: float
    ) -> None:
        begins = date.fromisoformat(day)
        start, end = start_of(zone, begins), start_of(zone, begins + timedelta(days=1))
        assert (start, end - start) == (moment(first_moment), hours * HOUR)
        if hours:
            assert (day_at(zone, start - 1), day_at(zone, start)) != (begins, begins)
            assert {day_at(zone, at) for at in range(start, end, HOUR // 4)} == {begins}
            assert day_at(zone, end) > begins

    def test_no_day_has_a_moment_after_the_next_one_has_begun(self) -> None:
        """At 0:01 of 7 November 2010 it was 23:01 of 6 November again in Newfoundland."""
        zone, midnight = "America/St_Johns", moment("2010-11-07T02:30Z")
        seen = [day_at(zone, midnight + minutes * HOUR // 60) for minutes in range(-5, 90)]
        assert seen == sorted(seen)
        assert seen[4:6] == [date(2010, 11, 6), date(2010, 11, 7)]

    def test_a_span_touches_every_day_that_it_may_be_anywhere(self) -> None:
        span = moment("2026-06-02T09:00Z"), moment("2026-06-02T09:30Z")
        assert days_touched(*span, "UTC") == (JUNE_2, JUNE_2)
        assert days_touched(*span, None) == (JUNE_1, JUNE_2)  # 21:00 at UTC-12
        assert days_touched(moment("2026-06-02T10:00Z"), moment("2026-06-02T11:00Z"), None) == (JUNE_1, JUNE_3)

    def test_until_midnight_is_not_the_next_day(self) -> None:
        assert days_touched(moment("2026-06-01T23:00Z"), moment("2026-06-02T00:00Z"), "UTC") == (JUNE_1, JUNE_1)


class TestDivision:
    def test_a_sample_over_two_midnights(self) -> None:
        night = sample("2026-06-01T18:00Z", "2026-06-03T06:00Z", 1001)
        # 36 hours: 6, 24 and 6. By the midnights 166.8 and 834.2 have gone by.
        assert steps(FRAME, night) == {JUNE_1: 166, JUNE_2: 834 - 166, JUNE_3: 1001 - 834}

    @pytest.mark.parametrize(
        ("zone", "start", "end", "expected"),
        [
            # 23 hours of 29 March, and two on each side: 27 hours of 100 steps.
            ("Europe/Berlin", "2026-03-28T21:00Z", "2026-03-30T00:00Z", {28: 200, 29: 2300, 30: 200}),
            # 25 hours of 25 October, and an hour on each side.
            ("Europe/Berlin", "2026-10-24T21:00Z", "2026-10-26T00:00Z", {24: 100, 25: 2500, 26: 100}),
            # Midnight of 6 September is 4:00 UTC and reads 1:00; that of 7 September is 3:00 UTC.
            ("America/Santiago", "2026-09-06T03:00Z", "2026-09-07T04:00Z", {5: 100, 6: 2300, 7: 100}),
            # 24 hours around the change of 29 to 31 December.
            ("Pacific/Apia", "2011-12-29T22:00Z", "2011-12-30T22:00Z", {29: 1200, 31: 1200}),
            # 14 hours of the 4th as in Lord Howe, whose day is half an hour short.
            ("Australia/Lord_Howe", "2026-10-03T12:30Z", "2026-10-04T14:00Z", {3: 100, 4: 2350, 5: 100}),
        ],
    )
    def test_over_a_change_of_the_clocks(self, zone: str, start: str, end: str, expected: dict[int, int]) -> None:
        walk = sample(start, end, sum(expected.values()), zone=zone)
        for frame in (Frame(zone=zone), Frame(zone=None)):
            assert {day.day: counted for day, counted in steps(frame, walk).items()} == expected

    def test_whose_midnight_it_is(self) -> None:
        walk = sample("2026-06-02T10:30Z", "2026-06-02T12:30Z", 120, zone="Pacific/Auckland")
        assert steps(Frame(zone="Europe/Berlin"), walk) == {JUNE_2: 120}
        assert steps(Frame(zone="UTC"), walk) == {JUNE_2: 120}
        assert steps(Frame(zone=None), walk) == {JUNE_2: 90, JUNE_3: 30}  # midnight there is 12:00 UTC
        offset = walk._replace(zone="+13:00")
        assert steps(Frame(zone=None), offset) == {JUNE_2: 30, JUNE_3: 90}

    def test_where_sources_name_different_zones_a_stretch_belongs_to_the_day_of_the_one_that_counts(self) -> None:
        watch = sample("2026-06-02T22:00Z", "2026-06-02T23:00Z", 100, zone="Pacific/Auckland")
        phone = sample("2026-06-02T22:00Z", "2026-06-03T00:00Z", 180, zone="UTC", source_id=PHONE)
        assert steps(Frame(zone=None), watch, phone) == {JUNE_3: 100, JUNE_2: 90}


class TestWindow:
    def test_a_competition_inside_a_day_cuts_samples_exactly(self) -> None:
        frame = replace(
            FRAME,
            first_day=JUNE_1,
            last_day=JUNE_1,
            opens=moment("2026-06-01T08:20Z"),
            ends=moment("2026-06-01T08:50Z"),
        )
        walk = sample("2026-06-01T08:00Z", "2026-06-01T09:00Z", 601)
        assert steps(frame, walk) == {JUNE_1: 500 - 200}  # what has gone by then: 500.8 and 200.3
        assert reasons(frame, walk) == [Reason.OUTSIDE, None, Reason.OUTSIDE]
        assert [part.amount for part in reckoned(frame, walk)] == [200, 300, 101]

    def test_days_around_it_are_not_its(self) -> None:
        frame = replace(FRAME, first_day=JUNE_2, last_day=JUNE_2)
        days = [sample(f"{day}T08:00Z", f"{day}T09:00Z", 10) for day in (JUNE_1, JUNE_2, JUNE_3)]
        assert steps(frame, *days, total(JUNE_1, 7), total(JUNE_2, 7), total(JUNE_3, 7)) == {JUNE_2: 10}

    def test_since_joining_a_sample_is_cut_and_a_day_total_counts_from_that_day_on(self) -> None:
        frame = replace(FRAME, joined=moment("2026-06-02T08:30Z"))
        walk = sample("2026-06-02T08:00Z", "2026-06-02T09:00Z", 100)
        assert steps(frame, walk, total(JUNE_1, 500)) == {JUNE_2: 50}
        assert reasons(frame, walk) == [Reason.BEFORE_JOINING, None]
        assert steps(frame, walk, total(JUNE_2, 60)) == {JUNE_2: 60}

    def test_a_whole_sample_before_joining_does_not_count(self) -> None:
        frame = replace(FRAME, joined=moment("2026-06-02T09:00Z"))
        assert reasons(frame, sample("2026-06-02T08:00Z", "2026-06-02T09:00Z", 100)) == [Reason.BEFORE_JOINING]
        assert reasons(frame, sample("2026-06-02T09:00Z", "2026-06-02T10:00Z", 100)) == [None]


def ruled(**policy: Any) -> Frame:
    return replace(FRAME, policy=Policy(**policy))


class TestPolicy:
    def test_a_day_counts_its_cap_at_most(self) -> None:
        readings: list[KnownSample | KnownDay] = [
            sample("2026-06-01T08:00Z", "2026-06-01T09:00Z", 900),
            sample("2026-06-01T08:00Z", "2026-06-01T09:00Z", 5000, type="distance"),
            sample("2026-06-02T08:00Z", "2026-06-02T09:00Z", 300),
        ]
        frame = ruled(daily_cap={"steps": 500})
        assert counted_days(frame, reckoned(frame, *readings)) == {
            JUNE_1: Totals(steps=500, distance_mm=5000),
            JUNE_2: Totals(steps=300),
        }

    @pytest.mark.parametrize(
        ("allowed", "expected"),
        [(set(), 300), ({"oura"}, 30), ({"watch"}, 100), ({"watch", "oura"}, 130), ({"fitbit"}, 300), ({"phone"}, 0)],
    )
    def test_sources_are_allowed_by_app_and_by_kind(self, allowed: set[str], expected: int) -> None:
        readings: list[KnownSample | KnownDay] = [
            sample("2026-06-01T08:00Z", "2026-06-01T09:00Z", 100),
            sample("2026-06-01T10:00Z", "2026-06-01T11:00Z", 30, source_id=RING),
            total(JUNE_1, 300),
        ]
        frame = ruled(allowed_sources=frozenset(allowed))
        assert steps(frame, *readings).get(JUNE_1, 0) == expected
        for part in reckoned(frame, *readings):
            names = {part.source.app, part.source.kind}
            assert (part.reason is Reason.SOURCE_NOT_ALLOWED) == bool(allowed and not allowed & names)

    def test_what_was_typed_in_does_not_count_where_it_shall_not(self) -> None:
        readings: list[KnownSample | KnownDay] = [
            sample("2026-06-01T08:00Z", "2026-06-01T09:00Z", 900, recording="manual"),
            sample("2026-06-01T08:00Z", "2026-06-01T09:00Z", 100, recording="active", source_id=PHONE),
            total(JUNE_1, 5000, "manual"),
        ]
        assert steps(FRAME, *readings) == {JUNE_1: 5000}
        frame = ruled(manual_entries=False)
        assert steps(frame, *readings) == {JUNE_1: 100}
        assert reasons(frame, *readings) == [Reason.MANUAL, Reason.MANUAL, None]

    def test_what_only_its_owner_may_see_counts_for_nobody_else(self) -> None:
        readings: list[KnownSample | KnownDay] = [
            sample("2026-06-01T08:00Z", "2026-06-01T09:00Z", 100),
            sample("2026-06-01T08:00Z", "2026-06-01T09:00Z", 700, source_id=RING),
            sample("2026-06-01T08:00Z", "2026-06-01T09:00Z", 800, source_id=PHONE, channel="google_fit"),
            total(JUNE_1, 5000, "strava"),
        ]
        frame = replace(FRAME, owner_only=frozenset({"strava", "oura", "google_fit"}))
        assert steps(frame, *readings) == {JUNE_1: 100}
        assert reasons(frame, *readings).count(Reason.OWNER_ONLY) == 3
        assert steps(Frame(), *readings) == {JUNE_1: 5000}


CLOSES = moment("2026-06-05T00:00Z")
CLOSED = replace(FRAME, closes=CLOSES)
LIMITED = replace(CLOSED, policy=Policy(backfill_days=2))
MEASURED = ("2026-06-01T08:00Z", "2026-06-01T09:00Z")
LIMIT = moment("2026-06-04T12:00Z")
"""Of what was measured then: two days after 1 June was over at UTC-12."""


class TestLateness:
    @pytest.mark.parametrize(("frame", "limit"), [(CLOSED, CLOSES), (LIMITED, LIMIT)])
    def test_what_arrives_at_the_limit_is_late(self, frame: Frame, limit: int) -> None:
        last = sample(*MEASURED, 100, known_from=limit - 1)
        assert steps(frame, last) == {JUNE_1: 100}
        assert reasons(frame, last._replace(known_from=limit)) == [Reason.LATE]

    @pytest.mark.parametrize(("frame", "limit"), [(CLOSED, CLOSES), (LIMITED, LIMIT)])
    def test_after_a_late_deletion_what_was_known_in_time_stands(self, frame: Frame, limit: int) -> None:
        deleted = sample(*MEASURED, 100, known_until=limit - 1)
        assert reckoned(frame, deleted) == []
        assert steps(frame, deleted._replace(known_until=limit)) == {JUNE_1: 100}

    @pytest.mark.parametrize(("frame", "limit"), [(CLOSED, CLOSES), (LIMITED, LIMIT)])
    def test_after_a_late_edit_what_was_known_in_time_stands(self, frame: Frame, limit: int) -> None:
        first, second = sample(*MEASURED, 100, known_until=limit), sample(*MEASURED, 900, known_from=limit)
        assert steps(frame, first, second) == {JUNE_1: 100}
        assert reasons(frame, first, second) == [None, Reason.LATE]

    @pytest.mark.parametrize(("frame", "limit"), [(CLOSED, CLOSES), (LIMITED, LIMIT)])
    def test_of_several_late_versions_only_the_last_is_named(self, frame: Frame, limit: int) -> None:
        versions = [
            sample(*MEASURED, 1, known_until=limit - 9),
            sample(*MEASURED, 2, known_from=limit - 9, known_until=limit + 5),
            sample(*MEASURED, 3, known_from=limit + 5, known_until=limit + 8),
            sample(*MEASURED, 4, known_from=limit + 8),
        ]
        assert steps(frame, *versions) == {JUNE_1: 2}
        assert [(part.amount, part.reason) for part in reckoned(frame, *versions)] == [(2, None), (4, Reason.LATE)]

    def test_the_earlier_limit_decides(self) -> None:
        late = sample("2026-06-04T08:00Z", "2026-06-04T09:00Z", 100, known_from=CLOSES)
        assert reasons(LIMITED, late) == [Reason.LATE]

    def test_of_a_sample_that_grows_one_version_stands(self) -> None:
        first = sample("2026-06-01T08:00Z", "2026-06-01T09:00Z", 600, known_until=LIMIT - 1)
        grown = sample("2026-06-01T08:00Z", "2026-06-02T08:00Z", 1000, known_from=LIMIT - 1)
        assert sum(steps(LIMITED, first, grown).values()) == 1000
        late = [first._replace(known_until=LIMIT), grown._replace(known_from=LIMIT)]
        assert steps(LIMITED, *late) == {JUNE_1: 600}

    def test_a_sample_is_of_the_day_on_which_it_began_where_it_was_measured(self) -> None:
        walk = sample("2026-06-01T23:30Z", "2026-06-02T00:30Z", 100, known_from=LIMIT - 1)
        assert sum(steps(LIMITED, walk).values()) == 100
        assert set(reasons(LIMITED, walk._replace(known_from=LIMIT))) == {Reason.LATE}
        assert set(reasons(LIMITED, walk._replace(known_from=LIMIT, zone="Europe/Berlin"))) == {None}

    def test_a_day_total_is_measured_when_its_day_is_over_everywhere(self) -> None:
        over = moment("2026-06-02T12:00Z")  # 1 June at UTC-12
        first = total(JUNE_1, 100, known_until=over + 2 * DAY)
        assert steps(LIMITED, first, total(JUNE_1, 900, known_from=over + 2 * DAY)) == {JUNE_1: 100}
        assert steps(LIMITED, total(JUNE_1, 900, known_from=over + 2 * DAY - 1)) == {JUNE_1: 900}

    def test_without_any_limit_what_stands_now_counts(self) -> None:
        first, second = sample(*MEASURED, 900, known_until=LIMIT), sample(*MEASURED, 100, known_from=LIMIT)
        assert steps(FRAME, first, second) == {JUNE_1: 100}


def hold(*, decided: bool = False, **fields: Any) -> Hold:
    nothing: dict[str, Any] = dict.fromkeys(("source_id", "source_name", "type", "start_at", "end_at"))
    nothing |= {"first_day": None, "last_day": None}
    return Hold(**(nothing | {"flag_id": UUID(int=1), "decided": decided, "reason": "cadence"} | fields))


HELD_HOUR: dict[str, Any] = {
    "start_at": datetime(2026, 6, 1, 8, 30, tzinfo=UTC),
    "end_at": datetime(2026, 6, 1, 9, 30, tzinfo=UTC),
}


class TestHolds:
    walk = sample(*MEASURED, 500)
    phone = sample(*MEASURED, 200, source_id=PHONE)

    @pytest.mark.parametrize(("decided", "reason"), [(False, Reason.HELD), (True, Reason.EXCLUDED)])
    def test_what_is_set_aside_leaves_room_for_other_sources(self, decided: bool, reason: Reason) -> None:
        frame = replace(FRAME, holds=[hold(decided=decided, source_id=WATCH, type=SampleType.STEPS, **HELD_HOUR)])
        assert steps(frame, self.walk, self.phone) == {JUNE_1: 200}
        assert reasons(frame, self.walk, self.phone) == [reason, None]

    @pytest.mark.parametrize(
        "other",
        [
            hold(source_id=PHONE, **HELD_HOUR),
            hold(source_id=WATCH, type=SampleType.DISTANCE, **HELD_HOUR),
            hold(start_at=datetime(2026, 6, 1, 9, tzinfo=UTC), end_at=datetime(2026, 6, 1, 10, tzinfo=UTC)),
            hold(start_at=datetime(2026, 6, 1, 7, tzinfo=UTC), end_at=datetime(2026, 6, 1, 8, tzinfo=UTC)),
            hold(first_day=JUNE_1, last_day=JUNE_1),
        ],
    )
    def test_what_a_hold_does_not_mean_counts(self, other: Hold) -> None:
        assert steps(replace(FRAME, holds=[other]), self.walk) == {JUNE_1: 500}

    def test_of_two_the_decided_one_is_named(self) -> None:
        frame = replace(FRAME, holds=[hold(**HELD_HOUR), hold(decided=True, **HELD_HOUR)])
        assert reasons(frame, self.walk) == [Reason.EXCLUDED]

    def test_day_totals_are_held_by_days_and_by_the_name_of_their_source(self) -> None:
        fitbit = hold(source_name="fitbit", first_day=JUNE_2, last_day=JUNE_3)
        frame = replace(FRAME, holds=[fitbit])
        days = [total(JUNE_1, 1), total(JUNE_2, 2), total(JUNE_3, 3), total(JUNE_3, 4, "garmin")]
        assert steps(frame, *days) == {JUNE_1: 1, JUNE_3: 4}
        assert steps(replace(FRAME, holds=[replace(fitbit, source_name=None)]), *days) == {JUNE_1: 1}


class TestSeveralSources:
    def test_a_day_total_counts_where_it_is_larger_than_everything_finer(self) -> None:
        walk = sample(*MEASURED, 500)
        assert steps(FRAME, walk, total(JUNE_1, 500), total(JUNE_1, 400, "garmin")) == {JUNE_1: 500}
        assert reasons(FRAME, walk, total(JUNE_1, 500)) == [Reason.OVERLAPPED, None]
        assert steps(FRAME, walk, total(JUNE_1, 501), total(JUNE_1, 400, "garmin")) == {JUNE_1: 501}
        assert reasons(FRAME, walk, total(JUNE_1, 501)) == [None, Reason.OVERLAPPED]

    def test_each_metric_is_counted_for_itself(self) -> None:
        day = KnownDay("fitbit", JUNE_1, Totals(steps=100, distance_mm=9000), moment("2026-06-01T12:00Z"), None)
        parts = reckoned(FRAME, sample(*MEASURED, 500), sample(*MEASURED, 800, type="distance"), day)
        assert counted_days(FRAME, parts) == {JUNE_1: Totals(steps=500, distance_mm=9000)}

    def test_the_preferred_one_stands_wherever_it_has_a_reading(self) -> None:
        watch = sample("2026-06-01T08:00Z", "2026-06-01T09:00Z", 100)
        phone = sample("2026-06-01T08:30Z", "2026-06-01T09:30Z", 600, source_id=PHONE)
        assert steps(FRAME, watch, phone) == {JUNE_1: 50 + 600}
        preferring = replace(FRAME, preference=[DeviceKind.WATCH, DeviceKind.PHONE])
        assert steps(preferring, watch, phone) == {JUNE_1: 100 + 300}
        assert steps(replace(FRAME, preference=[DeviceKind.PHONE]), watch, phone) == {JUNE_1: 50 + 600}

    def test_equally_preferred_ones_are_compared(self) -> None:
        ring = sample(*MEASURED, 700, source_id=RING)
        frame = replace(FRAME, preference=[DeviceKind.BAND])
        assert steps(frame, sample(*MEASURED, 100), ring) == {JUNE_1: 700}

    def test_a_day_total_of_a_preferred_kind_is_not_helped_by_less_preferred_samples(self) -> None:
        walk, day = sample(*MEASURED, 500), total(JUNE_1, 300)
        assert steps(replace(FRAME, preference=[DeviceKind.OTHER, DeviceKind.WATCH]), walk, day) == {JUNE_1: 300}
        assert steps(replace(FRAME, preference=[DeviceKind.WATCH, DeviceKind.OTHER]), walk, day) == {JUNE_1: 500}

    def test_preferred_samples_that_cover_the_day_leave_nothing_to_its_total(self) -> None:
        preferring = replace(FRAME, preference=[DeviceKind.WATCH])
        night = sample("2026-06-01T00:00Z", "2026-06-01T08:00Z", 100)
        rest = sample("2026-06-01T08:00Z", "2026-06-02T00:00Z", 200)
        assert steps(preferring, night, rest, total(JUNE_1, 9000)) == {JUNE_1: 300}
        assert steps(preferring, rest, total(JUNE_1, 9000)) == {JUNE_1: 9000}
        assert steps(FRAME, night, rest, total(JUNE_1, 9000)) == {JUNE_1: 9000}


# --- Any readings, against a walk through time ---

TICK = 900
"""Seconds; every start, end and change of the clocks below is at a whole one."""
BERLIN, SANTIAGO, APIA, LORD_HOWE = "Europe/Berlin", "America/Santiago", "Pacific/Apia", "Australia/Lord_Howe"
AROUND = {
    BERLIN: "2026-03-29T01:00Z",
    SANTIAGO: "2026-09-06T04:00Z",
    APIA: "2011-12-30T10:00Z",
    LORD_HOWE: "2026-10-03T15:30Z",
    "+05:45": "2026-06-01T18:15Z",
}
TICKS = 288
RANKS = {WATCH: 0, PHONE: 1, RING: 2}

Plain = tuple[int, int, int, int]
"""A source, the first tick, how many, and an amount."""

plain_samples = st.lists(
    st.tuples(st.sampled_from([WATCH, PHONE, RING]), st.integers(0, TICKS), st.integers(1, 192), st.integers(0, 9999)),
    max_size=8,
)


def ticked(first: int, plain: Plain, zone: str, **fields: Any) -> KnownSample:
    """``first``: the second at which ticks begin."""
    source, start, length, amount = plain
    begins, ends = (datetime.fromtimestamp(first + tick * TICK, UTC).isoformat() for tick in (start, start + length))
    return sample(begins, ends, amount, source_id=source, zone=zone, **fields)


def walked(
    samples: Iterable[Plain], zone: str, first: int, cuts: Sequence[int], ranks: Mapping[int, int] | None
) -> dict[date, int]:
    """What counts between the two ``cuts``, which are ticks: the amounts are divided where a day or a cut begins, by
    what has gone by there, and then every tick has one reading."""
    offset = {"+05:45": timedelta(hours=5, minutes=45)}
    pieces: list[tuple[int, Fraction, int, int, date]] = []
    for source, start, length, amount in samples:
        days = [
            (datetime.fromtimestamp(first + tick * TICK, UTC) + offset[zone]).date()
            if zone in offset
            else datetime.fromtimestamp(first + tick * TICK, ZoneInfo(zone)).date()
            for tick in range(start, start + length)
        ]
        borders = [n for n in range(1, length) if days[n] != days[n - 1] or start + n in cuts]
        gone = 0
        for begin, end in zip([0, *borders], [*borders, length], strict=True):
            by_then = amount * end // length
            if cuts[0] <= start + begin < cuts[1]:
                rate = Fraction(by_then - gone, end - begin)
                pieces.append((ranks[source] if ranks else 0, -rate, start + begin, start + end, days[begin]))
            gone = by_then
    counted: dict[date, Fraction] = {}
    for tick in range(TICKS + 192):
        here = [piece for piece in pieces if piece[2] <= tick < piece[3]]
        if here:
            _, rate, _, _, day = min(here)
            counted[day] = counted.get(day, Fraction(0)) - rate
    return {day: int(amount) for day, amount in counted.items() if int(amount)}


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(
    plain=plain_samples,
    zone=st.sampled_from(sorted(AROUND)),
    cuts=st.sampled_from([(-1, 9999), (40, 9999), (-1, 250), (100, 101), (77, 200)]),
    prefer=st.booleans(),
    own_zone=st.booleans(),
    chance=st.randoms(use_true_random=False),
)
def test_any_samples_count_as_a_walk_through_time_says(
    plain: list[Plain], zone: str, cuts: tuple[int, int], prefer: bool, own_zone: bool, chance: random.Random
) -> None:
    first = moment(AROUND[zone]) // 1_000_000 - 144 * TICK
    stored = [ticked(first, one, zone) for one in plain]
    opens, ends = ((first + cut * TICK) * 1_000_000 for cut in cuts)
    order = [DeviceKind.WATCH, DeviceKind.PHONE, DeviceKind.RING] if prefer else None
    frame = Frame(zone=None if own_zone else zone, opens=opens, ends=ends, preference=order)
    found = {day: counted for day, counted in steps(frame, *stored).items() if counted}
    assert found == walked(plain, zone, first, cuts, RANKS if prefer else None)
    again = [*stored, *chance.sample(stored, len(stored) // 2)]
    chance.shuffle(again)
    assert {day: counted for day, counted in steps(frame, *again).items() if counted} == found


@settings(max_examples=80, deadline=None)
@given(
    plain=plain_samples,
    totals=st.dictionaries(st.sampled_from(["fitbit", "garmin"]), st.integers(0, 20000)),
    zone=st.sampled_from(sorted(AROUND)),
)
def test_a_span_is_never_below_its_best_single_source_nor_above_the_sum(
    plain: list[Plain], totals: dict[str, int], zone: str
) -> None:
    first = moment(AROUND[zone]) // 1_000_000 - 144 * TICK
    frame = Frame(zone=zone)
    samples = [ticked(first, one, zone) for one in plain]
    day = day_at(zone, first * 1_000_000 + DAY)
    days = [total(day, amount, source) for source, amount in totals.items()]
    merged = steps(frame, *samples, *days)
    alone = [steps(frame, *(one for one in samples if one.source_id == source)) for source in SOURCES]
    alone += [steps(frame, one) for one in days]
    for counted in alone:
        assert all(merged.get(each, 0) >= amount for each, amount in counted.items())
    assert sum(merged.values()) <= sum(one.amount for one in samples) + sum(totals.values())


@settings(max_examples=80)
@given(st.lists(st.builds(Fraction, st.integers(0, 300), st.integers(1, 12)), max_size=8))
def test_shares_are_rounded_so_that_they_add_up(shares: list[Fraction]) -> None:
    rounded = in_whole_units(shares, int(sum(shares, Fraction(0))))
    assert sum(rounded) == int(sum(shares, Fraction(0)))
    assert all(abs(whole - share) < 1 for whole, share in zip(rounded, shares, strict=True))


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(plain=plain_samples, cap=st.integers(1, 9999), since=st.integers(0, TICKS), fitbit=st.integers(0, 9999))
def test_what_is_explained_adds_up_to_what_counts(plain: list[Plain], cap: int, since: int, fitbit: int) -> None:
    first = moment("2026-05-31T00:00Z") // 1_000_000
    recordings = cycle([Recording.AUTOMATIC, Recording.MANUAL])
    samples = [
        ticked(first, one, "UTC", recording=recording) for one, recording in zip(plain, recordings, strict=False)
    ]
    frame = Frame(
        *(JUNE_1, JUNE_2, "UTC"),
        joined=(first + since * TICK) * 1_000_000,
        policy=Policy(daily_cap={"steps": cap}, manual_entries=False),
    )
    parts = reckoned(frame, *samples, total(JUNE_1, fitbit))
    counted = counted_days(frame, parts)
    for day in explained_days(frame, parts):
        assert day.counted.steps == counted.get(day.day, Totals()).steps <= cap
        assert sum(line.counted for line in day.lines) == day.counted.steps + day.capped.steps
        for line in day.lines:
            assert line.said == line.counted + sum(line.left_out.values())
            assert min([line.counted, *line.left_out.values()]) >= 0
