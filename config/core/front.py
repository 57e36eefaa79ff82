"""A small ASGI application in front of Django, for the few requests that come thousands of times a second.

It answers what an `Endpoint` here can answer well, and hands everything else on to Django: other paths, odd headers,
queries that it does not understand, callers whom it does not know. What it answers carries the headers that Django's
middleware gives, is refused in the same words, and is counted in the same metrics. Only a line in the log for each
answer there is not: nobody reads forty thousand a second.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from io import BytesIO
from typing import Any, Protocol
from urllib.parse import parse_qsl
from uuid import UUID

import structlog
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils import timezone
from rest_framework.exceptions import ParseError

from config.core.errors import Refusal, as_refusal, error_body, error_headers, failure
from config.core.json import UnreadableJSON, dump_json, load_json
from config.core.limits import REQUESTS, UNLIMITED, Blocks, Limit, Standing
from config.core.limits import Headers as Texts
from config.core.middleware import SECURITY_HEADERS
from config.core.request import address_block, client_address, note_counted, request_id_of
from config.core.tally import Tally

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

SLOW_SECONDS = 5.0
MOST_BODY_BYTES = 64 * 1024
_REMEMBERED_LENGTH = 512
"""What is longer is looked at each time, so that strangers cannot fill the memory."""
_ALLOW = {"GET": (b"allow", b"GET, HEAD, OPTIONS"), "POST": (b"allow", b"POST, OPTIONS")}
_JSON = [(b"content-type", b"application/json")]

log = structlog.get_logger(__name__)


class Service(Protocol):
    """``subject`` is what their requests are counted against."""

    @property
    def subject(self) -> str: ...

    @property
    def key_id(self) -> UUID: ...


class Caller(Protocol):
    """A person, until ``expires_at`` in seconds since 1970."""

    @property
    def subject(self) -> str: ...

    @property
    def person_id(self) -> UUID: ...

    @property
    def expires_at(self) -> float: ...


@dataclass(slots=True)
class Call:
    """One request. ``what`` is what the endpoint read out of path and query."""

    what: Any
    headers: dict[bytes, bytes]
    caller: Caller | None
    service: Service | None
    scope: Scope
    receive: Receive
    request_id: str
    standing: Standing = UNLIMITED

    def address(self) -> str:
        connection, *_ = self.scope.get("client") or ("",)
        forwarded = self.headers.get(b"x-forwarded-for", b"").decode("latin-1")
        return client_address(connection, forwarded, settings.PROXY_COUNT)


@dataclass(slots=True)
class Answer:
    """``body`` in pieces is a stream: it goes out as it comes and may go on for ever."""

    body: bytes | AsyncGenerator[bytes]
    status: int = 200
    headers: Headers = ()


@dataclass(frozen=True)
class Endpoint:
    """``read`` makes of a path's groups and the query what is asked, or None for what only Django understands;
    ``answer`` answers, raises a Refusal, or returns None to leave it to Django after all. ``view`` is the Django view
    of the same address, by the name that its metrics have. Strangers are Django's too, unless it is ``anonymous``, and
    so are ``services`` with a key, unless it takes them. ``limit`` is one more, of people."""

    method: str
    path: re.Pattern[str]
    view: str
    read: Callable[[tuple[str, ...], dict[str, str]], Any]
    answer: Callable[[Call], Awaitable[Answer | None]]
    anonymous: bool = False
    services: bool = False
    limit: Limit | None = None

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        return (REQUESTS,) if self.limit is None else (REQUESTS, self.limit)


class ClientGone(Exception):
    """The caller went away before they had said what they want."""


class Front:
    """``recognise`` says whose token this is, ``recognise_service`` whose key; None for nobody's."""

    def __init__(
        self,
        django: Callable[..., Awaitable[None]],
        endpoints: Sequence[Endpoint],
        recognise: Callable[[str], Awaitable[Caller | None]],
        recognise_service: Callable[[str], Awaitable[Service | None]],
    ) -> None:
        self._django = django
        self._endpoints = endpoints
        self._recognise = recognise
        self._recognise_service = recognise_service
        self._blocks = Blocks()
        self._tally = Tally()
        self._asked = lru_cache(maxsize=4096)(self._read)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = len(scope["path"]) + len(scope["query_string"])
        read = self._asked if length <= _REMEMBERED_LENGTH else self._read
        asked = read(scope["method"], scope["path"], scope["query_string"])
        if asked is None:
            await self._django(scope, receive, send)
            return
        began = time.perf_counter()
        endpoint, what = asked
        headers = dict(scope["headers"])
        request_id = request_id_of(headers.get(b"x-request-id", b"").decode("latin-1"))
        call = Call(what, headers, None, None, scope, receive, request_id)
        answer = None
        if len(headers) == len(scope["headers"]) and _is_plain(headers):
            try:
                answer = await self._answer(endpoint, call)
            except ClientGone:
                return
            except Exception as error:
                refusal = as_refusal(error)
                if refusal is None:
                    log.exception("unexpected_error", method=endpoint.method, path=scope["path"])
                answer = _refused(refusal or failure(), call)
        if answer is None:
            await self._django(scope, receive, send)
            return
        secure = _is_secure(scope, headers)
        lines = [
            *_common_headers(secure, headers.get(b"origin", b"")),
            (b"x-request-id", call.request_id.encode()),
            _ALLOW[endpoint.method],
            *_in_bytes(call.standing.headers),
            *answer.headers,
        ]
        if isinstance(answer.body, bytes):
            if answer.status != 304:
                lines.append((b"content-length", b"%d" % len(answer.body)))
            await send({"type": "http.response.start", "status": answer.status, "headers": lines})
            await send({"type": "http.response.body", "body": answer.body})
            self._tally.add(endpoint.method, endpoint.view, secure, answer.status, len(answer.body), began)
        else:
            self._tally.add(endpoint.method, endpoint.view, secure, answer.status, None, began)
            await _stream(answer.body, answer.status, lines, send)

    async def _answer(self, endpoint: Endpoint, call: Call) -> Answer | None:
        scheme, _, token = call.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() == "bearer":
            call.caller = await self._recognise(token.strip())
        elif endpoint.services and b"x-api-key" in call.headers:
            call.service = await self._recognise_service(call.headers[b"x-api-key"].decode("latin-1"))
        known = call.caller or call.service
        if known is None and not endpoint.anonymous:
            return None
        subject = known.subject if known else f"address:{address_block(call.address())}"
        limits = endpoint.limits if call.caller else endpoint.limits[:1]
        call.standing = self._blocks.take(subject, limits) or await self._blocks.fetch(subject, limits)
        note_counted(call.scope, call.standing)
        return await endpoint.answer(call)

    def _read(self, method: str, path: str, query: bytes) -> tuple[Endpoint, Any] | None:
        for endpoint in self._endpoints:
            match = endpoint.path.fullmatch(path) if endpoint.method == method else None
            if match is not None:
                pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
                named = dict(pairs)
                what = endpoint.read(match.groups(), named) if len(named) == len(pairs) else None
                return None if what is None else (endpoint, what)
        return None


