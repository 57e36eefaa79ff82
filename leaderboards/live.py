"""A board as this process shows it: read once for all who watch or ask, encoded once for each way of seeing it.

It is *dirty* when somebody says that it has moved. A quiet board is then read at once. A busy one is shown to watchers
every ``SHOW_INTERVAL``, so a thousand changes a second make five frames, and read every ``READ_INTERVAL`` while
somebody waits for an answer.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Collection, Hashable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import structlog
from django.db.models.expressions import RawSQL

from competitions.models import Competition
from config.core.errors import Unavailable
from config.core.metrics import RENDER_SECONDS
from config.core.threads import in_thread
from leaderboards.frames import delta_frame, snapshot_frame
from leaderboards.queries import BoardPage, board_page, board_windows
from leaderboards.versions import BoardState
from leaderboards.watching import FRAME_ROWS, At, Counted, Sight

log = structlog.get_logger(__name__)

SHOW_INTERVAL = 0.2
READ_INTERVAL = 0.05
RETRY_SECONDS = 1.0
HISTORY = 32
"""Versions of a board from which somebody can be given only the difference."""
WINDOWS_SHARE = 5
"""Reading everybody's own window takes at most one part in so many of the time."""


@dataclass(eq=False)
class Shown:
    """A board as it was read. What was acknowledged before ``begun_at``, on the monotonic clock, is in it.
    ``written_by`` is the competition's row, as in `versions.BoardState`. ``made`` holds what was made of it: once,
    however many want it."""

    competition: Competition
    written_by: str
    page: BoardPage
    begun_at: float
    made: dict[Hashable, Any] = field(default_factory=dict)

    def is_at(self, state: BoardState | None) -> bool:
        here = self.page
        return (
            state is not None
            and here.epoch == state.epoch
            and here.version >= state.version
            and self.written_by == state.competition
        )

    def covers(self, limit: int) -> bool:
        return len(self.page.entries) >= min(limit, self.page.total)

    def found(self, key: Hashable) -> Any:
        """What was made under this key, or None; counted."""
        made = self.made.get(key)
        if made is None:
            Counted.made += 1
        else:
            Counted.reused += 1
        return made


