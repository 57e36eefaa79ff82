"""One hub per process: it knows which boards are looked at here, who may look, and which of them have moved.

That a board has moved is told by the channel layer, found out by comparing with PostgreSQL once a second, and asked for
by every reader. Nothing is decided by whether a message of the channel layer arrived.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from config.core.errors import NotFound
from config.core.gathering import Gatherer, one_per_loop
from config.core.metrics import LIVE_BOARDS
from config.core.threads import in_thread
from leaderboards.announce import board_group
from leaderboards.listening import Listener
from leaderboards.live import LiveBoard, Shown, viewers_of
from leaderboards.queries import board_versions, refused_viewers
from leaderboards.versions import BoardStates
from leaderboards.watching import At, Close, Sight, View, Watcher, count_frames

log = structlog.get_logger(__name__)

CHECK_INTERVAL = 1.0
ACCESS_INTERVAL = 2.0
ACCESS_SECONDS = 5.0
"""How long somebody who was let in is served without another look at whether they still may be."""
IDLE_SECONDS = 30.0
"""A board that nobody watches is kept so long for those who ask for it again and again."""


@dataclass(eq=False)
class _Admitted:
    """Whoever may see a board: since when that is known, and when they last asked for it. On the monotonic clock."""

    checked_at: float
    asked_at: float


@dataclass(eq=False)
class _Place:
    """A board, and those who may ask for it."""

    board: LiveBoard
    readers: dict[UUID, _Admitted] = field(default_factory=dict)
    asked_at: float = 0.0


class Hub(Listener):
    def __init__(self) -> None:
        super().__init__()
        self._places: dict[UUID, _Place] = {}
        self._states = BoardStates()
        self._access = Gatherer(in_thread(check_access))

    # --- Who may see what ---

    async def admit(self, board_id: UUID, viewer_id: UUID | None) -> None:
        """Whether they may see the board, by a look that is at most ``ACCESS_SECONDS`` old. None stands for anybody,
        who may see public ones. Raises NotFound."""
        if not self.is_admitted(board_id, viewer_id):
            checked_at = time.monotonic()
            await self._access.put((viewer_id, board_id))
            if viewer_id is not None:
                self._place(board_id).readers[viewer_id] = _Admitted(checked_at, checked_at)

    def is_admitted(self, board_id: UUID, viewer_id: UUID | None) -> bool:
        place = self._places.get(board_id)
        admitted = place.readers.get(viewer_id) if place is not None and viewer_id is not None else None
        if admitted is None:
            return False
        now = time.monotonic()
        admitted.asked_at = now
        return now - admitted.checked_at < ACCESS_SECONDS

    # --- Asking once ---

    async def fresh(self, board_id: UUID, *, limit: int) -> Shown:
        """The board with every write in it that was acknowledged before this call, through whichever server.

        Raises NotFound for no such board, and what PostgreSQL's absence raises.
        """
        place = self._place(board_id)
        arrived = place.asked_at = time.monotonic()
        state = await self._states.of(board_id)
        if state is None:
            raise NotFound("There is no such competition.")
        shown = place.board.shown
        if shown is not None and shown.is_at(state) and shown.covers(limit):
            return shown
        return await self._place(board_id).board.read_since(arrived, limit=limit)  # it may have been let go meanwhile

    # --- Watching ---

    async def watch(self, board_id: UUID, watcher: Watcher, view: View = View(), since: At | None = None) -> Sight:  # noqa: B008 - frozen
        """From now on this watcher sees the board: first as it is, or what has changed ``since``, and then whatever
        moves. A second call for the same board changes the view and shows it anew."""
        self.unwatch(board_id, watcher)
        board = self._place(board_id).board
        sight = watcher.sights[board_id] = Sight(board_id, board, watcher, view, since)
        try:
            await self.fresh(board_id, limit=view.limit)
            if view.window is not None:
                await board.read_window(sight)
        except Exception as error:
            log.warning("board_not_shown_at_once", board=str(board_id), error=type(error).__name__)
            board.soil()  # it is shown as soon as it can be read
        if watcher.sights.get(board_id) is sight:  # while it waited, others came and went
            board = self._place(board_id).board
            sight.scene = board
            board.add(sight)
        if self._dismissing:
            watcher.end(Close.RESTARTING)
        return sight

    def unwatch(self, board_id: UUID, watcher: Watcher) -> None:
        sight = watcher.look_away(board_id)
        place = self._places.get(board_id)
        if sight is not None and place is not None:
            place.board.remove(sight)
            place.asked_at = time.monotonic()

    def leave(self, watcher: Watcher) -> None:
        for board_id in list(watcher.sights):
            self.unwatch(board_id, watcher)

    def resume(self, board_id: UUID, watcher: Watcher, since: At) -> bool:
        """Shows what has changed since then, or the whole. False when this watcher does not see that board."""
        sight = watcher.sights.get(board_id)
        if sight is None:
            return False
        sight.at, sight.owed = since, True
        watcher.stir(sight)
        return True

    def boards(self) -> set[UUID]:
        """Those that are held here."""
        return set(self._places)

    def watchers(self) -> set[Watcher]:
        return {sight.watcher for place in self._places.values() for sight in _all_sights(place)}

    async def close(self) -> None:
        for place in self._places.values():
            place.board.stop()
        self._places.clear()
        await super().close()
        await self._states.close()

    # --- Keeping it so ---

    def _place(self, board_id: UUID) -> _Place:
        self._start(check=self._check, check_access=self._check_access)
        place = self._places.get(board_id)
        if place is None:
            place = self._places[board_id] = _Place(LiveBoard(board_id), asked_at=time.monotonic())
            LIVE_BOARDS.set(len(self._places))
            self._joining = asyncio.create_task(self._join(board_group(board_id)))
        return place

    def groups(self) -> list[str]:
        return [board_group(board_id) for board_id in self._places]

    def hear(self, message: dict[str, Any]) -> None:
        place = self._places.get(UUID(hex=message["board"]))
        if place is not None and _is_watched(place):
            place.board.soil()

    async def _check(self) -> None:
        await asyncio.sleep(CHECK_INTERVAL)
        count_frames()
        self._let_stalled_watchers_go()
        self._let_idle_boards_go()
        watched = [board_id for board_id, place in self._places.items() if _is_watched(place)]
        if watched:
            versions = await in_thread(board_versions)(watched)
            for board_id, version in versions.items():
                place = self._places.get(board_id)
                if place is not None and version > place.board.version:
                    if not place.board.is_dirty():  # nobody told us: Redis may have forgotten that we are in the group
                        await self._join(board_group(board_id))
                    place.board.soil()

    def _let_idle_boards_go(self) -> None:
        long_ago = time.monotonic() - IDLE_SECONDS
        for board_id, place in list(self._places.items()):
            if not _is_watched(place) and not place.board.is_awaited() and place.asked_at < long_ago:
                place.board.stop()
                del self._places[board_id]
        LIVE_BOARDS.set(len(self._places))

    async def _check_access(self) -> None:
        """A board made private, somebody who left or was deactivated: who may not see a board any more is let go."""
        await asyncio.sleep(ACCESS_INTERVAL)
        for board_id, place in list(self._places.items()):
            began, lately = time.monotonic(), time.monotonic() - IDLE_SECONDS
            place.readers = {who: admitted for who, admitted in place.readers.items() if admitted.asked_at > lately}
            readers = set(place.readers)
            viewers = readers | viewers_of(_all_sights(place))
            if not viewers:
                continue
            refused = await in_thread(refused_viewers)(board_id, viewers)
            for reader in readers:
                if reader in refused:
                    del place.readers[reader]
                else:
                    place.readers[reader].checked_at = began
            for sight in [sight for sight in _all_sights(place) if sight.watcher.viewer_id in refused]:
                self.unwatch(board_id, sight.watcher)
                sight.watcher.end(Close.NOT_FOUND)


def _is_watched(place: _Place) -> bool:
    return bool(place.board.sights or place.board.windows)


def _all_sights(place: _Place) -> set[Sight]:
    return place.board.sights | place.board.windows


def check_access(asked: Sequence[tuple[UUID | None, UUID]]) -> list[Exception | None]:
    """NotFound for each viewer who may not see the board that they ask for; statements by the board, not by viewer."""
    viewers: dict[UUID, set[UUID | None]] = {}
    for viewer_id, board_id in asked:
        viewers.setdefault(board_id, set()).add(viewer_id)
    refused = {board_id: refused_viewers(board_id, who) for board_id, who in viewers.items()}
    return [
        NotFound("There is no such competition.") if viewer_id in refused[board_id] else None
        for viewer_id, board_id in asked
    ]


hub = one_per_loop(Hub)
"""The hub of this process, which lives on its event loop."""
