"""Merging sources, against a brute force that goes through time second by second and knows nothing of the code."""

import random
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.merging import Piece, counted_shares, whole

SOURCES = ("phone", "ring", "watch")

pieces_of_a_day = st.lists(
    st.builds(
        lambda source, start, length, amount: Piece(source, start, start + length, amount),
        st.sampled_from(SOURCES),
        st.integers(0, 40),
        st.integers(1, 20),
        st.integers(0, 500),
    ),
    max_size=12,
)


def second_by_second(pieces: Sequence[tuple[object, int, int, int]], order: Sequence[str] | None = None) -> Fraction:
    """The largest reading of every second, or that of the first source in ``order`` that has one."""
    total = Fraction(0)
    for second in range(60):
        here = [
            (Fraction(amount, end - start), source) for source, start, end, amount in pieces if start <= second < end
        ]
        for trusted in order or ["anybody"]:
            rates = [rate for rate, source in here if order is None or source == trusted]
            if rates:
                total += max(rates)
                break
    return total


def merged(pieces: Sequence[Piece]) -> Fraction:
    return sum((Fraction(share) for share in counted_shares(pieces)), Fraction(0))


@pytest.mark.slow
@settings(max_examples=200)
@given(pieces_of_a_day)
def test_it_is_the_largest_reading_of_every_second(pieces: list[Piece]) -> None:
    expected = second_by_second([piece[:4] for piece in pieces])
    assert merged(pieces) == expected
    assert whole(counted_shares(pieces)) == expected.numerator // expected.denominator


@settings(max_examples=100)
@given(pieces_of_a_day)
def test_it_is_never_below_the_best_single_source_nor_above_the_sum(pieces: list[Piece]) -> None:
    alone = [merged([piece for piece in pieces if piece.source == source]) for source in SOURCES]
    assert max(alone) <= merged(pieces) <= sum(piece.amount for piece in pieces)


@settings(max_examples=100)
@given(pieces_of_a_day, st.randoms(use_true_random=False))
def test_neither_the_order_of_arrival_nor_repeats_change_it(pieces: list[Piece], chance: random.Random) -> None:
    again = [*pieces, *chance.sample(pieces, len(pieces) // 2)]
    chance.shuffle(again)
    assert merged(again) == merged(pieces)
    once = list(dict.fromkeys(pieces))
    shuffled = chance.sample(once, len(once))
    shares = dict(zip(once, counted_shares(once), strict=True))
    assert [shares[piece] for piece in shuffled] == counted_shares(shuffled)


@settings(max_examples=150)
@given(pieces_of_a_day, st.permutations(SOURCES))
def test_with_a_preference_the_preferred_source_stands_wherever_it_has_a_reading(
    pieces: list[Piece], order: list[str]
) -> None:
    ranked = [piece._replace(rank=order.index(str(piece.source))) for piece in pieces]
    assert merged(ranked) == second_by_second([piece[:4] for piece in pieces], order)


@pytest.mark.slow
@given(pieces_of_a_day, st.integers(0, 500))
def test_a_preferred_source_that_covers_everything_is_all_that_counts(pieces: list[Piece], amount: int) -> None:
    rest = [piece._replace(rank=1) for piece in pieces if piece.source != "watch"]
    assert merged([Piece("watch", 0, 60, amount), *rest]) == amount


def test_amounts_beyond_what_floats_can_tell_apart_are_told_apart() -> None:
    a, b = Piece("a", 0, 3, 10**17 + 1), Piece("b", 0, 3, 10**17)
    assert counted_shares([b, a]) == [0, 10**17 + 1]


def test_ten_thousand_pieces_over_one_another_take_no_time() -> None:
    chance = random.Random(1)
    starts = [chance.randrange(10**9) for _ in range(10_000)]
    pieces = [Piece("ab"[n % 2], start, start + 10**9 + n, chance.randrange(10**6)) for n, start in enumerate(starts)]
    total = whole(counted_shares(pieces))
    assert max(piece.amount for piece in pieces) <= total <= sum(piece.amount for piece in pieces)


@pytest.mark.parametrize(
    ("phone", "watch", "expected"),
    [
        ([(0, 60, 600)], [(30, 90, 600)], 300 + 300 + 300),  # equal rates: the common half counts once
        ([(0, 60, 600)], [(0, 60, 590)], 600),
        ([(0, 60, 600)], [(60, 120, 590)], 1190),
        ([(0, 60, 60)], [(20, 40, 100)], 20 + 100 + 20),
    ],
)
def test_by_hand(phone: list[tuple[int, int, int]], watch: list[tuple[int, int, int]], expected: int) -> None:
    assert merged([Piece("p", *one) for one in phone] + [Piece("w", *one) for one in watch]) == expected
