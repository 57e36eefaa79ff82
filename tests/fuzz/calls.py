"""Calls of one role, made up by schemathesis: scenarios along the links, in which real ids are used, and the bounds
of every operation one by one.

schemathesis is loaded where it is needed: every run of the tests collects this, and few use it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.fuzz.document import Document

SAID = {
    "competition_id": ("path", "query", "body"),
    "user_id": ("path", "query", "body"),
    "flag_id": ("path",),
    "date": ("body",),
}
"""Where ids of what there is are drawn from, instead of made up."""
WORDS: dict[str, list[str | int]] = {
    "body.timezone": ["Europe/Berlin", "Asia/Tokyo", "UTC"],
    "body.currency": ["EUR", "USD", "JPY"],
    "body.country": ["DE", "JP"],
    "body.language": ["de", "pt-BR"],
    "body.start_date": ["2026-01-01", "2027-03-01", "2028-02-29T10:00:00Z"],
    "body.end_date": ["2028-12-31", "2029-06-30T00:00:00Z"],
    "body.entry_fee": [0, 5],
    "body.prize_pool": [0, 100],
    "body.number": ["+4915123456789"],
    "path.provider": ["google_health", "google_fit"],
}
"""What a schema cannot say without a list as long as the world: without these few calls would get past the first
check."""
OFTEN = 0.7
SESSION = 1500
"""Cases of one run of hypothesis."""

LEFT_OUT = {
    "positive_data_acceptance": "rules between fields and states (an end after its start, a board that is open) are no"
    " part of JSON Schema, so what it allows may be refused; how often it is accepted stands in the report",
    "negative_data_rejection": "a number as text, or 1 for true, is taken as what it says, as older clients send it",
    "ignored_auth": "schemathesis 4.32 changes its own record while it reads it; the authorisation matrix asks this",
    "missing_required_header": "no header is required",
}
"""Checks that are off, with the reason."""


@dataclass(frozen=True)
class Task:
    """``cases``: how many to make at least; the last scenario is finished."""

    role: str
    headers: Mapping[str, str]
    address: str
    document: Document
    known: Mapping[str, list[str]]
    cases: int
    seed: int
    bounds: bool = True


@dataclass(frozen=True)
class Failure:
    """``curl`` repeats it while the same world is being served."""

    role: str
    operation: str
    check: str
    message: str
    curl: str
    seed: int


@dataclass
class Calls:
    """What came of a task: statuses by operation, and the first failure of each kind with how often it came."""

    role: str
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    failures: list[tuple[Failure, int]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def cases(self) -> int:
        return sum(sum(counted.values()) for counted in self.statuses.values())


def make_calls(task: Task) -> Calls:
    from schemathesis.engine import events

    calls, began = Calls(task.role), time.monotonic()
    failures: dict[tuple[str, str, str], tuple[Failure, int]] = {}
    for event in _events(task, calls):
        if isinstance(event, events.NonFatalError):
            calls.errors.append(f"{task.role}, {event.label}: {event.info.format()[:2000]}")
        elif isinstance(event, events.ScenarioFinished | events.FuzzScenarioFinished):
            _count(event.recorder, calls)
            _note_failures(event.recorder, task, failures)
    if calls.cases < task.cases:
        calls.errors.append(f"{task.role}: only {calls.cases} of {task.cases} calls were answered.")
    calls.failures = list(failures.values())
    calls.seconds = time.monotonic() - began
    return calls


def _events(task: Task, calls: Calls) -> Iterator[Any]:
    """Scenarios, then bounds, then scenarios for as many as are left: the bounds of all operations are some thousands,
    and those of few fields come last."""
    from schemathesis.engine import from_schema

    def scenarios(session: int) -> Any:
        return from_schema(_schema(task, session)).fuzz()

    half = task.cases // 2 if task.bounds else task.cases
    yield from _scenarios(scenarios, calls, half, number=1)
    if task.bounds:
        yield from _until(task.cases, calls, from_schema(_schema(task, 0)).execute())
        yield from _scenarios(scenarios, calls, task.cases, number=1001)


def _scenarios(begin: Callable[[int], Any], calls: Calls, cases: int, *, number: int) -> Iterator[Any]:
    before = -1
    while before < calls.cases < cases:
        before = calls.cases
        yield from _until(min(cases, before + SESSION), calls, begin(number))
        number += 1


def _until(cases: int, calls: Calls, stream: Any) -> Iterator[Any]:
    """The events of a run, which ends when there are so many cases."""
    for event in stream:
        yield event
        if calls.cases >= cases:
            stream.stop()


def _schema(task: Task, session: int) -> Any:
    """Every session begins at another operation: hypothesis prefers what stands first."""
    from schemathesis import openapi
    from schemathesis.config import SchemathesisConfig

    document = dict(task.document)
    paths = list(document["paths"].items())
    Random(task.seed + session).shuffle(paths)
    document["paths"] = dict(paths)
    config = SchemathesisConfig.from_dict(_config(task, task.seed + session))
    return openapi.from_dict(document, config=config)


def _config(task: Task, seed: int) -> dict[str, Any]:
    dictionaries = {name: {"values": task.known[name]} for name in SAID}
    parameters = {
        f"{place}.{name}": {"dictionary": name, "probability": OFTEN}
        for name, places in SAID.items()
        for place in places
    }
    for place, words in WORDS.items():
        dictionaries[place.replace(".", "-")] = {"values": words}  # type: ignore[dict-item]  # one has words in place of a list of them
        parameters[place] = {"dictionary": place.replace(".", "-"), "probability": OFTEN}
    return {
        "seed": seed,
        "base-url": task.address,
        "headers": dict(task.headers),
        "cache": {"enabled": False},  # a seed shall mean the same in every folder
        "continue-on-failure": True,
        "request-timeout": 70,  # a long poll may wait for sixty
        "max-stream-events": 1,  # a board's stream would go on for ever
        "suppress-health-check": ["all"],
        "dictionaries": dictionaries,
        "parameters": parameters,
        "checks": {name: {"enabled": False} for name in LEFT_OUT},
        "phases": {"stateful": {"enabled": False}, "fuzzing": {"enabled": False}},
        "generation": {"mode": "all", "database": "none"},
        "output": {"sanitization": {"enabled": False}},  # of people who are made up and gone in an hour
    }


def _count(recorder: Any, calls: Calls) -> None:
    for case_id, interaction in recorder.interactions.items():
        case = recorder.cases.get(case_id)
        if case is not None and interaction.response is not None:
            label = case.value.operation.label
            calls.statuses.setdefault(label, Counter())[interaction.response.status_code] += 1


def _note_failures(recorder: Any, task: Task, failures: dict[tuple[str, str, str], tuple[Failure, int]]) -> None:
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            operation, found = recorder.cases[case_id].value.operation.label, check.failure_info.failure
            key = operation, check.name, found.title
            message = f"{found.title}: {found.message}"[:1500]
            first = Failure(task.role, operation, check.name, message, check.failure_info.code_sample, task.seed)
            known, times = failures.get(key, (first, 0))
            failures[key] = known, times + 1
