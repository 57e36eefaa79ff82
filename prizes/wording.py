"""A prize plan in sentences, and what the prizes come to with so many people. Pure.

The amounts are those of `prizes.allocation`; nothing is worked out here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from competitions.wording import listed
from config.core.money import money_text
from prizes import plans
from prizes.allocation import Finisher, Leftover, PoolTooSmall, allocate, fixed_minor

MOST_PEOPLE = 1_000
"""So many are played through; more would say no more."""


@dataclass(frozen=True)
class Stake:
    """Money in minor units of ``currency``. ``promised_minor``: the pool without fees; ``ties_share``: equals hold one
    place together; ``points``: what a score is a number of."""

    currency: str
    promised_minor: int
    fee_minor: int
    ties_share: bool
    points: str = "points"

    def text(self, minor: int) -> str:
        return money_text(minor, self.currency)

    @property
    def exists(self) -> bool:
        return bool(self.promised_minor or self.fee_minor)


@dataclass(frozen=True)
class Example:
    """What the prizes come to when so many ``people`` take part and all pay; of a target, when all reach it. ``places``
    that get the same, as (first, last, what each of them gets). ``lacking_minor``: how much more the fixed amounts come
    to than the pool; then nothing is divided."""

    people: int
    pool_minor: int
    places: Sequence[tuple[int, int, int]]
    kept_minor: int
    split: plans.FeeSplit
    lacking_minor: int = 0


_LEFTOVERS = {
    Leftover.REDISTRIBUTE: "The prizes of places that nobody holds go to the winners, in proportion.",
    Leftover.ROLL_OVER: "The prizes of places that nobody holds are kept for the organiser's next competition.",
    Leftover.RETURN: "The prizes of places that nobody holds go back to the organiser.",
}

_KEPT = {
    Leftover.REDISTRIBUTE: "goes back to the organiser",
    Leftover.ROLL_OVER: "is kept for the organiser's next competition",
    Leftover.RETURN: "goes back to the organiser",
}


def prizes_in_words(document: plans.Document, stake: Stake) -> list[str]:
    """What is divided, how, and what becomes of the rest."""
    if not stake.exists:
        return ["There are no prizes."]
    if not stake.promised_minor and not _pool_of_fees(document, stake):
        return ["There are no prizes.", *_fees(document, stake)]
    said = [*_pool(document, stake), *_fees(document, stake)]
    if document["target"] is not None:
        reached = f"Everybody who reaches {document['target']:,} {stake.points} gets the same part of the pool."
        return [*said, reached, f"If nobody does, the pool {_KEPT[Leftover(document['leftover'])]}."]
    return [
        *said,
        *_places(document, stake),
        _LEFTOVERS[Leftover(document["leftover"])],
        *_rest(document, stake),
        "Nobody wins anything without a point.",
        _ties(stake),
    ]


def examples(document: plans.Document, stake: Stake, people: Iterable[int]) -> list[Example]:
    """One for each of these numbers of people, in their order, without those that are too many to play through."""
    return [_example(document, stake, count) for count in sorted(set(people)) if 0 < count <= MOST_PEOPLE]


def example_in_words(example: Example, document: plans.Document, stake: Stake) -> str:
    """For somebody who cannot read the table."""
    who = "1 person" if example.people == 1 else f"{example.people:,} people"
    said = f"With {who}{' who pay' if stake.fee_minor else ''} the pool is {stake.text(example.pool_minor)}"
    if example.lacking_minor:
        lacks = stake.text(example.lacking_minor)
        return f"{said}: {lacks} too little for the amounts that the places are worth; a treasurer has to confirm it."
    gets = [f"{places_text(first, last)} {stake.text(minor)}" for first, last, minor in example.places]
    kept = f"; {stake.text(example.kept_minor)} {_KEPT[Leftover(document['leftover'])]}" if example.kept_minor else ""
    if document["target"] is not None:
        return f"{said}; if all reach the target: {', '.join(gets)}{kept}."
    return f"{said}: {', '.join(gets) or 'nobody wins anything'}{kept}."


def ordinal(place: int) -> str:
    """``1`` → ``1st``."""
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place:,}{ending}"


def places_text(first: int, last: int) -> str:
    return ordinal(first) if first == last else f"{ordinal(first)} to {ordinal(last)} each"


def _pool_of_fees(document: plans.Document, stake: Stake) -> bool:
    """Whether anything of a fee goes into the pool, however many pay."""
    split = plans.split_fees(stake.fee_minor * 10**9, document)
    return split.pool_minor > 0


def _pool(document: plans.Document, stake: Stake) -> list[str]:
    promised = stake.text(stake.promised_minor)
    if not _pool_of_fees(document, stake):
        return [f"The prize pool is {promised}."]
    if not stake.promised_minor:
        return ["The prize pool is what comes in as entry fees, and grows with everybody who joins."]
    return [f"The prize pool is {promised} and what comes in as entry fees, so it grows with everybody who joins."]


def _fees(document: plans.Document, stake: Stake) -> list[str]:
    """What becomes of an entry fee, in per cent, as it is split when all are in."""
    if not stake.fee_minor:
        return []
    hundred = plans.split_fees(10**12, document)
    parts = [
        (hundred.platform_minor, "to the platform"),
        (hundred.pool_minor, "into the prize pool"),
        (hundred.organiser_minor, "to the organiser"),
    ]
    shares = [(minor, where) for minor, where in parts if minor]
    fee = stake.text(stake.fee_minor)
    if len(shares) == 1:
        return [f"Each entry fee of {fee} goes {shares[0][1]}."]
    return [f"Of each entry fee of {fee}, {listed([f'{_percent(minor)} goes {where}' for minor, where in shares])}."]


def _percent(minor: int) -> str:
    whole, rest = divmod(minor, 10**10)
    return f"{whole}.{rest:010d}".rstrip("0").rstrip(".") + " %"


def _places(document: plans.Document, stake: Stake) -> list[str]:
    places = document["places"]
    if [(place["first"], place["last"], place.get("percent")) for place in places] == [(1, 1, "100")]:
        return ["The winner takes all of it."]
    said = [f"{_place(place)} {_worth(place, stake)}" for place in places]
    return [f"Prizes: {', '.join(said)}."]


def _place(place: Mapping[str, Any]) -> str:
    first, last = place["first"], place["last"]
    return f"{ordinal(first)} place" if first == last else f"{ordinal(first)} to {ordinal(last)} place each"


def _worth(place: Mapping[str, Any], stake: Stake) -> str:
    if "percent" in place:
        return f"{place['percent']} % of the pool"
    return stake.text(place["amount_minor"])


def _rest(document: plans.Document, stake: Stake) -> list[str]:
    """What of the pool no place is worth."""
    kept = _KEPT[Leftover(document["leftover"])]
    plan = plans.plan_of(document, ties_share=stake.ties_share)
    if not plan.fixed:
        planned = sum((p.last - p.first + 1) * p.worth for p in plan.percentages)
        return [f"What no place is worth {kept}."] if planned < 100 else []
    total = fixed_minor(plan)
    if _pool_of_fees(document, stake) and total > stake.promised_minor:
        short = "should the pool come to less, a treasurer has to confirm what is missing"
        return [f"The places come to {stake.text(total)} in all; {short}. What the pool has beyond that {kept}."]
    if _pool_of_fees(document, stake) or total < stake.promised_minor:
        return [f"What the pool has beyond these {stake.text(total)} {kept}."]
    return []


def _ties(stake: Stake) -> str:
    if stake.ties_share:
        return "Equals put the prizes of their places together and share them evenly."
    return "Among equals, whoever got there first has the better place and its prize."


def _example(document: plans.Document, stake: Stake, people: int) -> Example:
    split = plans.split_fees(people * stake.fee_minor, document)
    pool = stake.promised_minor + split.pool_minor
    plan = plans.plan_of(document, ties_share=stake.ties_share)
    # No two are equal, and all reach a target.
    top = (plan.target or 0) + people
    finishers = [Finisher(UUID(int=place), place, top - place + 1) for place in range(1, people + 1)]
    try:
        found = allocate(pool, plan, finishers)
    except PoolTooSmall:
        return Example(people, pool, (), pool, split, fixed_minor(plan) - pool)
    won = [(award.rank, award.amount_minor) for award in found.awards]
    return Example(people, pool, _alike(won), found.kept_minor, split)


def _alike(won: Iterable[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Neighbouring places that get the same, as (first, last, what each of them gets)."""
    together = []
    for (minor, _), group in groupby(enumerate(won), key=lambda row: (row[1][1], row[1][0] - row[0])):
        places = [place for _, (place, _) in group]
        together.append((places[0], places[-1], minor))
    return together
