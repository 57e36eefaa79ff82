"""How many syncs there were, hour by hour."""

from datetime import UTC, datetime, timedelta

from django.db.models import Sum

from fitness.models import SyncHour


def syncs_by_hour(now: datetime, *, hours: int = 24) -> list[tuple[datetime, int]]:
    """When each hour began, and how many syncs were stored in it; the last one is this one, which is not over."""
    this_hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    begins = [this_hour - timedelta(hours=ago) for ago in range(hours - 1, -1, -1)]
    rows = SyncHour.objects.filter(hour__gte=begins[0]).values_list("hour").annotate(sum=Sum("syncs"))
    counts = {hour: int(count) for hour, count in rows.order_by()}
    return [(hour, counts.get(hour, 0)) for hour in begins]
