"""Apple Health's export: ``export.xml`` with a ``HealthData`` element, whatever the file is called in the language of
the phone.

Taken are the records of ``TYPES`` that stand directly in it (those inside a correlation stand there a second time).
Distance is every distance that somebody covered under their own strength. Energy is the active one, without what a body
at rest uses.

The export has no ids. What was measured when, by what, makes one; `creationDate` is the version, so that a sample that
was corrected on the phone replaces what it said before, and the same export changes nothing. The moments count in UTC:
the offset that an export writes is that of the phone that made it.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import IO, Any, NamedTuple

from config.core.clock import is_zone
from fitness.importers.items import DamagedFile, Item, content_id
from fitness.importers.markup import Scan

APP = "apple_health"
ON_WHEELS = frozenset({"HKQuantityTypeIdentifierDistanceCycling", "HKQuantityTypeIdentifierDistanceWheelchair"})
TYPES = {
    "HKQuantityTypeIdentifierStepCount": "steps",
    "HKQuantityTypeIdentifierDistanceWalkingRunning": "distance",
    "HKQuantityTypeIdentifierDistanceCycling": "distance",
    "HKQuantityTypeIdentifierDistanceWheelchair": "distance",
    "HKQuantityTypeIdentifierDistanceSwimming": "distance",
    "HKQuantityTypeIdentifierActiveEnergyBurned": "calories",
    "HKQuantityTypeIdentifierAppleExerciseTime": "active_minutes",
}
"""What is taken, and the metric of the wire that it is."""

_METADATA = {"HKWasUserEntered", "HKTimeZone"}
_UNITS = {"Cal": "kcal"}  # a large calorie, as Apple abbreviates it; every other unit is called as on the wire
_KINDS = re.compile(r"watch|phone|ipod|\bring\b|\bband\b", re.IGNORECASE)
_KIND_OF = {"watch": "watch", "phone": "phone", "ipod": "phone", "ring": "ring", "band": "band"}
_WHOLE_BELOW = 10**9
_TEXT = 200  # characters of a name, as many as a sample's source may have


class _Found(NamedTuple):
    """A record that is taken, and the metadata inside it."""

    line: int
    attributes: dict[str, str]
    metadata: dict[str, str]


def read_samples(file: IO[bytes]) -> Iterator[Item]:
    """Sample by sample. Raises WrongFile; a damaged file ends with a problem that says in which line."""
    found: list[_Found] = []
    record: _Found | None = None

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal record
        if scan.depth == 2:
            wanted = name == "Record" and attributes.get("type") in TYPES
            record = _Found(scan.line, attributes, {}) if wanted else None
        elif record is not None and attributes.get("key") in _METADATA:
            record.metadata[attributes["key"]] = attributes.get("value", "")

    def end(name: str) -> None:
        if scan.depth == 2 and record is not None:
            found.append(record)

    scan = Scan(start, end)
    try:
        for _ in scan.chunks(file):
            yield from map(_item, found)
            found.clear()
    except DamagedFile as damage:
        yield from map(_item, found)
        yield Item("line", scan.line, problem=f"The file is damaged, nothing after this was read. {damage}")


def _item(found: _Found) -> Item:
    try:
        return Item("line", found.line, _sample(found.attributes, found.metadata))
    except (KeyError, ValueError, InvalidOperation, OverflowError) as error:
        missing = f"no {error.args[0]}" if isinstance(error, KeyError) else "unreadable date or number"
        return Item("line", found.line, problem=missing)


def _sample(attributes: dict[str, str], metadata: dict[str, str]) -> dict[str, Any]:
    kind_of_record, start, end = attributes["type"], _moment(attributes["startDate"]), _moment(attributes["endDate"])
    made = attributes.get("creationDate")
    device, kind = _device(attributes["sourceName"], attributes.get("device", ""))
    unit, zone = attributes["unit"], metadata.get("HKTimeZone", "")
    value: int | Decimal = Decimal(attributes["value"])
    if TYPES[kind_of_record] == "steps" and 0 <= value < _WHOLE_BELOW:
        value = int(value)  # some apps write halves of steps
    return {
        "id": content_id("apple", kind_of_record, device, int(start.timestamp()), int(end.timestamp())),
        "version": int(_moment(made).timestamp()) if made else 0,
        "type": TYPES[kind_of_record],
        "start": start.isoformat(),
        "end": end.isoformat(),
        "value": value,
        "unit": _UNITS.get(unit, unit),
        "source": {"app": APP, "device": device, "kind": kind},
        "recording": _recording(kind_of_record, metadata),
        "zone": zone if zone and is_zone(zone) else f"{attributes['startDate'][20:23]}:{attributes['startDate'][23:]}",
    }


def _recording(kind_of_record: str, metadata: dict[str, str]) -> str:
    """As if on foot, a hill would be beyond belief in what has wheels."""
    if metadata.get("HKWasUserEntered") == "1":
        return "manual"
    return "active" if kind_of_record in ON_WHEELS else "automatic"


def _moment(text: str) -> datetime:
    """``2024-03-01 08:00:00 +0100``."""
    if len(text) != 25:
        raise ValueError(text[:50])
    return datetime.fromisoformat(text[:19] + text[20:])


@lru_cache(maxsize=1024)
def _device(source_name: str, device: str) -> tuple[str, str]:
    """The device as a sample names it, and its kind. Apple writes ``<<HKDevice: 0x28…>, name:Apple Watch, manufacturer:
    Apple Inc., model:Watch, hardware:Watch6,2, software:9.1>``: the address and the software differ from export to
    export, so they are no part of it. Two apps on one device are two sources, so the name of the app is."""
    fields: dict[str, str] = {}
    for part in device.strip("<>").split(", "):
        key, colon, value = part.partition(":")
        if colon:
            fields[key.strip()] = value.strip()
    hardware = fields.get("hardware") or fields.get("model") or ""
    named = f"{source_name[:150]} ({hardware[:40]})" if hardware else source_name[:_TEXT]
    said = " ".join((fields.get("model", ""), fields.get("name", ""), hardware)) if fields else source_name
    return named, _kind(said)


def _kind(said: str) -> str:
    found = _KINDS.search(said)
    return _KIND_OF[found[0].lower()] if found else "other"
