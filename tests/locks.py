"""Who stands at a lock of PostgreSQL: waiting for that is surer and shorter than waiting for a while."""

import time
from collections.abc import Callable

from django.db import connection

WITHIN = 10.0  # seconds


def waiting_for_locks() -> int:
    """How many connections to this database do."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction would go on seeing what it saw first
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        [count] = cursor.fetchone()
    return int(count)


def until_somebody_waits(count: int = 1, *, unless: Callable[[], bool] = bool) -> None:
    """Returns as soon as so many do, or what they would have waited for turns out not to keep them (``unless``)."""
    deadline = time.monotonic() + WITHIN
    while waiting_for_locks() < count and not unless():
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)
