"""Values that cost a lot to compute and may be a little old, each with the moment that it was read at.

A value has a mark, such as the version of a board. While the mark stands, the value is good for ``seconds``; once it
has moved, for ``moved_seconds`` only. So what moves all the time is not computed for every reader, and nothing is ever
older than that. Of readers who come together one computes, and the others wait for it. Where Redis is out every reader
computes.
"""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.core.cache import cache

from config.core.metrics import CACHE_READS
from config.core.redis import RedisError, Script, redis_client

LONGEST_SECONDS = 60
"""A computation that takes longer is begun a second time."""
_LOOK_AGAIN_SECONDS = 0.03

_release = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end")


class Aged(NamedTuple):
    value: Any
    read_at: datetime


@dataclass(frozen=True)
class Ageing:
    """One kind of such values. They are JSON."""

    name: str
    seconds: int
    moved_seconds: int

    def get(self, key: object, compute: Callable[[], Any], *, now: datetime, mark: object = "") -> Aged:
        """``mark`` is read before, so the value is at least as new as it says."""
        place = f"{self.name}:{key}"
        try:
            good = self._good(place, str(mark), now)
            CACHE_READS.labels(name=self.name, result="miss" if good is None else "hit").inc()
            return good or self._computed_once(place, str(mark), compute, now)
        except RedisError:
            CACHE_READS.labels(name=self.name, result="error").inc()
            return Aged(compute(), now)

    def _good(self, place: str, mark: str, now: datetime) -> Aged | None:
        stored = cache.get(place)
        if stored is None:
            return None
        read_at = datetime.fromisoformat(stored["read_at"])
        limit = self.seconds if stored["mark"] == mark else self.moved_seconds
        return Aged(stored["value"], read_at) if now - read_at < timedelta(seconds=limit) else None

    def _computed_once(self, place: str, mark: str, compute: Callable[[], Any], now: datetime) -> Aged:
        lock, token = f"{place}:lock", secrets.token_hex(8)
        patience = time.monotonic() + LONGEST_SECONDS
        while not redis_client().set(lock, token, nx=True, px=LONGEST_SECONDS * 1000):
            if time.monotonic() > patience:
                return Aged(compute(), now)
            time.sleep(_LOOK_AGAIN_SECONDS)
            if good := self._good(place, mark, now):
                return good
        try:
            good = self._good(place, mark, now)  # somebody may have finished just before the lock was free
            return good or self._stored(place, mark, compute(), now)
        finally:
            with suppress(RedisError):
                _release([lock], [token])

    def _stored(self, place: str, mark: str, value: Any, now: datetime) -> Aged:
        with suppress(RedisError):
            cache.set(place, {"value": value, "mark": mark, "read_at": now.isoformat()}, self.seconds)
        return Aged(value, now)
