"""Token buckets in Redis: one atomic script, counted in milliseconds by Redis's own clock.

Redis's clock, because several servers share a bucket and their clocks differ. A bucket that is full again is forgotten
by expiry, so an idle caller costs nothing. Where Redis is out, each process counts for itself.

Who comes very often is counted in blocks: the process takes several tokens out of the bucket at once and gives them out
without asking Redis for each.
"""

import math
import threading
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import structlog
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.core.environment import Rate
from config.core.errors import TooMany
from config.core.metrics import LIMITER_FALLBACKS, RATE_LIMITED
from config.core.redis import RedisError, Script
from config.core.request import address_block, address_of, is_counted
from config.core.threads import in_thread

log = structlog.get_logger(__name__)

LOG_IN_FROM_ADDRESS = Rate(per_second=1, burst=30)
"""Passwords are guessed here. One address may be a whole office, so it gets some room …"""

LOG_IN_TO_ACCOUNT = Rate(per_second=0.1, burst=10)
"""… and one account little, wherever the guesses come from: six a minute, ten of them at once."""

CODES = Rate(per_second=0.002, burst=5)
"""Codes and links that are sent because somebody asks: five at once, and then one in some eight minutes."""

PICTURES = Rate(per_second=0.05, burst=10)
"""Each costs up to some seconds of a processor: ten at once, then three a minute."""

_take = Script(
    """
    local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
    local clock = redis.call('TIME')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
    local at = tonumber(bucket[2]) or now
    local tokens = math.min(burst, (tonumber(bucket[1]) or burst) + math.max(0, now - at) * rate / 1000)
    local taken, wait = math.min(wanted, math.floor(tokens)), 0
    if taken < 1 then wait = math.ceil((1 - tokens) * 1000 / rate) end
    tokens = tokens - taken
    redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', now)
    redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) * 1000 / rate) + 1000)
    return {taken, wait}
    """
)


@dataclass
class _LocalBucket:
    tokens: float
    at: float


_local: dict[str, _LocalBucket] = {}
_local_lock = threading.Lock()
_LOCAL_BUCKETS = 10_000  # bounded, so that strangers cannot fill the memory while Redis is out


def take_token(name: str, subject: str, rate: Rate) -> None:
    """Counts one request of ``subject`` against the limit ``name``. Raises TooMany, which says when to return."""
    if settings.RATE_LIMIT.per_second:
        _taken(name, subject, rate, 1)


def _taken(name: str, subject: str, rate: Rate, wanted: int) -> int:
    """How many of ``wanted`` there were, at least one. Raises TooMany."""
    key = f"limit:{name}:{subject}"
    try:
        taken, wait_ms = _take([key], [rate.per_second, rate.burst, wanted])
    except RedisError as error:
        LIMITER_FALLBACKS.inc()
        log.warning("limit_counted_locally", error=type(error).__name__)
        taken, wait_ms = 1, _take_locally(key, rate, time.monotonic())
    if wait_ms:
        RATE_LIMITED.labels(limit=name).inc()
        raise TooMany(retry_after=math.ceil(wait_ms / 1000))
    return int(taken)


@dataclass
class _Block:
    """Tokens taken in advance; ``size`` is how many were asked for, ``ends_at`` on the monotonic clock."""

    left: int
    size: int
    ends_at: float


class Blocks:
    """Tokens of callers' buckets that this process has taken in advance. For the event loop's thread only.

    The first block is one token, and each that is used up within a second doubles the next, up to a tenth of the
    burst: who comes now and then wastes nothing.
    """

    SECONDS = 1.0
    _CALLERS = 10_000

    def __init__(self, name: str) -> None:
        self._name = name
        self._blocks: dict[str, _Block] = {}

    def take(self, subject: str) -> bool:
        """Whether there was a token at hand; otherwise `fetch` gets some."""
        if not settings.RATE_LIMIT.per_second:
            return True
        block = self._blocks.get(subject)
        if block is None or not block.left or block.ends_at < time.monotonic():
            return False
        block.left -= 1
        return True

    async def fetch(self, subject: str) -> None:
        """Takes the next block and one token out of it. Raises TooMany."""
        rate, now = settings.RATE_LIMIT, time.monotonic()
        used_up = self._blocks.get(subject, _Block(0, 0, 0.0))
        size = min(max(1, rate.burst // 10), used_up.size * 2) if used_up.ends_at >= now else 1
        try:
            taken = await in_thread(_taken)(self._name, subject, rate, max(1, size))
        except TooMany:
            if self.take(subject):  # another request of theirs has fetched the last ones
                return
            raise
        if len(self._blocks) >= self._CALLERS:
            self._blocks = {known: block for known, block in self._blocks.items() if block.ends_at >= now}
        beside = self._blocks.get(subject)  # another request of theirs may have fetched meanwhile
        left = beside.left if beside is not None and beside.ends_at >= now else 0
        self._blocks[subject] = _Block(left + taken - 1, taken, now + self.SECONDS)


def _take_locally(key: str, rate: Rate, now: float) -> int:
    with _local_lock:
        if len(_local) >= _LOCAL_BUCKETS and key not in _local:
            _local.clear()
        bucket = _local.setdefault(key, _LocalBucket(rate.burst, now))
        bucket.tokens = min(rate.burst, bucket.tokens + (now - bucket.at) * rate.per_second)
        bucket.at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0
        return math.ceil((1 - bucket.tokens) * 1000 / rate.per_second)


class CallerThrottle(BaseThrottle):
    """The general limit: per person or key when known, else per address."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if not is_counted(request._request):
            take_token("request", caller_subject(request), settings.RATE_LIMIT)
        return True


class RegisterThrottle(BaseThrottle):
    """The tighter one of making accounts, per address."""

    def allow_request(self, request: Request, view: Any) -> bool:
        take_token("register", address_block(address_of(request)), LOG_IN_FROM_ADDRESS)
        return True


class CodeThrottle(BaseThrottle):
    """Messages to an address that somebody only says is theirs, per person: they cost, and may reach a stranger."""

    def allow_request(self, request: Request, view: Any) -> bool:
        take_token("code", caller_subject(request), CODES)
        return True


class PictureThrottle(BaseThrottle):
    """The tighter one of sending pictures, per person."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if request.method == "POST":
            take_token("picture", caller_subject(request), PICTURES)
        return True


def take_log_in_tokens(address: str, account: str) -> None:
    """Counts one guess, from this address and at this account. Raises TooMany."""
    take_token("log_in", address_block(address), LOG_IN_FROM_ADDRESS)
    take_token("account", _digest(account), LOG_IN_TO_ACCOUNT)


def take_mail_tokens(address: str, account: str) -> None:
    """Counts one letter that somebody asks for, from this address and to this account. Raises TooMany."""
    take_token("mail_from", address_block(address), LOG_IN_FROM_ADDRESS)
    take_token("mail_to", _digest(account), CODES)


def _digest(account: str) -> str:
    """No e-mail address in a key."""
    return sha256(account.strip().lower().encode("utf-8", "replace")).hexdigest()


def caller_subject(request: Request) -> str:
    known = getattr(request._request, "caller_id", None)
    return f"caller:{known}" if known else f"address:{address_block(address_of(request))}"
