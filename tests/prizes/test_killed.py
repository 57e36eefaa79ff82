"""A process that pays dies at every step in turn; after a restart nobody is paid twice and nobody is forgotten."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from competitions.models import Competition
from prizes.actors import Actor
from prizes.models import SandboxOrder, Transfer, TransferState
from prizes.services.distribution import distribute_prizes
from prizes.services.transfers import send_transfer, unfinished_transfers
from prizes.verification import CHECKS, faults_of
from tests.flows.servers import ROOT
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs


class Mortal:
    """The other side of `mortal.py`."""

    def __init__(self) -> None:
        url = os.environ["DATABASE_URL"].replace("/pacesetter?", f"/{connection.settings_dict['NAME']}?")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.prizes.mortal"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url, "DEBUG": "true", "DATABASE_POOL_SIZE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def die(self, kind: str, steps: int, competition: Competition, treasurer: User) -> str | None:
        """Before which step it died; None when it did not get that far."""
        assert self._process.stdin
        assert self._process.stdout
        order = {"kind": kind, "steps": steps, "competition": str(competition.id), "treasurer": str(treasurer.id)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        died_before: str | None = answer["died_before"]
        return died_before

    def stop(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)


@pytest.fixture
def mortal(transactional_db: None) -> Iterator[Mortal]:
    process = Mortal()
    yield process
    process.stop()


def restart(competition: Competition, treasurer: User) -> None:
    """What happens after a crash: the treasurer asks again, jobs that nobody took are done, and what a dead worker had
    taken is found by the minute's sweep."""
    later = datetime.now(UTC) + timedelta(minutes=10)
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=later)
    assert run_jobs() == []
    for _ in range(100):  # until PostgreSQL has noticed that the dead process holds no lock any more
        left = list(unfinished_transfers(later))
        if not left:
            return
        for transfer in left:
            send_transfer(transfer_id=transfer.id, now=later)
        time.sleep(0.02)


def assert_paid_once(competition: Competition, died_before: str) -> None:
    transfers = Transfer.objects.filter(competition=competition)
    assert {transfer.state for transfer in transfers} == {TransferState.PAID}, died_before
    moved = SandboxOrder.objects.filter(key__contains=str(competition.id))
    assert [order.amount_minor for order in moved] == [10_000], died_before
    assert [transfer.amount_minor for transfer in transfers] == [10_000], died_before


def walk(kind: str, mortal: Mortal, make_finished: MakeFinished, treasurer: User) -> list[str]:
    """Dies before the first step, before the second, and so on until it lives. Says where it died."""
    places: list[str] = []
    while True:
        competition = make_finished(9)
        connect_accounts(competition)
        died_before = mortal.die(kind, len(places), competition, treasurer)
        if died_before is None:
            assert_paid_once(competition, "the end")
            assert [fault for check in CHECKS for fault in faults_of(check)] == []  # of all these deaths together
            return places
        places.append(died_before)
        restart(competition, treasurer)
        assert_paid_once(competition, died_before)


@pytest.mark.slow
def test_death_before_any_statement_or_commit_pays_nobody_twice_and_forgets_nobody(
    mortal: Mortal, make_finished: MakeFinished, treasurer: User
) -> None:
    places = walk("statements", mortal, make_finished, treasurer)
    assert any("prizes_sandboxorder" in place for place in places), "it died inside the gateway, too"
    assert sum(place.startswith("commit") for place in places) >= 4


@pytest.mark.slow
def test_death_before_any_line_pays_nobody_twice_and_forgets_nobody(
    mortal: Mortal, make_finished: MakeFinished, treasurer: User
) -> None:
    places = walk("lines", mortal, make_finished, treasurer)
    assert any("gateways/sandbox.py" in place for place in places), "it died inside the gateway, too"
    assert any("services/transfers.py" in place for place in places)
