"""`WS /ws/leaderboard/{competition_id}`: boards as they move.

A refused socket is accepted first and closed then, because a browser cannot see why a handshake was refused.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import structlog
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils import timezone

from accounts.callers import recognise
from accounts.tokens import InvalidToken
from config.core.errors import Refusal, TooMany, Unavailable, as_refusal
from config.core.limits import Blocks
from config.core.metrics import SOCKETS
from config.core.request import address_block, client_address, scope_headers
from config.core.threads import in_thread
from leaderboards.admission import admission, retry_after_ms
from leaderboards.frames import PONG, closing_frame, error_frame
from leaderboards.hub import hub
from leaderboards.tickets import InvalidTicket, open_ticket
from leaderboards.watching import Close, Ended, InvalidView, View, Watcher, at_of, view_of

log = structlog.get_logger(__name__)

MAX_BOARDS = 20
MESSAGES_PER_SECOND = 10
MESSAGE_BURST = 40

_connections = Blocks("socket")


class LeaderboardConsumer(AsyncWebsocketConsumer):
    channel_layer_alias = "none"  # the hub listens for all sockets; a listener per socket would cost each a task

    def __init__(self) -> None:
        super().__init__()
        self.watcher = Watcher(stalled=self._stall)
        self.ended = False
        self.one_board = False  # what its ticket is good for
        self.inside = ""  # the address that it is counted under
        self.writer: asyncio.Task[None] | None = None
        self.expiry: asyncio.TimerHandle | None = None
        self.allowance, self.allowance_at = float(MESSAGE_BURST), time.monotonic()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """However it ends, nothing of it stays: sending to somebody who has just gone raises, and so does PostgreSQL's
        absence, and then nobody calls `disconnect`."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._tidy_up()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Channels' own goes through a thread each time, to close connections that nothing here opens."""
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        offered = self.scope["subprotocols"]
        await self.accept(subprotocol="bearer" if "bearer" in offered else None)
        query = dict(parse_qsl(self.scope["query_string"].decode("latin-1")))
        board_id = _uuid(self.scope["url_route"]["kwargs"]["competition_id"])
        refused = await self._admit(board_id, query)
        if refused is not None or board_id is None:
            await self._end(refused or Close.NOT_FOUND)
            return
        await self._watch(board_id, query)
        self.writer = asyncio.create_task(self._write_for_ever())

    def _tidy_up(self) -> None:
        if self.inside:
            admission.leave(self.watcher.viewer_id, self.inside)
            SOCKETS.dec()
        if self.expiry is not None:
            self.expiry.cancel()
        if self.writer is not None:
            self.writer.cancel()
        hub().leave(self.watcher)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.ended:
            return
        if not self._within_allowance():
            await self._end(Close.TOO_MANY)
            return
        message = _message(text_data)
        match message:
            case {"type": "ping"}:
                await self.send(text_data=PONG)
            case {"type": "subscribe", "competitionId": str(board)}:
                await self._subscribe(_uuid(board), message)
            case {"type": "unsubscribe", "competitionId": str(board)}:
                self._unsubscribe(_uuid(board))
            case {"type": "resume", "competitionId": str(board)}:
                await self._resume(_uuid(board), message)
            case {"type": "subscribe" | "unsubscribe" | "resume"}:
                await self._complain("invalid_message", "Name the board as competitionId.")
            case {"type": _}:
                await self._complain("unknown_type", "Known types are subscribe, unsubscribe, resume and ping.")
            case _:
                await self._complain("unreadable", "Send a JSON object with a type.")

    # --- Who may watch what ---

    async def _admit(self, board_id: UUID | None, query: Mapping[str, str]) -> Close | None:
        """Finds out who is there, by token or by ticket, and whether there is room for them."""
        address = address_block(_address_of(self.scope))
        try:
            if not _connections.take(address):
                await _connections.fetch(address)
            admission.knock()
            self.watcher.viewer_id, expires_at = await self._identify(board_id, query)
            if board_id is None:
                return Close.NOT_FOUND
            await hub().admit(board_id, self.watcher.viewer_id)
            admission.enter(self.watcher.viewer_id, address)
        except TooMany:
            return Close.TOO_MANY
        except (InvalidToken, InvalidTicket):
            return Close.UNAUTHENTICATED
        except Exception as error:
            return _reason_of(error)
        self.inside = address
        SOCKETS.inc()
        seconds = max(0.0, expires_at - time.time())
        self.expiry = asyncio.get_running_loop().call_later(seconds, self.watcher.end, Close.UNAUTHENTICATED)
        return None

    async def _identify(self, board_id: UUID | None, query: Mapping[str, str]) -> tuple[UUID | None, float]:
        """Who it is and until when, in seconds since 1970. Raises InvalidToken, InvalidTicket."""
        if query.get("ticket"):
            if board_id is None:
                raise InvalidTicket
            opened = await in_thread(open_ticket)(query["ticket"], board_id, timezone.now())
            self.one_board = opened.one_board
            return opened.viewer.id if opened.viewer else None, opened.expires_at.timestamp()
        caller = await recognise(_bearer(self.scope["subprotocols"]) or query.get("token", ""))
        return caller.person_id, caller.expires_at

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
            return _reason_of(error)
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

    # --- Frames out ---

    async def _write_for_ever(self) -> None:
        """Sends the newest frame whenever the socket has taken the one before."""
        watcher = self.watcher
        send: Callable[[Any], Awaitable[None]] = self.base_send
        try:
            while True:
                frame = await watcher.next_frame()
                watcher.sending_since = time.monotonic()
                await send({"type": "websocket.send", "text": frame})
                watcher.sending_since = None
        except Ended as ended:
            if ended.reason is not None:
                await self._end(ended.reason)
        except (OSError, RuntimeError):  # the client has gone; `disconnect` tidies up
            watcher.sending_since = None

    def _stall(self) -> None:
        """The writer waits for a socket that takes nothing; whoever notices ends them both."""
        self.watcher.sending_since = None
        if self.writer is not None:
            self.writer.cancel()
        log.info("socket_too_slow")
        self.ending = asyncio.create_task(self._end(Close.TOO_SLOW))

    async def _complain(self, code: str, message: str) -> None:
        await self.send(text_data=error_frame(code, message))

    async def _end(self, reason: Close) -> None:
        """Says why, in words where the socket still takes any, and closes."""
        if self.ended:
            return
        self.ended = True
        if reason != Close.TOO_SLOW:
            await self.send(text_data=closing_frame(int(reason), reason.words, retry_after_ms(reason)))
        await self.close(code=int(reason))  # daphne takes plain integers only
        hub().leave(self.watcher)

    def _within_allowance(self) -> bool:
        now = time.monotonic()
        refilled = self.allowance + (now - self.allowance_at) * MESSAGES_PER_SECOND
        self.allowance, self.allowance_at = min(float(MESSAGE_BURST), refilled) - 1, now
        return self.allowance >= 0


def _reason_of(error: Exception) -> Close:
    """What a refusal is to somebody who wants to see a board; to come again, where nobody can say because PostgreSQL is
    out. Raises what nobody foresaw."""
    match as_refusal(error):
        case Unavailable():
            return Close.RESTARTING
        case Refusal():
            return Close.NOT_FOUND
    raise error


def _address_of(scope: Mapping[str, Any]) -> str:
    connection, *_ = scope.get("client") or ("",)
    return client_address(connection, scope_headers(scope).get("x-forwarded-for"), settings.PROXY_COUNT)


def _bearer(offered: Iterable[str]) -> str:
    """The token out of the pair ``bearer, <JWT>``."""
    match list(offered):
        case ["bearer", token]:
            return token
    return ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _message(text: str | None) -> Any:
    try:
        return json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        return None
