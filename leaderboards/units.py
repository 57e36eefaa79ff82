"""Between the wire's units (metres, kilocalories, minutes) and whole base units. Pure."""

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any

from competitions.rules import BASE_UNITS
from leaderboards.scoring import Totals

Number = int | Decimal


def to_base(amount: Number, per_unit: int) -> int:
    """Whole base units, what is finer is cut off: ``Decimal("8.5"), 1000`` → 8500."""
    return int((Decimal(amount) * per_unit).to_integral_value(ROUND_DOWN))


def from_base(amount: int, per_unit: int) -> int | float:
    """A JSON number: whole where it is whole, so that clients with integer fields read it."""
    whole, rest = divmod(amount, per_unit)
    return amount / per_unit if rest else whole


def base_amounts(fields: Mapping[str, Any]) -> dict[str, int]:
    """``steps``, ``distance`` in m, ``calories`` in kcal and ``active_minutes``, as far as they are there, by the names
    of Totals."""
    return {
        name: to_base(fields[wire], per_unit)
        for wire, (name, per_unit) in BASE_UNITS.items()
        if fields.get(wire) is not None
    }


def totals_from_wire(fields: Mapping[str, Any]) -> Totals:
    """The same as Totals; what is missing is zero."""
    return Totals(**base_amounts(fields))


def totals_to_wire(totals: Totals) -> dict[str, int | float]:
    return {
        "steps": totals.steps,
        "distance": from_base(totals.distance_mm, 1000),
        "calories": from_base(totals.energy_cal, 1000),
        "active_minutes": from_base(totals.active_seconds, 60),
    }
