"""Which competitions run when, and the money that they promise."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, Q, QuerySet, Sum

from competitions.models import Competition
from config.core.clock import midnights

_RUNNING = """
    SELECT day.place, count(c.id)
      FROM unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[]) WITH ORDINALITY AS day (begins, ends, place)
      LEFT JOIN competitions_competition c
        ON c.start_at < least(day.ends, %(now)s) AND c.end_at > day.begins AND c.published_at IS NOT NULL
       AND (c.cancelled_at IS NULL OR c.cancelled_at >= day.ends)
       AND (%(owner)s::uuid IS NULL OR c.owner_id = %(owner)s)
     GROUP BY day.place ORDER BY day.place
"""


def running_by_day(owner_id: UUID | None, first: date, last: date, now: datetime) -> list[int]:
    """How many competitions ran on each of these days in UTC; what had not begun by ``now`` is not among them.
    ``owner_id``: whose; None: all."""
    begins = midnights("UTC", first, last)
    with connection.cursor() as cursor:
        cursor.execute(_RUNNING, {"begins": begins[:-1], "ends": begins[1:], "now": now, "owner": owner_id})
        return [count for _, count in cursor.fetchall()]


def lately_running(competitions: QuerySet[Competition], *, since: datetime, now: datetime) -> QuerySet[Competition]:
    """Those that had begun and not ended before ``since``."""
    return competitions.filter(cancelled_at=None, published_at__isnull=False, start_at__lte=now, end_at__gt=since)


def pools_under_way(competitions: QuerySet[Competition], now: datetime) -> Sequence[tuple[str, int, int, int]]:
    """By currency: how many competitions run that promise a pool, what they promise, and what of it is confirmed."""
    promising = competitions.with_status("active", now).filter(prize_pool_minor__gt=0)  # type: ignore[attr-defined]  # of our own QuerySet
    sums = (
        promising.order_by()
        .values("currency")
        .annotate(count=Count("id"), promised=Sum("prize_pool_minor"), confirmed=Sum("funded_minor"))
    )
    return [(row["currency"], row["count"], row["promised"], row["confirmed"]) for row in sums.order_by("currency")]


def short_of_money() -> Q:
    """Promises a pool that no treasurer has confirmed in full."""
    return Q(funded_minor__lt=F("prize_pool_minor"), cancelled_at=None, published_at__isnull=False)
