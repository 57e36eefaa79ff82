"""Percentiles."""

from hypothesis import given
from hypothesis import strategies as st

from config.loadtest.samples import Delivery, percentile

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


def test_a_frame_that_overtakes_the_acknowledgement_took_no_time() -> None:
    assert Delivery(steps=1, acknowledged=5.0, watching=2, arrived=[4.5, 6.0]).delays == [0.0, 1.0]
