"""One hub per process: it reads a board once, encodes it once, and hands the same frame to every socket.

A board is *dirty* when the channel layer says that it moved, when the check once a second finds PostgreSQL ahead of
what was last shown, or when somebody new wants a snapshot. A dirty board is rendered at once when it was quiet and at
most every ``MIN_INTERVAL`` when it is busy, so a thousand changes a second make five frames. Each socket holds one
pending frame per board, the newest.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from channels.db import database_sync_to_async

from competitions.models import Competition
from config.core.metrics import FRAMES, FRAMES_CONFLATED, RENDER_SECONDS
from leaderboards.announce import LAYER_SECONDS, board_group, channel_layer
from leaderboards.frames import snapshot_frame
from leaderboards.queries import board_page, board_versions, refused_viewers

log = structlog.get_logger(__name__)

FRAME_ROWS = 100
MIN_INTERVAL = 0.2
SNAPSHOT_INTERVAL = 0.02
"""Between two renderings that showed nothing new: many who connect at once share one."""
CHECK_INTERVAL = 1.0
ACCESS_INTERVAL = 4.0
GROUP_REFRESH_SECONDS = 3600.0
"""Channel-layer groups forget members after a day; joining again is cheap."""


in_thread = partial(database_sync_to_async, thread_sensitive=False)
"""Runs a query in a thread of a pool. The sensitive default would put all sockets of the process on one thread."""


@dataclass(eq=False)
class Watcher:
    """A socket's place at the hub: at most one frame per board waits in it, in the order of first arrival.

    ``viewer_id`` is who watches, None with a public board's ticket; ``refuse`` is called when they may not any more.
    """

    viewer_id: UUID | None = None
    refuse: Callable[[], None] = lambda: None
    pending: dict[UUID, tuple[int, str]] = field(default_factory=dict)
    shown: dict[UUID, int] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, board: UUID, version: int, frame: str) -> None:
        waiting, _ = self.pending.get(board, (-1, ""))
        if version <= max(waiting, self.shown.get(board, -1)):
            return
        if board in self.pending:
            FRAMES_CONFLATED.inc()
        self.pending[board] = (version, frame)
        self.ready.set()

    async def next_frame(self) -> str:
        """Waits for the next frame that is due."""
        while not self.pending:
            self.ready.clear()
            await self.ready.wait()
        board = next(iter(self.pending))
        version, frame = self.pending.pop(board)
        self.shown[board] = version
        FRAMES.inc()
        return frame


@dataclass(eq=False)
class _Watched:
    """A board that somebody in this process watches."""

    id: UUID
    watchers: set[Watcher] = field(default_factory=set)
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    version: int = -1
    next_at: float = 0.0
    renderer: asyncio.Task[None] | None = None


class Hub:
    def __init__(self) -> None:
        self._boards: dict[UUID, _Watched] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._channel = ""

    async def watch(self, board_id: UUID, watcher: Watcher) -> None:
        """From now on this watcher gets the board's frames: a snapshot first, and whatever moves after it."""
        await self._start()
        watcher.shown.pop(board_id, None)
        board = self._boards.get(board_id)
        if board is not None:
            board.watchers.add(watcher)
            board.dirty.set()
            return
        board = self._boards[board_id] = _Watched(board_id, {watcher})
        board.dirty.set()
        board.renderer = asyncio.create_task(self._render_for_ever(board))
        await self._join(board_id)  # last: while it waits, others come and go

    def unwatch(self, board_id: UUID, watcher: Watcher) -> None:
        """Stops the frames; a board that nobody watches is let go."""
        board = self._boards.get(board_id)
        if board is None:
            return
        board.watchers.discard(watcher)
        watcher.pending.pop(board_id, None)
        if not board.watchers:
            del self._boards[board_id]
            if board.renderer is not None:
                board.renderer.cancel()

    async def _start(self) -> None:
        if self._tasks:
            return
        self._tasks = [
            asyncio.create_task(self._keep_doing(step, name))
            for name, step in {
                "listen": self._listen,
                "check": self._check,
                "check_access": self._check_access,
                "refresh": self._refresh,
            }.items()
        ]

    async def _keep_doing(self, step: Callable[[], Awaitable[None]], name: str) -> None:
        """A step that fails is tried again; Redis or PostgreSQL may be away for a while."""
        while True:
            try:
                await step()
            except Exception as error:
                log.warning("hub_step_failed", step=name, error=type(error).__name__)
                self._channel = "" if name == "listen" else self._channel
                await asyncio.sleep(CHECK_INTERVAL)

    async def _listen(self) -> None:
        layer = channel_layer()
        if not self._channel:
            self._channel = await layer.new_channel()
            await self._join(*self._boards)
        message = await layer.receive(self._channel)
        board = self._boards.get(UUID(hex=message["board"]))
        if board is not None:
            board.dirty.set()

    async def _check(self) -> None:
        await asyncio.sleep(CHECK_INTERVAL)
        if self._boards:
            versions = await in_thread(board_versions)(list(self._boards))
            for board_id, version in versions.items():
                board = self._boards.get(board_id)
                if board is not None and version > board.version:
                    if not board.dirty.is_set():  # nobody told us: Redis may have forgotten that we are in the group
                        await self._join(board_id)
                    board.dirty.set()

    async def _check_access(self) -> None:
        """A board made private, somebody who left or was deactivated: who may not see a board any more is let go."""
        await asyncio.sleep(ACCESS_INTERVAL)
        for board in list(self._boards.values()):
            viewers = {watcher.viewer_id for watcher in board.watchers}
            refused = await in_thread(refused_viewers)(board.id, viewers)
            for watcher in [watcher for watcher in board.watchers if watcher.viewer_id in refused]:
                self.unwatch(board.id, watcher)
                watcher.refuse()

    async def _refresh(self) -> None:
        await asyncio.sleep(GROUP_REFRESH_SECONDS)
        await self._join(*self._boards)

    async def _join(self, *board_ids: UUID) -> None:
        if not self._channel:
            return
        layer = channel_layer()
        try:
            async with asyncio.timeout(LAYER_SECONDS):
                for board_id in board_ids:
                    await layer.group_add(board_group(board_id), self._channel)
        except Exception as error:
            log.warning("hub_not_told_of_board", error=type(error).__name__)

    async def _render_for_ever(self, board: _Watched) -> None:
        while True:
            await board.dirty.wait()
            await asyncio.sleep(max(0.0, board.next_at - time.monotonic()))
            board.dirty.clear()
            try:
                await self._render(board)
            except Exception as error:
                log.warning("board_not_rendered", board=str(board.id), error=type(error).__name__)
                await asyncio.sleep(CHECK_INTERVAL)
                board.dirty.set()

    async def _render(self, board: _Watched) -> None:
        started = time.monotonic()
        with RENDER_SECONDS.time():
            version, frame = await in_thread(_read_frame)(board.id)
        moved = -1 < board.version < version  # a first snapshot is no move: what comes next goes out at once
        board.next_at = started + (MIN_INTERVAL if moved else SNAPSHOT_INTERVAL)
        board.version = max(board.version, version)
        for watcher in board.watchers:
            watcher.offer(board.id, version, frame)


def _read_frame(board_id: UUID) -> tuple[int, str]:
    page = board_page(Competition.objects.get(id=board_id), offset=0, limit=FRAME_ROWS)
    return page.version, snapshot_frame(page)


_hubs: WeakKeyDictionary[Any, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of this process, which lives on its event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
