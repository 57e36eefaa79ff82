"""Percentiles, and syncs on their way to the sockets."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.loadtest.samples import Delivery, Sockets, Sync, Watch, delivery_of, percentile

values = st.lists(st.floats(0, 1000), min_size=1, max_size=120)


@given(values, st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_enough_of_them_do_not_exceed(
    found: list[float], per_cent: int
) -> None:
    enough = [one for one in found if 100 * sum(other <= one for other in found) >= per_cent * len(found)]
    assert percentile(found, per_cent) == min(enough)


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile([], 99) is None


def test_of_a_hundred_values_p99_leaves_one_out() -> None:
    assert percentile([float(number) for number in range(1, 101)], 99) == 99


SYNC = Sync(steps=100, sent=5.0, acknowledged=5.2)


def test_a_sync_arrives_with_the_first_frame_that_shows_it_or_more() -> None:
    exactly = Watch(1.0, shown=[(1.0, 98), (5.3, 100), (5.9, 101)])
    conflated = Watch(1.0, shown=[(1.0, 98), (5.6, 102)])
    assert delivery_of(SYNC, [exactly, conflated]) == Delivery(2, pytest.approx([0.1, 0.4]))  # type: ignore[arg-type]  # pytest.approx stands for a list


def test_a_frame_that_overtakes_the_acknowledgement_took_no_time() -> None:
    assert delivery_of(SYNC, [Watch(1.0, shown=[(1.0, 98), (5.1, 100)])]).delays == [0.0]


def test_a_sync_that_never_shows_is_missing() -> None:
    assert delivery_of(SYNC, [Watch(1.0, shown=[(1.0, 99)]), Watch(1.0)]) == Delivery(2, [])


def test_only_sockets_that_were_open_when_it_was_sent_can_miss_a_sync() -> None:
    came_later, gone_before = Watch(5.1, shown=[(5.1, 100)]), Watch(1.0, closed=4.0, shown=[(1.0, 98)])
    assert delivery_of(SYNC, [came_later, gone_before]) == Delivery(0, [])


def test_what_two_processes_saw_is_one() -> None:
    here = Sockets(connects=[1.0], frames=2, closes=Counter({"1006": 1}), syncs=[SYNC])
    there = Sockets(connects=[3.0], frames=3, closes=Counter({"1006": 1, "4429": 2}))
    both = Sockets(connects=[1.0, 3.0], frames=5, closes=Counter({"1006": 2, "4429": 2}), syncs=[SYNC])
    assert here + there == both
