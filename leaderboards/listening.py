"""One place per process that hears from the channel layer for all who watch here.

Nothing is decided by whether a message arrived: the layer drops them silently, so whoever listens also compares with
PostgreSQL now and then.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from contextvars import Context
from typing import Any

import structlog

from config.core.redis import RedisError
from config.core.threads import in_thread
from leaderboards import watching
from leaderboards.admission import admission
from leaderboards.announce import LAYER_SECONDS, channel_layer
from leaderboards.headcount import SAY_SECONDS, say_headcount
from leaderboards.watching import Close, Watcher

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0
GROUP_REFRESH_SECONDS = 3600.0
"""Channel-layer groups forget members after a day; joining again is cheap."""

Step = Callable[[], Awaitable[None]]


class Listener(ABC):
    """Lives on the process's event loop, from the first who watches until `close`."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._channel = ""
        self._dismissing = False

    @abstractmethod
    def groups(self) -> Collection[str]:
        """Of the channel layer: those that are listened to at present."""

    @abstractmethod
    def hear(self, message: dict[str, Any]) -> None: ...

    @abstractmethod
    def watchers(self) -> set[Watcher]: ...

    async def dismiss(self, *, seconds: float) -> None:
        """Tells everybody who watches to come again a little later, and whoever comes from now on; returns when all
        have been told, or after so many seconds."""
        self._dismissing = True
        for watcher in self.watchers():
            watcher.end(Close.RESTARTING)
        until = time.monotonic() + seconds
        while self.watchers() and time.monotonic() < until:
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Ends what runs here. Watchers are not told: `Watcher.end` is for that."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, **steps: Step) -> None:
        """Listens from now on, and does these steps again and again."""
        if not self._tasks:
            everything = {"listen": self._listen, "refresh": self._refresh, "say": self._say, **steps}
            # In a context of their own: they outlive the request that happened to come first.
            self._tasks = [
                asyncio.create_task(self._keep_doing(step, name), context=Context())
                for name, step in everything.items()
            ]

    async def _keep_doing(self, step: Step, name: str) -> None:
        """A step that fails is tried again; Redis or PostgreSQL may be away for a while."""
        while True:
            try:
                await step()
            except Exception as error:
                log.warning("hub_step_failed", hub=type(self).__name__, step=name, error=type(error).__name__)
                self._channel = "" if name == "listen" else self._channel
                await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        layer = channel_layer()
        if not self._channel:
            self._channel = await layer.new_channel()
            await self._join(*self.groups())
        self.hear(await layer.receive(self._channel))

    async def _refresh(self) -> None:
        await asyncio.sleep(GROUP_REFRESH_SECONDS)
        await self._join(*self.groups())

    async def _say(self) -> None:
        """How many are connected here; when several listeners of a process say it, they say the same."""
        with suppress(RedisError):
            await in_thread(say_headcount)(admission.count())
        await asyncio.sleep(SAY_SECONDS)

    async def _join(self, *groups: str) -> None:
        if not self._channel:
            return
        layer = channel_layer()
        try:
            async with asyncio.timeout(LAYER_SECONDS):
                for group in groups:
                    await layer.group_add(group, self._channel)
        except Exception as error:
            log.warning("hub_not_in_group", error=type(error).__name__)

    def _let_stalled_watchers_go(self) -> None:
        long_ago = time.monotonic() - watching.SLOW_SECONDS
        for watcher in self.watchers():
            if watcher.sending_since is not None and watcher.sending_since < long_ago:
                watcher.stalled()
