"""The daily-activity export of a tracker, as published in R. Furberg et al., “Crowd-sourced Fitbit datasets”, Zenodo.

One row per person and day: ``Id``, ``ActivityDate`` (month/day/year, with or without leading zeros), ``TotalSteps``
written as ``13162.00``, ``TotalDistance`` in kilometres, minutes by intensity, ``Calories``. Sedentary minutes are not
active.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import IO, Any

from fitness.importers.items import DamagedFile, Item, WrongFile, text_lines

COLUMNS = ("Id", "ActivityDate", "TotalSteps", "TotalDistance", "Calories")
_ACTIVE = ("VeryActiveMinutes", "FairlyActiveMinutes", "LightlyActiveMinutes")


@dataclass(frozen=True)
class Row:
    """One line of the file. ``record`` is in wire units, or None where the line makes no sense: then ``problem`` says
    why."""

    line: int
    person: str
    record: dict[str, Any] | None
    problem: str = ""


def read_records(file: IO[bytes]) -> Iterator[Item]:
    """The days of one person; rows of anybody but the first are problems. Raises WrongFile."""
    owner = ""
    try:
        for row in read_rows(text_lines(file)):
            owner = owner or row.person
            if row.record is not None and row.person != owner:
                yield Item("line", row.line, problem="another person")
            else:
                yield Item("line", row.line, record=row.record, problem=row.problem)
    except DamagedFile as damage:
        yield Item("line", 0, problem=f"The file is damaged, nothing after this was read. {damage}")


def read_rows(lines: Iterable[str]) -> Iterator[Row]:
    """Rows one by one, so that a file of any size needs the memory of one. Raises WrongFile."""
    reader = csv.DictReader(lines)
    missing = [column for column in (*COLUMNS, *_ACTIVE) if column not in (reader.fieldnames or ())]
    if missing:
        raise WrongFile(f"The file has no column {', '.join(missing)}.")
    try:
        for row in reader:
            yield _read(reader.line_num, row)
    except csv.Error as error:  # a quotation that does not end
        yield Row(reader.line_num, "", None, str(error))


def _read(line: int, row: dict[str, str]) -> Row:
    person = (row["Id"] or "").strip()
    if not person:
        return Row(line, "", None, "no person")
    if None in row.values():
        return Row(line, person, None, "the line ends early")
    try:
        return Row(line, person, _record(row))
    except (ValueError, InvalidOperation, TypeError) as error:
        return Row(line, person, None, str(error) or "unreadable number")


def _record(row: dict[str, str]) -> dict[str, Any]:
    return {
        "date": _day(row["ActivityDate"]).isoformat(),
        "steps": Decimal(row["TotalSteps"]),
        "distance": Decimal(row["TotalDistance"]) * 1000,
        "calories": Decimal(row["Calories"]),
        "active_minutes": sum((Decimal(row[column]) for column in _ACTIVE), Decimal(0)),
        "source": "fitbit",
    }


def _day(text: str) -> date:
    return datetime.strptime(text.strip(), "%m/%d/%Y").date()  # noqa: DTZ007 - a calendar day has no zone