@dataclass(frozen=True)
class Sent:
    """A body, whose it is (a person's id or a key's), and when it arrived."""

    caller_id: UUID
    body: Any
    at: datetime


async def sent_by(call: Call) -> Sent | None:
    """None for a body that Django had better read: large, in pieces, or not plain JSON. Raises ParseError."""
    length = call.headers.get(b"content-length", b"")
    media_type = call.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    plain = media_type == b"application/json" and b"content-encoding" not in call.headers
    if not (plain and length.isdigit() and 0 < int(length) <= MOST_BODY_BYTES):
        return None
    body, more = b"", True
    while more:
        message = await call.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body, more = body + message.get("body", b""), message.get("more_body", False)
    try:
        parsed = load_json(body)
    except UnreadableJSON as error:
        raise ParseError(str(error)) from error
    caller_id = call.caller.person_id if call.caller else call.service.key_id if call.service else None
    assert caller_id is not None
    return Sent(caller_id, parsed, timezone.now())


def json_answer(body: Any) -> Answer:
    return Answer(dump_json(body), 200, _JSON)


async def _stream(pieces: AsyncGenerator[bytes], status: int, headers: Headers, send: Send) -> None:
    """Whoever takes nothing for too long is let go: the server closes what was left unfinished."""
    async with aclosing(pieces) as source:
        piece = await anext(source)  # first of all: what has begun tidies up, whatever happens from here on
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        try:
            while True:
                async with asyncio.timeout(SLOW_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await anext(source)
        except TimeoutError:
            log.info("stream_too_slow")
            return
        except StopAsyncIteration:
            await send({"type": "http.response.body", "body": b""})


def _refused(refusal: Refusal, call: Call) -> Answer:
    status = int(refusal.status)
    log.info("request", method=call.scope["method"], path=call.scope["path"], status=status, request_id=call.request_id)
    headers = _in_bytes(tuple(error_headers(refusal).items()))
    if refusal.headers:
        call.standing = UNLIMITED  # the refusal tells of the limit that it is about
    return Answer(dump_json(error_body(refusal, call.request_id)), status, [*_JSON, *headers])


@lru_cache(maxsize=4096)
def _in_bytes(headers: Texts) -> Headers:
    return [(name.lower().encode(), value.encode()) for name, value in headers]


def _is_plain(headers: dict[bytes, bytes]) -> bool:
    host, origin = headers.get(b"host", b""), headers.get(b"origin", b"")
    short = len(host) + len(origin) <= _REMEMBERED_LENGTH  # both are remembered
    conditional = b"if-match" in headers or b"if-unmodified-since" in headers
    return short and not conditional and _is_our_host(host)


@lru_cache(maxsize=256)
def _is_our_host(host: bytes) -> bool:
    """As Django decides it; what is doubtful is Django's."""
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _is_secure(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    if settings.SECURE_PROXY_SSL_HEADER is not None and b"x-forwarded-proto" in headers:
        return headers[b"x-forwarded-proto"].split(b",")[0].strip() == b"https"
    return bool(scope.get("scheme") == "https")


@lru_cache(maxsize=256)
def _common_headers(secure: bool, origin: bytes) -> list[tuple[bytes, bytes]]:
    """What the middleware puts on every answer: asked of the middleware itself, once for each origin."""
    scheme = "https" if secure else "http"
    headers = [(b"x-forwarded-proto", scheme.encode()), *([(b"origin", origin)] if origin else [])]
    request = ASGIRequest({"method": "GET", "path": "/api/v1/", "scheme": scheme, "headers": headers}, BytesIO())
    response: Any = HttpResponse()
    del response["Content-Type"]
    for middleware in (XFrameOptionsMiddleware, CorsMiddleware, SecurityMiddleware):
        response = middleware(lambda _, inner=response: inner)(request)
    for name, value in SECURITY_HEADERS.items():
        response.setdefault(name, value)
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]
