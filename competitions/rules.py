"""When a competition is what, and which days it counts. Pure: moments and zones come in, decisions go out."""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

MAX_SPAN = timedelta(days=366 * 10)
YEARS = range(1970, 2201)


class Status(StrEnum):
    DRAFT = "draft"
    UPCOMING = "upcoming"
    ACTIVE = "active"
    ENDED = "ended"  # provisional: late phones may still send what was measured inside the span
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class SeatState(StrEnum):
    """Of a place that costs an entry fee: held, paid, given up."""

    RESERVED = "reserved"
    TAKEN = "taken"
    RELEASED = "released"


class Kind(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    CUSTOM = "custom"


class Metric(StrEnum):
    STEPS = "steps"
    DISTANCE = "distance"
    CALORIES = "calories"
    ACTIVE_MINUTES = "active_minutes"
    WEIGHTED = "weighted"


BASE_UNITS = {
    "steps": ("steps", 1),
    "distance": ("distance_mm", 1000),
    "calories": ("energy_cal", 1000),
    "active_minutes": ("active_seconds", 60),
}
"""Of each amount of the wire, which says metres, kilocalories and minutes: its name in base units, and how many of
those one is."""


class ScoreSource(StrEnum):
    SYNCED = "synced"  # only activity counts
    REPORTED = "reported"  # only reported totals count
    EITHER = "either"  # per metric the larger of the two


class TieRule(StrEnum):
    FIRST_TO_REACH = "first_to_reach"
    SHARED = "shared"


class Visibility(StrEnum):
    OPEN = "open"  # any signed-in person sees and joins
    PUBLIC = "public"  # the board is a web page without login, too
    PRIVATE = "private"  # participants only, by join code


class DeviceKind(StrEnum):
    """What a tracker is worn or carried as."""

    WATCH = "watch"
    BAND = "band"
    RING = "ring"
    PHONE = "phone"
    OTHER = "other"


class WrongSpan(ValueError):
    """The dates do not make a span; ``field`` is the one to change."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


@dataclass(frozen=True)
class Span:
    """When a competition runs: moments with an exclusive end, and the whole days that count, both inclusive."""

    start_at: datetime
    end_at: datetime
    starts_on: date
    last_on: date


def span_of(start: date | datetime, end: date | datetime | None, zone: str, kind: Kind) -> Span:
    """A day means the whole day in the competition's zone, the last one included; without an end the kind says how
    long it lasts. Raises WrongSpan."""
    tz = ZoneInfo(zone)
    _refuse_beyond("start_date", start)
    start_at = _start_of(start, tz)
    if end is None:
        end_at = _usual_end(start_at.astimezone(tz), kind)
    else:
        _refuse_beyond("end_date", end)
        end_at = _end_of(end, tz)
    if end_at <= start_at:
        raise WrongSpan("end_date", "The end must come after the start.")
    if end_at - start_at > MAX_SPAN:
        raise WrongSpan("end_date", "A competition lasts ten years at most.")
    last_instant = end_at - timedelta(microseconds=1)
    return Span(start_at, end_at, start_at.astimezone(tz).date(), last_instant.astimezone(tz).date())


def runs_over_whole_days(start_at: datetime, end_at: datetime, zone: str) -> bool:
    """Whether it starts and ends at midnight where it takes place; then its days stay when its zone changes."""
    tz = ZoneInfo(zone)
    return start_at.astimezone(tz).time() == end_at.astimezone(tz).time() == time()


def default_score_source(*, at_stake: bool, was_at_stake: bool, new: bool) -> ScoreSource | None:
    """What counts when nobody says: only activity as soon as money is at stake, either elsewhere. None: no change."""
    if at_stake and not was_at_stake:
        return ScoreSource.SYNCED
    return ScoreSource.EITHER if new else None


def _refuse_beyond(field: str, moment: date | datetime) -> None:
    if moment.year not in YEARS:
        raise WrongSpan(field, f"Choose a year from {YEARS.start} to {YEARS.stop - 1}.")


def _start_of(start: date | datetime, tz: ZoneInfo) -> datetime:
    if isinstance(start, datetime):
        return start.astimezone(UTC)
    return datetime.combine(start, time(), tz).astimezone(UTC)


def _end_of(end: date | datetime, tz: ZoneInfo) -> datetime:
    if isinstance(end, datetime):
        return end.astimezone(UTC)
    return datetime.combine(end + timedelta(days=1), time(), tz).astimezone(UTC)


def _usual_end(local_start: datetime, kind: Kind) -> datetime:
    match kind:
        case Kind.DAILY:
            days = 1
        case Kind.WEEKLY:
            days = 7
        case Kind.MONTHLY:
            days = calendar.monthrange(local_start.year, local_start.month)[1]
        case Kind.CUSTOM:
            raise WrongSpan("end_date", "A custom competition needs an end.")
    return (local_start + timedelta(days=days)).astimezone(UTC)  # wall-clock days: 23 or 25 hours on some


def closes_at(end_at: datetime, created_at: datetime, grace: timedelta) -> datetime:
    """Until when what was measured inside the span may still arrive. A competition about the past, made for data that
    exists already, has its grace from the moment it is made."""
    return max(end_at, created_at) + grace


def status_at(
    now: datetime,
    *,
    published: bool,
    cancelled: bool,
    start_at: datetime,
    end_at: datetime,
    closes_at: datetime,
) -> Status:
    if cancelled:
        return Status.CANCELLED
    if not published:
        return Status.DRAFT
    if now < start_at:
        return Status.UPCOMING
    if now < end_at:
        return Status.ACTIVE
    return Status.ENDED if now < closes_at else Status.COMPLETED
