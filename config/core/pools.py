"""How much of this process's connection pools is in use."""

import threading
import time
from dataclasses import dataclass
from typing import Any

from django.db import connection

from config.core.metrics import POOL_CONNECTIONS, POOL_LIMIT, POOL_REFUSED, POOL_WAITING
from config.core.redis import redis_client

NOTE_SECONDS = 5.0


@dataclass(frozen=True)
class PoolUse:
    """Connections. ``waiting``: requests that want one at this moment; ``refused``: those that got none in time, since
    the process began. Redis's pool counts neither."""

    limit: int
    used: int
    idle: int
    waiting: int = 0
    refused: int = 0


def postgresql_pool() -> PoolUse:
    stats: dict[str, int] = connection.pool.get_stats()  # type: ignore[attr-defined]  # the backend's, which has one
    size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
    waiting, refused = stats.get("requests_waiting", 0), stats.get("requests_errors", 0)
    return PoolUse(stats["pool_max"], size - idle, idle, waiting, refused)


def redis_pool() -> PoolUse:
    """redis-py's blocking pool is a queue of connections that are free, or None where none was opened yet."""
    pool: Any = redis_client().connection_pool
    idle = sum(connection is not None for connection in list(pool.pool.queue))
    return PoolUse(pool.max_connections, pool.max_connections - pool.pool.qsize(), idle)


def note_pools() -> None:
    """Puts them into the metrics."""
    for name, use in (("postgresql", postgresql_pool()), ("redis", redis_pool())):
        POOL_LIMIT.labels(pool=name).set(use.limit)
        POOL_CONNECTIONS.labels(pool=name, state="used").set(use.used)
        POOL_CONNECTIONS.labels(pool=name, state="idle").set(use.idle)
        POOL_WAITING.labels(pool=name).set(use.waiting)
        POOL_REFUSED.labels(pool=name).set(use.refused)


def keep_noting_pools() -> None:
    """For a process whose metrics somebody else shows."""

    def note_for_ever() -> None:
        while True:
            note_pools()
            time.sleep(NOTE_SECONDS)

    threading.Thread(target=note_for_ever, name="pools", daemon=True).start()
