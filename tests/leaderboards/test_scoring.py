"""What totals are worth."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.scoring import MAX_SCORE, Totals, counted_totals, score_of
from leaderboards.units import from_base, totals_from_wire, totals_to_wire

TOTALS = Totals(steps=12_345, distance_mm=8_999_999, energy_cal=430_700, active_seconds=5_399)
amounts = st.integers(0, 10**9)
some_totals = st.builds(Totals, amounts, amounts, amounts, amounts)


@pytest.mark.parametrize(
    ("metric", "points"), [("steps", 12_345), ("distance", 8_999), ("calories", 430), ("active_minutes", 89)]
)
def test_a_metric_counts_in_its_wire_unit_rounded_down(metric: str, points: int) -> None:
    assert score_of(TOTALS, metric, {}) == points


def test_weights_are_summed_exactly_and_rounded_down_once() -> None:
    weights = {"steps": "0.1", "distance": "0.001", "calories": "0.5", "active_minutes": "3"}
    # 1234.5 + 8.999999 + 215.35 + 269.95 = 1728.799999
    assert score_of(TOTALS, "weighted", weights) == 1728


def test_no_float_loses_a_point() -> None:
    assert score_of(Totals(steps=3), "weighted", {"steps": "0.1"}) == 0
    assert score_of(Totals(steps=30), "weighted", {"steps": "0.1"}) == 3
    assert score_of(Totals(active_seconds=60), "weighted", {"active_minutes": "1"}) == 1


def test_a_score_stays_exact_for_doubles() -> None:
    assert score_of(Totals(steps=10**18), "steps", {}) == MAX_SCORE == 2**53 - 1


@given(some_totals, some_totals)
def test_either_takes_the_larger_of_each(synced: Totals, reported: Totals) -> None:
    counted = counted_totals("either", synced, reported)
    assert counted.steps == max(synced.steps, reported.steps)
    assert counted.distance_mm == max(synced.distance_mm, reported.distance_mm)
    assert counted_totals("synced", synced, reported) == synced
    assert counted_totals("reported", synced, reported) == reported


@given(some_totals)
def test_base_units_survive_the_wire(totals: Totals) -> None:
    wire = {name: Decimal(repr(value)) for name, value in totals_to_wire(totals).items() if name != "active_minutes"}
    back = totals_from_wire(wire)
    assert (back.steps, back.distance_mm, back.energy_cal) == (totals.steps, totals.distance_mm, totals.energy_cal)


def test_whole_amounts_are_whole_numbers_on_the_wire() -> None:
    assert from_base(8_000, 1000) == 8
    assert isinstance(from_base(8_000, 1000), int)
    assert from_base(8_500, 1000) == 8.5
