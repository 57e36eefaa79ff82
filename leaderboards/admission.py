"""How many may watch at once: per person, per address, and how many may come in a second.

Counted in each process for itself: what they protect is this process's memory and its event loop.
"""

import random
import time
from collections import Counter
from collections.abc import Hashable
from uuid import UUID

from django.conf import settings

from config.core.environment import Rate
from config.core.errors import TooMany
from config.core.metrics import RATE_LIMITED
from leaderboards.watching import Close

ACCEPTED = Rate(per_second=500, burst=2000)
"""Sockets and streams let in by one process. Whoever comes back after a restart is told to wait a little, at random."""
_COME_AGAIN = (Close.RESTARTING, Close.TOO_MANY)


class Admission:
    """Raises TooMany, which says when to come again, and counts nobody then."""

    def __init__(self) -> None:
        self._inside: Counter[Hashable] = Counter()
        self._tokens, self._at = float(ACCEPTED.burst), time.monotonic()

    def knock(self) -> None:
        """Somebody wants to be let in; who it is is not known yet."""
        if not settings.RATE_LIMIT.per_second:
            return
        now = time.monotonic()
        self._tokens = min(ACCEPTED.burst, self._tokens + (now - self._at) * ACCEPTED.per_second)
        self._at = now
        if self._tokens < 1:
            _refuse("accept")
        self._tokens -= 1

    def enter(self, viewer_id: UUID | None, address: str) -> None:
        """Whoever has entered must `leave` with the same arguments."""
        if settings.RATE_LIMIT.per_second:
            if viewer_id is not None and self._inside[viewer_id] >= settings.SOCKETS_PER_USER:
                _refuse("sockets_per_user")
            if self._inside[address] >= settings.SOCKETS_PER_ADDRESS:
                _refuse("sockets_per_address")
        self._inside[address] += 1
        if viewer_id is not None:
            self._inside[viewer_id] += 1

    def count(self) -> int:
        return sum(count for key, count in self._inside.items() if isinstance(key, str))

    def leave(self, viewer_id: UUID | None, address: str) -> None:
        for key in (address, viewer_id):
            if key is not None:
                self._inside[key] -= 1
                if self._inside[key] <= 0:
                    del self._inside[key]


def _refuse(limit: str) -> None:
    RATE_LIMITED.labels(limit=limit).inc()
    raise TooMany("Too many connections at once.", retry_after=5)


admission = Admission()


def retry_after_ms(reason: Close) -> int | None:
    """When to come again, at random, so that not everybody comes at once: the more were here, the wider they are
    spread. None where coming again is of no use."""
    if reason not in _COME_AGAIN:
        return None
    spread_s = 2.0 + admission.count() / ACCEPTED.per_second
    return round(1000 * (0.5 + spread_s * random.random()))  # noqa: S311 - no secret
