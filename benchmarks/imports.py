"""Imports: an export of Apple Health as large as people have them, into PostgreSQL; beside it, what it takes only to
read the same file as a tree."""

import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

from accounts.models import User
from benchmarks.figures import FIGURES, say
from benchmarks.stage import BenchError, NotMeasured, Stage, attempt, cpu_seconds, most_resident_kib, started
from competitions.rules import Kind, span_of
from competitions.services.enrolment import join_competition
from competitions.services.lifecycle import create_competition

BYTES = 500 * 1000 * 1000
QUICK_BYTES = 10 * 1000 * 1000
RECORD_BYTES = 372  # of one in the file, about
WITHIN = 900.0  # seconds, then it is given up

_WATCH = (
    "Ada’s Apple Watch",
    "&lt;&lt;HKDevice: 0x28c4f1a40&gt;, name:Apple Watch, manufacturer:Apple Inc., model:Watch, hardware:Watch6,2&gt;",
)
_PHONE = (
    "Ada’s iPhone",
    "&lt;&lt;HKDevice: 0x28c4f2d00&gt;, name:iPhone, manufacturer:Apple Inc., model:iPhone, hardware:iPhone14,5&gt;",
)


class _Series(NamedTuple):
    """Records of one type from one source: ``share`` of all, each some ``seconds`` long, with values up to ``most``."""

    type: str
    unit: str
    source: tuple[str, str]
    share: float
    seconds: int
    most: int


_SERIES = (
    _Series("HeartRate", "count/min", _WATCH, 0.33, 5, 180),
    _Series("StepCount", "count", _PHONE, 0.06, 300, 400),
    _Series("StepCount", "count", _WATCH, 0.06, 300, 400),
    _Series("DistanceWalkingRunning", "km", _PHONE, 0.05, 300, 1),
    _Series("DistanceWalkingRunning", "km", _WATCH, 0.05, 60, 1),
    _Series("BasalEnergyBurned", "kcal", _WATCH, 0.20, 120, 3),
    _Series("ActiveEnergyBurned", "kcal", _WATCH, 0.12, 60, 9),
    _Series("RespiratoryRate", "count/min", _WATCH, 0.06, 60, 20),
    _Series("OxygenSaturation", "%", _WATCH, 0.03, 15, 1),
    _Series("AppleStandTime", "min", _WATCH, 0.03, 300, 5),
    _Series("AppleExerciseTime", "min", _WATCH, 0.01, 60, 1),
)
"""As the export has them, type by type. 35 % are of types that are taken, the larger part of those measured by two
devices at once."""

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary)*)>
<!ATTLIST HealthData
  locale CDATA #REQUIRED
>
]>
<HealthData locale="en_GB">
 <ExportDate value="{end:%Y-%m-%d %H:%M:%S} +0000"/>
