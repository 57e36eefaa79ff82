"""What is measured, what is to be reached, and the table of both. No figure stands here, only what to expect of it."""

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

SECTIONS = ("reads", "frames", "writes", "boards", "samples", "imports")
SIZES = (1_000, 10_000, 100_000, 1_000_000)
CROWDS = (2_000, 10_000)


@dataclass(frozen=True)
class Target:
    """``bound`` is in the figure's own unit, or so many times the figure ``of``; None: only the ratio is shown."""

    sense: Literal["≥", "≤", "beside"]
    bound: float | None = None
    of: str | None = None


@dataclass(frozen=True)
class Figure:
    key: str
    what: str
    unit: str
    targets: tuple[Target, ...] = ()
    short: str = ""
    """What it is called where another figure is compared with it."""

    @property
    def section(self) -> str:
        return self.key.partition(".")[0]


@dataclass(frozen=True)
class Taken:
    """A figure as it was measured; ``value`` None: it could not be, and the note says why. ``as_asked``: under the
    conditions that its targets are meant for; otherwise nothing is said of those."""

    value: float | None
    note: str = ""
    as_asked: bool = True


def at_least(bound: float, of: str | None = None) -> Target:
    return Target("≥", bound, of)


def at_most(bound: float, of: str | None = None) -> Target:
    return Target("≤", bound, of)


def beside(of: str) -> Target:
    return Target("beside", None, of)


def _frames(sockets: int) -> list[Figure]:
    crowd = f"{sockets:,} sockets"
    return [
        Figure(
            f"frames.hub_{sockets}",
            f"hub, {crowd}",
            "frames/s",
            (
                at_least(50_000),
                at_least(0.5, of=f"frames.writer_{sockets}"),
                at_least(10, of=f"frames.group_{sockets}"),
            ),
        ),
        Figure(f"frames.group_{sockets}", f"stock Channels group, {crowd}", "frames/s", short="the group"),
        Figure(
            f"frames.writer_{sockets}",
            f"a C loop that only writes ready frames, {crowd}",
            "frames/s",
            short="the C loop",
        ),
    ]


def _board(size: int) -> list[Figure]:
    """The targets are of the largest board; the smaller ones show how it grows."""
    largest = size == SIZES[-1]
    quick, rebuilt, small = (at_most(5),), (at_most(60),), (at_most(300),)
    rows = [
        Figure(f"boards.{name}_{kind}_{size}", f"{size:,} participants: {what}, {how}, p99", "ms", targets)
        for name, what, targets in (
            ("rank", "rank", quick if largest else ()),
            ("around", "around me", quick if largest else ()),
            ("page", "a page in the middle", ()),
        )
        for kind, how in (("function", "the query itself"), ("http", "over HTTP"))
    ]
    return [
        *rows,
        Figure(f"boards.sync_http_{size}", f"{size:,} participants: one sync, over HTTP, p99", "ms"),
        Figure(f"boards.rebuild_{size}", f"{size:,} participants: rebuild", "s", rebuilt if largest else ()),
        Figure(
            f"boards.rebuild_memory_{size}",
            f"{size:,} participants: rebuilding process, at most",
            "MiB",
            small if largest else (),
        ),
    ]