class LiveBoard:
    """Lives on the event loop from the first who watches or asks until `stop`."""

    def __init__(self, board_id: UUID) -> None:
        self.id = board_id
        self.shown: Shown | None = None
        self.sights: set[Sight] = set()
        self.windows: set[Sight] = set()
        self.version = -1
        self._rows = FRAME_ROWS
        self._history: OrderedDict[At, BoardPage] = OrderedDict()
        self._pages: dict[tuple[UUID, int], BoardPage] = {}
        self._looking: Counter[tuple[UUID, int]] = Counter()
        self._seen: dict[Sight, BoardPage] = {}
        self._dirty, self._asked, self._windows_dirty = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._askers: list[tuple[float, int, asyncio.Future[Shown]]] = []
        self._showed_at = 0.0
        self._show_later: asyncio.TimerHandle | None = None
        # In a context of their own: they outlive whoever asked first, whose request and trace this is not.
        self._tasks = [
            asyncio.create_task(step, context=Context()) for step in (self._keep_read(), self._keep_windows_read())
        ]

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._show_later is not None:
            self._show_later.cancel()
        for *_, answer in self._askers:
            if not answer.done():
                answer.set_exception(Unavailable())

    # --- Who looks ---

    def add(self, sight: Sight) -> None:
        """From now on this sight is told of what moves; the first frame is there as soon as the board is."""
        self._rows = max(self._rows, sight.view.limit)
        if sight.view.window is None:
            self.sights.add(sight)
        else:
            self.windows.add(sight)
            self._looking[_window_of(sight)] += 1
            if self._is_behind(self._pages.get(_window_of(sight))):  # it moved while they had their first look
                self._windows_dirty.set()
        if self.shown is not None and (sight.view.window is not None or self.shown.covers(sight.view.limit)):
            sight.watcher.stir(sight)

    def remove(self, sight: Sight) -> None:
        self.sights.discard(sight)
        if sight in self.windows:
            self.windows.discard(sight)
            self._seen.pop(sight, None)
            window = _window_of(sight)
            self._looking[window] -= 1
            if not self._looking[window]:
                del self._looking[window]
                self._pages.pop(window, None)

    async def read_window(self, sight: Sight) -> None:
        """The first look of somebody who wants their own window; the later ones come with everybody else's."""
        if self.shown is not None:
            read = await in_thread(board_windows)(self.shown.competition, {_window_of(sight)})
            self._pages |= read  # not before: meanwhile the others' may have been read anew

    def _is_behind(self, page: BoardPage | None) -> bool:
        """Whether a window was read before what is shown, or not at all."""
        shown = self.shown.page if self.shown is not None else None
        return shown is not None and (page is None or page.epoch != shown.epoch or page.version < shown.version)

    def soil(self) -> None:
        """Something has moved, or may have."""
        self._dirty.set()

    def is_dirty(self) -> bool:
        return self._dirty.is_set()

    def is_awaited(self) -> bool:
        return bool(self._askers)

    async def read_since(self, moment: float, *, limit: int) -> Shown:
        """The board by a reading that began after ``moment``, shared with all who wait for one. Raises what the
        reading raises."""
        self._rows = max(self._rows, limit)
        answer: asyncio.Future[Shown] = asyncio.get_running_loop().create_future()
        self._askers.append((moment, limit, answer))
        self._asked.set()
        self._dirty.set()
        return await answer

    # --- What they see ---

    def frame(self, sight: Sight) -> str | None:
        """What this sight has not seen yet, as `Scene` wants it."""
        if sight.view.window is not None:
            return self._window_frame(sight)
        shown = self.shown
        if shown is None or not _is_due(sight, shown.page):
            return None
        page, limit = shown.page, sight.view.limit
        since = self._history.get(sight.at) if sight.view.delta and sight.at else None
        if since is not None and len(since.entries) < min(limit, since.total):
            since = None  # nobody wanted so many rows then
        key = ("frame", limit, since.version if since else None)
        text: str | None = shown.found(key)
        if text is None:
            best = best_rows(page, limit)
            text = shown.made[key] = delta_frame(best_rows(since, limit), best) if since else snapshot_frame(best)
        _hand_over(sight, page)
        return text

    def _window_frame(self, sight: Sight) -> str | None:
        page = self._pages.get(_window_of(sight))
        if page is None or not _is_due(sight, page):
            return None
        before = self._seen.get(sight)
        if before is not None and not sight.owed and _shows_the_same(before, page):
            return None
        differs_from_known = before is not None and sight.at == At(before.epoch, before.version)
        if sight.view.delta and before is not None and differs_from_known and before.epoch == page.epoch:
            text = delta_frame(before, page)
        else:
            text = snapshot_frame(page)
        self._seen[sight] = page
        _hand_over(sight, page)
        return text

    # --- Reading ---

    async def _keep_read(self) -> None:
        while True:
            await self._dirty.wait()
            await self._pace()
            self._dirty.clear()
            self._asked.clear()
            try:
                await self._read()
            except Exception as error:
                log.warning("board_not_read", board=str(self.id), error=type(error).__name__)
                self._answer(error, begun_at=time.monotonic())
                await asyncio.sleep(RETRY_SECONDS)
                self._dirty.set()

    async def _pace(self) -> None:
        if self.shown is not None:
            await asyncio.sleep(self.shown.begun_at + READ_INTERVAL - time.monotonic())
        until_shown = self._showed_at + SHOW_INTERVAL - time.monotonic()
        if until_shown > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(until_shown):
                    await self._asked.wait()

    async def _read(self) -> None:
        begun_at, rows = time.monotonic(), self._rows
        with RENDER_SECONDS.time():
            competition, page = await in_thread(_read_board)(self.id, rows)
        before = self.shown
        if before is not None:
            page = _sharing(page, before.page)
        self.shown = Shown(competition, competition.written_by, page, begun_at)  # type: ignore[attr-defined]  # annotated in `_read_board`
        at = At(page.epoch, page.version)
        if before is not None and before.page.epoch != page.epoch:
            self._history.clear()  # nothing leads from one epoch to another
        self._history[at] = page
        self._history.move_to_end(at)
        if len(self._history) > HISTORY:
            self._history.popitem(last=False)
        self._answer(self.shown, begun_at=begun_at)
        grown = before is None or len(page.entries) > len(before.page.entries)  # somebody wanted more rows
        if before is None or grown or at != At(before.page.epoch, before.page.version):
            self.version = page.version
            self._show_soon()

    def _answer(self, outcome: Shown | Exception, *, begun_at: float) -> None:
        """Those who came before the reading began, and want no more rows than it has; the others wait for the next."""
        for moment, limit, answer in self._askers:
            if answer.done() or moment > begun_at:
                continue
            if not isinstance(outcome, Shown):
                answer.set_exception(outcome)
            elif outcome.covers(limit):
                answer.set_result(outcome)
        self._askers = [asker for asker in self._askers if not asker[-1].done()]
        if self._askers:
            self._asked.set()
            self._dirty.set()

    def _show_soon(self) -> None:
        if self._show_later is None:
            wait = max(0.0, self._showed_at + SHOW_INTERVAL - time.monotonic())
            self._show_later = asyncio.get_running_loop().call_later(wait, self._show)

    def _show(self) -> None:
        self._show_later = None
        self._showed_at = time.monotonic()
        for sight in self.sights:
            sight.watcher.stir(sight)
        if self.windows:
            self._windows_dirty.set()

    async def _keep_windows_read(self) -> None:
        """Everybody's own window is a reading of its own, so they are read together, and less often when they are
        many."""
        while True:
            await self._windows_dirty.wait()
            self._windows_dirty.clear()
            begun_at = time.monotonic()
            try:
                await self._read_windows()
            except Exception as error:
                log.warning("windows_not_read", board=str(self.id), error=type(error).__name__)
                self._windows_dirty.set()
                await asyncio.sleep(RETRY_SECONDS)
            took = time.monotonic() - begun_at
            await asyncio.sleep(max(SHOW_INTERVAL - took, took * (WINDOWS_SHARE - 1)))

    async def _read_windows(self) -> None:
        if self.shown is None:
            return  # it will be shown, and these with it
        read = await in_thread(board_windows)(self.shown.competition, set(self._looking))
        self._pages = {window: page for window, page in self._pages.items() if window in self._looking} | read
        for sight in self.windows:
            sight.watcher.stir(sight)


