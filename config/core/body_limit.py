"""Refuses a body that is too large while it arrives: Django would first write all of it to a file."""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from config.core.errors import Refusal, TooLarge, Unauthenticated, error_body, error_headers
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


@dataclass(frozen=True)
class Uploads:
    """Bodies POSTed to ``path`` may be larger when they say beforehand how large, and when ``admits`` finds whose
    token comes with them: a stranger cannot fill the disk."""

    path: re.Pattern[str]
    max_bytes: int
    admits: Callable[[str], Awaitable[object | None]]

    def include(self, scope: Scope) -> bool:
        return scope["method"] == "POST" and bool(self.path.fullmatch(scope["path"]))


class BodyLimit:
    def __init__(self, inner: Application, max_bytes: int, uploads: Uploads | None = None) -> None:
        self._inner = inner
        self._max_bytes = max_bytes
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope_headers(scope)
        try:
            max_bytes = await self._limit(scope, headers)
        except Refusal as refusal:
            await _refuse(refusal, headers, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > max_bytes:
                raise _BodyTooLarge
            return message

        try:
            await self._inner(scope, counted, send)
        except _BodyTooLarge:  # Django reads the whole body before it answers, so nothing was sent yet
            await _refuse(_too_large(max_bytes), headers, send)

    async def _limit(self, scope: Scope, headers: dict[str, str]) -> int:
        """How large this body may be. Raises TooLarge for one that says that it is larger, Unauthenticated."""
        text = headers.get("content-length", "")
        announced = int(text[:20]) if text.isdecimal() else 0  # twenty digits are too many anyway
        limit = self._max_bytes
        if announced > limit and self._uploads is not None and self._uploads.include(scope):
            scheme, _, token = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or await self._uploads.admits(token.strip()) is None:
                raise Unauthenticated
            limit = self._uploads.max_bytes
        if announced > limit:
            raise _too_large(limit)
        return limit


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The request body may have {max_bytes} bytes at most.")


async def _refuse(refusal: Refusal, headers: dict[str, str], send: Send) -> None:
    request_id = request_id_of(headers.get("x-request-id"))
    own = error_headers(refusal) | SECURITY_HEADERS
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
                *((name.lower().encode(), value.encode()) for name, value in own.items()),
                (b"connection", b"close"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": dump_json(error_body(refusal, request_id))})
