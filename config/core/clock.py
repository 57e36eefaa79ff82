"""Time as zones see it. The moment itself is asked for once per request or command and passed down."""

import re
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

EARLIEST_ZONE = "Pacific/Kiritimati"  # UTC+14: no place on Earth has a later date
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@cache
def zone_names() -> frozenset[str]:
    """IANA names, without the aliases that only describe this machine."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def day_in(zone: str, moment: datetime) -> date:
    """The calendar day there. A zone that the database of zones has dropped since is taken for UTC."""
    try:
        return moment.astimezone(ZoneInfo(zone)).date()
    except ZoneInfoNotFoundError:
        return moment.astimezone(UTC).date()


def written_moment(at: datetime) -> str:
    """RFC 3339 in UTC, always with microseconds: the one way in which documents with a digest write it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parsed_day(text: object) -> date | None:
    """``YYYY-MM-DD`` and nothing else: Python itself also reads week dates and days without dashes."""
    if not isinstance(text, str) or not _DAY.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
