"""Refuses a body that is too large while it arrives: Django would first write all of it to a file."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from config.core.errors import TooLarge, error_body
from config.core.json import dump_json
from config.core.middleware import SECURITY_HEADERS
from config.core.request import request_id_of, scope_headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


class _BodyTooLarge(Exception):
    pass


class BodyLimit:
    def __init__(self, inner: Application, max_bytes: int) -> None:
        self._inner = inner
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope_headers(scope)
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            await self._refuse(headers, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_bytes:
                raise _BodyTooLarge
            return message

        try:
            await self._inner(scope, counted, send)
        except _BodyTooLarge:  # Django reads the whole body before it answers, so nothing was sent yet
            await self._refuse(headers, send)

    async def _refuse(self, headers: dict[str, str], send: Send) -> None:
        request_id = request_id_of(headers.get("x-request-id"))
        refusal = TooLarge(f"The request body may have {self._max_bytes} bytes at most.")
        await send(
            {
                "type": "http.response.start",
                "status": int(refusal.status),
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"x-frame-options", b"DENY"),
                    (b"referrer-policy", b"same-origin"),
                    *((name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()),
                    (b"connection", b"close"),
                ],
            }
        )
        await send({"type": "http.response.body", "body": dump_json(error_body(refusal, request_id))})
