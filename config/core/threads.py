"""Synchronous code, called from the event loop."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import TypeVar

from channels.db import database_sync_to_async

_Piece = TypeVar("_Piece")

in_thread = partial(database_sync_to_async, thread_sensitive=False)
"""Runs a query in a thread of a pool. The sensitive default would put all sockets of the process on one thread."""


async def in_threads(pieces: Iterator[_Piece]) -> AsyncIterator[_Piece]:
    """Each is fetched in a thread when it is asked for."""
    while (piece := await in_thread(_next)(pieces)) is not None:
        yield piece


def _next(pieces: Iterator[_Piece]) -> _Piece | None:
    return next(pieces, None)
