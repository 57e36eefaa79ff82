"""Between the wire's units (metres, kilocalories, minutes) and whole base units. Pure."""

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any

from leaderboards.scoring import Totals

Number = int | Decimal


def to_base(amount: Number, per_unit: int) -> int:
    """Whole base units, what is finer is cut off: ``Decimal("8.5"), 1000`` → 8500."""
    return int((Decimal(amount) * per_unit).to_integral_value(ROUND_DOWN))


def from_base(amount: int, per_unit: int) -> int | float:
    """A JSON number: whole where it is whole, so that clients with integer fields read it."""
    whole, rest = divmod(amount, per_unit)
    return amount / per_unit if rest else whole


def totals_from_wire(fields: Mapping[str, Any]) -> Totals:
    """``steps``, ``distance`` in m, ``calories`` in kcal, ``active_minutes``; what is missing is zero."""
    return Totals(
        steps=int(fields.get("steps") or 0),
        distance_mm=to_base(fields.get("distance") or 0, 1000),
        energy_cal=to_base(fields.get("calories") or 0, 1000),
        active_seconds=to_base(fields.get("active_minutes") or 0, 60),
    )


def totals_to_wire(totals: Totals) -> dict[str, int | float]:
    return {
        "steps": totals.steps,
        "distance": from_base(totals.distance_mm, 1000),
        "calories": from_base(totals.energy_cal, 1000),
        "active_minutes": from_base(totals.active_seconds, 60),
    }