"""


def measure(stage: Stage) -> None:
    size = QUICK_BYTES if stage.quick else BYTES
    stage.report.notes.append(
        f"Imports: an export.xml of {size / 10**6:.0f} MB, {size // RECORD_BYTES:,} records of five years and two"
        " devices, 35 % of them of types that are taken; its person takes part in a competition of the last 30 days."
        " `manage.py import_activities`, with the start of Python; PostgreSQL is another process."
    )
    keys = [figure.key for figure in FIGURES if figure.section == "imports"]
    attempt(stage, keys, partial(_measure, stage, size))


def _measure(stage: Stage, size: int) -> None:
    file = stage.folder / "export.xml"
    say(f"imports: writing {size / 10**6:.0f} MB")
    write_export(file, size, datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    person = _walker()
    command = ["manage.py", "import_activities", str(file), "--user", str(person.id), "--json"]
    asked = size == BYTES
    first = _run(stage, command, "import")
    note = f"{first.found['accepted']:,} samples, {first.busy:.0f} s of a core without PostgreSQL's"
    stage.report.take("imports.seconds", first.seconds, note, as_asked=asked)
    stage.report.take("imports.memory", first.most_mib, as_asked=asked)
    again = _run(stage, command, "again")
    if first.found["accepted"] != again.found["unchanged"] or again.found["accepted"]:
        raise BenchError(f"a second import changed something: {first.found} and then {again.found}")
    stage.report.take("imports.again", again.seconds, f"{again.found['unchanged']:,} samples, all known")
    tree = _run(stage, ["-c", _TREE, str(file)], "tree")
    stage.report.take("imports.tree", tree.seconds, as_asked=asked)
    stage.report.take("imports.tree_memory", tree.most_mib, as_asked=asked)
    file.unlink()


_TREE = """
import json, sys
from xml.etree.ElementTree import parse
print(json.dumps([{"records": len(parse(sys.argv[1]).findall("Record"))}]))
"""


class _Run(NamedTuple):
    """``busy``: seconds of a core that the process took."""

    seconds: float
    busy: float
    most_mib: float
    found: dict[str, int]


def _run(stage: Stage, command: Sequence[str], name: str) -> _Run:
    """Runs Python to its end. Raises NotMeasured when that takes too long, BenchError when it fails."""
    begun, log = time.monotonic(), stage.folder / f"{name}.log"
    most_kib, busy = 0, 0.0
    with started([sys.executable, *command], stage.environ, core=None, log=log) as process:
        while process.poll() is None:
            if time.monotonic() - begun > WITHIN:
                raise NotMeasured(f"not done after {WITHIN:.0f} s")
            most_kib = max(most_kib, most_resident_kib(process.pid))
            busy = cpu_seconds(process.pid)
            time.sleep(0.05)
    seconds, said = time.monotonic() - begun, log.read_text()
    if process.returncode != 0:
        raise BenchError(f"{' '.join(command[:2])} failed: {said[-1000:]}")
    return _Run(seconds, busy, most_kib / 1024, json.loads(said)[0])


def _walker() -> User:
    """Somebody in a competition that has run for a month."""
    now = datetime.now(UTC)
    person = User.objects.create(name="Ada", email="ada@imports.example")
    span = span_of(now.date() - timedelta(days=29), now.date() + timedelta(days=1), "UTC", Kind.CUSTOM)
    competition = create_competition(owner=person, fields={"name": "Month"}, span=span, published=True, now=now)
    join_competition(competition=competition, user_id=person.id, join_code=competition.join_code, now=now)
    return person


def write_export(file: Path, size: int, end: datetime) -> None:
    """An export of about ``size`` bytes whose records end shortly before ``end``; the same for the same arguments."""
    records = size // RECORD_BYTES
    begin = end - timedelta(days=5 * 365)
    with file.open("w", encoding="utf-8") as out:
        out.write(_HEAD.format(end=end))
        for number, series in enumerate(_SERIES):
            out.writelines(_records(series, number, begin, end, int(records * series.share)))
        out.write("</HealthData>\n")


def _records(series: _Series, seed: int, begin: datetime, end: datetime, count: int) -> Iterator[str]:
    numbers = random.Random(seed)  # noqa: S311 - the same each time
    name, device = series.source
    step = (end - begin - timedelta(hours=1)) / max(1, count)
    for number in range(count):
        start = begin + step * number + timedelta(seconds=numbers.randrange(30))
        stop = start + timedelta(seconds=numbers.randrange(1, series.seconds + 1))
        value = numbers.randrange(1, series.most + 1) if series.most > 1 else round(numbers.random(), 5)
        yield (
            f' <Record type="HKQuantityTypeIdentifier{series.type}" sourceName="{name}" sourceVersion="10.3"'
            f' device="{device}" unit="{series.unit}" creationDate="{stop:%Y-%m-%d %H:%M:%S} +0000"'
            f' startDate="{start:%Y-%m-%d %H:%M:%S} +0000" endDate="{stop:%Y-%m-%d %H:%M:%S} +0000"'
            f' value="{value}"/>\n'
        )
