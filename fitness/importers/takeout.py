"""Google Takeout, the zip: Google Fit and Fitbit.

Of Fit's “All Data” only the streams that Fit itself has merged are taken: the others hold the same again, by device and
by step of the calculation. Where an archive has none of those, the quarters of an hour of “Daily activity metrics” are;
never both, since they say the same about other spans. Of Fitbit likewise the minutes of “Global Export Data”, else the
newer tables. What a tracker writes for minutes in which nothing was measured, zeros, says nothing and is left out.
Calories are what these trackers count, which includes what a body at rest uses.
"""

import csv
import json
import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import IO, Any, NamedTuple
from zipfile import ZipInfo

from fitness.importers.archives import Archive
from fitness.importers.items import CHUNK, DamagedFile, Item, content_id, text_lines

MAX_OBJECT = 64 * 1024
"""Characters of one point in a list of JSON."""

FIT_TYPES = {
    "com.google.step_count.delta": ("steps", "count"),
    "com.google.distance.delta": ("distance", "m"),
    "com.google.calories.expended": ("calories", "kcal"),
    "com.google.active_minutes": ("active_minutes", "min"),
}
FIT_COLUMNS = {
    "Step count": ("steps", "count"),
    "Distance (m)": ("distance", "m"),
    "Calories (kcal)": ("calories", "kcal"),
    "Move Minutes count": ("active_minutes", "min"),
}
FITBIT_FILES = {"steps": ("steps", "count"), "distance": ("distance", "cm"), "calories": ("calories", "kcal")}
FITBIT_COLUMNS = {"steps": ("steps", "count"), "distance": ("distance", "m"), "calories": ("calories", "kcal")}

_FIT_HEAD = re.compile(rb'\s*\{\s*"Data Source"\s*:\s*"((?:[^"\\]|\\.){0,1000})"\s*,\s*"Data Points"\s*:\s*\[')
_FIT_MERGED = re.compile(r"derived:(com\.google\.[a-z_.]+):com\.google\.android\.gms:merge_\w+")
_FITBIT_HEAD = re.compile(rb'\s*\[\s*\{\s*"dateTime"\s*:\s*"[^"]{17}"\s*,\s*"value"\s*:\s*"[0-9.]+"')
_FITBIT_NAME = re.compile(r"(?:^|/)(steps|distance|calories)-[0-9]{4}-[0-9]{2}-[0-9]{2}\.json$")
_DAY_NAME = re.compile(r"(?:^|/)([0-9]{4}-[0-9]{2}-[0-9]{2})\.csv$")
_SEPARATOR = re.compile(r"[\s,]*")
_ZERO = timedelta(0)
_MINUTE = timedelta(minutes=1)

_Sample = dict[str, Any] | None


class _Part(NamedTuple):
    """A member that is understood, and how. Of those of one ``family`` only the best ``rank`` is read."""

    info: ZipInfo
    family: str
    rank: int
    read: Callable[[IO[bytes]], Iterator[Item]]


def has_parts(archive: Archive) -> bool:
    return any(_part(archive, info) for info in archive.members())


def read_samples(archive: Archive) -> Iterator[Item]:
    """Sample by sample, member by member. A member that is damaged ends with a problem, and the next one is read.
    Raises WrongFile."""
    parts = [part for info in archive.members() if (part := _part(archive, info))]
    best = {part.family: min(p.rank for p in parts if p.family == part.family) for part in parts}
    for part in parts:
        if part.rank == best[part.family]:
            yield from _read(archive, part)


def _read(archive: Archive, part: _Part) -> Iterator[Item]:
    name = part.info.filename[-100:]
    number = 0
    try:
        with archive.member(part.info) as file:
            for item in part.read(file):
                number = item.number
                yield item._replace(counted=f"{name}: {item.counted}")
    except (DamagedFile, csv.Error) as damage:
        yield Item(f"{name}: after", number, problem=f"The file is damaged, nothing after this was read. {damage}")


def _part(archive: Archive, info: ZipInfo) -> _Part | None:
    head = archive.head(info)
    if found := _FIT_HEAD.match(head):
        merged = _FIT_MERGED.fullmatch(found[1].decode("utf-8", "replace"))
        if merged and merged[1] in FIT_TYPES:
            return _Part(info, "fit", 0, _points)
    elif _FITBIT_HEAD.match(head):
        if named := _FITBIT_NAME.search(info.filename):
            type_, unit = FITBIT_FILES[named[1]]
            return _Part(info, "fitbit", 0, partial(_minutes, type_=type_, unit=unit))
    else:
        return _table(info, head.decode("utf-8-sig", "replace").partition("\n")[0].strip().split(","))
    return None


def _table(info: ZipInfo, columns: list[str]) -> _Part | None:
    day = _DAY_NAME.search(info.filename)
    if columns[:2] == ["Start time", "End time"] and day:
        with suppress(ValueError):
            measured_on = date.fromisoformat(day[1])
            return _Part(info, "fit", 1, partial(_quarters, day=measured_on))
    if columns[0] == "timestamp" and len(columns) > 1 and columns[1] in FITBIT_COLUMNS:
        return _Part(info, "fitbit", 1, partial(_rows, column=columns[1]))
    return None


