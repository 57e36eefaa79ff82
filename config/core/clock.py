"""Time as zones see it. The moment itself is asked for once per request or command and passed down."""

from datetime import date, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

EARLIEST_ZONE = "Pacific/Kiritimati"  # UTC+14: no place on Earth has a later date


@cache
def zone_names() -> frozenset[str]:
    """IANA names, without the aliases that only describe this machine."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def day_in(zone: str, moment: datetime) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()
