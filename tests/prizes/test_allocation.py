"""Who gets how much: known cases by hand, random plans against an oracle of its own."""

import random
from fractions import Fraction
from uuid import UUID

import pytest

from prizes.allocation import Allocation, Finisher, Leftover, Places, Plan, PoolTooSmall, allocate

DEFAULT = (Places(1, 1, Fraction(60)), Places(2, 2, Fraction(30)), Places(3, 3, Fraction(10)))


def board(*scores: int, shared: bool = False) -> list[Finisher]:
    ranks = [1 + sum(other > score for other in scores) if shared else place for place, score in enumerate(scores, 1)]
    return [
        Finisher(UUID(int=place), rank, score) for place, (rank, score) in enumerate(zip(ranks, scores, strict=True))
    ]


def amounts(allocation: Allocation) -> list[int]:
    return [award.amount_minor for award in allocation.awards]


def test_three_winners_share_60_30_10_to_the_cent() -> None:
    allocation = allocate(10_001, Plan(DEFAULT), board(9, 8, 7, 6))
    assert (amounts(allocation), allocation.kept_minor) == ([6001, 3000, 1000], 0)


def test_one_player_loses_nothing_of_the_pool() -> None:
    assert amounts(allocate(10_000, Plan(DEFAULT), board(9))) == [10_000]


def test_two_players_divide_it_in_the_proportion_of_their_places() -> None:
    assert amounts(allocate(10_000, Plan(DEFAULT), board(9, 8))) == [6667, 3333]


@pytest.mark.parametrize("leftover", [Leftover.ROLL_OVER, Leftover.RETURN])
def test_places_that_nobody_holds_are_kept_where_the_plan_says_so(leftover: Leftover) -> None:
    allocation = allocate(10_000, Plan(DEFAULT, leftover=leftover), board(9, 8))
    assert (amounts(allocation), allocation.kept_minor) == ([6000, 3000], 1000)


def test_equals_pool_their_places_across_the_last_paid_one() -> None:
    plan = Plan(DEFAULT, ties_share=True)
    assert amounts(allocate(9_000, plan, board(9, 5, 5, 5, shared=True))) == [5400, 1200, 1200, 1200]
    assert amounts(allocate(9_000, plan, board(9, 9, 5, shared=True))) == [4050, 4050, 900]


def test_fixed_amounts_are_paid_as_they_stand() -> None:
    plan = Plan(fixed=(Places(1, 1, Fraction(500)), Places(2, 4, Fraction(100))), leftover=Leftover.RETURN)
    allocation = allocate(1_000, plan, board(9, 8, 7))
    assert (amounts(allocation), allocation.kept_minor) == ([500, 100, 100], 300)
    with pytest.raises(PoolTooSmall):
        allocate(799, plan, board(9))


def test_everybody_who_reached_the_target_gets_the_same() -> None:
    allocation = allocate(1_000, Plan(target=7), board(9, 8, 7, 6))
    assert (amounts(allocation), allocation.kept_minor) == ([334, 333, 333], 0)
    assert allocate(1_000, Plan(target=70), board(9, 8)) == Allocation((), 1_000)


def test_nobody_wins_without_a_point_and_a_zero_pool_pays_nothing() -> None:
    assert allocate(1_000, Plan(DEFAULT), board(0, 0)) == Allocation((), 1_000)
    assert allocate(0, Plan(DEFAULT), board(9, 8)) == Allocation((), 0)
    assert allocate(1_000, Plan(DEFAULT), []) == Allocation((), 1_000)


def random_case(chance: random.Random) -> tuple[int, Plan, list[Finisher]]:
    shared = chance.random() < 0.5
    scores = sorted((chance.randint(0, 6) for _ in range(chance.randint(0, 8))), reverse=True)
    kind = chance.choice(["percentages", "fixed", "target"])
    leftover, pool = (
        chance.choice(list(Leftover)),
        chance.choice([0, 1, chance.randint(2, 99), chance.randint(100, 10**9)]),
    )
    if kind == "target":
        return pool, Plan(target=chance.randint(1, 6), leftover=leftover), board(*scores, shared=shared)
    places: list[Places] = []
    first, left = 1, 100 if kind == "percentages" else pool
    while len(places) < 4 and chance.random() < 0.8:
        last = first + chance.choice([0, 0, 1, 3])
        worth = chance.randint(0, left // (last - first + 1))
        left -= worth * (last - first + 1)
        places.append(Places(first, last, Fraction(worth)))
        first = last + 1
    if kind == "percentages":
        plan = Plan(percentages=tuple(places), leftover=leftover, ties_share=shared)
    else:
        plan = Plan(fixed=tuple(places), leftover=leftover, ties_share=shared)
    return pool, plan, board(*scores, shared=shared)


def exact_shares(pool: int, plan: Plan, finishers: list[Finisher]) -> list[Fraction]:
    """The oracle: every place of the plan is walked through in turn, and its money laid before whoever holds it."""
    heaps = {finisher.user_id: Fraction(0) for finisher in finishers}
    scorers = [finisher for finisher in finishers if finisher.score]
    if plan.target is not None:
        reached = [finisher for finisher in scorers if finisher.score >= plan.target]
        for finisher in reached:
            heaps[finisher.user_id] = Fraction(pool, len(reached))
        return list(heaps.values())
    unheld = Fraction(0)
    for rule in plan.percentages + plan.fixed:
        money = rule.worth if plan.fixed else rule.worth * pool / 100
        for place in range(rule.first, rule.last + 1):
            if place > len(scorers):
                unheld += money
                continue
            holder = scorers[place - 1]
            holders = [f for f in scorers if f.score == holder.score] if plan.ties_share else [holder]
            for one in holders:
                heaps[one.user_id] += money / len(holders)
    laid = sum(heaps.values(), Fraction(0))
    if plan.leftover is Leftover.REDISTRIBUTE and laid:
        heaps = {user_id: heap + unheld * heap / laid for user_id, heap in heaps.items()}
    return list(heaps.values())


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 100))])
def test_random_plans_are_right_to_the_last_unit(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(10_000):
        pool, plan, finishers = random_case(chance)
        allocation = allocate(pool, plan, finishers)
        shares = exact_shares(pool, plan, finishers)
        paid = {award.user_id: award.amount_minor for award in allocation.awards}
        got = [paid.get(finisher.user_id, 0) for finisher in finishers]
        assert sum(got) + allocation.kept_minor == pool
        assert sum(got) == int(sum(shares)), (pool, plan, finishers)
        assert all(abs(amount - share) < 1 for amount, share in zip(got, shares, strict=True)), (pool, plan, finishers)
        rounded_up = [share % 1 for amount, share in zip(got, shares, strict=True) if amount > share]
        rounded_down = [share % 1 for amount, share in zip(got, shares, strict=True) if amount < share]
        assert not rounded_up or not rounded_down or min(rounded_up) >= max(rounded_down)
