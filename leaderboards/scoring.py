"""What a person did, and how many points that is. Pure, exact, in whole numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from competitions.rules import Metric, ScoreSource

MAX_SCORE = 2**53 - 1
"""Redis keeps scores as doubles, and every JavaScript client reads them as such: exact up to here."""


SCORING_VERSION = 1
"""Frozen standings say which of these they were made with. Raise it with every change below that gives any totals
another score, or rows another order, and keep what the checks of older standings need."""


@dataclass(frozen=True)
class Totals:
    """What somebody did in some span, in whole base units.

    ``distance_mm`` millimetres, ``energy_cal`` small calories (a thousandth of the kilocalorie that the wire says),
    ``active_seconds`` seconds.
    """

    steps: int = 0
    distance_mm: int = 0
    energy_cal: int = 0
    active_seconds: int = 0

    def larger_of_each(self, other: "Totals") -> "Totals":
        return Totals(
            max(self.steps, other.steps),
            max(self.distance_mm, other.distance_mm),
            max(self.energy_cal, other.energy_cal),
            max(self.active_seconds, other.active_seconds),
        )


def counted_totals(source: str, synced: Totals, reported: Totals) -> Totals:
    """Which of the two counts. ``either`` takes the larger per metric, so that a client which sends both is not counted
    twice."""
    match ScoreSource(source):
        case ScoreSource.SYNCED:
            return synced
        case ScoreSource.REPORTED:
            return reported
        case ScoreSource.EITHER:
            return synced.larger_of_each(reported)


def score_of(totals: Totals, metric: str, weights: Mapping[str, str]) -> int:
    """Points: the metric in its wire unit (steps, metres, kilocalories, minutes) rounded down, or the weighted sum of
    them rounded down once, in exact fractions."""
    match Metric(metric):
        case Metric.STEPS:
            points = totals.steps
        case Metric.DISTANCE:
            points = totals.distance_mm // 1000
        case Metric.CALORIES:
            points = totals.energy_cal // 1000
        case Metric.ACTIVE_MINUTES:
            points = totals.active_seconds // 60
        case Metric.WEIGHTED:
            points = int(_weighted(totals, weights))
    return min(points, MAX_SCORE)


def adjusted_score(points: int, adjustment: int) -> int:
    """With a correction's points, which may be negative; never below zero."""
    return min(max(0, points + adjustment), MAX_SCORE)


def _weighted(totals: Totals, weights: Mapping[str, str]) -> Fraction:
    amounts = {
        "steps": Fraction(totals.steps),
        "distance": Fraction(totals.distance_mm, 1000),
        "calories": Fraction(totals.energy_cal, 1000),
        "active_minutes": Fraction(totals.active_seconds, 60),
    }
    return sum((amounts[name] * Fraction(Decimal(weight)) for name, weight in weights.items()), Fraction(0))
