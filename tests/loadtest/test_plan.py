"""When which request is due."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from config.loadtest.plan import Action, Arrival, Plan, WrongPlan, arrivals, mix_of

MIX = {Action.READS: 8, Action.SYNCS: 1, Action.RANKS: 1}
PLAN = Plan(users=200, every=2.0, concurrency=1, ramp_up=10.0, duration=30.0, sockets=0, mix=MIX)


@pytest.fixture
def due() -> list[Arrival]:
    return list(arrivals(PLAN, Random(4)))


def within(due: list[Arrival], start: float, end: float) -> int:
    return sum(start <= arrival.at < end for arrival in due)


def test_requests_are_in_order_and_none_is_due_after_the_end(due: list[Arrival]) -> None:
    moments = [arrival.at for arrival in due]
    assert moments == sorted(moments)
    assert 0 < moments[0] < moments[-1] < PLAN.seconds


def test_after_the_ramp_up_every_user_makes_a_request_each_two_seconds(due: list[Arrival]) -> None:
    assert within(due, 10, 40) == pytest.approx(30 * 100, rel=0.06)  # three standard deviations


def test_while_users_come_the_rate_grows_in_proportion(due: list[Arrival]) -> None:
    """By the triangle's area: 5 s at a rate of 0 to 50 a second, then 5 s at 50 to 100."""
    assert within(due, 0, 5) == pytest.approx(125, abs=34)
    assert within(due, 5, 10) == pytest.approx(375, abs=58)


def test_requests_come_independently_of_each_other_not_in_step(due: list[Arrival]) -> None:
    """Of independent arrivals the gaps vary as much as they are long."""
    moments = [arrival.at for arrival in due if arrival.at > PLAN.ramp_up]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation / mean == pytest.approx(1, rel=0.1)


def test_nobody_asks_before_they_have_come(due: list[Arrival]) -> None:
    assert all(arrival.user <= PLAN.users * arrival.at / PLAN.ramp_up for arrival in due if arrival.at < PLAN.ramp_up)


def test_everybody_asks_and_nobody_else(due: list[Arrival]) -> None:
    assert {arrival.user for arrival in due} == set(range(PLAN.users))


def test_without_a_ramp_up_everybody_is_there_at_once() -> None:
    at_once = list(arrivals(replace(PLAN, ramp_up=0.0), Random(4)))
    assert within(at_once, 0, 10) == pytest.approx(1000, rel=0.1)


def test_the_mix_is_kept(due: list[Arrival]) -> None:
    share = {action: sum(arrival.action is action for arrival in due) / len(due) for action in Action}
    assert share == pytest.approx({Action.READS: 0.8, Action.SYNCS: 0.1, Action.RANKS: 0.1}, abs=0.03)


def test_what_weighs_nothing_is_never_asked() -> None:
    only_reads = replace(PLAN, mix=mix_of("reads=1,syncs=0"))
    assert {arrival.action for arrival in arrivals(only_reads, Random(4))} == {Action.READS}


def test_a_mix_is_read_as_it_is_written() -> None:
    assert mix_of("reads=8, syncs=1,ranks=1") == MIX


@pytest.mark.parametrize("text", ["", "reads", "reads=x", "writes=1", "reads=0", "reads=-1,syncs=2", "reads=1,reads=2"])
def test_a_mix_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(WrongPlan):
        mix_of(text)


@pytest.mark.parametrize(
    "wrong", [{"users": 0}, {"concurrency": 0}, {"sockets": -1}, {"every": 0.0}, {"ramp_up": -1.0}, {"duration": 0.5}]
)
def test_a_plan_that_cannot_be_carried_out_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(WrongPlan):
        replace(PLAN, **wrong)  # type: ignore[arg-type]  # what is wrong is the point
