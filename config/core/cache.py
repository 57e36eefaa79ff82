"""What Redis remembers for PostgreSQL: under a name, with a time to live, and with its hits counted.

There are two ways to be right. A value whose key says which version it is of never changes. A value under a plain key
belongs to a *generation*, which the write that changes it moves on: the generation is read before the value is
computed, so a reader who computed from the state before a write stores under the old one, where nobody looks any more.
Where Redis is out the value is simply computed.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from django.core.cache import cache

from config.core.metrics import CACHE_READS
from config.core.redis import RedisError, Script

_move_on = Script(
    """
    for _, generation in ipairs(KEYS) do
        redis.call('INCR', generation)
        redis.call('EXPIRE', generation, ARGV[1])
    end
    """
)


@dataclass(frozen=True)
class Cached:
    """One kind of value that its key pins down for ever, such as a board at a version. Values are JSON."""

    name: str
    ttl_seconds: int

    def get(self, key: object, compute: Callable[[], Any]) -> Any:
        try:
            stored = cache.get(f"{self.name}:{key}")
        except RedisError:
            CACHE_READS.labels(name=self.name, result="error").inc()
            return compute()
        CACHE_READS.labels(name=self.name, result="miss" if stored is None else "hit").inc()
        if stored is not None:
            return stored
        value = compute()
        with suppress(RedisError):
            cache.set(f"{self.name}:{key}", value, self.ttl_seconds)
        return value


class ForgettableCached(Cached):
    """One kind of value that writes change, such as a person's statistics. ``ttl_seconds`` bounds how long one may be
    shown that could not be forgotten, because Redis was out at that moment."""

    def get(self, key: object, compute: Callable[[], Any]) -> Any:
        try:
            generation = cache.get(self._generation(key), 0)
        except RedisError:
            CACHE_READS.labels(name=self.name, result="error").inc()
            return compute()
        return super().get(f"{key}:{generation}", compute)

    def forget(self, keys: Iterable[object]) -> None:
        """After the commit that changed them. A generation outlives every value stored under an older one."""
        make_key = cast("Any", cache).client.make_key
        with suppress(RedisError):
            _move_on([make_key(self._generation(key)) for key in keys], [self.ttl_seconds * 2])

    def _generation(self, key: object) -> str:
        return f"{self.name}:{key}:generation"
