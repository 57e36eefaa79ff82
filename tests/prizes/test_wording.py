"""A prize plan in sentences, and what it comes to."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prizes import plans
from prizes.wording import Stake, example_in_words, examples, ordinal, prizes_in_words

FREE = Stake("EUR", promised_minor=50_000, fee_minor=0, ties_share=False, points="steps")
PAID = Stake("EUR", promised_minor=50_000, fee_minor=1_000, ties_share=True, points="steps")


def document(**changes: Any) -> plans.Document:
    return {**plans.DEFAULT, **changes}


def test_the_usual_plan_reads_like_this() -> None:
    assert prizes_in_words(plans.DEFAULT, FREE) == [
        "The prize pool is 500.00 EUR.",
        "Prizes: 1st place 60 % of the pool, 2nd place 30 % of the pool, 3rd place 10 % of the pool.",
        "The prizes of places that nobody holds go to the winners, in proportion.",
        "Nobody wins anything without a point.",
        "Among equals, whoever got there first has the better place and its prize.",
    ]


def test_a_plan_with_fees_says_where_each_fee_goes() -> None:
    shared = document(platform_fee_percent="5", fee_share_percent="80", leftover="roll_over")
    told = prizes_in_words(shared, PAID)
    assert told[:2] == [
        "The prize pool is 500.00 EUR and what comes in as entry fees, so it grows with everybody who joins.",
        (
            "Of each entry fee of 10.00 EUR, 5 % goes to the platform, 76 % goes into the prize pool and 19 % goes to"
            " the organiser."
        ),
    ]
    assert "The prizes of places that nobody holds are kept for the organiser's next competition." in told
    assert told[-1] == "Equals put the prizes of their places together and share them evenly."


def test_amounts_that_wait_for_fees_say_so() -> None:
    amounts = document(
        places=[{"first": 1, "last": 1, "amount_minor": 40_000}, {"first": 2, "last": 4, "amount_minor": 10_000}]
    )
    told = prizes_in_words(amounts, PAID)
    assert "Prizes: 1st place 400.00 EUR, 2nd to 4th place each 100.00 EUR." in told
    assert (
        "The places come to 700.00 EUR in all; should the pool come to less, a treasurer has to confirm what is"
        " missing. What the pool has beyond that goes back to the organiser."
    ) in told
    few, many = examples(amounts, PAID, [30, 10])
    assert (few.people, few.lacking_minor, few.places) == (10, 10_000, ())
    assert "100.00 EUR too little" in example_in_words(few, amounts, PAID)
    assert (many.places, many.kept_minor) == ([(1, 1, 40_000), (2, 4, 10_000)], 10_000)


def test_a_target_is_reached_in_the_points_of_the_board() -> None:
    target = document(places=[], target=100_000)
    told = prizes_in_words(target, FREE)
    assert "Everybody who reaches 100,000 steps gets the same part of the pool." in told
    (found,) = examples(target, FREE, [3])
    assert found.places == [(1, 2, 16_667), (3, 3, 16_666)]


@pytest.mark.parametrize(
    ("plan", "stake"),
    [
        (plans.DEFAULT, Stake("EUR", 0, 0, ties_share=False)),
        (document(fee_share_percent="0"), Stake("EUR", 0, 1_000, ties_share=False)),
    ],
)
def test_where_nothing_goes_into_a_pool_there_are_no_prizes(plan: plans.Document, stake: Stake) -> None:
    assert prizes_in_words(plan, stake)[0] == "There are no prizes."


def test_every_field_of_a_plan_changes_a_sentence() -> None:
    others: dict[str, Any] = {
        "places": [{"first": 1, "last": 1, "percent": "100"}],
        "leftover": "return",
        "platform_fee_percent": "1",
        "fee_share_percent": "99",
    }
    assert others.keys() | {"target"} == plans.DEFAULT.keys()
    for name, value in others.items():
        assert prizes_in_words(document(**{name: value}), PAID) != prizes_in_words(plans.DEFAULT, PAID), name
    reached = [prizes_in_words(document(places=[], target=target), PAID) for target in (5, 6)]
    assert reached[0] != reached[1]


def test_a_place_is_called_by_its_number() -> None:
    assert [ordinal(place) for place in (1, 2, 3, 4, 11, 12, 13, 21, 102, 113)] == (
        "1st 2nd 3rd 4th 11th 12th 13th 21st 102nd 113th".split()
    )


@st.composite
def plan_documents(draw: st.DrawFn) -> plans.Document:
    unit = draw(st.sampled_from(["percent", "amount_minor", "target"]))
    places, first = [], 1
    for _ in range(draw(st.integers(1, 4)) if unit != "target" else 0):
        last = first + draw(st.integers(0, 5))
        worth = str(draw(st.integers(0, 4))) if unit == "percent" else draw(st.integers(0, 3_000))
        places.append({"first": first, "last": last, unit: worth})
        first = last + 1 + draw(st.integers(0, 2))
    return {
        "places": places,
        "target": draw(st.integers(1, 10**6)) if unit == "target" else None,
        "leftover": draw(st.sampled_from(["redistribute", "roll_over", "return"])),
        "platform_fee_percent": str(draw(st.integers(0, 100))),
        "fee_share_percent": draw(st.sampled_from(["0", "33.333333", "100"])),
    }


@given(
    plan=plan_documents(),
    promised=st.integers(0, 10**6),
    fee=st.integers(0, 5_000),
    people=st.integers(1, 300),
    ties=st.booleans(),
)
def test_prizes_and_what_is_left_come_to_the_pool_and_the_parts_of_the_fees_to_the_fees(
    plan: plans.Document, promised: int, fee: int, people: int, ties: bool
) -> None:
    (found,) = examples(plan, Stake("EUR", promised, fee, ties), [people])
    won = sum((last - first + 1) * minor for first, last, minor in found.places)
    assert won + found.kept_minor == found.pool_minor
    taken = Fraction(plan["platform_fee_percent"]) / 100
    into_pool = found.pool_minor - promised
    assert found.split.platform_minor == people * fee * taken // 1
    assert found.split.platform_minor + into_pool + found.split.organiser_minor == people * fee
    places = [place for first, last, _ in found.places for place in range(first, last + 1)]
    assert len(set(places)) == len(places)
    assert all(1 <= place <= people for place in places)


def test_an_example_says_what_is_kept_and_what_the_target_does() -> None:
    small = document(places=[{"first": 1, "last": 1, "amount_minor": 40_000}], leftover="return")
    assert "What the pool has beyond these 400.00 EUR goes back to the organiser." in prizes_in_words(small, FREE)
    (one,) = examples(small, FREE, [1])
    assert example_in_words(one, small, FREE) == (
        "With 1 person the pool is 500.00 EUR: 1st 400.00 EUR; 100.00 EUR goes back to the organiser."
    )
    all_alike = document(places=[], target=10_000)
    (three,) = examples(all_alike, FREE, [3])
    assert "if all reach the target: 1st" in example_in_words(three, all_alike, FREE)