def _points(file: IO[bytes]) -> Iterator[Item]:
    """Fit's list of points. Nanoseconds since 1970; the device is the one that the point came from."""
    for number, point in _objects(file, after='"Data Points"'):
        yield from _item("point", number, _point, point)


def _point(point: Any) -> list[_Sample]:
    type_, unit = FIT_TYPES[point["dataTypeName"]]
    value = point["fitValue"][0]["value"]
    start, end = (datetime.fromtimestamp(int(point[key]) // 10**9, UTC) for key in ("startTimeNanos", "endTimeNanos"))
    origin = str(point.get("originDataSourceId", "")).split(":")
    device = " ".join(origin[2:5]).encode("utf-8", "replace").decode()[:200] if len(origin) > 4 else ""
    manual = origin[-1] == "user_input"
    amount = value.get("intVal", value.get("fpVal"))
    return [_sample("google_fit", device, type_, start, end, amount, unit, manual=manual)]


def _quarters(file: IO[bytes], day: date) -> Iterator[Item]:
    """A day's table: one row for each quarter of an hour, with times such as ``08:15:00.000+01:00``."""
    reader = csv.DictReader(text_lines(file))
    for row in reader:
        yield from _item("line", reader.line_num, _quarter, row, day)


def _quarter(row: dict[str, Any], day: date) -> list[_Sample]:
    start, end = (datetime.fromisoformat(f"{day}T{row[column]}") for column in ("Start time", "End time"))
    end += timedelta(days=1) if end <= start else _ZERO
    return [
        _sample("google_fit", "", type_, start, end, row[column], unit)
        for column, (type_, unit) in FIT_COLUMNS.items()
        if row.get(column)
    ]


def _minutes(file: IO[bytes], type_: str, unit: str) -> Iterator[Item]:
    """Fitbit's list of minutes: ``{"dateTime": "03/01/24 08:00:00", "value": "12"}``, in UTC."""

    for number, entry in _objects(file):
        yield from _item("entry", number, _minute, entry, type_, unit)


def _minute(entry: Any, type_: str, unit: str) -> list[_Sample]:
    start = datetime.strptime(entry["dateTime"], "%m/%d/%y %H:%M:%S").replace(tzinfo=UTC)
    return [_sample("fitbit", "", type_, start, start + _MINUTE, entry["value"], unit)]


def _rows(file: IO[bytes], column: str) -> Iterator[Item]:
    """Fitbit's newer tables: ``timestamp,steps,data source``, one row for a minute."""
    reader = csv.DictReader(text_lines(file))
    for row in reader:
        yield from _item("line", reader.line_num, _row, row, column)


def _row(row: dict[str, Any], column: str) -> list[_Sample]:
    type_, unit = FITBIT_COLUMNS[column]
    start = datetime.fromisoformat(row["timestamp"])
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    device = (row.get("data source") or "")[:200]
    return [_sample("fitbit", device, type_, start, start + _MINUTE, row[column], unit)]


def _sample(
    app: str,
    device: str,
    type_: str,
    start: datetime,
    end: datetime,
    value: Any,
    unit: str,
    *,
    manual: bool = False,
) -> _Sample:
    """None for a zero."""
    amount = Decimal(str(value))
    if unit == "cm":
        amount, unit = amount / 100, "m"
    if type_ == "steps" and amount == amount.to_integral_value():
        amount = Decimal(int(amount)) if abs(amount) < 10**9 else amount
    if amount == 0:
        return None
    sample: dict[str, Any] = {
        "id": content_id(app, type_, device, int(start.timestamp()), int(end.timestamp())),
        "type": type_,
        "start": start.isoformat(timespec="seconds"),
        "end": end.isoformat(timespec="seconds"),
        "value": amount,
        "unit": unit,
        "source": {"app": app, "device": device},
        "recording": "manual" if manual else "automatic",
    }
    return sample | ({"zone": start.isoformat()[-6:]} if start.utcoffset() else {})


def _item(counted: str, number: int, make: Callable[..., list[_Sample]], *said: Any) -> Iterator[Item]:
    try:
        samples = make(*said)
    except (KeyError, IndexError):
        yield Item(counted, number, problem="something is missing in it")
    except (ValueError, TypeError, AttributeError, InvalidOperation, OverflowError, OSError):
        yield Item(counted, number, problem="unreadable date or number")
    else:
        yield from (Item(counted, number, sample) for sample in samples if sample is not None)


def _objects(file: IO[bytes], after: str = "") -> Iterator[tuple[int, Any]]:
    """The members of a list of JSON, one by one, with their numbers; of the document's own list, or of the one that
    stands ``after`` this key. Raises DamagedFile."""
    decode, read = getincrementaldecoder("utf-8-sig")(errors="replace").decode, json.JSONDecoder(parse_float=Decimal)
    text = decode(file.read(CHUNK))
    at = text.find("[", max(0, text.find(after))) + 1
    number = 0
    while True:
        at = _SEPARATOR.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too
        if text.startswith("]", at):
            return
        try:
            value, at = read.raw_decode(text, at)
        except RecursionError:
            raise DamagedFile(f"Entry {number + 1} is nested too deeply.") from None
        except ValueError:
            more = file.read(CHUNK)
            if not more or len(text) - at > MAX_OBJECT:
                raise DamagedFile(f"Entry {number + 1} does not end, or is no JSON.") from None
            text, at = text[at:] + decode(more), 0
        else:
            number += 1
            yield number, value
