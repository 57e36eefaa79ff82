"""The daily-activity export of a tracker, as published in R. Furberg et al., “Crowd-sourced Fitbit datasets”, Zenodo.

One row per person and day: ``Id``, ``ActivityDate`` (month/day/year, with or without leading zeros), ``TotalSteps``
written as ``13162.00``, ``TotalDistance`` in kilometres, minutes by intensity, ``Calories``. Sedentary minutes are not
active.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import IO, Any

_COLUMNS = ("Id", "ActivityDate", "TotalSteps", "TotalDistance", "Calories")
_ACTIVE = ("VeryActiveMinutes", "FairlyActiveMinutes", "LightlyActiveMinutes")


class WrongFile(ValueError):
    """This is not such an export; the text says what is missing."""


@dataclass(frozen=True)
class Row:
    """One line of the file. ``record`` is in wire units, or None where the line makes no sense: then ``problem`` says
    why."""

    line: int
    person: str
    record: dict[str, Any] | None
    problem: str = ""


def read_rows(file: IO[str]) -> Iterator[Row]:
    """Lines one by one, so that a file of any size needs the memory of one. Raises WrongFile."""
    reader = csv.DictReader(file)
    missing = [column for column in (*_COLUMNS, *_ACTIVE) if column not in (reader.fieldnames or ())]
    if missing:
        raise WrongFile(f"The file has no column {', '.join(missing)}.")
    for row in reader:
        yield _read(reader.line_num, row)


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