def _read_board(board_id: UUID, rows: int) -> tuple[Competition, BoardPage]:
    """The competition first: what is read after it is at least as new."""
    written_by = RawSQL("competitions_competition.xmin::text", [])
    competition = Competition.objects.annotate(written_by=written_by).get(id=board_id)
    return competition, board_page(competition, offset=0, limit=rows)


def _is_due(sight: Sight, page: BoardPage) -> bool:
    if sight.owed or sight.at is None:
        return True
    return sight.at.epoch != page.epoch or sight.at.version < page.version


def _hand_over(sight: Sight, page: BoardPage) -> None:
    """The sight has seen this page now. Who was waiting for news of a board waited from the moment that it says."""
    if not sight.owed and sight.at is not None:
        Counted.lags.append(time.time() - _moved_at(page.updated_at))
    sight.at, sight.owed = At(page.epoch, page.version), False


@lru_cache(maxsize=1024)
def _moved_at(updated_at: str) -> float:
    """Seconds since 1970."""
    return datetime.fromisoformat(updated_at).timestamp()


def _window_of(sight: Sight) -> tuple[UUID, int]:
    assert sight.watcher.viewer_id is not None
    assert sight.view.window is not None
    return sight.watcher.viewer_id, sight.view.window


def best_rows(page: BoardPage, limit: int) -> BoardPage:
    """The top of a page that begins at the top."""
    return page if len(page.entries) <= limit else replace(page, entries=page.entries[:limit])


def _sharing(page: BoardPage, before: BoardPage) -> BoardPage:
    """The same page, made of the rows of the one before where they are equal: a history then costs only what moved."""
    known = {entry["user_id"]: entry for entry in before.entries}
    entries = [known[id_] if known.get(id_ := entry["user_id"]) == entry else entry for entry in page.entries]
    return replace(page, entries=entries)


def _shows_the_same(before: BoardPage, page: BoardPage) -> bool:
    return replace(page, version=before.version, updated_at=before.updated_at) == before


def viewers_of(sights: Collection[Sight]) -> set[UUID | None]:
    return {sight.watcher.viewer_id for sight in sights}
