"""Circuits: closed, open, half open; the machine alone, and shared in Redis."""

import threading
import time
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from config.core import breaker as module
from config.core.breaker import Breaker, CircuitOpen
from config.core.circuit import CLOSED, Circuit, CircuitState, Limits, admitted, failed, succeeded
from config.core.redis import redis_client

LIMITS = Limits(failures=3, seconds=30)
EVENTS = st.lists(st.tuples(st.sampled_from(["ask", "good", "bad"]), st.floats(0, 40)), max_size=60)


class Outage(Exception):
    pass


class Mistake(Exception):
    pass


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    module._local.clear()


@given(EVENTS)
def test_the_machine_keeps_its_promises(events: list[tuple[str, float]]) -> None:
    circuit, now, in_a_row = CLOSED, 1_000.0, 0
    for what, pause in events:
        before, now = circuit, now + pause
        if what == "ask":
            let_through = admitted(before, LIMITS, now)
            waits = before.state != CircuitState.CLOSED and now < before.until
            assert (let_through is None) == waits
            circuit = let_through or before
            if let_through and before.state != CircuitState.CLOSED:
                assert circuit.state == CircuitState.HALF_OPEN
                assert admitted(circuit, LIMITS, now) is None, "one call at a time decides"
        elif what == "good":
            circuit, in_a_row = succeeded(before, LIMITS, now), 0
            assert circuit == (before if before.state == CircuitState.OPEN else CLOSED)
        else:
            circuit, in_a_row = failed(before, LIMITS, now), in_a_row + 1
            if before.state == CircuitState.CLOSED:
                assert (circuit.state == CircuitState.OPEN) == (before.failures + 1 == LIMITS.failures)
            if before.state == CircuitState.HALF_OPEN:
                assert circuit.state == CircuitState.OPEN
        assert circuit.until <= now + LIMITS.seconds, "nobody waits longer than that"
        assert circuit.failures < LIMITS.failures
        if circuit.state == CircuitState.CLOSED:
            assert circuit.failures <= in_a_row


@given(EVENTS, st.floats(0, 40))
def test_after_quiet_time_somebody_is_always_let_through(events: list[tuple[str, float]], pause: float) -> None:
    circuit, now = CLOSED, 1_000.0
    for what, moment in events:
        now += moment
        step: Any = {"ask": admitted, "good": succeeded, "bad": failed}[what]
        circuit = step(circuit, LIMITS, now) or circuit
    assert admitted(circuit, LIMITS, now + LIMITS.seconds + pause) is not None


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(Outage), breaker.call(Outage):
            raise Outage


def test_failures_in_a_row_open_it_for_every_process() -> None:
    one, another = Breaker("elsewhere", LIMITS), Breaker("elsewhere", LIMITS)
    fail(one, 2)
    with another.call(Outage):
        pass
    fail(one, 2)
    assert another.state() == CircuitState.CLOSED, "a success in between starts the count anew"
    fail(another)
    assert one.state() == CircuitState.OPEN
    with pytest.raises(CircuitOpen) as refused, one.call(Outage):
        raise AssertionError("the service was called")
    assert 1 <= refused.value.retry_after <= LIMITS.seconds
    with Breaker("somewhere else", LIMITS).call(Outage):
        pass


def test_what_is_our_own_mistake_does_not_speak_against_the_service() -> None:
    breaker = Breaker("elsewhere", LIMITS)
    fail(breaker, 2)
    with pytest.raises(Mistake), breaker.call(Outage):
        raise Mistake
    fail(breaker, 2)
    assert breaker.state() == CircuitState.CLOSED


@pytest.mark.parametrize(("well", "state"), [(True, CircuitState.CLOSED), (False, CircuitState.OPEN)])
def test_one_call_decides_when_the_time_is_over(well: bool, state: CircuitState) -> None:
    breaker = Breaker("elsewhere", Limits(failures=1, seconds=0.05))
    fail(breaker)
    time.sleep(0.06)
    if well:
        with breaker.call(Outage):
            assert breaker.state() == CircuitState.HALF_OPEN
            with pytest.raises(CircuitOpen), breaker.call(Outage):
                pass
    else:
        fail(breaker)
    assert breaker.state() == state


