"""Workouts as devices write them: FIT, GPX and TCX.

A workout becomes samples by lap; a GPX track, which has none, by stretches of ten minutes. What was recorded so was
recorded on purpose: ``active``. A stride is two steps.

The libraries are loaded by whoever reads such a file: every process would need thirty megabytes more for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any

from fitness.importers.items import DamagedFile, Item, WrongFile, content_id
from fitness.importers.markup import Scan, without_document_type

if TYPE_CHECKING:
    from gpxpy.gpx import GPXTrackPoint, GPXTrackSegment

MAX_BYTES = 32 * 1024 * 1024
"""Of a workout's file; a day at a point a second is less than that."""
MAX_LAPS = 10_000
MAX_POINTS = 100_000
"""Of a GPX file, which its library holds as a tree: some 130 MiB."""
MAX_ELEMENTS = 10 * MAX_POINTS
"""Of the same, whatever they are called: a point of a watch has eight."""
STRETCH = timedelta(minutes=10)
PAUSE = timedelta(minutes=5)
"""A gap so long between two points is none of the workout."""

_WHOLE = Decimal(1)
_THOUSANDTH = Decimal("0.001")
_GAPS = timedelta(minutes=15)  # every zone's distance from UTC is a multiple


@dataclass(frozen=True)
class Lap:
    """A part of a workout. ``active_s`` leaves pauses out; what is None was not measured."""

    start: datetime
    end: datetime
    active_s: float | None = None
    distance_m: float | None = None
    calories: float | None = None
    steps: int | None = None

    def samples(self, app: str, device: str, kind: str, zone: str = "") -> Iterator[dict[str, Any]]:
        measured = (
            ("distance", self.distance_m, "m"),
            ("calories", self.calories, "kcal"),
            ("active_minutes", self.active_s, "s"),
            ("steps", self.steps, "count"),
        )
        for type_, value, unit in measured:
            if value:
                sample = {
                    "id": content_id("workout", app, device, type_, int(self.start.timestamp())),
                    "type": type_,
                    "start": self.start.isoformat(timespec="seconds"),
                    "end": self.end.isoformat(timespec="seconds"),
                    "value": Decimal(value).quantize(_WHOLE if unit == "count" else _THOUSANDTH),
                    "unit": unit,
                    "source": {"app": app[:200] or "workout", "device": device[:200], "kind": kind},
                    "recording": "active",
                }
                yield sample | ({"zone": zone} if zone else {})


# --- FIT ----------------------------------------------------------------------------------------------------------


def read_fit(file: IO[bytes]) -> Iterator[Item]:
    """A file of Garmin's Flexible and Interoperable Data Transfer. Its sessions count where it has no laps."""
    import fitdecode

    found: dict[str, list[_Fields]] = {"lap": [], "session": [], "file_id": [], "activity": []}
    damage = ""
    try:
        with fitdecode.FitReader(
            BytesIO(_whole(file)),
            check_crc=fitdecode.CrcCheck.RAISE,
            error_handling=fitdecode.ErrorHandling.IGNORE,
        ) as frames:
            for frame in frames:
                if frame.frame_type == fitdecode.FIT_FRAME_DATA and len(found.get(frame.name, _FULL)) < MAX_LAPS:
                    found[frame.name].append({name: frame.get_value(name, fallback=None) for name in _FIT_FIELDS})
    except WrongFile:
        raise
    except Exception as error:  # whatever bytes may do to a decoder that trusts them
        damage = f"The file is damaged, nothing after this was read. {type(error).__name__}: {error}"[:300]
    yield from _fit_laps(found)
    if damage or not (found["lap"] or found["session"]):
        laps = len(found["lap"])
        yield Item("lap", laps, problem=damage or "This is no workout: there is neither a lap nor a session in it.")


_Fields = dict[str, Any]
_FIT_FIELDS = (
    *("start_time", "total_elapsed_time", "total_timer_time", "total_distance", "total_calories", "total_strides"),
    *("manufacturer", "garmin_product", "product_name", "product", "local_timestamp", "timestamp"),
)
"""What is kept of a message: all of it may be thirty thousand bytes of objects."""
_FULL: list[_Fields] = [{}] * MAX_LAPS


def _fit_laps(found: dict[str, list[_Fields]]) -> Iterator[Item]:
    maker = found["file_id"][0] if found["file_id"] else {}
    app = str(maker.get("manufacturer") or "fit")
    device = str(maker.get("garmin_product") or maker.get("product_name") or maker.get("product") or "")
    zone = _fit_zone(found["activity"][0]) if found["activity"] else ""
    counted = "lap" if found["lap"] else "session"
    for number, fields in enumerate(found[counted], 1):
        try:
            samples = list(_fit_lap(fields).samples(app, device, "other", zone))
        except (TypeError, ValueError, ArithmeticError):
            yield Item(counted, number, problem="its start or length is missing or unreadable")
        else:
            yield from (Item(counted, number, sample) for sample in samples)


def _fit_lap(fields: _Fields) -> Lap:
    start, strides = fields["start_time"], fields["total_strides"]
    return Lap(
        start=start,
        end=start + timedelta(seconds=fields["total_elapsed_time"]),
        active_s=fields["total_timer_time"],
        distance_m=fields["total_distance"],
        calories=fields["total_calories"],
        steps=2 * strides if strides else None,
    )


def _fit_zone(activity: _Fields) -> str:
    """The offset at which the watch's own clock stood, such as ``+13:00``; empty where it does not say."""
    local, moment = activity["local_timestamp"], activity["timestamp"]
    if not isinstance(local, datetime) or not isinstance(moment, datetime):
        return ""
    quarters = round((local.replace(tzinfo=UTC) - moment) / _GAPS)
    sign, minutes = "-" if quarters < 0 else "+", abs(quarters) * 15
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}" if minutes <= 14 * 60 else ""


