"""What a request is called and where it comes from."""

import os
import re
from collections.abc import Mapping, MutableMapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from uuid import UUID

from structlog.contextvars import bind_contextvars

_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def request_id_of(sent: str | None) -> str:
    """The caller's id where it is harmless in a log and a header, a fresh one otherwise."""
    if sent and _SANE_ID.fullmatch(sent):
        return sent
    return os.urandom(16).hex()


def client_address(connection: str | None, forwarded_for: str | None, proxy_count: int) -> str:
    """The address a request really comes from.

    Each trusted proxy appends the address it saw, so with ``proxy_count`` of them the client is that many entries from
    the right; what stands further left was written by the client and proves nothing. Without proxies, or with
    fewer entries than proxies, or where that entry is no address, the connection's own address counts. Some proxies
    append a port, and a zone names an interface of theirs: both are cut off.
    """
    if proxy_count:
        seen = [part.strip() for part in (forwarded_for or "").split(",") if part.strip()]
        if len(seen) >= proxy_count and (address := _bare(seen[-proxy_count])):
            return address
    return _bare(connection or "")


_WITH_PORT = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|([^:]+):\d{1,5}")


def _bare(text: str) -> str:
    """The address in ``192.0.2.1:443``, ``[2001:db8::1]:443``, ``fe80::1%eth0`` or as it is; empty for anything
    else."""
    match = _WITH_PORT.fullmatch(text)
    address = ((match[1] or match[2]) if match else text).partition("%")[0]
    return address if _parsed(address) else ""


def address_of(request: object) -> str:
    """The address that RequestMiddleware found out; empty where it did not run."""
    return str(getattr(request, "client_address", ""))


def direct_address_of(request: object) -> str:
    """The address, but empty where a proxy that nobody configured stands between: everybody would then seem to
    be that proxy, which often is this machine."""
    forwarded = getattr(request, "META", {}).get("HTTP_X_FORWARDED_FOR")
    unknown_proxy = forwarded is not None and not getattr(request, "proxy_count", 0)
    return "" if unknown_proxy else address_of(request)


def note_caller(request: object, caller_id: UUID) -> None:
    """Who it is, once known: for the limits, and for every line in the log from then on."""
    bind_contextvars(user_id=str(caller_id))
    request.caller_id = str(caller_id)  # type: ignore[attr-defined]  # a mark of ours


def address_block(address: str) -> str:
    """What one limit is counted against: an IPv4 address, or the /64 that one IPv6 customer is given."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(IPv6Network((parsed, 64), strict=False))
    return address or "unknown"


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None


def scope_headers(scope: Mapping[str, object]) -> dict[str, str]:
    """ASGI headers by lower-case name; a repeated one is joined by commas, as HTTP reads it."""
    headers: dict[str, str] = {}
    for name, value in scope.get("headers", ()):  # type: ignore[attr-defined]  # ASGI says that they are pairs
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


_COUNTED = "pacesetter.counted"


def note_counted(scope: MutableMapping[str, object], standing: object) -> None:
    """This ASGI request has been counted against its caller's limits, with which they stand like this; whoever gets it
    next shall not count it again."""
    scope[_COUNTED] = standing


def is_counted(request: object) -> bool:
    return _COUNTED in getattr(request, "scope", ())


def counted_standing(request: object) -> object:
    """None where nobody has counted it."""
    return getattr(request, "scope", {}).get(_COUNTED)
