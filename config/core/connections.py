"""One HTTP connection under uvicorn, with an end to its patience.

uvicorn waits for ever for a request that never ends, holds headers of any size, and answers what it cannot parse in
plain text. Here a head is bounded in bytes, lines and seconds, a body has to keep coming, an answer has to be taken,
and one address has so many connections. nginx does much of this in front; but nobody has to stand in front.
"""

import asyncio
import socket
import struct
from collections import Counter
from http import HTTPStatus
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request

from config.core.errors import Refusal, TooMany, error_body, error_headers
from config.core.json import dump_json
from config.core.metrics import CONNECTIONS_ENDED
from config.core.middleware import common_headers
from config.core.request import address_block, request_id_of

MOST_HEAD_BYTES = 64 * 1024
MOST_HEADERS = 100
MOST_URL_BYTES = 8 * 1024


class MalformedRequest(Refusal):
    message = "This is no HTTP request that can be understood."


class AddressTooLong(Refusal):
    status = HTTPStatus.REQUEST_URI_TOO_LONG
    message = f"The address of a request may have {MOST_URL_BYTES} bytes at most."


class HeadersTooLarge(Refusal):
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    message = f"A request may have {MOST_HEADERS} headers and {MOST_HEAD_BYTES} bytes of them at most."


class TooSlow(Refusal):
    status = HTTPStatus.REQUEST_TIMEOUT
    message = "The request did not arrive in time."


class _Stop(Exception):
    """Ends the parser's work."""


UNACKNOWLEDGED_MS = 30_000
"""A client that takes nothing for so long is gone, or wants to keep memory here; its connection is broken off."""
SEND_BUFFER_BYTES = 128 * 1024
"""Of the kernel, which would let four megabytes lie for somebody who takes a byte now and then."""


def bound_what_lies(listening: socket.socket) -> None:
    """For all connections that this socket will accept, which inherit it."""
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


_AT_ONCE = struct.pack("ii", 1, 0)
"""Without lingering: what the kernel holds is not sent any more."""

_open: Counter[str] = Counter()
"""Connections by address, but for those that became sockets: they are counted as such."""


