"""Token buckets in Redis: one atomic script, counted in milliseconds by Redis's own clock.

Redis's clock, because several servers share a bucket and their clocks differ. A bucket that is full again is forgotten
by expiry, so an idle caller costs nothing.

Who comes very often is counted in blocks: the process takes several tokens out of the bucket at once and gives them out
without asking Redis for each. What a process holds is written down in the bucket, which fills up to the burst less
that: whatever is held where, never more goes out in any span of time than the burst and what was added meanwhile.

Where Redis is out each process counts for itself, but for limits that guard accounts and money: those let nobody pass.
"""

import asyncio
import math
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from hashlib import sha256
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.core.environment import Rate
from config.core.errors import TooMany, Unavailable, View
from config.core.metrics import LIMITER_FALLBACKS, RATE_LIMITED
from config.core.redis import RedisError, Script
from config.core.request import address_block, address_of, counted_standing, is_counted
from config.core.threads import in_thread

log = structlog.get_logger(__name__)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Limit:
    """``own``: its rate, where that is not RATE_LIMIT. ``closed``: without Redis nobody passes, because as many
    processes as there are, each counting for itself, would be no limit to somebody who guesses."""

    name: str
    own: Rate | None = None
    closed: bool = False

    @property
    def rate(self) -> Rate:
        return self.own or settings.RATE_LIMIT


REQUESTS = Limit("request")
PAGES = Limit("page")
CONNECTIONS = Limit("connection")
"""Sockets that are opened from one address …"""

PERSONAL_SOCKETS = Limit("socket", Rate(per_second=1, burst=40))
"""… and by one person: twice as many at once as they may hold, then one a second."""

SYNCS = Limit("sync", Rate(per_second=5, burst=60))
"""And reports, of one person. A phone sends a few in an hour, and after a year offline some dozens at once."""

TICKETS = Limit("ticket", Rate(per_second=2, burst=60))
PICTURES = Limit("picture", Rate(per_second=0.05, burst=10))
"""Each costs up to some seconds of a processor: ten at once, then three a minute."""

IMPORTS = Limit("import", Rate(per_second=0.02, burst=20))
"""Each may be a gigabyte to read: twenty at once, then one in fifty seconds."""

EXPORTS = Limit("export", Rate(per_second=0.1, burst=20))

LOG_INS = Limit("log_in", Rate(per_second=1, burst=30), closed=True)
"""Passwords are guessed here. One address may be a whole office, so it gets some room …"""

GUESSES = Limit("account", Rate(per_second=0.1, burst=10), closed=True)
"""… and one account little, wherever the guesses come from: six a minute, ten of them at once."""

REGISTRATIONS = Limit("register", Rate(per_second=1, burst=30), closed=True)
LETTERS_FROM = Limit("mail_from", Rate(per_second=1, burst=30), closed=True)
LETTERS_TO = Limit("mail_to", Rate(per_second=0.002, burst=5), closed=True)
"""Links that are sent because somebody asks: five at once, and then one in some eight minutes."""

CODES = Limit("code", Rate(per_second=0.002, burst=5), closed=True)
MONEY = Limit("money", Rate(per_second=1, burst=30), closed=True)
"""What begins to move money: a distribution, an approval, a funding, a payout account, a checkout."""


class Closed(Unavailable):
    message = "This cannot be done while our counters are out; try again in a moment."


class Standing(NamedTuple):
    """How somebody stands with a limit: ``left`` tokens as of the last look. Without a limit there is none."""

    limit: Limit | None
    left: int = 0

    @property
    def headers(self) -> Headers:
        return _headers(self.limit.name, self.limit.rate, self.left, None) if self.limit else ()

    def tighter(self, other: "Standing") -> "Standing":
        return min((one for one in (self, other) if one.limit), key=lambda one: one.left, default=self)


UNLIMITED = Standing(None)


