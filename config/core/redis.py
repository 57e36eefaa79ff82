"""The one connection pool to Redis for commands; it is the cache's own.

Every use of Redis has a way without it, and takes that at once while Redis is left alone: after a command that found
nobody, or had no answer in time, no other is sent for a moment; then one caller tries for all. So a Redis that hangs
costs one caller a second now and then, not everybody a second each time.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

import redis
import structlog
from django_redis import get_redis_connection

from config.core.circuit import Circuit, CircuitState, Limits, LocalCircuit, admitted, failed, succeeded
from config.core.metrics import CIRCUIT_CHANGES, CIRCUIT_OPEN

log = structlog.get_logger(__name__)

RedisError = redis.RedisError

LEFT_ALONE = Limits(failures=1, seconds=1.0)
_OUT = (redis.ConnectionError, redis.TimeoutError)
"""Nobody there, no answer in time, or one that still loads its data. Any other error is an answer."""


class RedisLeftAlone(redis.ConnectionError):
    """Redis did not answer a moment ago, so it was not asked."""


class Pool(redis.BlockingConnectionPool):
    """With what this process knows of the Redis behind it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)  # type: ignore[no-untyped-call]  # redis-py has no types here
        self._circuit = LocalCircuit(LEFT_ALONE)

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Around one trip. Raises RedisLeftAlone without making it."""
        if self._move(admitted) is None:
            raise RedisLeftAlone("Redis did not answer a moment ago.")
        try:
            yield
        except _OUT as error:
            if not isinstance(error.__context__, Empty):  # of this pool: that says nothing about Redis
                self._move(failed)
            raise
        except BaseException:
            self._move(succeeded)
            raise
        self._move(succeeded)

    def _move(self, step: Any) -> Circuit | None:
        before, after = self._circuit.move(step, time.monotonic())
        if after is not None and after.state != before.state:
            CIRCUIT_CHANGES.labels(circuit="redis", state=after.state).inc()
            CIRCUIT_OPEN.labels(circuit="redis").set(after.state != CircuitState.CLOSED)
            log.warning("circuit_changed", circuit="redis", state=after.state)
        return after


class _Pipeline(redis.client.Pipeline):
    connection_pool: Pool

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        with self.connection_pool.asked():
            answers: list[Any] = super().execute(raise_on_error)
            return answers


class Client(redis.Redis):
    """`redis.Redis`, each of whose trips asks the pool first."""

    connection_pool: Pool

    def execute_command(self, *args: Any, **options: Any) -> Any:
        with self.connection_pool.asked():
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py has no types here

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> _Pipeline:
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


def redis_client() -> Any:
    """The synchronous client. ``Any``, because redis-py's types mix its answers with those of the asynchronous one."""
    return get_redis_connection("default")


class Script:
    """A Lua script, sent once and called by its digest afterwards."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._script: Any = None

    def __call__(self, keys: Iterable[str], args: Iterable[Any]) -> Any:
        client = redis_client()
        return self._registered(client)(keys=list(keys), args=list(args), client=client)

    def for_each(self, calls: Iterable[tuple[Iterable[str], Iterable[Any]]]) -> list[Any]:
        """The answers to several calls, each keys and arguments, in one trip."""
        client = redis_client()
        script = self._registered(client)
        with client.pipeline(transaction=False) as pipe:
            for keys, args in calls:
                script(keys=list(keys), args=list(args), client=pipe)
            return list(pipe.execute())

    def _registered(self, client: Any) -> Any:
        if self._script is None:
            self._script = client.register_script(self._source)
        return self._script
