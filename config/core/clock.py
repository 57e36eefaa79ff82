"""Time as zones see it. The moment itself is asked for once per request or command and passed down."""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

EARLIEST_ZONE = "Pacific/Kiritimati"  # UTC+14: no place on Earth has a later date
_OFFSET = re.compile(r"([+-])([01][0-9]):([0-5][0-9])")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@cache
def zone_names() -> frozenset[str]:
    """IANA names, without the aliases that only describe this machine."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def is_zone(name: str) -> bool:
    """Whether it is an IANA name or an offset from UTC, such as ``+13:00``."""
    return name in zone_names() or _offset(name) is not None


@lru_cache(4096)
def zone_named(name: str) -> tzinfo:
    """Of an IANA name or an offset. A zone that the database of zones has dropped since is taken for UTC."""
    try:
        return _offset(name) or ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _offset(name: str) -> timezone | None:
    """From UTC-12 to UTC+14: no place on Earth has another date than one of these."""
    found = _OFFSET.fullmatch(name)
    if found is None:
        return None
    away = timedelta(hours=int(found[2]), minutes=int(found[3]))
    away = away if found[1] == "+" else -away
    return timezone(away) if timedelta(hours=-12) <= away <= timedelta(hours=14) else None


def day_in(zone: str, moment: datetime) -> date:
    """The calendar day there."""
    return moment.astimezone(zone_named(zone)).date()


def midnights(zone: str, first: date, last: date) -> list[datetime]:
    """The first moment of each of these days there, and of the day after them."""
    there = zone_named(zone)
    days = [first + timedelta(days=ahead) for ahead in range((last - first).days + 2)]
    return [datetime.combine(day, time(), there).astimezone(UTC) for day in days]


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