# --- GPX ----------------------------------------------------------------------------------------------------------


def read_gpx(file: IO[bytes]) -> Iterator[Item]:
    """Tracks with times. Distance is that of the points over ground."""
    import gpxpy

    document = _whole(file)
    points = elements = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal points, elements
        points += name.rpartition(":")[2] in _GPX_POINTS
        elements += 1
        if points > MAX_POINTS:
            raise WrongFile(f"A track may have {MAX_POINTS} points at most.")
        if elements > MAX_ELEMENTS:
            raise WrongFile(f"A track may have {MAX_ELEMENTS} elements at most.")

    scan = Scan(start, lambda name: None)
    try:
        for _ in scan.chunks(BytesIO(document)):
            pass
        gpx = gpxpy.parse(b"".join(without_document_type(BytesIO(document))))
    except (DamagedFile, gpxpy.gpx.GPXException, ValueError) as damage:
        if isinstance(damage, WrongFile):
            raise
        yield Item("point", points, problem=f"The file is damaged, nothing of it was taken. {damage}"[:300])
        return
    segments = (segment for track in gpx.tracks for segment in track.segments)
    number = 0
    for segment in segments:
        for lap in _stretches(segment):
            number += 1
            yield from (Item("stretch", number, sample) for sample in lap.samples(gpx.creator or "", "", "other"))
    if not number:
        yield Item("point", points, problem="There is no track with times in it.")


_GPX_POINTS = frozenset({"trkpt", "rtept", "wpt", "trkseg", "trk", "rte"})
"""Elements of which the library makes an object each."""


def _stretches(segment: "GPXTrackSegment") -> Iterator[Lap]:
    """The segment cut at pauses, and after ten minutes."""
    points = [point for point in segment.points if point.time is not None and _is_on_earth(point)]
    begun: datetime | None = None
    end, distance = datetime.min.replace(tzinfo=UTC), 0.0
    for before, point in pairwise(points):
        at, until = _time_of(before), _time_of(point)
        if begun is not None and (until - begun > STRETCH or at != end):
            yield Lap(begun, end, (end - begun).total_seconds(), distance)
            begun = None
        if _ZERO < until - at <= PAUSE:
            if begun is None:
                begun, distance = at, 0.0
            end, distance = until, distance + (before.distance_2d(point) or 0.0)
    if begun is not None:
        yield Lap(begun, end, (end - begun).total_seconds(), distance)


_ZERO = timedelta(0)


def _time_of(point: "GPXTrackPoint") -> datetime:
    assert point.time is not None
    return point.time if point.time.tzinfo else point.time.replace(tzinfo=UTC)


def _is_on_earth(point: "GPXTrackPoint") -> bool:
    """Not so for what is no number, or infinite: nothing can be worked out from there."""
    return abs(point.latitude) <= 90 and abs(point.longitude) <= 180


# --- TCX ----------------------------------------------------------------------------------------------------------

_TCX_VALUES = {
    ("Lap", "TotalTimeSeconds"): "seconds",
    ("Lap", "DistanceMeters"): "metres",
    ("Lap", "Calories"): "calories",
    ("LX", "Steps"): "steps",
    ("Creator", "Name"): "device",
}


def read_tcx(file: IO[bytes]) -> Iterator[Item]:
    """A Training Center database, read here as a stream: no library that was found knows when a lap began, and the one
    that is looked after drops laps without positions, which are those indoors."""
    path: list[str] = []
    lap: dict[str, str] = {}
    laps: list[dict[str, str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        path.append(name.rpartition(":")[2])
        if path[-1] == "Lap":
            lap.clear()
            lap["start"] = attributes.get("StartTime", "")[:_LONGEST_VALUE]

    def text(content: str) -> None:
        wanted = _TCX_VALUES.get((path[-2], path[-1])) if len(path) > 1 else None
        if wanted and len(lap.get(wanted, "")) < _LONGEST_VALUE:
            lap[wanted] = (lap.get(wanted, "") + content)[:_LONGEST_VALUE]

    def end(name: str) -> None:
        if path.pop() == "Lap":
            laps.append(dict(lap))
            if len(laps) > MAX_LAPS:
                raise WrongFile(f"A workout may have {MAX_LAPS} laps at most.")

    problem = ""
    try:
        for _ in Scan(start, end, text).chunks(file):
            pass
    except DamagedFile as damage:
        problem = f"The file is damaged, nothing after this was read. {damage}"
    device = lap.get("device", "").strip()  # the creator stands behind the laps
    for number, known in enumerate(laps, 1):
        yield from _tcx_lap(number, known, device)
    if problem or not laps:
        yield Item("lap", len(laps), problem=problem or "There is no lap in it.")


_LONGEST_VALUE = 200


def _tcx_lap(number: int, known: dict[str, str], device: str) -> Iterator[Item]:
    try:
        start = datetime.fromisoformat(known["start"])
        seconds = float(known["seconds"])
        lap = Lap(
            start=start if start.tzinfo else start.replace(tzinfo=UTC),
            end=start + timedelta(seconds=seconds),
            active_s=seconds,
            distance_m=float(known.get("metres", 0)),
            calories=float(known.get("calories", 0)),
            steps=int(known.get("steps", 0)),
        )
        samples = list(lap.samples("tcx", device, "other"))
    except (KeyError, ValueError, ArithmeticError):
        yield Item("lap", number, problem="its start, length or an amount is missing or unreadable")
    else:
        yield from (Item("lap", number, sample) for sample in samples)


def _whole(file: IO[bytes]) -> bytes:
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise WrongFile(f"A workout's file may have {MAX_BYTES} bytes at most.")
    return data
