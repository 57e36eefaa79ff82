"""The circuit breaker's machine: closed, open, half open. Pure but for `LocalCircuit`, which keeps one in memory.

A circuit is closed while all is well. So many failures in a row open it, and nobody asks any more. When it has been
open long enough one call is let through: that decides whether it closes or stays open. Should whoever made that call
have died, another one is let through after the same time.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum


class CircuitState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"  # one call is under way that decides


@dataclass(frozen=True, slots=True)
class Limits:
    """``failures`` in a row open a circuit, for ``seconds``."""

    failures: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Circuit:
    """``failures`` in a row while it is closed; ``until``, in seconds on whichever clock it is asked by: before that
    nobody else may call."""

    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    until: float = 0.0


CLOSED = Circuit()

Step = Callable[[Circuit, Limits, float], Circuit | None]


def admitted(circuit: Circuit, limits: Limits, now: float) -> Circuit | None:
    """The circuit as a call leaves it that is let through; None when it is not."""
    if circuit.state == CircuitState.CLOSED:
        return circuit
    if now < circuit.until:
        return None
    return Circuit(CircuitState.HALF_OPEN, circuit.failures, now + limits.seconds)


def succeeded(circuit: Circuit, limits: Limits, now: float) -> Circuit:
    """A call that began before the circuit opened proves nothing about now."""
    return circuit if circuit.state == CircuitState.OPEN else CLOSED


def failed(circuit: Circuit, limits: Limits, now: float) -> Circuit:
    if circuit.state == CircuitState.OPEN:
        return circuit
    if circuit.state == CircuitState.CLOSED and circuit.failures + 1 < limits.failures:
        return replace(circuit, failures=circuit.failures + 1)
    return Circuit(CircuitState.OPEN, 0, now + limits.seconds)


class LocalCircuit:
    """One that this process has for itself, for all its threads."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.circuit = CLOSED
        self._lock = threading.Lock()

    def move(self, step: Step, now: float) -> tuple[Circuit, Circuit | None]:
        """The circuit before the step and after it, None when it was not allowed."""
        before = self.circuit
        if before is CLOSED and step is not failed:
            return before, before  # as almost always: nothing to write, so nobody has to wait
        with self._lock:
            before = self.circuit
            after = step(before, self.limits, now)
            self.circuit = after or before
        return before, after