@lru_cache(maxsize=4096)
def _headers(name: str, rate: Rate, left: int, wait_seconds: int | None) -> Headers:
    """In the words of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/10/, where ``t`` says when
    there is more, and in those that were usual before, whose reset is when all of it is back."""
    more = wait_seconds or math.ceil(1 / rate.per_second)
    full = math.ceil((rate.burst - left) / rate.per_second)
    return (
        ("RateLimit-Policy", f'"{name}";q={rate.burst};w={math.ceil(rate.burst / rate.per_second)}'),
        ("RateLimit", f'"{name}";r={left};t={more}'),
        ("RateLimit-Limit", str(rate.burst)),
        ("RateLimit-Remaining", str(left)),
        ("RateLimit-Reset", str(full)),
    )


_take = Script(
    """
    local rate, burst, wanted, holder = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
    local clock = redis.call('TIME')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    local tokens, at, held, latest, holders = burst, now, 0, 0, {}
    local bucket = redis.call('HGETALL', KEYS[1])
    for place = 1, #bucket, 2 do
        local field, value = bucket[place], bucket[place + 1]
        if field == 'tokens' then tokens = tonumber(value)
        elseif field == 'at' then at = tonumber(value)
        else
            local count, good_until = string.match(value, '(%d+):(%d+)')
            held, latest = held + count, math.max(latest, tonumber(good_until))
            holders[#holders + 1] = field
        end
    end
    -- What was held kept its place in the bucket until it was no good any more, and only then could that fill up too.
    held = math.max(0, held - math.max(0, now - latest) * rate / 1000)
    if held == 0 and #holders > 0 then redis.call('HDEL', KEYS[1], unpack(holders)) end
    tokens = math.min(burst, math.max(tokens, burst - held), tokens + math.max(0, now - at) * rate / 1000)
    wanted = math.max(1, math.min(wanted, math.floor(burst / 2 - held)))
    local taken, wait = math.min(wanted, math.floor(tokens)), 0
    if taken < 1 then wait = math.ceil((1 - tokens) * 1000 / rate) end
    tokens = tokens - taken
    redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', now)
    if taken > 1 then redis.call('HSET', KEYS[1], holder, (taken - 1) .. ':' .. (now + ARGV[5]))
    elseif holder ~= '' then redis.call('HDEL', KEYS[1], holder) end
    redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) * 1000 / rate) + ARGV[5])
    return {taken, wait, math.floor(tokens)}
    """
)
_SAID = Rate(per_second=1, burst=1)
_HELD_MS = 1000
_HOLDER = f"held:{secrets.token_hex(6)}"
"""This process. Made anew in a fork it need not be: the server does not fork, and a worker holds nothing."""


class _Taken(NamedTuple):
    """Tokens taken, or when to return if there were none; and those that are left in the bucket."""

    tokens: int
    wait_ms: int
    left: int


def take_token(limit: Limit, subject: str) -> Standing:
    """Counts one request of ``subject``. Raises TooMany, which says when to return, and Closed."""
    if not settings.RATE_LIMIT.per_second:
        return UNLIMITED
    [taken] = _taken([(limit, 1)], subject, "")
    if taken.wait_ms:
        raise _refusal(limit, taken.wait_ms)
    return Standing(limit, taken.left)


def _taken(wanted: Sequence[tuple[Limit, int]], subject: str, holder: str) -> list[_Taken]:
    """Out of several buckets in one trip, each by itself. Raises Closed."""
    calls = [
        ([_key(limit, subject)], [limit.rate.per_second, limit.rate.burst, count, holder, _HELD_MS])
        for limit, count in wanted
    ]
    try:
        answers = _take.for_each(calls) if len(calls) > 1 else [_take(*call) for call in calls]
    except RedisError as error:
        LIMITER_FALLBACKS.inc()
        if not _take_locally("said", _SAID, time.monotonic()).wait_ms:  # or there would be a line for each request
            log.warning("limit_counted_locally", error=type(error).__name__)
        if any(limit.closed for limit, _ in wanted):
            raise Closed from None
        now = time.monotonic()
        return [_take_locally(_key(limit, subject), limit.rate, now) for limit, _ in wanted]
    return [_Taken(*answer) for answer in answers]


