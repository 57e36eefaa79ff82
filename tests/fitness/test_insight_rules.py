"""Streaks, trends and forecasts: pure rules about a person's days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitness.insights import (
    BestDay,
    Forecast,
    Streaks,
    Trend,
    best_day_of,
    forecast_of,
    habits_of,
    pace_to,
    streaks_of,
    trend_of,
)
from leaderboards.scoring import MAX_SCORE

WEDNESDAY = date(2026, 3, 4)
DAY = timedelta(days=1)
points = st.integers(0, 50_000)
walks = st.dictionaries(st.integers(-40, 2).map(lambda ahead: WEDNESDAY + ahead * DAY), st.integers(0, 3))


def backwards(*steps: int) -> dict[date, int]:
    """Today's steps first, then yesterday's, and so on."""
    return {WEDNESDAY - ago * DAY: done for ago, done in enumerate(steps)}


def streak_by_hand(steps: dict[date, int], goal: int, last: date) -> int:
    """Steps back day by day."""
    length = 0
    while steps.get(last - length * DAY, 0) >= goal:
        length += 1
    return length


@given(walks, st.integers(1, 3))
def test_streaks_are_those_that_one_counts_day_by_day(steps: dict[date, int], goal: int) -> None:
    ends = [streak_by_hand(steps, goal, WEDNESDAY - ago * DAY) for ago in range(60)]
    current = ends[0] or ends[1]  # today may still become one of it
    assert streaks_of(steps, goal=goal, today=WEDNESDAY) == Streaks(current, max(ends))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((9, 9, 9), Streaks(3, 3)),
        ((0, 9, 9), Streaks(2, 2)),
        ((0, 0, 9, 9), Streaks(0, 2)),
        ((9, 0, 9, 9), Streaks(1, 2)),
        ((), Streaks(0, 0)),
    ],
)
def test_a_streak_lives_until_a_day_without_the_goal_is_over(steps: tuple[int, ...], expected: Streaks) -> None:
    assert streaks_of(backwards(*steps), goal=9, today=WEDNESDAY) == expected


def test_the_best_day_is_the_earliest_among_equals_and_never_one_without_steps() -> None:
    assert best_day_of(backwards(5, 7, 7, 1), today=WEDNESDAY) == BestDay(WEDNESDAY - 2 * DAY, 7)
    assert best_day_of(backwards(0, 0), today=WEDNESDAY) is None


def test_the_days_that_are_over_are_compared_with_the_same_ones_of_last_week() -> None:
    #                  Wed Tue Mon Sun Sat Fri Thu Wed  Tue Mon Sun
    steps = backwards(500, 30, 60, 99, 99, 99, 99, 999, 40, 20, 99)
    assert trend_of(steps, today=WEDNESDAY) == Trend(2, 90, 60, 50.0)


def test_on_a_monday_there_is_nothing_to_compare_yet() -> None:
    assert trend_of(backwards(9, 9, 9, 9, 9), today=WEDNESDAY - 2 * DAY) == Trend(0, 0, 0, None)


@given(walks)
def test_the_trend_does_not_move_while_a_day_goes_on(steps: dict[date, int]) -> None:
    assert trend_of(steps, today=WEDNESDAY) == trend_of({**steps, WEDNESDAY: 10**6}, today=WEDNESDAY)


def test_progress_is_of_today_and_of_the_week_since_monday() -> None:
    habits = habits_of(backwards(15, 20, 0, 99), goal=10, today=WEDNESDAY)
    assert (habits.today.goal, habits.today.steps, habits.today.per_cent) == (10, 15, 150.0)
    assert (habits.week.goal, habits.week.steps, habits.week.per_cent) == (70, 35, 50.0)


@given(st.integers(1, 10**6), st.integers(1, 4000))
def test_a_pace_that_is_kept_is_enough_and_one_point_less_is_not(missing: int, days_left: int) -> None:
    per_day = pace_to(missing, days_left=days_left).per_day
    assert per_day * days_left >= missing > (per_day - 1) * days_left


@given(st.integers(0, MAX_SCORE), st.lists(points, max_size=28), points, st.integers(0, 3650))
def test_a_forecast_is_never_below_the_score_and_inside_its_range(
    score: int, past: list[int], today: int, days_after: int
) -> None:
    forecast = forecast_of(score, past=past, today=today, days_after=days_after)
    if forecast is not None:
        assert score <= forecast.low <= forecast.score <= forecast.high <= MAX_SCORE


@given(st.lists(points, min_size=3, max_size=28), points, st.integers(0, 60))
def test_a_forecast_does_not_depend_on_the_order_of_the_days(past: list[int], today: int, days_after: int) -> None:
    active = [done + 1 for done in past]

    def forecast(days: list[int]) -> Forecast | None:
        return forecast_of(7, past=days, today=today, days_after=days_after)

    assert forecast(active) == forecast(sorted(active))


@given(st.lists(points, min_size=3, max_size=28), st.integers(0, 60))
def test_the_range_grows_with_the_days_that_are_left_and_reaches_their_good_and_poor_ones(
    past: list[int], days_after: int
) -> None:
    active = sorted(done + 1 for done in past)
    soon = forecast_of(0, past=active, today=0, days_after=days_after)
    later = forecast_of(0, past=active, today=0, days_after=days_after + 1)
    assert soon is not None
    assert later is not None
    assert later.high - later.score >= soon.high - soon.score
    assert later.high >= later.score + active[-(len(active) // 10) - 1] - active[(len(active) - 1) // 2]


def test_nothing_left_and_today_done_is_certain() -> None:
    assert forecast_of(900, past=[100, 300, 200], today=300, days_after=0) == Forecast(900, 900, 900)


def test_equal_days_make_an_exact_forecast() -> None:
    assert forecast_of(50, past=[100] * 28, today=40, days_after=3) == Forecast(410, 410, 410)


def test_a_forecast_by_hand() -> None:
    """Poor 100, usual 200, good 300; 150 today. Three days known, three to come: √6·100; today 50 less, 100 more."""
    assert forecast_of(1000, past=[300, 100, 200], today=150, days_after=3) == Forecast(1650, 1400, 1915)


def test_days_before_somebody_began_are_not_theirs() -> None:
    assert forecast_of(0, past=[0] * 25 + [100] * 3, today=0, days_after=1) == Forecast(200, 200, 200)
    assert forecast_of(0, past=[0] * 26 + [100] * 2, today=0, days_after=1) is None
