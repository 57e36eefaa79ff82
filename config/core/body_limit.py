"""Refuses a body that is too large while it arrives: Django would first write all of it to a file. And one of which it
cannot be read what it is."""

import re
from collections.abc import Awaitable, Callable, Hashable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.http import parse_header_parameters

from config.core.errors import Invalid, Refusal, TooLarge, TooMany, Unauthenticated, error_body, error_headers
from config.core.json import dump_json
from config.core.middleware import common_headers, is_secure
from config.core.request import request_id_of, scope_headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


_LONGEST_ORIGIN = 256
"""A longer one is nobody's."""


class _BodyTooLarge(Exception):
    pass


@dataclass(frozen=True)
class Uploads:
    """Bodies POSTed to ``path`` may be larger when they say beforehand how large, and when ``admits`` finds whose
    token comes with them, one of each person's at a time in a process: nobody can fill the disk by sending slowly.
    ``field`` is what the file in them is called."""

    path: re.Pattern[str]
    field: str
    max_bytes: int
    admits: Callable[[str], Awaitable[Hashable | None]]

    def include(self, scope: Scope) -> bool:
        return scope["method"] == "POST" and bool(self.path.fullmatch(scope["path"]))


class BodyLimit:
    def __init__(self, inner: Application, max_bytes: int, uploads: Sequence[Uploads] = ()) -> None:
        self._inner = inner
        self._max_bytes = max_bytes
        self._uploads = uploads
        self._uploading: set[Hashable] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope_headers(scope)
        if not _is_readable(headers.get("content-type", "")):
            await _refuse(Invalid("This request cannot be understood."), scope, headers, send)
            return
        uploads = next((uploads for uploads in self._uploads if uploads.include(scope)), None)
        try:
            uploader = await self._uploader(uploads, headers)
        except Refusal as refusal:
            await _refuse(refusal, scope, headers, send)
            return
        if uploader is None or uploads is None:
            await self._pass_on(scope, receive, send, headers, self._max_bytes)
            return
        self._uploading.add(uploader)
        try:
            await self._pass_on(scope, receive, send, headers, uploads.max_bytes)
        finally:
            self._uploading.discard(uploader)

    async def _pass_on(
        self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str], max_bytes: int
    ) -> None:
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
            await _refuse(_too_large(max_bytes), scope, headers, send)

    async def _uploader(self, uploads: Uploads | None, headers: dict[str, str]) -> Hashable | None:
        """Whose large body this is; None where it does not say that it is one. Raises TooLarge for one that says that
        it is larger than it may be, Unauthenticated, TooMany."""
        text = headers.get("content-length", "")
        announced = int(text[:20]) if text.isdecimal() else 0  # twenty digits are too many anyway
        if announced <= self._max_bytes:
            return None
        if uploads is None:
            raise _too_large(self._max_bytes)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        person = await uploads.admits(token.strip()) if scheme.lower() == "bearer" else None
        if person is None:
            raise Unauthenticated
        if announced > uploads.max_bytes:
            raise _too_large(uploads.max_bytes, uploads.field)
        uploader = uploads.field, person
        if uploader in self._uploading:
            raise TooMany("Another large upload of yours is under way; wait until it has arrived.")
        return uploader


def _is_readable(content_type: str) -> bool:
    """Its parameters may each name a charset of their own (RFC 2231): one that does not exist is an error that Django
    leaves to the server."""
    try:
        parse_header_parameters(content_type)
    except (LookupError, ValueError):
        return False
    return True


def _too_large(max_bytes: int, field: str | None = None) -> TooLarge:
    sentence = f"The request body may have {max_bytes} bytes at most."
    return TooLarge(sentence, details={field: [sentence]} if field else None)


async def _refuse(refusal: Refusal, scope: Scope, headers: dict[str, str], send: Send) -> None:
    request_id = request_id_of(headers.get("x-request-id"))
    secure = is_secure(scope, headers.get("x-forwarded-proto"))
    lines = [
        *common_headers(secure, headers.get("origin", "")[:_LONGEST_ORIGIN].encode("latin-1")),
        (b"content-type", b"application/json"),
        (b"x-request-id", request_id.encode()),
        *((name.lower().encode(), value.encode()) for name, value in error_headers(refusal).items()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": lines})
    await send({"type": "http.response.body", "body": dump_json(error_body(refusal, request_id))})