def test_many_at_once_lose_no_failure() -> None:
    breaker = Breaker("elsewhere", Limits(failures=1_000, seconds=30))
    threads = [threading.Thread(target=fail, args=(breaker, 20)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redis_client().get("circuit:elsewhere").split(b"|")[1] == b"160"


def test_without_redis_each_process_has_a_circuit_of_its_own(redis_out: None) -> None:
    breaker = Breaker("elsewhere", LIMITS)
    with breaker.call(Outage):
        pass
    fail(breaker, 3)
    assert breaker.state() == CircuitState.OPEN
    with pytest.raises(CircuitOpen), breaker.call(Outage):
        pass


def test_a_redis_that_forgets_closes_it() -> None:
    breaker = Breaker("elsewhere", LIMITS)
    fail(breaker, 3)
    redis_client().flushdb()
    assert breaker.state() == CircuitState.CLOSED
    assert Circuit() == CLOSED


class TwoProcesses(RuleBasedStateMachine):
    """Two breakers of one name on the real Redis, against the machine as one would draw it on paper. A call may take
    its time, begin in one state and end in another."""

    def __init__(self) -> None:
        super().__init__()
        redis_client().delete("circuit:paper")
        self.now = 1_000_000.0
        self.breakers = [Breaker("paper", LIMITS), Breaker("paper", LIMITS)]
        self.under_way = 0
        self.state, self.failures, self.until = "closed", 0, 0.0
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(time, "time", lambda: self.now)

    def teardown(self) -> None:
        self.patch.undo()

    @rule(seconds=st.sampled_from([0.0, 1.0, 29.0, 30.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(process=st.integers(0, 1))
    def ask(self, process: int) -> None:
        may = self.state == "closed" or self.now >= self.until
        if not may:  # it is open, or half open and one call is under way
            with pytest.raises(CircuitOpen) as refused:
                self.breakers[process].admit()
            assert refused.value.retry_after == max(1.0, self.until - self.now), "whoever is refused hears the truth"
            return
        try:
            self.breakers[process].admit()
        except CircuitOpen:
            raise AssertionError("a call that may go is let through") from None
        self.under_way += 1
        if self.state != "closed":
            self.state, self.until = "half_open", self.now + LIMITS.seconds

    @precondition(lambda self: self.under_way)
    @rule(process=st.integers(0, 1))
    def end_well(self, process: int) -> None:
        self.under_way -= 1
        self.breakers[process].note(well=True)
        if self.state != "open":
            self.state, self.failures = "closed", 0

    @precondition(lambda self: self.under_way)
    @rule(process=st.integers(0, 1))
    def end_badly(self, process: int) -> None:
        self.under_way -= 1
        self.breakers[process].note(well=False)
        if self.state == "closed":
            self.failures += 1
        if self.state == "half_open" or (self.state == "closed" and self.failures == LIMITS.failures):
            self.state, self.failures, self.until = "open", 0, self.now + LIMITS.seconds

    @precondition(lambda self: self.under_way)
    @rule()
    def die(self) -> None:
        """Whoever called never says how it ended."""
        self.under_way -= 1

    @rule()
    def forget(self) -> None:
        redis_client().delete("circuit:paper")
        self.state, self.failures, self.until = "closed", 0, 0.0

    @invariant()
    def both_say_the_same(self) -> None:
        assert [str(breaker.state()) for breaker in self.breakers] == [self.state] * 2


TwoProcesses.TestCase.settings = hypothesis.settings(max_examples=30, stateful_step_count=40, deadline=None)
test_two_processes_share_one_circuit = TwoProcesses.TestCase


@pytest.mark.slow
@pytest.mark.parametrize("rule_broken", ["admitted", "succeeded", "failed"])
def test_a_machine_that_is_wrong_is_found_out(rule_broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: dict[str, Any] = {
        "admitted": lambda circuit, limits, now: circuit,
        "succeeded": lambda circuit, limits, now: CLOSED,
        "failed": lambda circuit, limits, now: Circuit(CircuitState.OPEN, 0, now + limits.seconds),
    }
    monkeypatch.setattr(module, rule_broken, wrong[rule_broken])
    quick = hypothesis.settings(
        max_examples=200, database=None, phases=[hypothesis.Phase.generate], deadline=None, report_multiple_bugs=False
    )
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run_state_machine_as_test(TwoProcesses, settings=quick)
