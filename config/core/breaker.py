"""Circuit breakers: a service elsewhere that fails again and again is left alone for a while.

A circuit is closed while all is well. So many failures in a row open it, and nobody asks any more. When it has been
open long enough one call is let through: that decides whether it closes or stays open. Should whoever made that call
have died, another one is let through after the same time.

The state is shared by all processes in Redis, under compare-and-set, and expires by itself: nothing is lost with it but
some patience, so it needs no table. Where Redis is out, each process keeps a circuit of its own.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

import structlog

from config.core.metrics import CIRCUIT_CHANGES, CIRCUIT_OPEN
from config.core.redis import RedisError, Script, redis_client

log = structlog.get_logger(__name__)


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
    """``failures`` in a row while it is closed; ``until``, in seconds since the epoch: before that nobody else may
    call."""

    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    until: float = 0.0


CLOSED = Circuit()


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


class CircuitOpen(Exception):
    """The service is left alone; ``retry_after`` in seconds."""

    def __init__(self, name: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(f"{name} is left alone for {retry_after:.0f} seconds.")


Step = Callable[[Circuit, Limits, float], Circuit | None]

_KEPT_SECONDS = 600  # failures that lie further apart are not in a row
_swap = Script(
    """
    if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
    return 1
    """
)
_local: dict[str, Circuit] = {}
_local_lock = threading.Lock()


class Breaker:
    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits

    @contextmanager
    def call(self, *failures: type[Exception]) -> Iterator[None]:
        """Around one call; ``failures`` are the exceptions that speak against the service, any other end of the call
        speaks for it. Raises CircuitOpen without calling."""
        circuit, moved = self._move(admitted)
        if not moved:
            raise CircuitOpen(self._name, max(1.0, circuit.until - time.time()))
        try:
            yield
        except failures:
            self._move(failed)
            raise
        except Exception:
            self._move(succeeded)
            raise
        self._move(succeeded)

    def state(self) -> CircuitState:
        try:
            return _read(redis_client().get(self._key)).state
        except RedisError:
            return _local.get(self._name, CLOSED).state

    @property
    def _key(self) -> str:
        return f"circuit:{self._name}"

    def _move(self, step: Step) -> tuple[Circuit, bool]:
        """The circuit after the step, and whether the step was allowed."""
        try:
            return self._move_shared(step)
        except RedisError as error:
            log.warning("circuit_kept_locally", circuit=self._name, error=type(error).__name__)
        with _local_lock:
            before = _local.get(self._name, CLOSED)
            after = step(before, self._limits, time.time())
            _local[self._name] = after or before
        self._note(before, after)
        return after or before, after is not None

    def _move_shared(self, step: Step) -> tuple[Circuit, bool]:
        while True:
            text = redis_client().get(self._key)
            before = _read(text)
            after = step(before, self._limits, time.time())
            if after is None or after == before:
                return before, after is not None
            if _swap([self._key], [text or "", _written(after), int(_KEPT_SECONDS + self._limits.seconds)]):
                self._note(before, after)
                return after, True

    def _note(self, before: Circuit, after: Circuit | None) -> None:
        if after is None or after.state == before.state:
            return
        CIRCUIT_CHANGES.labels(circuit=self._name, state=after.state).inc()
        CIRCUIT_OPEN.labels(circuit=self._name).set(after.state != CircuitState.CLOSED)
        log.warning("circuit_changed", circuit=self._name, state=after.state)


def _written(circuit: Circuit) -> str:
    return f"{circuit.state}|{circuit.failures}|{circuit.until!r}"


def _read(text: bytes | None) -> Circuit:
    if text is None:
        return CLOSED
    state, failures, until = text.decode().split("|")
    return Circuit(CircuitState(state), int(failures), float(until))
