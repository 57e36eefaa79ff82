"""What came of a run, for people and as JSON."""

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.flows.servers import ROOT
from tests.fuzz.calls import LEFT_OUT, Calls
from tests.fuzz.frames import Sent


@dataclass
class Report:
    seed: int
    calls: list[Calls] = field(default_factory=list)
    frames: Sent | None = None
    tracebacks: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def faults(self) -> list[str]:
        """One sentence for each, with what repeats it. None: all is well."""
        found = [
            f"{failure.role}, {failure.operation}: {failure.check}, {times} times. {failure.message}\n"
            f"  Again: make fuzz SEED={self.seed} HOLD=yes, then: {failure.curl}"
            for calls in self.calls
            for failure, times in calls.failures
        ]
        found += [error for calls in self.calls for error in calls.errors]
        found += [f"A traceback in the server's log: {text}" for text in self.tracebacks]
        return found + (self._faults_of_frames(self.frames) if self.frames else [])

    def _faults_of_frames(self, sent: Sent) -> list[str]:
        again = f"Again: make fuzz CASES=0 FRAMES={sent.frames} SEED={self.seed}"
        found = [f"{failure}\n  {again}" for failure in sent.failures]
        before, after = sent.memory_mib
        if after > 1.5 * before + 32:
            found.append(f"The server grew from {before:.0f} to {after:.0f} MiB. {again}")
        if sent.sockets_left:
            found.append(f"{sent.sockets_left} sockets are still counted as open. {again}")
        if not sent.is_live_afterwards:
            found.append(f"No live frame came afterwards. {again}")
        return found

    def as_json(self) -> str:
        shown = {
            "seed": self.seed,
            "seconds": self.seconds,
            "machine": machine(),
            "cases": cases_of(self.calls),
            "roles": {one.role: {"seconds": one.seconds, "statuses": one.statuses} for one in self.calls},
            "operations": {
                one.operation: {"cases": one.statuses.total(), "share_2xx": round(one.share, 4)}
                for one in reached(self.calls)
            },
            "frames": vars(self.frames) if self.frames else None,
            "faults": self.faults,
        }
        return json.dumps(shown, indent=2)

    def as_markdown(self) -> str:
        return "\n".join(
            [*_head(self), "", *_of_roles(self.calls), "", *_of_frames(self), "", *_of_operations(self.calls), ""]
        )


def cases_of(calls: Sequence[Calls]) -> int:
    return sum(one.cases for one in calls)


def machine() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit.stdout.strip() or "unknown",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def _head(report: Report) -> list[str]:
    about, faults = machine(), report.faults
    errors = sum(times for code, times in _statuses(report.calls).items() if code >= 500)
    failed = sum(times for calls in report.calls for _, times in calls.failures)
    ran = (
        f"`make fuzz SEED={report.seed}` on {about['date']}, commit {about['commit']}, {about['cores']} cores, Python"
        f" {about['python']}, {report.seconds:.0f} s."
    )
    found = (
        f"{cases_of(report.calls):,} cases of {len(report.calls)} roles: {errors} server errors, {failed} failed"
        f" checks, {len(report.tracebacks)} tracebacks in the log. {len(faults)} faults in all."
    )
    return [
        "# Fuzzing",
        "",
        ran,
        "",
        found,
        "",
        "Checks that are off: " + "; ".join(f"`{name}` ({reason})" for name, reason in LEFT_OUT.items()) + ".",
        *(["", "## Faults", "", *(f"- {fault}" for fault in faults)] if faults else []),
    ]


def _statuses(calls: Sequence[Calls]) -> Counter[int]:
    return sum((counted for one in calls for counted in one.statuses.values()), Counter())


def _of_roles(calls: Sequence[Calls]) -> list[str]:
    rows = ["| role | cases | 2xx | 4xx | 5xx | cases/s |", "|---|---|---|---|---|---|"]
    for one in calls:
        counted = _statuses([one])
        by_kind = [sum(times for code, times in counted.items() if code // 100 == kind) for kind in (2, 4, 5)]
        shown = " | ".join(f"{times:,}" for times in by_kind)
        rows.append(f"| {one.role} | {one.cases:,} | {shown} | {one.cases / max(one.seconds, 1e-9):.0f} |")
    return rows


def _of_frames(report: Report) -> list[str]:
    sent = report.frames
    if sent is None:
        return []
    before, after = sent.memory_mib
    sockets, live = sum(sent.closed.values()), "yes" if sent.is_live_afterwards else "no"
    figures = (
        f"{sent.frames:,} frames in {sent.seconds:.0f} s over {sockets:,} sockets; {len(sent.failures)} wrong answers."
        f" Memory {before:.0f} MiB before, {after:.0f} MiB after; {sent.sockets_left} sockets left open; a live frame"
        f" afterwards: {live}."
    )
    answers = ", ".join(f"{name} {times:,}" for name, times in sorted(sent.answers.items()))
    closed = ", ".join(f"{name} {times:,}" for name, times in sorted(sent.closed.items()))
    return [
        "## WebSocket frames",
        "",
        figures,
        "",
        f"Answers: {answers}.",
        "",
        f"How sockets ended (the client …): {closed}.",
    ]


@dataclass(frozen=True)
class Reached:
    """How far inside an operation calls came, over all roles."""

    operation: str
    statuses: Counter[int]

    @property
    def share(self) -> float:
        """Of the calls that were carried out, and so came past all that refuses."""
        return sum(times for code, times in self.statuses.items() if code // 100 == 2) / self.statuses.total()


def reached(calls: Sequence[Calls]) -> list[Reached]:
    total: dict[str, Counter[int]] = {}
    for one in calls:
        for operation, counted in one.statuses.items():
            total.setdefault(operation, Counter()).update(counted)
    return [Reached(operation, total[operation]) for operation in sorted(total)]


def _of_operations(calls: Sequence[Calls]) -> list[str]:
    found = reached(calls)
    never = ", ".join(f"`{one.operation}`" for one in found if not one.share) or "none"
    rows = [
        "## Operations",
        "",
        "2xx is the share of the calls that were carried out; the others were refused before the operation's own work.",
        f"Never carried out: {never}.",
        "",
        "| operation | cases | 2xx | statuses |",
        "|---|---|---|---|",
    ]
    for one in found:
        statuses = ", ".join(f"{code}: {times:,}" for code, times in sorted(one.statuses.items()))
        rows.append(f"| `{one.operation}` | {one.statuses.total():,} | {one.share:.1%} | {statuses} |")
    return rows
