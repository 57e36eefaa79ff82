"""`manage.py loadtest` against a running server, from a process that knows nothing of its database."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from competitions.models import Competition
from competitions.rules import Status
from tests.flows.conftest import database_at_hand
from tests.flows.servers import ROOT, Phone, Server, free_port

pytestmark = pytest.mark.slow  # each presses a server for seconds

QUICK = ["--ramp-up", "1", "--duration", "3"]


def started(address: str, *options: str) -> subprocess.Popen[str]:
    """In a process group of its own, and listening to Ctrl-C, as a shell starts it; these tests may themselves run in
    the background, where nobody listens to it."""
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "REDIS_URL": "redis://127.0.0.1:1/0"}
    command = [sys.executable, "manage.py", "loadtest", address, *QUICK, *options]
    environ = {**os.environ, **nowhere, "COLUMNS": "100"}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environ,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    output, errors = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def run(address: str, *options: str) -> subprocess.CompletedProcess[str]:
    return ended(started(address, *options))


def only_competition() -> Competition:
    """Waits until the test has made its own and somebody has joined."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if made := Competition.objects.filter(participant_count__gte=2).first():
            return made
        time.sleep(0.05)
    raise AssertionError("no competition was made")


def test_what_a_server_holds_is_reported(
    transactional_db: None, run_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = run_server("uvicorn")
    written, drawn = tmp_path / "report.json", tmp_path / "report.svg"
    files = ["--json", str(written), "--picture", str(drawn)]
    result = run(server.address, "--accounts", "5", "--users", "20", "--sockets", "10", *files)
    assert result.returncode == 0, result.stderr
    report = json.loads(written.read_text())
    assert report["errors"] == []
    assert {row["requests"] for row in report["requests"]} == {"all", "reads", "syncs", "ranks"}
    whole = report["requests"][0]
    assert 0 < whole["from_sending_ms"]["p50"] <= whole["from_due_ms"]["p50"] <= whole["from_due_ms"]["p99"]
    assert sum(second["answered"] for second in report["timeline"]) == whole["due"] > 20
    sockets = report["sockets"]
    assert (sockets["asked"], sockets["opened"], sockets["open_at_end"]) == (10, 10, 10)
    assert sockets["probe_syncs"] >= 2
    assert sockets["delivered_per_cent"] == 100
    assert sockets["delivery_ms"]["max"] >= sockets["last_socket_ms"]["p50"] >= 0
    assert report["memory"]["under_load"] > 20 * 2**20
    assert "latency P95" in result.stdout
    assert "open sockets" in result.stdout
    assert drawn.read_text().startswith("<svg")
    competition = Competition.objects.get()
    assert competition.status_at(competition.start_at) == Status.CANCELLED


def test_a_test_that_is_stopped_leaves_no_competition_running(
    transactional_db: None, run_server: Callable[..., Server]
) -> None:
    process = started(run_server("uvicorn").address, "--accounts", "2", "--users", "2", "--sockets", "2")
    competition = only_competition()
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches every process of the test
    result = ended(process)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.endswith("CommandError: Stopped; nothing is reported of half a test.\n")
    competition.refresh_from_db()
    assert competition.status_at(competition.start_at) == Status.CANCELLED


@pytest.fixture
def strict_server(transactional_db: None) -> Iterator[Server]:
    """One that lets a person ask five times a second."""
    server = Server({"DATABASE_URL": database_at_hand(), "RATE_LIMIT": "5/10"})
    server.wait_until_ready()
    yield server
    server.stop()


def test_a_limit_of_the_server_is_reported_as_what_it_is(strict_server: Server, tmp_path: Path) -> None:
    written = tmp_path / "report.json"
    people = ["--accounts", "2", "--users", "40", "--sockets", "0"]
    result = run(strict_server.address, *people, "--json", str(written))
    assert result.returncode == 0, result.stderr
    limited = [row for row in json.loads(written.read_text())["errors"] if row["what"] == "429"]
    assert sum(row["count"] for row in limited) > 30
    assert {row["meaning"] for row in limited} == {"rate limited: raise RATE_LIMIT or use more accounts"}


@pytest.fixture
def people(transactional_db: None, run_server: Callable[..., Server]) -> list[Phone]:
    server = run_server("uvicorn")
    return [server.new_person(name) for name in ("Ada", "Ben", "Cem")]


def test_people_who_have_walked_go_on_from_there_in_their_own_competition(people: list[Phone], tmp_path: Path) -> None:
    ada, ben, _ = people
    competition = ada.new_competition()
    ada.join(competition)
    ada.sync(4000, date="2026-01-01")
    ada.sync(300)
    ben.sync(7000)
    tokens, written = tmp_path / "tokens", tmp_path / "report.json"
    tokens.write_text("".join(f"{phone.token}\n" for phone in people))
    mix = ["--mix", "syncs=1", "--users", "10", "--sockets", "3"]
    result = run(ada.address, "--token-file", str(tokens), "--competition", competition, *mix, "--json", str(written))
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(written.read_text())
    assert report["errors"] == []
    assert report["sockets"]["delivered_per_cent"] == 100
    scores = dict(row[:2] for row in ada.ranks(competition))
    assert 7000 < scores[ben.user_id] < 7100
    assert scores[ada.user_id] > 4000 + scores[ben.user_id] + 9000  # the probe is ahead, on top of what it had
    assert ada.get(f"/competitions/{competition}")["status"] == "active"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--accounts", "1"], "It takes two accounts"),
        (["--accounts", "2", "--mix", "everything"], "Write a mix such as"),
        (["--accounts", "2", "--duration", "0"], "--duration 1 second at least"),
        (["--token-file", "/nothing/there"], "cannot be read"),
        (["--accounts", "2", "--competition", "00000000-0000-0000-0000-000000000000"], "was answered 404"),
    ],
)
def test_what_cannot_be_tested_is_one_sentence(
    options: list[str], sentence: str, transactional_db: None, run_server: Callable[..., Server]
) -> None:
    result = run(run_server("uvicorn").address, *options)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)
    result = run(address, "--accounts", "2")
    assert result.returncode == 1
    assert f"{address} does not answer" in result.stderr
