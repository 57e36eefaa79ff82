"""What a believable sample is: an amount that one source measured between two moments. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal
from typing import Any, NamedTuple

from competitions.rules import BASE_UNITS, DeviceKind
from config.core.clock import is_zone
from fitness.rules import LIMITS, Recording, SampleType, UnbelievableRecord

LONGEST = timedelta(hours=48)
SHORTEST = timedelta(seconds=1)
"""A moment, as some trackers say it, lasts this long."""
AHEAD = timedelta(minutes=10)
"""How far a device's clock may be ahead of ours."""
FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TEXT = 200
MAX_VERSION = 2**63 - 1

UNITS: Mapping[SampleType, Mapping[str, tuple[int, int]]] = {
    SampleType.STEPS: {"count": (1, 1)},
    SampleType.DISTANCE: {
        "m": (1000, 1),
        "km": (1_000_000, 1),
        "mi": (1_609_344, 1),  # the international mile and foot, exact since 1959
        "ft": (3048, 10),
    },
    SampleType.CALORIES: {"kcal": (1000, 1), "kJ": (1_000_000, 4184)},  # the thermochemical calorie, 4.184 J
    SampleType.ACTIVE_MINUTES: {"s": (1, 1), "min": (60, 1), "h": (3600, 1)},
}
"""Base units of scoring.Totals in one unit of the wire, as a fraction."""

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DOWN = Context(prec=60, rounding=ROUND_DOWN)


class SourceKey(NamedTuple):
    """One app on one device, of one person."""

    app: str
    device: str
    kind: DeviceKind


@dataclass(frozen=True, slots=True)
class SampleReading:
    """``amount`` in the base units of scoring.Totals; ``end_at`` is exclusive and after ``start_at``; ``zone`` is where
    the person was, an IANA name or an offset such as ``+13:00``."""

    external_id: str
    version: int
    source: SourceKey
    type: SampleType
    start_at: datetime
    end_at: datetime
    amount: int
    recording: Recording
    zone: str


def read_sample(raw: Any, *, zone: str, now: datetime) -> SampleReading:
    """A sample of the wire, ``{"id", "version"?, "type", "start", "end", "value", "unit", "source": {"app", "device"?,
    "kind"?}, "recording"?, "zone"?}``. ``zone`` stands in for a missing one. Raises UnbelievableRecord with every
    complaint at once."""
    if not isinstance(raw, Mapping):
        raise UnbelievableRecord({"sample": ["Write a JSON object."]})
    errors: dict[str, list[str]] = {}
    type_ = _one_of(SampleType, raw.get("type"), "type", errors)
    start_at, end_at = _span(raw, now, errors)
    sample = (
        read_id(raw.get("id"), errors),
        _version(raw.get("version", 0), errors),
        _source(raw.get("source"), errors),
        type_,
        start_at,
        end_at,
        _amount(raw, type_, errors) if type_ else 0,
        _one_of(Recording, raw.get("recording", Recording.AUTOMATIC), "recording", errors),
        _zone(raw.get("zone", zone), errors),
    )
    if errors:
        raise UnbelievableRecord(errors)
    return SampleReading(*sample)  # type: ignore[arg-type]  # none is missing where nothing was complained about


def read_id(value: Any, errors: dict[str, list[str]]) -> str:
    return _text(value, "id", errors)


def read_moment(value: Any, field: str, errors: dict[str, list[str]]) -> datetime:
    """RFC 3339 with an offset, in UTC; 1970 and a complaint for anything else."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        else:
            if moment >= FIRST_MOMENT:
                return moment
            errors[field] = ["This is too long ago."]
            return FIRST_MOMENT
    errors[field] = ["Write a time with its offset, such as 2026-06-01T06:00:00+02:00."]
    return FIRST_MOMENT


def _text(value: Any, field: str, errors: dict[str, list[str]], *, blank: bool = False) -> str:
    if not isinstance(value, str) or not (value or blank):
        errors[field] = ["Write a text."]
    elif len(value) > MAX_TEXT:
        errors[field] = [f"Write {MAX_TEXT} characters at most."]
    elif _CONTROL.search(value):
        errors[field] = ["Write plain text, without control characters."]
    else:
        return value
    return ""


def _one_of(values: Any, value: Any, field: str, errors: dict[str, list[str]]) -> Any:
    try:
        return values(value)
    except ValueError:
        errors[field] = [f"Write one of {', '.join(values)}."]
        return None


def _version(value: Any, errors: dict[str, list[str]]) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_VERSION:
        errors["version"] = ["Write a whole number from 0 on."]
        return 0
    return value


def _source(value: Any, errors: dict[str, list[str]]) -> SourceKey | None:
    if not isinstance(value, Mapping):
        errors["source"] = ["Say which app on which device measured it: {app, device, kind}."]
        return None
    device, kind = value.get("device"), value.get("kind")
    return SourceKey(
        _text(value.get("app"), "source.app", errors),
        _text("" if device is None else device, "source.device", errors, blank=True),
        _one_of(DeviceKind, DeviceKind.OTHER if kind in (None, "") else kind, "source.kind", errors),
    )


def _span(raw: Mapping[str, Any], now: datetime, errors: dict[str, list[str]]) -> tuple[datetime, datetime]:
    start_at, end_at = read_moment(raw.get("start"), "start", errors), read_moment(raw.get("end"), "end", errors)
    if errors.keys() & {"start", "end"}:
        return start_at, end_at
    if end_at < start_at:
        errors["end"] = ["The end comes before the start."]
    elif end_at - start_at > LONGEST:
        errors["end"] = [f"A sample lasts {LONGEST // timedelta(hours=1)} hours at most."]
    elif start_at > now + AHEAD or end_at > now + AHEAD:
        errors["start" if start_at > now + AHEAD else "end"] = ["This has not happened yet."]
    return start_at, max(end_at, start_at + SHORTEST)


def _amount(raw: Mapping[str, Any], type_: SampleType, errors: dict[str, list[str]]) -> int:
    value, unit = raw.get("value"), raw.get("unit")
    units = UNITS[type_]
    if not isinstance(unit, str) or unit not in units:
        errors["unit"] = [f"Write one of {', '.join(units)}."]
    elif isinstance(value, bool) or not isinstance(value, int | Decimal):
        errors["value"] = ["Write a number."]
    elif isinstance(value, Decimal) and not value.is_finite():
        errors["value"] = ["Write a finite number."]
    elif value < 0:
        errors["value"] = ["This cannot be negative."]
    else:
        return _in_base_units(value, unit, type_, errors)
    return 0


def _in_base_units(value: int | Decimal, unit: str, type_: SampleType, errors: dict[str, list[str]]) -> int:
    times, per = UNITS[type_][unit]
    most, name = LIMITS[type_]
    most_of_base = 2 * most * BASE_UNITS[type_][1]  # of the two days that a sample may last
    if value * per > most_of_base * times if isinstance(value, int) else value > Decimal(most_of_base * per) / times:
        errors["value"] = [f"More than {2 * most} {name} in one sample is not believable."]
    elif type_ is SampleType.STEPS and value != int(value):
        errors["value"] = ["Steps are whole."]
    elif isinstance(value, int):
        return value * times // per
    else:
        return int(_DOWN.divide(_DOWN.multiply(value, Decimal(times)), Decimal(per)))
    return 0


def _zone(value: Any, errors: dict[str, list[str]]) -> str:
    if isinstance(value, str) and is_zone(value):
        return value
    errors["zone"] = ["Write an IANA time zone, such as Europe/Berlin, or an offset, such as +02:00."]
    return ""
