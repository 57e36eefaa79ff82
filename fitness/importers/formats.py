"""The formats that can be imported, recognised by what is in a file and never by what it is called."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import SEEK_SET
from typing import IO

from fitness.importers import apple_health, fitbit_csv, takeout, workouts
from fitness.importers.archives import Archive
from fitness.importers.items import CHUNK, Item, WrongFile
from fitness.importers.markup import root_of

ROOTS = {
    "HealthData": "apple-health",
    "gpx": "gpx",
    "TrainingCenterDatabase": "tcx",
}


@dataclass(frozen=True)
class Format:
    """``read`` yields what a file says, item by item, in the same order each time. It raises WrongFile for a file that
    nobody should read on; what is merely damaged ends with a problem."""

    name: str
    title: str
    read: Callable[[IO[bytes]], Iterator[Item]]


def _read_apple_health(file: IO[bytes]) -> Iterator[Item]:
    if not _is_zip(_head(file)):
        yield from apple_health.read_samples(file)
        return
    archive = Archive(file)
    for info in archive.members():
        if root_of(archive.head(info)) == "HealthData":
            with archive.member(info) as member:
                yield from apple_health.read_samples(member)
            return


def _read_takeout(file: IO[bytes]) -> Iterator[Item]:
    yield from takeout.read_samples(Archive(file))


FORMATS = {
    known.name: known
    for known in (
        Format("apple-health", "Apple Health: export.xml or its zip", _read_apple_health),
        Format("google-takeout", "Google Takeout: a zip with Fit or Fitbit", _read_takeout),
        Format("fitbit-csv", "A tracker's daily table (CSV)", fitbit_csv.read_records),
        Format("fit", "FIT: a workout", workouts.read_fit),
        Format("gpx", "GPX: a workout", workouts.read_gpx),
        Format("tcx", "TCX: a workout", workouts.read_tcx),
    )
}


def format_of(file: IO[bytes]) -> Format:
    """What a file is; it is left at its beginning. Raises WrongFile for none of the formats."""
    name = _name_of(file)
    file.seek(0, SEEK_SET)
    if name is None:
        raise WrongFile(f"The file is none of {', '.join(FORMATS)}.")
    return FORMATS[name]


def _name_of(file: IO[bytes]) -> str | None:
    head = _head(file)
    if _is_zip(head):
        return _archive_name(Archive(file))
    if head[8:12] == b".FIT":
        return "fit"
    first_line = head.decode("utf-8-sig", "replace").partition("\n")[0].strip().split(",")
    if set(fitbit_csv.COLUMNS) <= set(first_line):
        return "fitbit-csv"
    return ROOTS.get(root_of(head))


def _archive_name(archive: Archive) -> str | None:
    if any(root_of(archive.head(info)) == "HealthData" for info in archive.members()):
        return "apple-health"
    return "google-takeout" if takeout.has_parts(archive) else None


def _head(file: IO[bytes]) -> bytes:
    file.seek(0, SEEK_SET)
    head = file.read(CHUNK)
    file.seek(0, SEEK_SET)
    return head


def _is_zip(head: bytes) -> bool:
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))
