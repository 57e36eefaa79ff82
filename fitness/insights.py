"""What a person's own days say: how long they have kept it up, how this week goes, where a score will end. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import dropwhile
from statistics import median_low

from leaderboards.scoring import MAX_SCORE

DEFAULT_GOAL = 10_000
"""Steps a day."""
FORECAST_DAYS = 28
"""A forecast goes by so many days: four of each weekday."""
FEWEST_DAYS = 3
"""From fewer days nothing is foretold."""

Steps = Mapping[date, int]
"""A person's steps by day; a day that is missing had none."""


@dataclass(frozen=True)
class Streaks:
    """Consecutive days with the goal. ``current`` is 0 when the last one was broken; today breaks none before it is
    over."""

    current: int
    longest: int


@dataclass(frozen=True)
class BestDay:
    day: date
    steps: int


@dataclass(frozen=True)
class Trend:
    """The ``days`` of this week that are over, from Monday on, beside the same days of last week. A day that is not
    over is left out, as half a day would be compared with a whole one. ``change`` in per cent."""

    days: int
    this_week: int
    last_week: int
    change: float | None


@dataclass(frozen=True)
class Progress:
    """``per_cent`` of the goal goes beyond 100."""

    goal: int
    steps: int
    per_cent: float


@dataclass(frozen=True)
class Habits:
    """``week``: since Monday, of seven times the day's goal."""

    goal: int
    streaks: Streaks
    best_day: BestDay | None
    trend: Trend
    today: Progress
    week: Progress


@dataclass(frozen=True)
class Pace:
    """What is missing, in all and on each day that is left, today included; rounded up."""

    points: int
    per_day: int


@dataclass(frozen=True)
class Forecast:
    """Where a score will end: ``low`` ≤ ``score`` ≤ ``high``."""

    score: int
    low: int
    high: int


def habits_of(steps: Steps, *, goal: int, today: date) -> Habits:
    """``steps`` of all the person's days, ``goal`` a day, at least 1."""
    monday = today - timedelta(days=today.weekday())
    return Habits(
        goal=goal,
        streaks=streaks_of(steps, goal=goal, today=today),
        best_day=best_day_of(steps, today=today),
        trend=trend_of(steps, today=today),
        today=_progress(goal, steps.get(today, 0)),
        week=_progress(7 * goal, _sum_of(steps, monday, today.weekday() + 1)),
    )


def streaks_of(steps: Steps, *, goal: int, today: date) -> Streaks:
    run = longest = 0
    last: date | None = None
    for day in sorted(day for day, done in steps.items() if done >= goal and day <= today):
        run = run + 1 if last is not None and (day - last).days == 1 else 1
        longest = max(longest, run)
        last = day
    alive = last is not None and (today - last).days <= 1
    return Streaks(run if alive else 0, longest)


def best_day_of(steps: Steps, *, today: date) -> BestDay | None:
    """The earliest among equals; None for somebody who has not moved yet."""
    moved = [(done, day) for day, done in steps.items() if done and day <= today]
    if not moved:
        return None
    most = max(done for done, _ in moved)
    return BestDay(min(day for done, day in moved if done == most), most)


def trend_of(steps: Steps, *, today: date) -> Trend:
    over = today.weekday()
    monday = today - timedelta(days=over)
    this_week, last_week = _sum_of(steps, monday, over), _sum_of(steps, monday - timedelta(days=7), over)
    return Trend(over, this_week, last_week, change_in_per_cent(last_week, this_week))


def change_in_per_cent(before: int, after: int) -> float | None:
    """One decimal; None where there is nothing to compare with."""
    return round((after - before) * 100 / before, 1) if before else None


def pace_to(points: int, *, days_left: int) -> Pace:
    """``days_left`` at least 1."""
    return Pace(points, -(-points // days_left))


def forecast_of(score: int, *, past: Sequence[int], today: int, days_after: int) -> Forecast | None:
    """Where ``score`` will be after the rest of today and ``days_after`` more days. ``past``: the points of the
    person's last days that are over, oldest first; those before their first activity are not theirs. ``today``: today's
    so far. None when the days are too few.

    With k days in ``past``, m their median and a and b the day below and above which a tenth of them lie:

    * what is to come is max(0, m - today) + n·m for n days;
    * one day may fall short of m by m - a, or exceed it by b - m. Independent days make that √n times as much in sum,
      and that m itself is known from k days only makes it √(1 + n/k) times as much again. Today is a day of its own:
      its squares are added.

    What is counted already stays, so ``low`` is never below ``score``.
    """
    known = sorted(dropwhile(lambda points: not points, past))
    if len(known) < FEWEST_DAYS:
        return None
    last = len(known) - 1
    poor, usual, good = known[last // 10], median_low(known), known[-(-last * 9 // 10)]
    still_today = max(0, usual - today)
    wider = days_after * (1 + days_after / len(known))
    short = math.sqrt(wider * (usual - poor) ** 2 + (still_today - max(0, poor - today)) ** 2)
    beyond = math.sqrt(wider * (good - usual) ** 2 + (max(0, good - today) - still_today) ** 2)
    middle = score + still_today + days_after * usual
    low, high = max(score, middle - math.ceil(short)), middle + math.ceil(beyond)
    return Forecast(min(middle, MAX_SCORE), min(low, MAX_SCORE), min(high, MAX_SCORE))


def _progress(goal: int, steps: int) -> Progress:
    return Progress(goal, steps, round(steps * 100 / goal, 1))


def _sum_of(steps: Steps, first: date, count: int) -> int:
    return sum(steps.get(first + timedelta(days=ahead), 0) for ahead in range(count))
