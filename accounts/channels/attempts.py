"""One attempt at a provider: under its circuit breaker, counted, logged, and its end sorted by what it means."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import structlog
from django.conf import settings

from accounts.channels.base import (
    AddressDead,
    ChannelError,
    MessageRefused,
    OutcomeUnknown,
    ProviderBusy,
    ProviderMisconfigured,
    ProviderUnavailable,
)
from config.core.breaker import CircuitOpen
from config.core.json import UnreadableJSON, load_json
from config.core.metrics import MESSAGES
from config.core.outgoing import answer_to, breaker, wait_asked_for

log = structlog.get_logger(__name__)

Fields = Mapping[str, Any]

NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
"""Without a connection nothing was sent."""


@contextmanager
def attempt(provider: str, reference: str) -> Iterator[None]:
    """Around one request. Raises ProviderBusy without making it while the circuit is open. ``provider``: the name that
    people know it by."""
    outcome = "error"
    try:
        with guarded(provider):
            yield
        outcome = "taken"
    except ChannelError as error:
        outcome = _outcome(error)
        # What keeps every message from leaving is for the operator to put right, now.
        say = log.error if isinstance(error, ProviderMisconfigured) else log.warning
        say("message_not_sent", provider=provider, reference=reference, outcome=outcome, reason=str(error))
        raise
    finally:
        MESSAGES.labels(provider=provider.lower(), outcome=outcome).inc()
    log.info("message_sent", provider=provider, reference=reference)


@contextmanager
def guarded(provider: str) -> Iterator[None]:
    """The circuit breaker alone. Raises ProviderBusy while it is open."""
    try:
        with breaker(provider.lower()).call(ProviderUnavailable, OutcomeUnknown):
            yield
    except CircuitOpen as circuit:
        message = f"{provider} failed too often and is left alone for a while."
        raise ProviderBusy(message, circuit.retry_after) from None


_OUTCOMES: tuple[tuple[type[ChannelError], str], ...] = (
    (AddressDead, "dead"),
    (MessageRefused, "refused"),
    (ProviderBusy, "busy"),
    (ProviderMisconfigured, "misconfigured"),
    (ProviderUnavailable, "unavailable"),
    (OutcomeUnknown, "unknown"),
)


def _outcome(error: ChannelError) -> str:
    return next(name for kind, name in _OUTCOMES if isinstance(error, kind))


def answered(provider: str, request: httpx.Request) -> httpx.Response:
    """The answer, whatever it says. Causes are cut off: they hold whole requests."""
    try:
        return answer_to(request, timeout_seconds=settings.MESSAGE_TIMEOUT_SECONDS)
    except NEVER_LEFT:
        raise ProviderUnavailable(f"{provider} could not be reached.") from None
    except httpx.TimeoutException:
        raise OutcomeUnknown(f"{provider} did not answer in time.") from None
    except httpx.HTTPError:
        raise OutcomeUnknown(f"The connection to {provider} broke before it answered.") from None


def refuse_failures(provider: str, status: int, headers: Mapping[str, str]) -> None:
    """Raises what a status means at every provider; returns for those of the 200s and 400s that it must read itself."""
    if status == 429:
        raise ProviderBusy(f"{provider} asks us to wait.", wait_asked_for(headers))
    if status == 503:
        wait = wait_asked_for(headers) if headers.get("Retry-After") else None
        raise ProviderUnavailable(f"{provider} is not available (503).", wait)
    if status >= 500:
        raise OutcomeUnknown(f"{provider} has trouble of its own ({status}).")
    if status < 200 or 300 <= status < 400:
        raise ProviderMisconfigured(f"{provider} is not at the address that is set ({status}).")


def fields_of(content: bytes) -> Fields:
    """Of a JSON object; of anything else none."""
    try:
        body = load_json(content)
    except UnreadableJSON:
        return {}
    return body if isinstance(body, dict) else {}
