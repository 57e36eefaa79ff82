"""How many syncs there are, hour by hour."""

from datetime import UTC, datetime, timedelta

from django.db import connection

from fitness.models import SyncHour

KEPT = timedelta(days=7)


def count_syncs(*, syncs: int, now: datetime) -> None:
    """With the transaction that stores them, so that what is rolled back is not counted."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO fitness_synchour AS known (hour, backend, syncs) VALUES (%s, pg_backend_pid(), %s)
                ON CONFLICT (hour, backend) DO UPDATE SET syncs = known.syncs + excluded.syncs
            """,
            [hour, syncs],
        )


def forget_sync_counts(*, now: datetime) -> None:
    SyncHour.objects.filter(hour__lt=now - KEPT).delete()