FIGURES: tuple[Figure, ...] = (
    Figure(
        "reads.snapshot",
        "top 100, the server as shipped",
        "requests/s",
        (
            at_least(1, of="reads.zrevrange"),
            at_least(0.4, of="reads.nginx"),
            at_least(25, of="reads.drf_uvicorn"),
            at_least(25, of="reads.drf_daphne"),
        ),
        short="one person's",
    ),
    Figure("reads.people", "the same, asked for by 1,000 people in turn", "requests/s", (beside("reads.snapshot"),)),
    Figure("reads.unchanged", "the same, If-None-Match: 304", "requests/s", (beside("reads.snapshot"),)),
    Figure("reads.drf_uvicorn", "top 100, the DRF view alone, uvicorn", "requests/s", short="DRF on uvicorn"),
    Figure("reads.drf_daphne", "top 100, the DRF view alone, daphne", "requests/s", short="DRF on daphne"),
    Figure("reads.zrevrange", "ZREVRANGE 0 99 WITHSCORES, over TCP", "requests/s", short="ZREVRANGE"),
    Figure("reads.zrevrange_unix", "ZREVRANGE 0 99 WITHSCORES, over a Unix socket", "requests/s"),
    Figure("reads.nginx", "nginx, the same bytes as a static file", "requests/s", short="nginx"),
    *(figure for sockets in CROWDS for figure in _frames(sockets)),
    Figure("frames.connect", "sockets opened, until each has its first frame", "sockets/s"),
    Figure("frames.memory", f"memory of a socket, {CROWDS[-1]:,} of them", "KiB", (at_most(40),)),
    Figure("frames.pace", "changes a second while these watch, of 50 that are sent", "changes/s", (at_least(45),)),
    Figure("frames.every_p50", "acknowledgement → every socket, p50", "ms"),
    Figure("frames.every_p95", "acknowledgement → every socket, p95", "ms"),
    Figure("frames.every_p99", "acknowledgement → every socket, p99", "ms", short="without stalled ones"),
    Figure("frames.last_p50", "acknowledgement → the last socket, p50", "ms"),
    Figure("frames.last_p95", "acknowledgement → the last socket, p95", "ms"),
    Figure("frames.last_p99", "acknowledgement → the last socket, p99", "ms", (at_most(500),)),
    Figure(
        "frames.stalled_p99",
        "5 % of the sockets stalled: acknowledgement → every other socket, p99",
        "ms",
        (at_most(1.1, of="frames.every_p99"),),
    ),
    Figure("frames.stalled_memory", "5 % of the sockets stalled: more memory", "MiB", (at_most(50),)),
    Figure(
        "writes.grouped",
        "durable syncs, the server as shipped",
        "syncs/s",
        (at_least(2_500), beside("writes.single"), beside("writes.alone")),
    ),
    Figure("writes.grouped_p50", "durable syncs, p50", "ms"),
    Figure("writes.grouped_p99", "durable syncs, p99", "ms", (at_most(60),)),
    Figure("writes.single", "durable syncs, the DRF view alone", "syncs/s", short="the DRF view alone"),
    Figure("writes.alone", "durable syncs, one after the other", "syncs/s", short="one after the other"),
    Figure("writes.found", "acknowledged rows found after kill -9 of PostgreSQL", "%", (at_least(100),)),
    *(figure for size in SIZES for figure in _board(size)),
    Figure(
        "samples.request",
        "10,000 samples in one request, until they count",
        "s",
        (at_most(1), beside("samples.records")),
    ),
    Figure("samples.again", "the same request once more", "s"),
    Figure("samples.records", "10,000 day totals instead", "s", short="day totals"),
    Figure("samples.recount", "10,000 participants × 30 days × 2 sources counted anew", "s", (at_most(30),)),
    Figure("samples.recount_again", "the same once more, where nothing has changed", "s"),
    Figure(
        "imports.seconds", "export.xml of 500 MB, until all of it counts", "s", (at_most(120), beside("imports.tree"))
    ),
    Figure(
        "imports.memory",
        "export.xml of 500 MB: the importing process, at most",
        "MiB",
        (at_most(200), beside("imports.tree_memory")),
    ),
    Figure("imports.again", "the same file once more", "s"),
    Figure("imports.tree", "ElementTree.parse of the same file, which keeps nothing", "s", short="the tree alone"),
    Figure("imports.tree_memory", "ElementTree.parse of the same file: at most", "MiB", short="the tree"),
)


