"""“Board X has moved”, told to the processes that have watchers for it.

Nothing is decided by whether it arrives: the channel layer drops messages silently, and every hub compares versions
with PostgreSQL once a second anyway.
"""

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

LAYER_SECONDS = 1.0
"""How long a write may wait for the channel layer, which itself waits for ever."""


def board_group(competition_id: UUID) -> str:
    return f"board.{competition_id.hex}"


def channel_layer() -> Any:
    """The configured layer; Channels' own types know only what every backend has."""
    return get_channel_layer()


def announce_boards(competition_ids: Iterable[UUID]) -> None:
    """Raises RedisError or TimeoutError when the layer does not take it."""
    async_to_sync(_announce)(list(competition_ids))


async def _announce(competition_ids: list[UUID]) -> None:
    layer = channel_layer()
    async with asyncio.timeout(LAYER_SECONDS):
        for competition_id in competition_ids:
            await layer.group_send(board_group(competition_id), {"type": "board.moved", "board": competition_id.hex})
