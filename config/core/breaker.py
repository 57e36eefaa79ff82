"""Circuit breakers: a service elsewhere that fails again and again is left alone for a while.

The state is shared by all processes in Redis, under compare-and-set, and expires by itself: nothing is lost with it but
some patience, so it needs no table. Where Redis is out, each process keeps a circuit of its own.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from config.core.circuit import CLOSED, Circuit, CircuitState, Limits, LocalCircuit, Step, admitted, failed, succeeded
from config.core.metrics import CIRCUIT_CHANGES, CIRCUIT_OPEN
from config.core.redis import RedisError, Script, redis_client

log = structlog.get_logger(__name__)


class CircuitOpen(Exception):
    """The service is left alone; ``retry_after`` in seconds."""

    def __init__(self, name: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(f"{name} is left alone for {retry_after:.0f} seconds.")


_KEPT_SECONDS = 600  # failures that lie further apart are not in a row
_swap = Script(
    """
    if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
    return 1
    """
)
_local: dict[str, LocalCircuit] = {}


class Breaker:
    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits

    @contextmanager
    def call(self, *failures: type[Exception]) -> Iterator[None]:
        """Around one call; ``failures`` are the exceptions that speak against the service, any other end of the call
        speaks for it. Raises CircuitOpen without calling."""
        self.admit()
        try:
            yield
        except failures:
            self.note(well=False)
            raise
        except Exception:
            self.note(well=True)
            raise
        self.note(well=True)

    def admit(self) -> None:
        """Before a call whose end is told to `note`. Raises CircuitOpen."""
        circuit, moved = self._move(admitted)
        if not moved:
            raise CircuitOpen(self._name, max(1.0, circuit.until - time.time()))

    def note(self, *, well: bool) -> None:
        self._move(succeeded if well else failed)

    def state(self) -> CircuitState:
        try:
            return _read(redis_client().get(self._key)).state
        except RedisError:
            return self._here().circuit.state

    @property
    def _key(self) -> str:
        return f"circuit:{self._name}"

    def _move(self, step: Step) -> tuple[Circuit, bool]:
        """The circuit after the step, and whether the step was allowed."""
        try:
            return self._move_shared(step)
        except RedisError as error:
            log.warning("circuit_kept_locally", circuit=self._name, error=type(error).__name__)
        before, after = self._here().move(step, time.time())
        self._note(before, after)
        return after or before, after is not None

    def _here(self) -> LocalCircuit:
        return _local.setdefault(self._name, LocalCircuit(self._limits))

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
