"""Why the person has the score that they have: day by day, source by source, in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.models import User
from competitions.models import Competition
from competitions.rules import Metric, ScoreSource
from competitions.wording import amount_text, points_are
from config.core.api import uuid_of
from config.pages.competitions import standing_of
from config.pages.doors import for_participants
from config.pages.words import app_in_words, counted, day_in_words, moment_in_words
from fitness.explaining import SENTENCES, ExplainedDay, SourceLine
from fitness.queries.explanation import Explanation, access_explanation
from fitness.reckoning import AMOUNTS
from fitness.rules import SampleType
from leaderboards.pages import described
from leaderboards.queries import access_board
from leaderboards.scoring import Totals, score_of
from leaderboards.units import totals_to_wire


@dataclass(frozen=True)
class DayLines:
    """``counted``: of each metric that makes points; ``lines``: what each source said and what became of it."""

    day: date
    name: str
    counted: Sequence[str]
    lines: Sequence[str]
    left_out: Sequence[str]


@for_participants
def why_view(request: HttpRequest, person: User, competition_id: str) -> HttpResponse:
    now = timezone.now()
    board = access_board(person, uuid_of(competition_id))
    found = access_explanation(person, board, person.id, now)
    competition = found.competition
    metrics = metrics_of(competition)
    context = described(competition, now) | {
        "here": "competitions",
        "mine": standing_of(person, competition, now),
        "unit": points_are(competition.metric),
        "score": f"{found.standing.score:,}",
        "metrics": [metric.value.replace("_", " ") for metric in metrics],
        "says": _score_in_words(found),
        "days": [_day(day, metrics, now.date()) for day in reversed(found.days)],
        "corrections": _corrections(found, person, now),
        "disqualified": found.standing.disqualified_reason,
    }
    return render(request, "pages/why.html", context)


def metrics_of(competition: Competition) -> list[SampleType]:
    """Those that make points."""
    if competition.metric != Metric.WEIGHTED:
        return [SampleType(competition.metric)]
    return [SampleType(name) for name, weight in competition.weights.items() if Decimal(weight)]


def _score_in_words(found: Explanation) -> list[str]:
    """How the days, what was reported and the corrections make the score."""
    competition, standing = found.competition, found.standing
    unit = points_are(competition.metric)
    points = score_of(standing.totals, competition.metric, competition.weights)
    said = []
    if competition.score_source != ScoreSource.REPORTED:
        synced = score_of(standing.synced, competition.metric, competition.weights)
        days = counted(sum(_moved(day, competition) for day in found.days), "day", "days")
        said.append(f"What your phone and the like have recorded makes {synced:,} {unit}, on {days}.")
    if competition.score_source != ScoreSource.SYNCED:
        reported = score_of(standing.reported, competition.metric, competition.weights)
        if reported:
            larger = " The larger of the two counts." if competition.score_source == ScoreSource.EITHER else ""
            said.append(f"The totals that your app reported make {reported:,} {unit}.{larger}")
    if competition.metric == Metric.WEIGHTED:
        amounts = [_amount(metric, standing.totals) for metric in metrics_of(competition)]
        said.append(f"Together they are {points:,} points: {', '.join(amounts)}, weighed and rounded down.")
    if standing.adjustment_points:
        change = f"{abs(standing.adjustment_points):,} {unit}"
        said.append(f"Corrections {'add' if standing.adjustment_points > 0 else 'take away'} {change}.")
    return said


def _moved(day: ExplainedDay, competition: Competition) -> bool:
    return any(getattr(day.counted, AMOUNTS[metric]) for metric in metrics_of(competition))


def _day(day: ExplainedDay, metrics: Sequence[SampleType], today: date) -> DayLines:
    lines = [line for line in day.lines if line.type in metrics and line.said]
    left_out = [said for line in lines for said in _left_out(line)]
    for metric in metrics:
        capped = getattr(day.capped, AMOUNTS[metric])
        if capped:
            amount = _amount(metric, Totals(**{AMOUNTS[metric]: capped}))
            left_out.append(f"{amount} above what counts on one day.")
    return DayLines(
        day=day.day,
        name=_upper(day_in_words(day.day, today)),
        counted=[f"{_wire(metric, day.counted):,}" for metric in metrics],
        lines=[f"{_source(line)}: {_amount(line.type, _of(line, line.said))}" for line in lines],
        left_out=left_out,
    )


def _left_out(line: SourceLine) -> list[str]:
    return [
        f"{_amount(line.type, _of(line, amount))} of {_source(line)}: {SENTENCES[reason]}"
        for reason, amount in line.left_out.items()
    ]


def _source(line: SourceLine) -> str:
    app = app_in_words(line.source.app)
    return f"{app}, {line.source.device}" if line.source.device else app


def _of(line: SourceLine, amount: int) -> Totals:
    return Totals(**{AMOUNTS[line.type]: amount})


def _wire(metric: SampleType, totals: Totals) -> int:
    """Whole units; nobody is shown a part of one that they have not walked."""
    return int(totals_to_wire(totals)[metric.value])


def _amount(metric: SampleType, totals: Totals) -> str:
    return amount_text(_wire(metric, totals), metric.value)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _corrections(found: Explanation, person: User, now: datetime) -> list[dict[str, Any]]:
    zone = person.timezone or "UTC"
    return [
        {
            "points": f"{correction.points:+,}",
            "reason": correction.reason,
            "at": moment_in_words(correction.made_at, zone, now),
        }
        for correction in found.corrections
    ]
