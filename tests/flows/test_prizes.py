"""Prizes over HTTP, with two server processes and workers that die."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from competitions.models import Competition
from prizes.models import SandboxFault, SandboxOrder, Transfer
from prizes.verification import CHECKS, faults_of
from tests.flows.conftest import database_at_hand
from tests.flows.servers import ROOT, Server
from tests.prizes.conftest import (  # noqa: F401 - fixtures
    MakeFinished,
    connect_accounts,
    make_finished,
    make_treasurer,
    no_jobs_left,
    sandbox,
    treasurer,
)

SIXTY_FOUR = 64


@pytest.fixture
def finished(transactional_db: None, make_finished: MakeFinished) -> Competition:  # noqa: F811 - a fixture that is imported
    """Twenty people who all win the same, so there is something to be killed in the middle of."""
    everybody = {"places": [], "target": 1}
    competition = make_finished(*range(20, 0, -1), plan=everybody, visibility="public")
    connect_accounts(competition)
    return competition


def bearer(person: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {AccessToken.for_user(person)}"}


def manage(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "DATABASE_URL": database_at_hand(), "DEBUG": "true", "PAYMENT_GATEWAY": "sandbox"}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


@contextmanager
def worker() -> Iterator["subprocess.Popen[bytes]"]:
    """A real one, as in production."""
    environ = {**os.environ, "DATABASE_URL": database_at_hand(), "DEBUG": "true", "PAYMENT_GATEWAY": "sandbox"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "procrastinate", "worker", "--concurrency=4"],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, Counter(Transfer.objects.values_list("state", "reason"))
        time.sleep(0.02)


@pytest.mark.slow
def test_sixty_four_distributions_at_once_over_two_servers_make_one_set_of_transfers(
    two_servers: tuple[Server, Server],
    finished: Competition,
    treasurer: User,  # noqa: F811 - a fixture that is imported
) -> None:
    headers = bearer(treasurer)

    def distribute(number: int) -> int:
        url = f"{two_servers[number % 2].address}/api/v1/prizes/distribute/{finished.id}"
        return httpx.post(url, headers=headers, json={"reason": f"the {number}th"}, timeout=60).status_code

    with ThreadPoolExecutor(SIXTY_FOUR) as people:
        codes = list(people.map(distribute, range(SIXTY_FOUR)))
    assert Counter(codes) == {200: SIXTY_FOUR}
    assert sorted(Transfer.objects.values_list("amount_minor", flat=True)) == [500] * 20
    assert [fault for check in CHECKS for fault in faults_of(check)] == []


@pytest.mark.slow
def test_workers_that_are_killed_and_a_gateway_that_fails_pay_everybody_once(
    paying_servers: tuple[Server, Server],
    finished: Competition,
    treasurer: User,  # noqa: F811 - a fixture that is imported
    tmp_path: Path,
) -> None:
    api = f"{paying_servers[0].address}/api/v1/prizes"
    for fault in ("time_out_after", "time_out_before", "busy", "error"):
        SandboxFault.objects.create(call="transfer", fault=fault, times_left=2)

    answer = httpx.post(f"{api}/distribute/{finished.id}", headers=bearer(treasurer), timeout=30)
    assert [row["status"] for row in answer.json()["data"]["prizes"]] == ["pending"] * 20
    with worker() as first:
        wait_until(lambda: SandboxOrder.objects.filter(call="transfer").count() >= 3)
        first.send_signal(signal.SIGKILL)
        first.wait()
    while manage("reconcile_transfers").returncode:
        pass
    assert Counter(Transfer.objects.values_list("state", "amount_minor")) == {("paid", 500): 20}
    moved = SandboxOrder.objects.filter(call="transfer")
    assert sum(moved.values_list("amount_minor", flat=True)) == 10_000
    assert manage("verify_ledger").returncode == 0

    for headers in (bearer(finished.owner), {}):
        signed = httpx.get(f"{api}/statement/{finished.id}", headers=headers).json()
        (tmp_path / "statement.json").write_text(json.dumps(signed))
        key = httpx.get(f"{paying_servers[1].address}/.well-known/pacesetter-statement-key.pem")
        (tmp_path / "key.pem").write_text(key.text)
        script = [
            sys.executable,
            "docs/check_statement.py",
            str(tmp_path / "statement.json"),
            str(tmp_path / "key.pem"),
        ]
        checked = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=True)
        assert checked.stdout.count("500 paid") == 20
