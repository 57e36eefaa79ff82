"""`WS /ws/leaderboard/{competition_id}`: boards as they move.

A refused socket is accepted first and closed then, because a browser cannot see why a handshake was refused.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import IntEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from accounts.services import admit_person
from accounts.tokens import InvalidToken, verify_token
from competitions.queries import public_competition
from config.core.errors import Refusal, TooMany
from config.core.limits import take_token
from config.core.metrics import SOCKETS
from config.core.request import address_block, client_address, scope_headers
from leaderboards.frames import PONG, error_frame
from leaderboards.hub import Watcher, hub, in_thread
from leaderboards.queries import access_board
from leaderboards.tickets import InvalidTicket, open_ticket

log = structlog.get_logger(__name__)

MAX_BOARDS = 20
SLOW_SECONDS = 5.0
MESSAGES_PER_SECOND = 10
MESSAGE_BURST = 40


class Close(IntEnum):
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    NOT_FOUND = 4404
    TOO_MANY = 4429
    TOO_SLOW = 4008


class LeaderboardConsumer(AsyncWebsocketConsumer):
    channel_layer_alias = "none"  # the hub listens for all sockets; a listener per socket would cost each a task
    viewer: User | None = None
    one_board = False

    async def connect(self) -> None:
        self.watcher, self.boards = Watcher(refuse=self._refuse), set[UUID]()
        self.ending: asyncio.Task[None] | None = None
        self.ended = False
        self.writer: asyncio.Task[None] | None = None
        self.expiry: asyncio.TimerHandle | None = None
        self.allowance, self.allowance_at = float(MESSAGE_BURST), time.monotonic()
        self.counted = False
        offered = self.scope["subprotocols"]
        await self.accept(subprotocol="bearer" if "bearer" in offered else None)
        board_id = _uuid(self.scope["url_route"]["kwargs"]["competition_id"])
        refused = await self._admit(board_id)
        if refused is None and board_id is not None:
            refused = await self._watch(board_id)
        if refused is not None:
            await self._end(refused)
            return
        SOCKETS.inc()
        self.counted = True
        self.writer = asyncio.create_task(self._write_for_ever())

    async def disconnect(self, code: int) -> None:
        if self.counted:
            SOCKETS.dec()
        if self.expiry is not None:
            self.expiry.cancel()
        if self.writer is not None:
            self.writer.cancel()
        for board_id in self.boards:
            hub().unwatch(board_id, self.watcher)

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
                await self._subscribe(_uuid(board))
            case {"type": "unsubscribe", "competitionId": str(board)}:
                self._unsubscribe(_uuid(board))
            case {"type": "subscribe" | "unsubscribe"}:
                await self._complain("invalid_message", "Name the board as competitionId.")
            case {"type": _}:
                await self._complain("unknown_type", "Known types are subscribe, unsubscribe and ping.")
            case _:
                await self._complain("unreadable", "Send a JSON object with a type.")

    # --- Who may watch what ---

    async def _admit(self, board_id: UUID | None) -> Close | None:
        """Finds out who is there: by token or by ticket."""
        try:
            await in_thread(_count_connection)(self.scope)
        except TooMany:
            return Close.TOO_MANY
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        ticket = query.get("ticket", [""])[0]
        if ticket:
            if board_id is None:
                return Close.NOT_FOUND
            try:
                opened = await in_thread(open_ticket)(ticket, board_id, timezone.now())
            except InvalidTicket:
                return Close.UNAUTHENTICATED
            self.viewer, self.one_board = opened.viewer, opened.one_board
            self._end_at(opened.expires_at)
            return None
        token = _bearer(self.scope["subprotocols"]) or query.get("token", [""])[0]
        try:
            self.viewer, expires_at = await in_thread(_person_of)(token)
        except InvalidToken:
            return Close.UNAUTHENTICATED
        if board_id is None:
            return Close.NOT_FOUND
        self._end_at(expires_at)
        return None

    def _expire(self) -> None:
        self.ending = asyncio.ensure_future(self._end(Close.UNAUTHENTICATED))

    def _refuse(self) -> None:
        self.ending = asyncio.ensure_future(self._end(Close.NOT_FOUND))

    def _end_at(self, moment: datetime) -> None:
        seconds = (moment - timezone.now()).total_seconds()
        self.expiry = asyncio.get_running_loop().call_later(max(0.0, seconds), self._expire)

    async def _watch(self, board_id: UUID) -> Close | None:
        try:
            if self.viewer is not None:
                await in_thread(access_board)(self.viewer, board_id)
            else:
                await in_thread(public_competition)(board_id)
        except Refusal as refusal:
            return Close.FORBIDDEN if refusal.status == HTTPStatus.FORBIDDEN else Close.NOT_FOUND
        self.watcher.viewer_id = self.viewer.id if self.viewer else None
        self.boards.add(board_id)
        await hub().watch(board_id, self.watcher)
        return None

    async def _subscribe(self, board_id: UUID | None) -> None:
        if self.one_board:
            await self._complain("forbidden", "This ticket is good for one board.")
        elif board_id is not None and board_id not in self.boards and len(self.boards) >= MAX_BOARDS:
            await self._complain("too_many_boards", f"A socket watches {MAX_BOARDS} boards at most.")
        elif board_id is None or await self._watch(board_id) is not None:
            await self._complain("not_found", "There is no such competition.")

    def _unsubscribe(self, board_id: UUID | None) -> None:
        if board_id in self.boards:
            self.boards.discard(board_id)
            hub().unwatch(board_id, self.watcher)

    # --- Frames out ---

    async def _write_for_ever(self) -> None:
        """Sends the newest frame whenever the socket has taken the one before; lets a stuck socket go."""
        while True:
            frame = await self.watcher.next_frame()
            try:
                async with asyncio.timeout(SLOW_SECONDS):
                    await self.send(text_data=frame)
            except TimeoutError:
                log.info("socket_too_slow")
                await self._end(Close.TOO_SLOW)
                return
            except (OSError, RuntimeError):  # the client has gone; `disconnect` tidies up
                return

    async def _complain(self, code: str, message: str) -> None:
        await self.send(text_data=error_frame(code, message))

    async def _end(self, reason: Close) -> None:
        if self.ended:
            return
        self.ended = True
        await self.close(code=int(reason))  # daphne takes plain integers only

    def _within_allowance(self) -> bool:
        now = time.monotonic()
        refilled = self.allowance + (now - self.allowance_at) * MESSAGES_PER_SECOND
        self.allowance, self.allowance_at = min(float(MESSAGE_BURST), refilled) - 1, now
        return self.allowance >= 0


def _count_connection(scope: Mapping[str, Any]) -> None:
    """Counts a new socket against its address. Raises TooMany."""
    connection, *_ = scope.get("client") or ("",)
    address = client_address(connection, scope_headers(scope).get("x-forwarded-for"), settings.PROXY_COUNT)
    take_token("socket", address_block(address), settings.RATE_LIMIT)


def _person_of(token: str) -> tuple[User, datetime]:
    """Whose token this is and until when. Raises InvalidToken."""
    claims = verify_token(token)
    person = admit_person(claims)
    if person is None:
        raise InvalidToken("nobody active")
    return person, claims.expires_at


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
