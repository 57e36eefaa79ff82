"""HTTP to servers elsewhere: connections, and how long they ask us to wait."""

from collections.abc import Mapping
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

USUAL_WAIT_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 24 * 3600.0


@cache
def outgoing_client(timeout_seconds: float) -> httpx.Client:
    """One pool of connections for all servers. It keeps no cookies: they would be one person's, for all."""
    jar = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return httpx.Client(timeout=timeout_seconds, follow_redirects=False, cookies=jar)


def wait_asked_for(headers: Mapping[str, str]) -> float:
    """Seconds, https://www.rfc-editor.org/rfc/rfc9110#field.retry-after; a date or nothing means the usual wait.
    ``headers``: whatever their case."""
    text = headers.get("Retry-After", "")
    seconds = float(text) if text.isdecimal() and len(text) < 9 else USUAL_WAIT_SECONDS
    return min(max(seconds, 1.0), LONGEST_WAIT_SECONDS)
