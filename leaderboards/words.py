"""A board's facts as people read them. Pure but for the competition it is told about.

`board.js` says the few that change while one watches in the same form.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from competitions.models import Competition
from competitions.rules import Metric, Status, TieRule

MEDALS = 3

_STATUS_WORDS = {
    Status.DRAFT: "Draft",
    Status.UPCOMING: "Upcoming",
    Status.ACTIVE: "Running",
    Status.ENDED: "Provisional",
    Status.COMPLETED: "Final",
    Status.CANCELLED: "Cancelled",
}
UNITS = {
    Metric.STEPS: "steps",
    Metric.DISTANCE: "m",
    Metric.CALORIES: "kcal",
    Metric.ACTIVE_MINUTES: "min",
    Metric.WEIGHTED: "points",
}
METRIC_WORDS = {
    Metric.STEPS: "steps",
    Metric.DISTANCE: "distance in metres",
    Metric.CALORIES: "energy in kilocalories",
    Metric.ACTIVE_MINUTES: "active minutes",
}
_WEIGHT_WORDS = {"steps": "step", "distance": "metre", "calories": "kcal", "active_minutes": "active minute"}
TIE_WORDS = {
    TieRule.FIRST_TO_REACH: "Equal scores: whoever got there first stands higher.",
    TieRule.SHARED: "Equal scores share a place.",
}


@dataclass(frozen=True)
class Row:
    """One line of the board as text. ``share``: the score in percent of the best one; ``medal``: 1 to 3, else 0."""

    user_id: str
    name: str
    rank: int
    score: str
    aside: str
    share: float
    medal: int


@dataclass(frozen=True)
class Run:
    """Where a competition stands in time. ``done`` is in percent; ``until`` is what one waits for, None when nothing is
    left to wait for."""

    status: Status
    status_words: str
    done: float
    until: datetime | None
    waiting: str
    day: int
    days: int


def rows_of(entries: Sequence[dict[str, Any]], metric: str) -> list[Row]:
    best = max((entry["score"] for entry in entries), default=0)
    return [
        Row(
            user_id=str(entry["user_id"]),
            name=entry["user_name"],
            rank=entry["rank"],
            score=f"{entry['score']:,}",
            aside=f"{entry['steps']:,}" if metric == Metric.DISTANCE else distance_in_words(entry["distance"]),
            share=round(100 * entry["score"] / best, 2) if best > 0 else 0.0,
            medal=entry["rank"] if entry["rank"] <= MEDALS and entry["score"] > 0 else 0,
        )
        for entry in entries
    ]


def distance_in_words(metres: float) -> str:
    """Cut off, never rounded up: nobody is shown a tenth that they have not walked."""
    return f"{int(metres)} m" if metres < 1000 else f"{int(metres // 100) / 10:,.1f} km"


def counted_in_words(competition: Competition) -> str:
    """What a score is made of: ``points: 1 per step, 0.5 per active minute``."""
    metric = Metric(competition.metric)
    if metric is not Metric.WEIGHTED:
        return METRIC_WORDS[metric]
    weights = [f"{weight} per {_WEIGHT_WORDS.get(name, name)}" for name, weight in competition.weights.items()]
    return f"points: {', '.join(weights)}"


def run_of(competition: Competition, now: datetime) -> Run:
    status = competition.status_at(now)
    span, gone = competition.end_at - competition.start_at, now - competition.start_at
    until = {
        Status.UPCOMING: competition.start_at,
        Status.ACTIVE: competition.end_at,
        Status.ENDED: competition.closes_at,
    }.get(status)
    days = (competition.last_on - competition.starts_on).days + 1
    today = now.astimezone(ZoneInfo(competition.timezone)).date()
    return Run(
        status=status,
        status_words=_STATUS_WORDS[status],
        done=round(100 * min(max(gone / span, 0.0), 1.0), 2),
        until=until,
        waiting=time_in_words(until - now) if until else "",
        day=min(max((today - competition.starts_on).days + 1, 0), days),
        days=days,
    )


def time_in_words(left: timedelta) -> str:
    """``11 days``, ``5 hours``, ``7 minutes``: whole ones, cut off."""
    minutes = max(0, int(left.total_seconds() // 60))
    if minutes >= 2 * 24 * 60:
        return f"{minutes // (24 * 60)} days"
    if minutes >= 2 * 60:
        return f"{minutes // 60} hours"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def dates_in_words(competition: Competition) -> str:
    """In the competition's zone: days alone where it runs over whole days, else with the time of day."""
    zone = ZoneInfo(competition.timezone)
    start, end = competition.start_at.astimezone(zone), competition.end_at.astimezone(zone)
    if start.time() != time() or end.time() != time():
        return f"{_day(start)}, {start:%H:%M} – {_day(end)}, {end:%H:%M}"
    first, last = competition.starts_on, competition.last_on
    if first == last:
        return _day(first)
    return f"{first.day} {first:%b}{'' if first.year == last.year else f' {first.year}'} – {_day(last)}"


def moment_in_words(moment: datetime, competition: Competition) -> str:
    local = moment.astimezone(ZoneInfo(competition.timezone))
    return f"{_day(local)}, {local:%H:%M:%S}"


def final_in_words(competition: Competition) -> str:
    """When the standings become final, in the competition's zone."""
    local = competition.closes_at.astimezone(ZoneInfo(competition.timezone))
    return f"{_day(local)}, {local:%H:%M}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b} {day.year}"


def next_change(competition: Competition, now: datetime) -> timedelta:
    """How long this page's words hold: until the status changes or, where the competition is, the next day begins."""
    zone = ZoneInfo(competition.timezone)
    midnight = datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), zone).astimezone(UTC)
    moments = [competition.start_at, competition.end_at, competition.closes_at, midnight]
    return min(moment for moment in moments if moment > now) - now
