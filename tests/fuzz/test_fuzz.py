"""The short form of `make fuzz`: the same calls and frames, fewer of them; and that planted faults are found."""

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.fuzz import planted
from tests.fuzz.__main__ import fuzz
from tests.fuzz.calls import Calls, Task, make_calls
from tests.fuzz.document import prepared
from tests.fuzz.frames import send_frames
from tests.fuzz.installation import Installation, Watched, installed
from tests.fuzz.report import Report

pytestmark = pytest.mark.slow

SEED = 1


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with installed(SEED) as made:
        yield made


@pytest.fixture(scope="module")
def sick(installation: Installation) -> Iterator[Watched]:
    """A server with the planted faults."""
    with installation.serving(planted=True) as server:
        yield server


def test_made_up_calls_and_frames_meet_no_fault(installation: Installation) -> None:
    with installation.serving() as server:
        report = fuzz(installation, server, cases=800, frames=2000, seed=SEED)
    assert not report.faults, report.as_markdown()
    assert {calls.role for calls in report.calls} == installation.world["roles"].keys()
    reached = {code for calls in report.calls for counted in calls.statuses.values() for code in counted}
    assert reached >= {200, 400, 401, 403, 404}
    done = sum(
        times for calls in report.calls for c in calls.statuses.values() for code, times in c.items() if code < 300
    )
    assert done > 0.1 * sum(calls.cases for calls in report.calls), "it stays outside"
    assert json.loads(report.as_json())["cases"] >= 800
    assert report.frames is not None
    assert report.frames.answers["leaderboard_update"]
    assert report.frames.answers["error unreadable"]


def test_the_report_says_which_share_of_the_calls_of_each_operation_was_carried_out() -> None:
    report = Report(SEED)
    report.calls.append(Calls("person", {"GET /a": Counter({200: 1, 404: 2}), "POST /b": Counter({302: 1, 400: 1})}))
    report.calls.append(Calls("owner", {"GET /a": Counter({201: 1})}))
    shown = report.as_markdown()
    assert "| `GET /a` | 4 | 50.0% | 200: 1, 201: 1, 404: 2 |" in shown
    assert "Never carried out: `POST /b`." in shown
    assert json.loads(report.as_json())["operations"]["GET /a"] == {"cases": 4, "share_2xx": 0.5}


def calls_of(operation: str, installation: Installation, server: Watched) -> Calls:
    """Some of one operation, which a short run might not come to."""
    verb, path = operation.lower().split(" ")
    document = server.document()
    document["paths"] = {path: {verb: document["paths"][path][verb]}}
    headers = installation.world["roles"]["person"]
    document = prepared(document, installation.world)
    return make_calls(
        Task("person", headers, server.address, document, installation.world, cases=6, seed=SEED, bounds=False)
    )


def test_a_view_that_raises_is_found_with_what_repeats_it(installation: Installation, sick: Watched) -> None:
    calls = calls_of(planted.RAISES, installation, sick)
    [failure] = [failure for failure, _ in calls.failures if failure.check == "not_a_server_error"]
    assert failure.operation == planted.RAISES
    assert f"{sick.address}{planted.RAISES.removeprefix('GET ')}" in failure.curl
    assert "planted in a view" in "".join(sick.tracebacks())


def test_an_answer_that_its_schema_does_not_describe_is_found(installation: Installation, sick: Watched) -> None:
    calls = calls_of(planted.LIES, installation, sick)
    assert (planted.LIES, "response_schema_conformance") in {(f.operation, f.check) for f, _ in calls.failures}


def test_a_consumer_that_raises_is_found(installation: Installation, sick: Watched) -> None:
    token = installation.world["roles"]["person"]["Authorization"].removeprefix("Bearer ")
    sent = send_frames(sick, token=token, boards=installation.world["competition_id"], count=600, seed=SEED)
    assert sent.failures
    assert "make_sessions(number=" in sent.failures[0]
    assert "planted in a consumer" in "".join(sick.tracebacks())
