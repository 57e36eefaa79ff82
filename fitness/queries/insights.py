"""What a person's days and places on boards say about them: one statement for each, however much there is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from accounts.models import User
from competitions.models import Competition
from competitions.rules import Status
from config.core.clock import day_in
from fitness.insights import FORECAST_DAYS, Forecast, Habits, Pace, forecast_of, habits_of, pace_to
from fitness.queries.activity import Day, days_of
from fitness.rules import FIRST_DAY
from leaderboards.models import Standing
from leaderboards.queries import points_to_next_rank, rank_by_standing, standings_to_climb
from leaderboards.scoring import Totals, score_of


@dataclass(frozen=True)
class Outlook:
    """A person in a competition that runs. ``days_left``: today included, where the competition takes place."""

    competition: Competition
    score: int
    rank: int
    days_left: int
    next_rank: Pace | None
    forecast: Forecast | None


@dataclass(frozen=True)
class Insights:
    habits: Habits
    outlooks: Sequence[Outlook]


def insights_of(person: User, *, goal: int, now: datetime) -> Insights:
    """``goal``: steps a day."""
    today = day_in(person.timezone or "UTC", now)
    history = days_of(person.id, first=FIRST_DAY, last=today + timedelta(days=1))  # a competition may be a day ahead
    totals = {day.day: day.totals for day in history}
    running = Competition.objects.all().with_status(Status.ACTIVE, now)
    standings = list(standings_to_climb(person.id).filter(competition__in=running))
    ranks = rank_by_standing(standings)
    outlooks = [_outlook(standing, ranks[standing.pk], totals, now) for standing in standings]
    return Insights(habits_of(steps_by_day(history), goal=goal, today=today), outlooks)


def steps_by_day(days: Iterable[Day]) -> dict[date, int]:
    return {day.day: day.totals.steps for day in days}


def _outlook(standing: Standing, rank: int, totals: Mapping[date, Totals], now: datetime) -> Outlook:
    competition = standing.competition
    today = day_in(competition.timezone, now)
    days_left = max(1, (competition.last_on - today).days + 1)
    missing = points_to_next_rank(standing)
    points = [
        _points_of(totals.get(today - timedelta(days=ago), Totals()), competition)
        for ago in range(FORECAST_DAYS, -1, -1)
    ]
    return Outlook(
        competition=competition,
        score=standing.score,
        rank=rank,
        days_left=days_left,
        next_rank=None if missing is None else pace_to(missing, days_left=days_left),
        forecast=forecast_of(standing.score, past=points[:-1], today=points[-1], days_after=days_left - 1),
    )


def _points_of(totals: Totals, competition: Competition) -> int:
    """What such a day adds there: a day's cap cuts it, other rules may too."""
    cap = competition.policy.daily_cap
    capped = Totals(**{name: min(amount, cap.get(name, amount)) for name, amount in vars(totals).items()})
    return score_of(capped, competition.metric, competition.weights)