def _key(limit: Limit, subject: str) -> str:
    return f"limit:{limit.name}:{subject}"


def _refusal(limit: Limit, wait_ms: int) -> TooMany:
    RATE_LIMITED.labels(limit=limit.name).inc()
    refusal = TooMany(retry_after=math.ceil(wait_ms / 1000))
    refusal.headers = dict(_headers(limit.name, limit.rate, 0, refusal.retry_after))
    return refusal


@dataclass
class _LocalBucket:
    tokens: float
    at: float


_local: dict[str, _LocalBucket] = {}
_local_lock = threading.Lock()
_LOCAL_BUCKETS = 10_000  # bounded, so that strangers cannot fill the memory while Redis is out


def _take_locally(key: str, rate: Rate, now: float) -> _Taken:
    with _local_lock:
        if len(_local) >= _LOCAL_BUCKETS and key not in _local:
            _local.clear()
        bucket = _local.setdefault(key, _LocalBucket(rate.burst, now))
        bucket.tokens = min(rate.burst, bucket.tokens + (now - bucket.at) * rate.per_second)
        bucket.at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return _Taken(1, 0, int(bucket.tokens))
        return _Taken(0, math.ceil((1 - bucket.tokens) * 1000 / rate.per_second), 0)


def take_locally(limit: Limit, subject: str) -> bool:
    """Counts in this process alone, what only this process has to be guarded from. Whether there was a token."""
    if not settings.RATE_LIMIT.per_second:
        return True
    return not _take_locally(_key(limit, subject), limit.rate, time.monotonic()).wait_ms


@dataclass(slots=True)
class _Block:
    """Tokens taken in advance; ``size`` is how many were asked for, ``ends_at`` on the monotonic clock. ``beyond`` were
    left in the bucket."""

    left: int
    size: int
    ends_at: float
    beyond: int