@dataclass
class Report:
    """What was taken so far, by key; says each as it comes. ``notes`` stand below the table; ``failures`` are what went
    wrong with things that should have worked."""

    taken: dict[str, Taken] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def take(self, key: str, value: float, note: str = "", *, as_asked: bool = True) -> None:
        figure = _figure(key)
        self.taken[key] = Taken(value, note, as_asked)
        say(f"{figure.section}: {figure.what}: {shown(self.taken[key], figure.unit)}{note and f' ({note})'}")

    def give_up(self, keys: Iterable[str], reason: str) -> None:
        """None of these could be taken, as far as they are not taken already."""
        missing = [key for key in keys if key not in self.taken]
        self.taken |= {key: Taken(None, reason) for key in missing}
        if missing:
            say(f"{', '.join(missing)}: not measured ({reason})")


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def shown(taken: Taken, unit: str) -> str:
    if taken.value is None:
        return "not measured"
    digits = 0 if abs(taken.value) >= 100 or taken.value == int(taken.value) else 2 if abs(taken.value) < 10 else 1
    return f"{taken.value:,.{digits}f} {unit}"


def verdicts(figure: Figure, taken: Mapping[str, Taken]) -> Iterator[tuple[str, bool | None]]:
    """Each target of a figure in words, and whether it is reached; None where that cannot be said."""
    own = taken[figure.key]
    for target in figure.targets:
        other = taken.get(target.of, Taken(None)) if target.of else Taken(1.0)  # so many times one
        wanted = "" if target.bound is None else f"{target.sense} {target.bound:,g} "
        wanted += f"× {_figure(target.of).short}" if target.of else figure.unit
        judged = (own.as_asked and other.as_asked) or target.bound is None
        if own.value is None or not other.value or not judged:
            yield f"{wanted}: not known", None
            continue
        value, base = own.value, other.value
        if target.bound is None:
            yield f"{value / base:,.2f} {wanted}", None
            continue
        ratio = f" ({value / base:,.2f} ×)" if target.of else ""
        reached = value >= target.bound * base if target.sense == "≥" else value <= target.bound * base
        yield f"{wanted}{ratio}: {'reached' if reached else 'not reached'}", reached


def _figure(key: str) -> Figure:
    return next(figure for figure in FIGURES if figure.key == key)


def rows(report: Report, sections: Collection[str]) -> list[dict[str, Any]]:
    """One row for each figure of these sections, in the order of FIGURES."""
    taken = {f.key: report.taken.get(f.key, Taken(None, "its section did not get so far")) for f in FIGURES}
    return [
        {
            "key": figure.key,
            "what": figure.what,
            "value": taken[figure.key].value,
            "unit": figure.unit,
            "measured": shown(taken[figure.key], figure.unit),
            "note": taken[figure.key].note,
            "targets": [{"target": text, "reached": reached} for text, reached in verdicts(figure, taken)],
        }
        for figure in FIGURES
        if figure.section in sections
    ]


def print_table(table_rows: list[dict[str, Any]], notes: list[str], machine: str) -> None:
    table = Table(title=f"make bench: {machine}", title_justify="left", show_lines=False)
    table.add_column("figure", overflow="fold")
    table.add_column("measured", justify="right", overflow="fold")
    table.add_column("beside what was to be reached", overflow="fold")
    table.add_column("how", overflow="fold")
    section = ""
    for row in table_rows:
        if section not in ("", row["key"].partition(".")[0]):
            table.add_section()
        section = row["key"].partition(".")[0]
        targets = "\n".join(_coloured(target["target"], target["reached"]) for target in row["targets"])
        table.add_row(row["what"], row["measured"], targets, row["note"])
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # nobody's terminal: into a file or a log
    console.print(table)
    for note in notes:
        console.print(f"- {note}", highlight=False)


def _coloured(text: str, reached: bool | None) -> str:
    return text if reached is None else f"[{'green' if reached else 'red'}]{text}[/]"


def markdown(table_rows: list[dict[str, Any]], notes: list[str], machine: str) -> str:
    lines = [f"{machine}.", "", "| figure | measured | beside what was to be reached | how |", "|---|---|---|---|"]
    for row in table_rows:
        targets = "<br>".join(target["target"] for target in row["targets"])
        lines.append(f"| {row['what']} | {row['measured']} | {targets} | {row['note']} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])


def as_json(table_rows: list[dict[str, Any]], notes: list[str], machine: str) -> str:
    return json.dumps({"machine": machine, "figures": table_rows, "notes": notes}, indent=2, ensure_ascii=False) + "\n"
