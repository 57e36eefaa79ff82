"""What every socket that only watches has to do: find out who is there, keep within limits, write what is new, and say
why it ends.

A refused socket is accepted first and closed then, because a browser cannot see why a handshake was refused.
"""

import asyncio
import json
import time
from abc import ABC, abstractmethod
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
from config.core.environment import Rate
from config.core.errors import Refusal, TooMany, Unavailable, as_refusal
from config.core.limits import CONNECTIONS, PERSONAL_SOCKETS, Blocks, Limit, take_locally
from config.core.metrics import SOCKETS
from config.core.request import address_block, client_address, scope_headers
from config.core.threads import in_thread
from leaderboards.admission import admission, retry_after_ms
from leaderboards.frames import PONG, closing_frame, error_frame
from leaderboards.tickets import InvalidTicket, Opened, open_ticket
from leaderboards.watching import Close, Ended, Watcher

log = structlog.get_logger(__name__)

_MESSAGES = Limit("message", Rate(per_second=10, burst=40))
"""Of one person, through whichever of their sockets."""

_MESSAGES_OF_ADDRESS = Limit("message", Rate(per_second=100, burst=400))
"""Of all who watch from one address without saying who they are."""

_connections = Blocks()


class WatchingSocket(AsyncWebsocketConsumer, ABC):
    channel_layer_alias = "none"  # a hub listens for all sockets; a listener per socket would cost each a task
    board_id: UUID | None = None  # whose tickets open this socket

    def __init__(self) -> None:
        super().__init__()
        self.watcher = Watcher(stalled=self._stall)
        self.query: Mapping[str, str] = {}
        self.ended = False
        self.inside = ""  # the address that it is counted under
        self.writer: asyncio.Task[None] | None = None
        self.expiry: asyncio.TimerHandle | None = None

    # --- What each kind of socket says for itself ---

    @abstractmethod
    async def let_in(self) -> None:
        """Whether ``watcher.viewer_id`` may see what this socket is for. Raises Refusal, InvalidToken."""

    @abstractmethod
    async def begin(self) -> None:
        """Has the hub tell the watcher what is there, and what is new from now on."""

    @abstractmethod
    async def take(self, message: Any) -> None:
        """A message of the client's that has a type and is not a ping."""

    @abstractmethod
    def let_go(self) -> None:
        """Has the hub forget the watcher. Called more than once."""

    def note_ticket(self, ticket: Opened) -> None:
        """The ticket that opened the socket."""

    # --- Coming and going ---

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
        self.query = dict(parse_qsl(self.scope["query_string"].decode("latin-1")))
        refused = await self._admit()
        if refused is not None:
            await self._end(refused)
            return
        await self.begin()
        self.writer = asyncio.create_task(self._write_for_ever())

    def _tidy_up(self) -> None:
        if self.inside:
            admission.leave(self.watcher.viewer_id, self.inside)
            SOCKETS.dec()
        if self.expiry is not None:
            self.expiry.cancel()
        if self.writer is not None:
            self.writer.cancel()
        self.let_go()

    async def _admit(self) -> Close | None:
        """Finds out who is there, by token or by ticket, and whether there is room for them."""
        address = address_block(_address_of(self.scope))
        try:
            await _connections.fetch(f"address:{address}", (CONNECTIONS,))
            admission.knock()
            self.watcher.viewer_id, expires_at = await self._identify()
            if self.watcher.viewer_id is not None:
                await _connections.fetch(f"caller:{self.watcher.viewer_id}", (PERSONAL_SOCKETS,))
            await self.let_in()
            admission.enter(self.watcher.viewer_id, address)
        except TooMany:
            return Close.TOO_MANY
        except (InvalidToken, InvalidTicket):
            return Close.UNAUTHENTICATED
        except Exception as error:
            return reason_of(error)
        self.inside = address
        SOCKETS.inc()
        seconds = max(0.0, expires_at - time.time())
        self.expiry = asyncio.get_running_loop().call_later(seconds, self.watcher.end, Close.UNAUTHENTICATED)
        return None

    async def _identify(self) -> tuple[UUID | None, float]:
        """Who it is and until when, in seconds since 1970. Raises InvalidToken, InvalidTicket."""
        if ticket := self.query.get("ticket"):
            opened = await in_thread(open_ticket)(ticket, self.board_id, timezone.now())
            self.note_ticket(opened)
            return opened.viewer.id if opened.viewer else None, opened.expires_at.timestamp()
        caller = await recognise(_bearer(self.scope["subprotocols"]) or self.query.get("token", ""))
        return caller.person_id, caller.expires_at

    # --- Messages in ---

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.ended:
            return
        if not self._is_within_limit():
            await self._end(Close.TOO_MANY)
            return
        match message := _message(text_data):
            case {"type": "ping"}:
                await self.send(text_data=PONG)
            case {"type": _}:
                await self.take(message)
            case _:
                await self._complain("unreadable", "Send a JSON object with a type.")

    def _is_within_limit(self) -> bool:
        """Counted in this process alone: what is to be guarded is its event loop."""
        viewer_id = self.watcher.viewer_id
        if viewer_id is None:
            return take_locally(_MESSAGES_OF_ADDRESS, f"address:{self.inside}")
        return take_locally(_MESSAGES, f"caller:{viewer_id}")

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
        self.let_go()


def reason_of(error: Exception) -> Close:
    """What a refusal is to somebody who wants to watch; to come again, where nobody can say because PostgreSQL is
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


def _message(text: str | None) -> Any:
    try:
        return json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        return None
