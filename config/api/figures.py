"""What all processes see alike, read when somebody asks: how far the mirror is behind, what the queue, the transfers
and the reviewers have before them, whether the ledger adds up, which services elsewhere are left alone.

Each part is a statement or two whose cost is bounded, is remembered by this process for a few seconds, and may fail by
itself: whoever asks gets the others, and hears which.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, connection, transaction

from accounts import tokens
from accounts.channels import sending
from config.core import storage
from config.core.redis import RedisError
from fitness import clouds
from leaderboards.lag import MirrorLag, mirror_lag
from prizes import gateways

log = structlog.get_logger(__name__)

SECONDS = 5.0
LEDGER_SECONDS = 300.0
"""The whole ledger is read for it: a tenth of a second for a million postings."""
STATEMENT_MS = 2000

_JOBS = "SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY status"
# The first that were enqueued; by id, because most have no time of their own and the index goes by priority.
_OLDEST_DUE = """
    SELECT extract(epoch FROM max(now() - coalesce(due.scheduled_at, enqueued.at)))
      FROM (SELECT id, scheduled_at FROM procrastinate_jobs
             WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()) ORDER BY id LIMIT 1000) due
      LEFT JOIN LATERAL (SELECT at FROM procrastinate_events e
                          WHERE e.job_id = due.id AND e.type = 'deferred' ORDER BY id LIMIT 1) enqueued ON true
"""
_TRANSFERS = """
    SELECT state, count(*), extract(epoch FROM now() - min(updated_at)) FROM prizes_transfer
     WHERE state IN ('pending', 'sent', 'unknown', 'failed') GROUP BY state
"""
# What lacks something waits for its winner, not for us.
_OLDEST_STUCK = """
    SELECT extract(epoch FROM now() - min(created_at)) FROM prizes_transfer
     WHERE state IN ('pending', 'sent', 'unknown') AND waits_for = ''
"""
_FLAGS = """
    SELECT count(*), extract(epoch FROM now() - min(CASE WHEN appeal_waits THEN appealed_at ELSE opened_at END))
      FROM fitness_flag WHERE state = 'open' OR appeal_waits
"""
_IMBALANCE = """
    SELECT a.currency, sum(p.amount_minor)
      FROM prizes_posting p JOIN prizes_account a ON a.id = p.account_id GROUP BY a.currency
"""


@dataclass(frozen=True)
class Jobs:
    """``oldest_due_seconds``: how long the oldest job that could run has waited for a worker."""

    by_state: Mapping[str, int]
    oldest_due_seconds: float


@dataclass(frozen=True)
class Transfers:
    """Those that are not at their end: how many in each state, and since how long the oldest has been in it.
    ``oldest_seconds``: how old the oldest is that waits for nobody but us and the gateway."""

    by_state: Mapping[str, int]
    oldest_in_state: Mapping[str, float]
    oldest_seconds: float


@dataclass(frozen=True)
class Flags:
    waiting: int
    oldest_seconds: float


@dataclass(frozen=True)
class Figures:
    """None for what could not be read, which ``failed`` names."""

    jobs: Jobs | None
    transfers: Transfers | None
    flags: Flags | None
    mirror: MirrorLag | None
    ledger: Mapping[str, int] | None
    circuits: Mapping[str, str] | None
    failed: frozenset[str]


def _jobs() -> Jobs:
    with connection.cursor() as cursor:
        cursor.execute(_JOBS)
        states = dict.fromkeys(("todo", "doing", "failed"), 0) | dict(cursor.fetchall())
        cursor.execute(_OLDEST_DUE)
        (oldest,) = cursor.fetchone()
    return Jobs(states, float(oldest or 0))


def _transfers() -> Transfers:
    states = ("pending", "sent", "unknown", "failed")
    with connection.cursor() as cursor:
        cursor.execute(_TRANSFERS)
        rows = {state: (count, float(seconds)) for state, count, seconds in cursor.fetchall()}
        cursor.execute(_OLDEST_STUCK)
        (oldest,) = cursor.fetchone()
    found = {state: rows.get(state, (0, 0.0)) for state in states}
    counts = {state: count for state, (count, _) in found.items()}
    return Transfers(counts, {state: seconds for state, (_, seconds) in found.items()}, float(oldest or 0))


def _flags() -> Flags:
    with connection.cursor() as cursor:
        cursor.execute(_FLAGS)
        waiting, oldest = cursor.fetchone()
    return Flags(waiting, float(oldest or 0))


def _ledger() -> dict[str, int]:
    """What each currency is off by, in minor units."""
    with connection.cursor() as cursor:
        cursor.execute(_IMBALANCE)
        return {currency: int(off) for currency, off in cursor.fetchall()}


def _circuits() -> dict[str, str]:
    callers = (clouds, sending, tokens, gateways, storage)
    return {name: str(state) for caller in callers for name, state in caller.circuits().items()}


@dataclass(frozen=True)
class _Part:
    name: str
    read: Callable[[], Any]
    seconds: float = SECONDS
    of_postgresql: bool = True


_PARTS = (
    _Part("jobs", _jobs),
    _Part("transfers", _transfers),
    _Part("flags", _flags),
    _Part("mirror", mirror_lag),
    _Part("ledger", _ledger, LEDGER_SECONDS),
    _Part("circuits", _circuits, of_postgresql=False),
)
PARTS = tuple(part.name for part in _PARTS)
_remembered: dict[str, tuple[float, Any]] = {}
_reading = threading.Lock()


def figures(*, postgresql_answers: bool) -> Figures:
    """Those of at most `SECONDS` ago. However many ask, one reads. Whoever asks knows whether PostgreSQL answers; else
    each part would wait once more for a connection."""
    with _reading:
        readable = [part for part in _PARTS if postgresql_answers or not (part.of_postgresql and _is_due(part))]
        found = {part.name: _found(part) for part in readable}
    failed = frozenset(name for name in PARTS if found.get(name) is None)
    return Figures(**{name: found.get(name) for name in PARTS}, failed=failed)


def forget_figures() -> None:
    """The next who asks has them read."""
    _remembered.clear()


def _is_due(part: _Part) -> bool:
    known = _remembered.get(part.name)
    return known is None or known[0] <= time.monotonic()


def _found(part: _Part) -> Any:
    """None, remembered as shortly as anything, for what cannot be read at present."""
    if _is_due(part):
        value, seconds = None, SECONDS
        try:
            value, seconds = _read(part), part.seconds
        except (DatabaseError, InterfaceError, RedisError) as error:
            log.warning("figure_not_read", part=part.name, error=type(error).__name__)
        _remembered[part.name] = (time.monotonic() + seconds, value)
    return _remembered[part.name][1]


def _read(part: _Part) -> Any:
    if not part.of_postgresql:
        return part.read()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_MS}")
        return part.read()
