"""“The activity of these people has changed”, told to the processes where they are followed.

Nothing is decided by whether it arrives: see `following`.
"""

import asyncio
import time
from collections.abc import Collection
from uuid import UUID

import structlog
from asgiref.sync import async_to_sync

from config.core.redis import RedisError, redis_client
from leaderboards.announce import LAYER_SECONDS, channel_layer

log = structlog.get_logger(__name__)

GROUP = "activity"
"""Every process with followers is in it: one message names all people of a sync."""
FOLLOWED_SECONDS = 60
_FOLLOWED = "fitness:followed"
"""Who is followed somewhere, by when that was last said: a message costs as much as a sync's whole answer, a look in
here a twentieth of it."""


def note_followed(user_ids: Collection[UUID]) -> None:
    """Has their syncs announced for ``FOLLOWED_SECONDS``, everywhere."""
    if not user_ids:
        return
    now = time.time()
    try:
        with redis_client().pipeline(transaction=False) as pipeline:
            pipeline.zadd(_FOLLOWED, {user_id.hex: now for user_id in user_ids})
            pipeline.zremrangebyscore(_FOLLOWED, "-inf", now - FOLLOWED_SECONDS)
            pipeline.expire(_FOLLOWED, FOLLOWED_SECONDS)
            pipeline.execute()
    except RedisError as error:
        log.warning("followed_not_noted", error=type(error).__name__, people=len(user_ids))


def announce_activity(user_ids: Collection[UUID]) -> None:
    """After the commit. What fails here is made good by the next look of whoever follows."""
    people = [user_id.hex for user_id in user_ids]
    try:
        said_at = redis_client().zmscore(_FOLLOWED, people) if people else []
        followed = [person for person, at in zip(people, said_at, strict=True) if at is not None]
        if followed:
            async_to_sync(_announce)(followed)
    except (RedisError, OSError) as error:  # a TimeoutError is an OSError
        log.warning("activity_not_announced", error=type(error).__name__, people=len(people))


async def _announce(people: list[str]) -> None:
    async with asyncio.timeout(LAYER_SECONDS):
        await channel_layer().group_send(GROUP, {"type": "activity.stored", "people": people})
