"""What checks see, and what they leave alone."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from competitions.policy import Check
from fitness.plausibility import (
    MOST_SPANS,
    DayAmount,
    DayTotal,
    Hit,
    StoredSample,
    amounts_of_days,
    bears_witness,
    counted_of,
    day_hits,
    days_of,
    is_worth_asking,
    manual_day_hits,
    manual_hits,
    merged,
    outlier_hit,
    sample_hits,
    shared_hits,
    together_hit,
)
from fitness.rules import Recording, SampleType, Source
from leaderboards.scoring import Totals

MORNING = datetime(2026, 6, 1, 8, tzinfo=UTC)
NOW = MORNING + timedelta(days=2)
KM = 1_000_000  # millimetres


def sample(amount: int, seconds: float = 60, *, after: float = 0, **fields: Any) -> StoredSample:
    start_at = MORNING + timedelta(seconds=after)
    made = StoredSample(1, 7, SampleType.STEPS, start_at, start_at + timedelta(seconds=seconds), amount, "automatic")  # type: ignore[arg-type]  # as it is compared
    return made._replace(**fields)


def checks(*samples: StoredSample) -> list[str]:
    return [hit.check for hit in sample_hits(samples, NOW)]


DISTANCE: dict[str, Any] = {"type": SampleType.DISTANCE}
ACTIVE: dict[str, Any] = {"type": SampleType.ACTIVE_MINUTES}
WORKOUT: dict[str, Any] = {"recording": Recording.ACTIVE}
TYPED_IN: dict[str, Any] = {"recording": Recording.MANUAL}


@pytest.mark.parametrize(
    ("most", "seconds", "fields", "check"),
    [
        (260, 60, {}, Check.CADENCE),
        (2600, 600, {}, Check.CADENCE),
        (260, 1, {}, Check.CADENCE),  # a sprint's burst, or a whole minute squeezed into a second
        (720_000, 60, DISTANCE, Check.SPEED),
        (1_500_000, 60, DISTANCE | WORKOUT, Check.SPEED),
        (43 * KM + 200_000, 3600, DISTANCE, Check.SPEED),
        (3660, 3600, ACTIVE, Check.ACTIVE_MINUTES),
        (65, 5, ACTIVE, Check.ACTIVE_MINUTES),
    ],
)
def test_what_a_body_can_do_is_left_alone_and_one_unit_more_is_a_hit(
    most: int, seconds: float, fields: dict[str, Any], check: Check
) -> None:
    assert checks(sample(most, seconds, **fields)) == []
    assert checks(sample(most + 1, seconds, **fields)) == [check]


def test_a_hit_says_what_was_seen_the_limit_and_where() -> None:
    [hit] = sample_hits([sample(6000, 600)], NOW)
    assert (hit.seen, hit.limit, hit.unit) == (600, 260, "steps per minute")
    assert hit.text == "600 steps per minute were measured for a minute or longer; 260 is more than people do."
    assert (hit.source_id, hit.type, hit.start_at, hit.end_at) == (
        *(7, SampleType.STEPS),
        *(MORNING, MORNING + timedelta(minutes=10)),
    )
    assert hit.numbers == {"seen": 600, "limit": 260, "unit": "steps per minute"}
    [hit] = sample_hits([sample(KM, 60, **DISTANCE)], NOW)
    assert (hit.seen, hit.limit, hit.unit) == (16.7, 12, "metres per second")
    [hit] = sample_hits([sample(90_000, 3600, **ACTIVE)], NOW)
    assert hit.text == "1,500 active minutes were measured within 60 minutes."


@pytest.mark.parametrize("fields", [{}, DISTANCE, ACTIVE])
def test_what_is_typed_in_has_hardly_ever_the_right_times(fields: dict[str, Any]) -> None:
    assert checks(sample(10 * KM, 60, **fields, **TYPED_IN)) == []


def test_short_samples_of_one_minute_are_taken_together() -> None:
    seconds = [sample(5, 1, after=place) for place in range(60)]
    [hit] = sample_hits(seconds, NOW)
    assert (hit.check, hit.seen) == (Check.CADENCE, 300)
    assert (hit.start_at, hit.end_at) == (MORNING, MORNING + timedelta(minutes=1))
    assert checks(*seconds[:50]) == []
    assert checks(*[one._replace(source_id=place % 2) for place, one in enumerate(seconds)]) == []


def test_a_measurement_that_ends_after_it_arrived_has_a_wrong_clock() -> None:
    ahead = (NOW - MORNING).total_seconds()
    assert checks(sample(10, after=ahead, seconds=120)) == []
    [hit] = sample_hits([sample(10, after=ahead, seconds=540)], NOW)
    assert (hit.check, hit.seen, hit.limit) == (Check.DEVICE_CLOCK, 9, 2)


@st.composite
def walks(draw: st.DrawFn) -> list[StoredSample]:
    """A day of somebody who walks and runs, measured in spans of a second to an hour, one after the other."""
    span = draw(st.sampled_from([1, 10, 60, 300, 900, 3600]))
    cadences = draw(st.lists(st.integers(0, 200), min_size=1, max_size=60))
    samples = []
    for place, cadence in enumerate(cadences):
        after = place * span
        samples += [
            sample(cadence * span // 60, span, after=after),
            sample(cadence * span * 18, span, after=after, **DISTANCE),  # 1.08 m a step: 3.6 m/s at most
            sample(cadence * span * 5, span, after=after, type=SampleType.CALORIES),
            sample(span, span, after=after, **ACTIVE),
        ]
    return samples


@given(walks())
def test_ordinary_walking_and_running_never_hits(samples: list[StoredSample]) -> None:
    assert sample_hits(samples, NOW) == []


@pytest.mark.parametrize(
    ("totals", "check"),
    [
        (Totals(steps=100_000, distance_mm=200 * KM, energy_cal=15 * KM, active_seconds=86_400), None),
        (Totals(steps=100_001), Check.DAILY_MAXIMUM),
        (Totals(distance_mm=200 * KM + 1), Check.DAILY_MAXIMUM),
        (Totals(energy_cal=15 * KM + 1), Check.DAILY_MAXIMUM),
        (Totals(active_seconds=86_401), Check.ACTIVE_MINUTES),
    ],
)
def test_a_day_holds_so_much_and_no_more(totals: Totals, check: Check | None) -> None:
    day = date(2026, 6, 1)
    hits = day_hits(amounts_of_days([DayTotal(Source.FITBIT, day, totals)]))
    assert [hit.check for hit in hits] == ([check] if check else [])
    assert [(hit.source_name, hit.day, hit.type) for hit in hits] == [("fitbit", day, None)] * len(hits)


def test_a_day_of_samples_is_held_by_its_times() -> None:
    [hit] = day_hits([DayAmount(date(2026, 6, 1), SampleType.STEPS, 120_000, source_id=7)])
    assert (hit.source_id, hit.type, hit.day) == (7, SampleType.STEPS, None)
    assert (hit.start_at, hit.end_at) == (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 2, tzinfo=UTC))
    assert hit.text == "120,000 steps in one day from one source; hardly anybody gets beyond 100,000."


def test_a_days_sum_is_worth_asking_for_when_much_came_at_once() -> None:
    [one] = days_of([sample(2499, 3600), sample(2500, 3600, after=3600)])
    assert not is_worth_asking(one)
    days = days_of([sample(2500, 3600), sample(2500, 3600, after=3600), sample(9000, 3600, after=86_400)])
    assert days == [
        DayAmount(date(2026, 6, 1), SampleType.STEPS, 5000, source_id=7),
        DayAmount(date(2026, 6, 2), SampleType.STEPS, 9000, source_id=7),
    ]
    assert all(map(is_worth_asking, days))


def test_what_counts_of_a_day_is_the_most_of_those_that_it_reaches_into() -> None:
    came = DayAmount(date(2026, 6, 1), SampleType.DISTANCE, 5 * KM, source_id=7)
    counted = {
        date(2026, 5, 31): Totals(9, 30 * KM),
        date(2026, 6, 1): Totals(9, 20 * KM),
        date(2026, 6, 3): Totals(9, 90 * KM),
    }
    assert counted_of(came, counted) == came._replace(amount=30 * KM)
    assert counted_of(came, {}).amount == 0
    assert together_hit(came._replace(amount=200 * KM)) is None
    hit = together_hit(came._replace(amount=201 * KM))
    assert hit is not None
    assert hit.text == "201,000 metres in one day from all sources; hardly anybody gets beyond 200,000."


USUAL = [6000, 7000, 8000, 9000, 10_000, 11_000, 12_000]  # the median is 9,000, the MAD 2,000


@pytest.mark.parametrize("history", [USUAL, USUAL[::-1]])
def test_an_outlier_is_far_from_the_median_in_units_of_the_mad(history: list[int]) -> None:
    limit = 9000 + 6 * 2000 / 0.6745  # 26,791
    just, beyond = (DayAmount(date(2026, 6, 1), SampleType.STEPS, steps) for steps in (26_790, 26_792))
    assert outlier_hit(just, history) is None
    hit = outlier_hit(beyond, history)
    assert hit is not None
    assert hit.limit == pytest.approx(limit)
    assert hit.numbers == pytest.approx(
        {"seen": 26_792, "limit": limit, "median": 9000, "mad": 2000, "days": 7, "unit": "steps"}
    )
    assert hit.text == (
        "26,792 steps in one day; the median of 7 days before was 9,000, and beyond 26,791 it is out of the ordinary."
    )


@pytest.mark.parametrize(
    ("history", "steps", "is_hit"),
    [
        (USUAL[:6], 90_000, False),  # too short
        ([100] * 28, 19_999, False),  # nothing remarkable for anybody
        ([100] * 28, 20_001, True),
        ([20_000] * 28, 37_790, False),  # days all alike: the spread is a tenth of their median
        ([20_000] * 28, 37_791, True),
        ([20_000] * 27 + [90_000], 37_791, True),  # one day moves neither the median nor the MAD
    ],
)
def test_an_outlier_takes_a_history_and_a_remarkable_day(history: list[int], steps: int, is_hit: bool) -> None:
    hit = outlier_hit(DayAmount(date(2026, 6, 1), SampleType.STEPS, steps, source_name="fitbit"), history)
    assert (hit is not None) == is_hit


@given(st.lists(st.integers(0, 60_000), min_size=7, max_size=28), st.integers(0, 60_000))
def test_a_day_that_was_there_before_is_no_outlier(history: list[int], steps: int) -> None:
    """As long as it was there on more than half of the days."""
    often = [steps] * (len(history) + 1)
    assert outlier_hit(DayAmount(date(2026, 6, 1), SampleType.STEPS, steps), history + often) is None


@pytest.mark.parametrize("amount", [1, 5, 93, 100, 1000, 10_000, 500_000, 3600, 12_345_678])
def test_small_and_round_amounts_bear_no_witness(amount: int) -> None:
    assert not bears_witness(sample(amount))


def test_one_in_eight_of_the_others_does() -> None:
    assert sum(bears_witness(sample(amount)) for amount in range(100, 900)) == 100


def test_five_shared_samples_are_no_chance_and_four_may_be() -> None:
    other = UUID(int=1)
    mine = [sample(101 + 8 * place, after=60 * place) for place in range(5)]
    assert shared_hits(other, mine[:4]) == []
    [hit] = shared_hits(other, mine)
    assert (hit.check, hit.seen, hit.limit, hit.other_user_id) == (Check.SHARED_SAMPLES, 5, 5, other)
    assert (hit.start_at, hit.end_at) == (MORNING, MORNING + timedelta(minutes=5))


def test_shared_samples_are_told_by_source_metric_and_day() -> None:
    mine = [sample(101, after=3600 * 8 * place) for place in range(5)] + [sample(101, **DISTANCE)]
    hits = shared_hits(UUID(int=1), mine)
    assert sorted((hit.type or "", hit.start_at) for hit in hits) == [
        ("distance", MORNING),
        ("steps", MORNING),
        ("steps", MORNING + timedelta(hours=16)),
    ]


def test_twenty_entries_a_day_are_usual_and_one_more_is_a_burst() -> None:
    entries = [sample(100, after=60 * place, **TYPED_IN) for place in range(21)]
    assert manual_hits(entries[:20]) == []
    assert {hit.seen for hit in manual_hits(entries)} == {21}
    assert len(manual_hits(entries)) == 21


def test_eight_days_typed_in_at_once_are_a_burst() -> None:
    days = [DayTotal(Source.MANUAL, date(2026, 6, day), Totals(steps=1)) for day in range(1, 9)]
    assert manual_day_hits(days[:7]) == []
    assert manual_day_hits([day._replace(source=Source.FITBIT) for day in days]) == []
    assert [hit.day for hit in manual_day_hits(days)] == [day.day for day in days]


def hit_at(minute: int, seen: float = 300, **fields: Any) -> Hit:
    start_at = MORNING + timedelta(minutes=minute)
    made = Hit(Check.CADENCE, f"{seen}", seen, 260, "steps per minute", 7, "", SampleType.STEPS, start_at)
    return replace(made, end_at=start_at + timedelta(minutes=1), **fields)


def test_hits_that_touch_are_one_and_say_the_worst() -> None:
    [first, second] = merged([hit_at(5), hit_at(1, 400), hit_at(0), hit_at(2)])
    assert (first.start_at, first.end_at, first.text) == (MORNING, MORNING + timedelta(minutes=3), "400")
    assert second == hit_at(5)


def test_hits_of_other_sources_types_checks_and_accounts_stay_apart() -> None:
    others: list[dict[str, Any]] = [
        {},
        {"source_id": 8},
        {"type": SampleType.DISTANCE},
        {"check": Check.SPEED},
        {"other_user_id": UUID(int=1)},
    ]
    assert len(merged([hit_at(0, **fields) for fields in others])) == len(others)


def test_very_many_spans_of_a_day_are_one() -> None:
    apart = [hit_at(2 * place) for place in range(MOST_SPANS + 1)]
    assert len(merged(apart[:-1])) == MOST_SPANS
    [hull] = merged(apart)
    assert (hull.start_at, hull.end_at) == (apart[0].start_at, apart[-1].end_at)
    assert len(merged([replace(one, end_at=one.start_at) for one in apart[:2]])) == 2
