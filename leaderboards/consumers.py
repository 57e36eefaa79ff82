"""`WS /ws/leaderboard/{competition_id}`: boards as they move."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from config.core.errors import NotFound
from leaderboards.hub import hub
from leaderboards.sockets import WatchingSocket, reason_of
from leaderboards.tickets import Opened
from leaderboards.watching import Close, InvalidView, View, at_of, view_of

MAX_BOARDS = 20


class LeaderboardConsumer(WatchingSocket):
    one_board = False  # what its ticket is good for

    async def connect(self) -> None:
        self.board_id = _uuid(self.scope["url_route"]["kwargs"]["competition_id"])
        await super().connect()

    def note_ticket(self, ticket: Opened) -> None:
        self.one_board = ticket.one_board

    async def let_in(self) -> None:
        if self.board_id is None:
            raise NotFound("There is no such competition.")
        await hub().admit(self.board_id, self.watcher.viewer_id)

    async def begin(self) -> None:
        assert self.board_id is not None
        await self._watch(self.board_id, self.query)

    def let_go(self) -> None:
        hub().leave(self.watcher)

    async def take(self, message: Any) -> None:
        match message:
            case {"type": "subscribe", "competitionId": str(board)}:
                await self._subscribe(_uuid(board), message)
            case {"type": "unsubscribe", "competitionId": str(board)}:
                self._unsubscribe(_uuid(board))
            case {"type": "resume", "competitionId": str(board)}:
                await self._resume(_uuid(board), message)
            case {"type": "subscribe" | "unsubscribe" | "resume"}:
                await self._complain("invalid_message", "Name the board as competitionId.")
            case _:
                await self._complain("unknown_type", "Known types are subscribe, unsubscribe, resume and ping.")

    async def _subscribe(self, board_id: UUID | None, asked: Mapping[str, object]) -> None:
        sights = self.watcher.sights
        if self.one_board and board_id not in sights:
            await self._complain("forbidden", "This ticket is good for one board.")
        elif board_id is not None and board_id not in sights and len(sights) >= MAX_BOARDS:
            await self._complain("too_many_boards", f"A socket watches {MAX_BOARDS} boards at most.")
        else:
            refused = await self._refused(board_id)
            if refused == Close.RESTARTING:
                await self._end(refused)
            elif refused is not None or board_id is None:
                await self._complain("not_found", "There is no such competition.")
            else:
                await self._watch(board_id, asked)

    async def _refused(self, board_id: UUID | None) -> Close | None:
        if board_id is None:
            return Close.NOT_FOUND
        try:
            await hub().admit(board_id, self.watcher.viewer_id)
        except Exception as error:
            return reason_of(error)
        return None

    async def _watch(self, board_id: UUID, asked: Mapping[str, object]) -> None:
        """What cannot be shown as it was asked for is complained about, and shown plainly."""
        try:
            view = view_of(asked)
        except InvalidView as error:
            await self._complain("invalid_message", str(error))
            view = View()
        if view.window is not None and self.watcher.viewer_id is None:
            await self._complain("forbidden", "A ticket that is nobody's has no window of its own.")
            view = View(view.limit, None, view.delta)
        await hub().watch(board_id, self.watcher, view, at_of(asked))

    def _unsubscribe(self, board_id: UUID | None) -> None:
        if board_id is not None:
            hub().unwatch(board_id, self.watcher)

    async def _resume(self, board_id: UUID | None, asked: Mapping[str, object]) -> None:
        since = at_of(asked)
        if since is None:
            await self._complain("invalid_message", "Say which epoch and version you have.")
        elif board_id is None or not hub().resume(board_id, self.watcher, since):
            await self._complain("not_found", "This socket does not watch that board.")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
