"""How a competition's pool is divided, as it is stored and frozen. Pure.

A document is JSON without floats, so that its canonical form can be hashed and signed::

    {"places": [{"first": 1, "last": 1, "percent": "60"}, {"first": 2, "last": 3, "amount_minor": 500}],
     "target": null, "leftover": "redistribute", "platform_fee_percent": "0", "fee_share_percent": "100"}

A plan of amounts also says their ``currency``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from prizes.allocation import Leftover, Places, Plan

Document = dict[str, Any]

DEFAULT: Document = {
    "places": [
        {"first": 1, "last": 1, "percent": "60"},
        {"first": 2, "last": 2, "percent": "30"},
        {"first": 3, "last": 3, "percent": "10"},
    ],
    "target": None,
    "leftover": Leftover.REDISTRIBUTE.value,
    "platform_fee_percent": "0",
    "fee_share_percent": "100",
}


class WrongPlan(ValueError):
    """The plan cannot be carried out; ``field`` is the one to change."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


@dataclass(frozen=True)
class FeeSplit:
    """What becomes of entry fees, in minor units; the three add up to what was paid."""

    platform_minor: int
    pool_minor: int
    organiser_minor: int


def names_amounts(document: Document) -> bool:
    return any("amount_minor" in place for place in document["places"])


def plan_of(document: Document, *, ties_share: bool) -> Plan:
    places = document["places"]
    return Plan(
        percentages=tuple(_places(place, place["percent"]) for place in places if "percent" in place),
        fixed=tuple(_places(place, place["amount_minor"]) for place in places if "amount_minor" in place),
        target=document["target"],
        leftover=Leftover(document["leftover"]),
        ties_share=ties_share,
    )


def _places(place: Mapping[str, Any], worth: str | int) -> Places:
    return Places(place["first"], place["last"], Fraction(worth))


def split_fees(fees_minor: int, document: Document) -> FeeSplit:
    """The platform's fee first, rounded down to a whole unit; of the rest the pool's share, rounded down; what remains
    is the organiser's."""
    platform = int(fees_minor * Fraction(document["platform_fee_percent"]) / 100)
    pool = int((fees_minor - platform) * Fraction(document["fee_share_percent"]) / 100)
    return FeeSplit(platform, pool, fees_minor - platform - pool)


def checked_plan(document: Document, *, promised_minor: int, has_fees: bool) -> Document:
    """The document with its places in order. Raises WrongPlan, naming the field.

    ``promised_minor``: the pool without fees; fixed amounts may come to more only if fees can fill the gap.
    """
    places = sorted(document["places"], key=lambda place: place["first"])
    if bool(places) == (document["target"] is not None):
        raise WrongPlan("places", "Say either what places are worth, or a target whose reachers share the pool evenly.")
    for place in places:
        if place["last"] < place["first"]:
            raise WrongPlan("places", f"Place {place['last']} comes before place {place['first']}.")
    for place, following in pairwise(places):
        if following["first"] <= place["last"]:
            raise WrongPlan("places", f"Place {following['first']} is named twice.")
    _refuse_mixture(places)
    if _total(places, "percent") > 100:
        raise WrongPlan("places", "The places come to more than 100 per cent.")
    if not has_fees and _total(places, "amount_minor") > promised_minor:
        raise WrongPlan("places", "The fixed amounts come to more than the prize pool.")
    return {**document, "places": places}


def _refuse_mixture(places: Sequence[Mapping[str, Any]]) -> None:
    by_percent = sum("percent" in place for place in places)
    if by_percent not in (0, len(places)):
        raise WrongPlan("places", "Write percentages for all places, or amounts for all.")


def _total(places: Sequence[Mapping[str, Any]], unit: str) -> Fraction:
    return sum(
        ((place["last"] - place["first"] + 1) * Fraction(place[unit]) for place in places if unit in place), Fraction(0)
    )


def percent_text(percent: Decimal) -> str:
    """``Decimal("60.00")`` → ``"60"``, ``Decimal("-0")`` → ``"0"``: one spelling for one number."""
    return format(abs(percent).normalize(), "f")
