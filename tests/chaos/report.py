"""The figures of a run: a table for people, JSON for programs, Markdown for `docs/reports/`."""

import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.checks import CONSISTENT_WITHIN, READY_WITHIN
from tests.chaos.plan import LENGTHS, Kind
from tests.chaos.run import Fault, Outcome
from tests.flows.servers import ROOT

COLUMNS = ("fault", "times", "seconds each", "ready after", "at most", "watchers at most", "refused", "wrong")


def command(outcome: Outcome) -> str:
    return f"make chaos SEED={outcome.seed} LENGTH={outcome.length}"


def document(outcome: Outcome) -> dict[str, Any]:
    return {
        **asdict(outcome),
        "passed": outcome.passed,
        "per_second": round(outcome.operations / max(outcome.load_seconds, 0.001), 1),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "date": datetime.now(UTC).date().isoformat(),
        "kinds": list(rows(outcome)),
        "command": command(outcome),
    }


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    found = subprocess.run(asked, cwd=ROOT, check=False, capture_output=True, text=True)
    return found.stdout.strip()


def rows(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for kind in Kind:
        faults = [fault for fault in outcome.faults if fault.kind is kind]
        done = [fault for fault in faults if not fault.left_out]
        if done:
            yield dict(zip(COLUMNS, _figures(kind, done), strict=True))
        elif faults:
            yield dict.fromkeys(COLUMNS, "") | {"fault": kind.value, "times": f"0: {faults[0].left_out}"}


def _figures(kind: Kind, faults: list[Fault]) -> list[Any]:
    ready = [fault.ready for fault in faults]
    return [
        kind.value,
        len(faults),
        f"{median(fault.seconds for fault in faults):.1f}",
        f"{median(ready):.1f} s",
        f"{max(ready):.1f} s",
        f"{max(fault.consistent for fault in faults):.1f} s",
        sum(fault.refused for fault in faults),
        sum(bool(fault.problems) for fault in faults),
    ]


def summary(outcome: Outcome) -> list[str]:
    found = document(outcome)
    answers = ", ".join(f"{number:,} {name}" for name, number in outcome.answers.items())
    planned = LENGTHS[outcome.length].per_second
    limits = f"To pass, servers are ready within {READY_WITHIN:g} s and watchers right within {CONSISTENT_WITHIN:g} s;"
    limits += f" the machine's load average was {outcome.load_average:.1f} at the end."
    came = f"{outcome.restarts} processes were started again, and watchers came again {outcome.watchers_returned} times"
    unheard = f"The gateway paid and was too late to say so {outcome.timed_out} times"
    unheard += f", broke off or said 500 instead {outcome.broken} times"
    return [
        f"{outcome.operations:,} operations: {answers}.",
        f"{planned:g} a second planned, {found['per_second']} asked: what this machine was late with was left out.",
        f"{len(outcome.faults)} faults; {came}.",
        f"{outcome.transfers} transfers, each once. {unheard}. All was paid {outcome.settled:.0f} s after the end.",
        f"{outcome.seconds / 60:.1f} minutes in all. {limits}",
    ]


def wrong(outcome: Outcome) -> list[str]:
    of_faults = [f"{fault.number}. {fault.kind}: {problem}" for fault in outcome.faults for problem in fault.problems]
    return [*of_faults, *outcome.problems]


def show(outcome: Outcome) -> None:
    console = Console()
    table = Table(title=f"Chaos, seed {outcome.seed}, {outcome.length}", title_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "fault" else "right", no_wrap=name == "fault")
    for row in rows(outcome):
        table.add_row(*(str(row[name]) for name in COLUMNS))
    console.print(table)
    for line in summary(outcome):
        console.print(line, highlight=False)
    for line in wrong(outcome)[:50]:
        console.print(line, style="red", highlight=False)
    verdict = "Everything held." if outcome.passed else f"Not everything held. Again: {command(outcome)}"
    console.print(verdict, style="green" if outcome.passed else "red", highlight=False)


def markdown(outcome: Outcome) -> str:
    found = document(outcome)
    lines = [
        "# Faults",
        "",
        f"`{command(outcome)}` at commit {found['commit']}, {found['date']}, {found['machine']}.",
        "",
        *(f"- {line}" for line in summary(outcome)),
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
        *("| " + " | ".join(str(row[name]) for name in COLUMNS) + " |" for row in rows(outcome)),
        "",
        "Everything held." if outcome.passed else "Not everything held:",
        "",
        *(f"- {line}" for line in wrong(outcome)),
    ]
    return "\n".join(lines).rstrip() + "\n"
