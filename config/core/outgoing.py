"""HTTP to servers elsewhere: connections, how long an answer may take, circuits, and how long they ask us to wait.

Every call that leaves this server has a time-out and a circuit breaker, and is repeated at once only where it reads;
`docs/decisions/0031-limits.md` lists them all, and a test holds the list against the code.
"""

import time
from collections.abc import Mapping
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
from django.conf import settings

from config.core.breaker import Breaker
from config.core.circuit import Limits

USUAL_WAIT_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 24 * 3600.0
MOST_ANSWER_BYTES = 32 * 1024 * 1024
_WHOLE_ANSWER = 3
"""A time-out is for each byte that comes; a whole answer may take so many of them."""


def breaker(name: str) -> Breaker:
    return Breaker(name, Limits(settings.BREAKER_FAILURES, settings.BREAKER_SECONDS))


@cache
def outgoing_client(timeout_seconds: float) -> httpx.Client:
    """One pool of connections for all servers. It keeps no cookies: they would be one person's, for all."""
    jar = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return httpx.Client(timeout=timeout_seconds, follow_redirects=False, cookies=jar)


def answer_to(request: httpx.Request, *, timeout_seconds: float) -> httpx.Response:
    """Whatever it says. Raises httpx.HTTPError, also for an answer that drips in or does not end."""
    until = time.monotonic() + _WHOLE_ANSWER * timeout_seconds
    answer, body = outgoing_client(timeout_seconds).send(request, stream=True), bytearray()
    try:
        for piece in answer.iter_raw():
            body += piece
            if len(body) > MOST_ANSWER_BYTES:
                raise httpx.RemoteProtocolError("The answer is too long.", request=request)
            if time.monotonic() > until:
                raise httpx.ReadTimeout("The answer takes too long.", request=request)
    finally:
        answer.close()
    return httpx.Response(answer.status_code, headers=answer.headers, content=bytes(body), request=request)


def wait_asked_for(headers: Mapping[str, str]) -> float:
    """Seconds, https://www.rfc-editor.org/rfc/rfc9110#field.retry-after; a date or nothing means the usual wait.
    ``headers``: whatever their case."""
    text = headers.get("Retry-After", "")
    seconds = float(text) if text.isdecimal() and len(text) < 9 else USUAL_WAIT_SECONDS
    return min(max(seconds, 1.0), LONGEST_WAIT_SECONDS)
