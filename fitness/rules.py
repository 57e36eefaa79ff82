"""What a believable record of one day is. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from config.core.clock import parsed_day
from leaderboards.scoring import Totals
from leaderboards.units import totals_from_wire

FIRST_DAY = date(1970, 1, 1)

LIMITS: dict[str, tuple[int, str]] = {
    "steps": (250_000, "steps"),  # a 24-hour world record on foot is about 320 km, some 250,000 steps
    "distance": (1_500_000, "metres"),  # a day on a racing bicycle: 1,026 km is the record
    "calories": (30_000, "kilocalories"),
    "active_minutes": (1_500, "minutes"),  # a day of 25 hours, when the clocks go back
}
"""Most that one day can hold, in wire units."""


class Source(StrEnum):
    """Where a reading comes from."""

    APPLE_HEALTH = "apple_health"
    HEALTH_CONNECT = "health_connect"
    GOOGLE_FIT = "google_fit"
    FITBIT = "fitbit"
    GARMIN = "garmin"
    SAMSUNG_HEALTH = "samsung_health"
    STRAVA = "strava"
    MANUAL = "manual"
    OTHER = "other"


class SampleType(StrEnum):
    """What a sample measures; the metrics of the wire."""

    STEPS = "steps"
    DISTANCE = "distance"
    CALORIES = "calories"
    ACTIVE_MINUTES = "active_minutes"


class Recording(StrEnum):
    """How a sample came about."""

    AUTOMATIC = "automatic"
    ACTIVE = "active"  # the person started a workout
    MANUAL = "manual"  # typed in


class Channel(StrEnum):
    """How a sample reached the server."""

    PUSH = "push"
    IMPORT = "import"
    GOOGLE_HEALTH = "google_health"
    GOOGLE_FIT = "google_fit"


@dataclass(frozen=True)
class Reading:
    """One source's totals of one person's day."""

    user_id: UUID
    source: Source
    day: date
    totals: Totals


class UnbelievableRecord(ValueError):
    """``errors`` maps each wrong field to its complaints."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{field}: {' '.join(texts)}" for field, texts in errors.items()))


def read_record(record: Any, *, user_id: UUID, today: date, latest_day: date) -> Reading:
    """A record of the wire as a Reading. ``today`` stands in for a missing date; ``latest_day`` is the last one that
    has begun where the person may be. Raises UnbelievableRecord with every complaint at once."""
    if not isinstance(record, Mapping):
        raise UnbelievableRecord({"record": ["Write a JSON object."]})
    errors: dict[str, list[str]] = {}
    amounts = {name: _amount(record.get(name), name, errors) for name in LIMITS}
    source = _source(record.get("source"), errors)
    day = _day(record.get("date"), today, latest_day, errors)
    if not errors and not any(amounts.values()) and all(record.get(name) is None for name in LIMITS):
        errors["steps"] = ["Send at least one of steps, distance, calories and active_minutes."]
    if errors or source is None or day is None:
        raise UnbelievableRecord(errors)
    return Reading(user_id, source, day, totals_from_wire(amounts))


def _amount(value: Any, name: str, errors: dict[str, list[str]]) -> int | Decimal:
    most, unit = LIMITS[name]
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        errors[name] = ["Write a number."]
    elif isinstance(value, Decimal) and not value.is_finite():
        errors[name] = ["Write a finite number."]
    elif value < 0:
        errors[name] = ["This cannot be negative."]
    elif value > most:
        errors[name] = [f"More than {most} {unit} in a day is not believable."]
    elif name == "steps" and value != int(value):
        errors[name] = ["Steps are whole."]
    else:
        return value
    return 0


def _source(value: Any, errors: dict[str, list[str]]) -> Source | None:
    try:
        return Source(value)
    except ValueError:
        errors["source"] = [f"Known sources: {', '.join(Source)}."]
        return None


def _day(value: Any, today: date, latest: date, errors: dict[str, list[str]]) -> date | None:
    if value is None:
        return today
    day = parsed_day(value)
    if day is None:
        errors["date"] = ["Write a day such as 2026-06-01."]
    elif day > latest:
        errors["date"] = ["This day has not begun yet."]
    elif day < FIRST_DAY:
        errors["date"] = ["This day is too long ago."]
    else:
        return day
    return None
