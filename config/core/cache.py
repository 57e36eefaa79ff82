"""What Redis remembers for PostgreSQL: a name, a time to live, and a generation that a write moves on.

The generation is read before the value is computed and stands in the key. A reader who computed from the state before
a write therefore stores under the old generation, where nobody looks any more.
Where Redis is out the value is simply computed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import structlog
from django.core.cache import cache

from config.core.metrics import CACHE_READS
from config.core.redis import RedisError

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Cached:
    """One kind of cached value, such as a person's statistics. ``ttl_seconds`` bounds how long a value that
    could not be forgotten, because Redis was out just then, may be shown."""

    name: str
    ttl_seconds: int

    def get(self, key: object, compute: Callable[[], Any]) -> Any:
        try:
            generation = cache.get(self._generation(key), 0)
            stored = cache.get(f"{self.name}:{key}:{generation}")
        except RedisError:
            CACHE_READS.labels(name=self.name, result="error").inc()
            return compute()
        if stored is not None:
            CACHE_READS.labels(name=self.name, result="hit").inc()
            return stored
        CACHE_READS.labels(name=self.name, result="miss").inc()
        value = compute()
        self._quietly(lambda: cache.set(f"{self.name}:{key}:{generation}", value, self.ttl_seconds))
        return value

    def forget(self, key: object) -> None:
        """After the commit that changed it. The generation outlives every value stored under an older one."""
        self._quietly(lambda: self._move_on(self._generation(key)))

    def _generation(self, key: object) -> str:
        return f"{self.name}:{key}:generation"

    def _move_on(self, generation: str) -> None:
        client = cast("Any", cache).client.get_client(write=True)
        name = cast("Any", cache).client.make_key(generation)
        with client.pipeline() as pipe:
            pipe.incr(name)
            pipe.expire(name, self.ttl_seconds * 2)
            pipe.execute()

    def _quietly(self, write: Callable[[], Any]) -> None:
        try:
            write()
        except RedisError as error:
            log.warning("cache_not_written", cache=self.name, error=type(error).__name__)