class Connection(HttpToolsProtocol):
    HEAD_SECONDS = 10.0
    """From the first moment of a connection, or the first byte of a later request, until its headers are there."""
    BODY_SECONDS = 20.0
    """A body is looked at so often, and must have brought so many bytes a second since."""
    LEAST_BODY_BYTES_PER_SECOND = 1024
    ANSWER_SECONDS = 30.0
    """An answer that waits here to be taken is looked at so often, and must have shrunk by this much a second."""
    LEAST_ANSWER_BYTES_PER_SECOND = 1024

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._loose_bytes = 0  # since headers were complete, or a piece of a body was
        self._in_head = self._in_body = self._done = False
        self._address = ""
        self._waiting: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._body_bytes = 0  # since it was looked at

    # --- Coming and going ---

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._waiting = self.loop.call_later(self.HEAD_SECONDS, self._head_is_late)
        if settings.RATE_LIMIT.per_second and not settings.PROXY_COUNT and self.client is not None:
            self._address = address_block(self.client[0])
            _open[self._address] += 1
            if _open[self._address] > settings.SOCKETS_PER_ADDRESS:
                self._refuse(TooMany("Too many connections at once.", retry_after=5))

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._leave()
        super().handle_websocket_upgrade()

    def _leave(self) -> None:
        self._done = True
        self._stop_waiting()
        if self._leaving is not None:
            self._leaving.cancel()
        if self._address:
            _open[self._address] -= 1
            if not _open[self._address]:
                del _open[self._address]
            self._address = ""

    # --- How much comes in ---

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), MOST_HEAD_BYTES):
            piece = data[start : start + MOST_HEAD_BYTES]
            self._loose_bytes += len(piece)
            self._body_bytes += len(piece)
            super().data_received(piece)
            if self._done:
                return
            if self._loose_bytes > MOST_HEAD_BYTES:
                self._refuse(AddressTooLong() if self._has_long_url() else HeadersTooLarge())
                return
        self._wait_for_the_rest()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        self._in_head, self._loose_bytes = False, 0
        self._stop_waiting()
        if self._has_long_url():
            self._refuse(AddressTooLong())
        elif len(self.headers) > MOST_HEADERS:
            self._refuse(HeadersTooLarge())
        if self._done:
            raise _Stop
        self._in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._loose_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body, self._loose_bytes = False, 0
        if len(self.headers) > MOST_HEADERS:  # with those that may follow a body in chunks
            self._refuse(HeadersTooLarge())
            raise _Stop
        super().on_message_complete()

    def _has_long_url(self) -> bool:
        return len(getattr(self, "url", b"")) > MOST_URL_BYTES

    # --- How fast it comes in ---

    def _wait_for_the_rest(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering and not (self._in_head or self._in_body):
            self._stop_waiting()
        elif self._waiting is None and self._in_body:
            self._body_bytes = 0
            self._waiting = self.loop.call_later(self.BODY_SECONDS, self._body_is_late)
        elif self._waiting is None:  # a request that has begun, or bytes that are none
            self._waiting = self.loop.call_later(self.HEAD_SECONDS, self._head_is_late)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _head_is_late(self) -> None:
        self._waiting = None
        if self._in_body:
            self._wait_for_the_rest()
        elif self._loose_bytes:
            self._refuse(TooSlow())
        else:
            self._done = True
            self.transport.close()  # nothing was asked, so nothing is answered

    def _body_is_late(self) -> None:
        self._waiting = None
        if self.flow.read_paused or not self._in_body:  # it is we who are slow, or it is there
            self._wait_for_the_rest()
            return
        if self._body_bytes < self.BODY_SECONDS * self.LEAST_BODY_BYTES_PER_SECOND:
            self._refuse(TooSlow())
        else:
            self._wait_for_the_rest()

    # --- How fast answers are taken ---

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_to_be_rid_of_it()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        if self.cycle is not None and self.cycle.response_complete:
            self._expect_to_be_rid_of_it()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self._expect_to_be_rid_of_it()

    def _expect_to_be_rid_of_it(self) -> None:
        if self._leaving is None:
            waiting_bytes = self.transport.get_write_buffer_size()
            self._leaving = self.loop.call_later(self.ANSWER_SECONDS, self._look_what_was_taken, waiting_bytes)

    def _look_what_was_taken(self, waited_bytes: int) -> None:
        """While writing is paused or over nothing is added, so what is less was taken."""
        self._leaving = None
        taken_bytes = waited_bytes - self.transport.get_write_buffer_size()
        if taken_bytes == waited_bytes:
            return
        stalls = self.flow.write_paused or self.transport.is_closing()
        if stalls and taken_bytes < self.ANSWER_SECONDS * self.LEAST_ANSWER_BYTES_PER_SECOND:
            CONNECTIONS_ENDED.labels(reason="answer").inc()
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()
        else:
            self._expect_to_be_rid_of_it()

    # --- Saying so ---

    def send_400_response(self, msg: str) -> None:
        if not self._done:
            self._refuse(MalformedRequest())

    def _refuse(self, refusal: Refusal) -> None:
        """Answers, unless an answer is under way, and closes."""
        self._done = True
        self._stop_waiting()
        CONNECTIONS_ENDED.labels(reason=str(int(refusal.status))).inc()
        if self.cycle is not None and not self.cycle.response_complete:
            under_way = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if under_way:
                self.transport.abort()
                return
        self.transport.write(_answer(refusal))
        self.transport.close()
        self._expect_to_be_rid_of_it()


class Socket(WebSocketsSansIOProtocol):
    """A connection that became a socket. The library answers a handshake that it cannot take in plain text, and one
    that it cannot read not at all, and then waits for ever."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:
            self._refuse()

    def handle_connect(self, event: Request) -> None:
        try:
            self.conn.process_request(event)
        except InvalidHandshake:
            self._refuse()
        else:
            super().handle_connect(event)

    def _refuse(self) -> None:
        if not self.transport.is_closing():
            CONNECTIONS_ENDED.labels(reason="handshake").inc()
            self.transport.write(_answer(MalformedRequest()))
            self.transport.close()


def _answer(refusal: Refusal) -> bytes:
    """All of it, in the contract's shape, with the headers that every answer has."""
    request_id = request_id_of(None)
    body = dump_json(error_body(refusal, request_id))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        (b"x-request-id", request_id.encode()),
        *common_headers(False, b""),
        *((name.lower().encode(), value.encode("latin-1")) for name, value in error_headers(refusal).items()),
    ]
    lines = b"".join(b"%s: %s\r\n" % line for line in headers)
    return STATUS_LINE[int(refusal.status)] + lines + b"\r\n" + body
