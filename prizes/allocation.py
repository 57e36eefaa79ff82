"""Who gets how much of a prize pool. Pure, exact, in whole minor units of one currency.

A plan says what each place is worth; the standings say who holds which place. The awards and what is kept back always
add up to the pool, to the last unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from uuid import UUID


class Leftover(StrEnum):
    """What becomes of places that nobody holds."""

    REDISTRIBUTE = "redistribute"  # their share goes to those who did win, in proportion
    ROLL_OVER = "roll_over"  # kept for a later competition
    RETURN = "return"  # back to whoever funded the pool


@dataclass(frozen=True)
class Places:
    """What places ``first`` to ``last`` are worth, each: per cent of the pool, or an amount in minor units."""

    first: int
    last: int
    worth: Fraction


@dataclass(frozen=True)
class Plan:
    """Either ``percentages`` or ``fixed`` amounts per place, or the whole pool split evenly among all who reached
    ``target`` points."""

    percentages: tuple[Places, ...] = ()
    fixed: tuple[Places, ...] = ()
    target: int | None = None
    leftover: Leftover = Leftover.REDISTRIBUTE
    ties_share: bool = False


@dataclass(frozen=True)
class Finisher:
    """A row of the final standings. Rows come in board order; ``rank`` repeats among equals only where ties share."""

    user_id: UUID
    rank: int
    score: int


@dataclass(frozen=True)
class Award:
    user_id: UUID
    rank: int
    amount_minor: int


@dataclass(frozen=True)
class Allocation:
    """``awards`` in board order, without those who get nothing; ``kept_minor`` is rolled over or returned."""

    awards: tuple[Award, ...]
    kept_minor: int


class PoolTooSmall(ValueError):
    """The fixed amounts of the plan come to more than the pool."""


def fixed_minor(plan: Plan) -> int:
    """What the fixed amounts of all places come to."""
    return int(sum(((p.last - p.first + 1) * p.worth for p in plan.fixed), Fraction(0)))


def allocate(pool_minor: int, plan: Plan, finishers: Sequence[Finisher]) -> Allocation:
    """Raises PoolTooSmall. Somebody without a point wins nothing, whatever their place."""
    if fixed_minor(plan) > pool_minor:
        raise PoolTooSmall
    winners = [finisher for finisher in finishers if finisher.score > 0]
    worths = _worths(plan, winners)
    payable = _payable(pool_minor, plan, sum(worths, Fraction(0)))
    amounts = _largest_remainders(payable, worths)
    awards = tuple(
        Award(winner.user_id, winner.rank, amount) for winner, amount in zip(winners, amounts, strict=True) if amount
    )
    return Allocation(awards, pool_minor - sum(amounts))


def _worths(plan: Plan, winners: Sequence[Finisher]) -> list[Fraction]:
    """What each winner's place is worth, before anything is redistributed."""
    if plan.target is not None:
        return [Fraction(winner.score >= plan.target) for winner in winners]
    by_place = [_worth_of(plan, place) for place, _ in enumerate(winners, start=1)]
    if not plan.ties_share:
        return by_place
    pooled: dict[int, list[Fraction]] = {}
    for winner, worth in zip(winners, by_place, strict=True):
        pooled.setdefault(winner.rank, []).append(worth)
    return [sum(pooled[winner.rank], Fraction(0)) / len(pooled[winner.rank]) for winner in winners]


def _worth_of(plan: Plan, place: int) -> Fraction:
    return sum((p.worth for p in (*plan.percentages, *plan.fixed) if p.first <= place <= p.last), Fraction(0))


def _payable(pool_minor: int, plan: Plan, filled: Fraction) -> Fraction:
    """How much of the pool goes to the places that somebody holds, before it is rounded down to a whole unit."""
    if not filled:
        return Fraction(0)
    if plan.target is not None:
        return Fraction(pool_minor)
    planned = sum(((p.last - p.first + 1) * p.worth for p in (*plan.percentages, *plan.fixed)), Fraction(0))
    money = planned if plan.fixed else pool_minor * planned / 100
    return money if plan.leftover is Leftover.REDISTRIBUTE else money * filled / planned


def _largest_remainders(payable: Fraction, worths: Sequence[Fraction]) -> list[int]:
    """Whole units in proportion to ``worths``, adding up to the whole part of ``payable``: everybody the whole part of
    their exact share, and one unit more for the largest fractions; among equal fractions for whoever stands first."""
    total = sum(worths, Fraction(0))
    if not total:
        return [0] * len(worths)
    exact = [payable * worth / total for worth in worths]
    amounts = [int(share) for share in exact]
    by_fraction = sorted(range(len(exact)), key=lambda index: (amounts[index] - exact[index], index))
    for index in by_fraction[: int(payable) - sum(amounts)]:
        amounts[index] += 1
    return amounts
