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