class Blocks:
    """Tokens of callers' buckets that this process has taken in advance. For the event loop's thread only.

    The first block is one token, and each that is used up within a second doubles the next, up to a tenth of the
    burst: who comes now and then wastes nothing.
    """

    _CALLERS = 10_000

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, str], _Block] = {}
        self._asking: dict[str, asyncio.Task[dict[str, int]]] = {}

    def take(self, subject: str, limits: Sequence[Limit]) -> Standing | None:
        """One token of each, if they are all at hand; otherwise `fetch` gets some."""
        if not settings.RATE_LIMIT.per_second:
            return UNLIMITED
        now, blocks = time.monotonic(), []
        for limit in limits:
            block = self._blocks.get((limit.name, subject))
            if block is None or not block.left or block.ends_at <= now:
                return None
            blocks.append(block)
        for block in blocks:
            block.left -= 1
        if len(blocks) == 1:
            return Standing(limits[0], blocks[0].left + blocks[0].beyond)
        left, place = min((block.left + block.beyond, place) for place, block in enumerate(blocks))
        return Standing(limits[place], left)

    async def fetch(self, subject: str, limits: Sequence[Limit]) -> Standing:
        """The same with what Redis still has. One question for a caller is under way at a time, and all of theirs who
        wait share the answer. Raises TooMany."""
        while (standing := self.take(subject, limits)) is None:
            asking = self._asking.get(subject)
            if asking is None:
                asking = self._asking[subject] = asyncio.create_task(self._ask(subject, limits))
            waits = await asyncio.shield(asking)
            for limit in limits:
                if limit.name in waits:
                    raise _refusal(limit, waits[limit.name])
        return standing

    async def _ask(self, subject: str, limits: Sequence[Limit]) -> dict[str, int]:
        """Takes the next block of each of which there is nothing at hand. The milliseconds to wait for those that had
        nothing."""
        now = time.monotonic()
        wanted = [(limit, size) for limit in limits if (size := self._next_size(subject, limit, now))]
        try:
            answers = await in_thread(_taken)(wanted, subject, _HOLDER)
        finally:  # not when the task is over: until that is told, whoever comes would ask for its old answer for ever
            del self._asking[subject]
        if len(self._blocks) >= self._CALLERS:
            self._blocks = {known: block for known, block in self._blocks.items() if block.ends_at >= now}
        waits = {}
        for (limit, _), taken in zip(wanted, answers, strict=True):
            if taken.wait_ms:
                waits[limit.name] = taken.wait_ms
            else:
                block = _Block(taken.tokens, taken.tokens, now + _HELD_MS / 1000, taken.left)
                self._blocks[limit.name, subject] = block
        return waits

    def _next_size(self, subject: str, limit: Limit, now: float) -> int:
        """0 where there are some."""
        block = self._blocks.get((limit.name, subject))
        if block is None or block.ends_at <= now:
            return 1
        return 0 if block.left else max(1, min(limit.rate.burst // 10, block.size * 2))


class LimitThrottle(BaseThrottle):
    """One limit, for the methods that it is about. Use `throttle`."""

    limit: Limit
    methods: frozenset[str] = frozenset()
    people_only = False

    def allow_request(self, request: Request, view: Any) -> bool:
        about = not self.methods or request.method in self.methods
        if about and not is_counted(request._request) and not (self.people_only and not request.user.is_authenticated):
            note_standing(request._request, take_token(self.limit, self.subject(request)))
        return True

    def subject(self, request: Request) -> str:
        return caller_subject(request)


class CallerThrottle(LimitThrottle):
    """The general limit: per person or key when known, else per address."""

    limit = REQUESTS


class RegisterThrottle(LimitThrottle):
    """The tighter one of making accounts, per address."""

    limit = REGISTRATIONS

    def subject(self, request: Request) -> str:
        return address_block(address_of(request))


def count_page(request: HttpRequest) -> None:
    """Counts a request of whatever is not the API's, against its address. Raises TooMany."""
    note_standing(request, take_token(PAGES, address_block(address_of(request))))


def counted(view: View) -> View:
    """For a view that is no page and that nobody else counts."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        count_page(request)
        return view(request, *args, **kwargs)

    return checked


def throttles(limit: Limit, *methods: str, people_only: bool = False) -> list[type[BaseThrottle]]:
    """The general limit and a tighter one, for a view's ``throttle_classes``. ``people_only``: services may."""
    attributes = {"limit": limit, "methods": frozenset(methods), "people_only": people_only}
    return [CallerThrottle, type(f"{limit.name.title()}Throttle", (LimitThrottle,), attributes)]


def note_standing(request: object, standing: Standing) -> None:
    """For the answer's headers, which tell of the limit that is nearest."""
    request.standing = standing_of(request).tighter(standing)  # type: ignore[attr-defined]  # a mark of ours


def standing_of(request: object) -> Standing:
    found: Standing = getattr(request, "standing", None) or counted_standing(request) or UNLIMITED  # type: ignore[assignment]  # the mark, which is an object there
    return found


def take_log_in_tokens(address: str, account: str) -> None:
    """Counts one guess, from this address and at this account. Raises TooMany, Closed."""
    take_token(LOG_INS, address_block(address))
    take_token(GUESSES, _digest(account))


def take_mail_tokens(address: str, account: str) -> None:
    """Counts one letter that somebody asks for, from this address and to this account. Raises TooMany, Closed."""
    take_token(LETTERS_FROM, address_block(address))
    take_token(LETTERS_TO, _digest(account))


def _digest(account: str) -> str:
    """No e-mail address in a key."""
    return sha256(account.strip().lower().encode("utf-8", "replace")).hexdigest()


def caller_subject(request: Request) -> str:
    known = getattr(request._request, "caller_id", None)
    return f"caller:{known}" if known else f"address:{address_block(address_of(request))}"
