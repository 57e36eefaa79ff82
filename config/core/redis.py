"""The one connection pool to Redis for commands; it is the cache's own."""

from collections.abc import Iterable
from typing import Any

import redis
from django_redis import get_redis_connection

RedisError = redis.RedisError


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
        if self._script is None:
            self._script = client.register_script(self._source)
        return self._script(keys=list(keys), args=list(args), client=client)
