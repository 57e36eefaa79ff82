"""Limits over connections, processes and servers; and what happens when Redis or a pool gives out."""

import os
import signal
import subprocess
import sys
import time
from bisect import insort
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
from django.db import connection

from accounts.models import User
from tests.flows.conftest import Site
from tests.flows.hammering import LIMIT
from tests.flows.servers import ROOT, Phone, Server
from tests.locks import until_somebody_waits

pytestmark = pytest.mark.slow  # each starts servers or processes

BURST, PER_SECOND = 12, 0.05


@pytest.fixture
def two_strict_servers(transactional_db: None, run_server: Callable[..., Server]) -> tuple[Server, Server]:
    limits = {"RATE_LIMIT": f"{PER_SECOND}/{BURST}"}
    return run_server("uvicorn", 1, **limits), run_server("uvicorn", 2, **limits)


def admitted(phones: Sequence[Phone], requests: int) -> tuple[int, float]:
    """How many of so many requests by turns were answered well, and how long that took."""
    began = time.monotonic()
    statuses = [phones[n % len(phones)].http.get("/users/me/profile").status_code for n in range(requests)]
    assert set(statuses) <= {200, 429}
    return statuses.count(200), time.monotonic() - began


def test_the_limiter_gives_every_connection_of_one_person_the_same_bucket(
    two_strict_servers: tuple[Server, Server],
) -> None:
    here, there = two_strict_servers
    ada, ben = here.new_person("Ada"), here.new_person("Ben")
    connections = [ada, ada.at(here), ada.at(here), ada.at(there), ada.at(there)]
    taken, seconds = admitted(connections, 3 * BURST)
    assert BURST <= taken <= BURST + PER_SECOND * seconds + 1
    assert admitted([ben.at(there)], 1)[0] == 1, "nobody pays for another"
    refused = ada.http.get("/users/me/profile")
    assert (refused.status_code, refused.headers["ratelimit-remaining"]) == (429, "0")
    assert 1 <= int(refused.headers["retry-after"]) <= 1 / PER_SECOND


Taken = tuple[float, float]  # asked for, given


def excess(taken: Sequence[Taken], burst: float, per_second: float) -> float:
    """The most by which any span of time saw more tokens, asked for and given within it, than it may."""
    worst, given = 0.0, list[float]()
    for began, end in sorted(taken, reverse=True):
        insort(given, end)
        worst = max(worst, max(n - burst - per_second * (last - began) for n, last in enumerate(given, 1)))
    return worst


def test_what_several_processes_admit_is_never_more_than_the_bucket_had() -> None:
    """Four processes take single tokens and blocks, with pauses in which they hold some while the bucket fills."""
    command = [sys.executable, "-m", "tests.flows.hammering", uuid4().hex, "6"]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    lines = [line for process in running for line in process.communicate(timeout=60)[0].splitlines()]
    assert [process.returncode for process in running] == [0] * 4
    taken = [(float(asked), float(given)) for asked, given in (line.split() for line in lines)]
    assert LIMIT.own is not None
    assert excess(taken, LIMIT.own.burst, LIMIT.own.per_second) < 1
    seconds = max(given for _, given in taken) - min(asked for asked, _ in taken)
    assert len(taken) > LIMIT.own.burst + LIMIT.own.per_second * seconds / 4, "and not far less"


def test_one_token_too_many_would_be_found() -> None:
    good = [(0.0, 0.1)] * 60 + [(1.0 + n / 40, 1.0 + n / 40) for n in range(1, 40)]
    assert excess(good, 60, 40) <= 0
    assert excess([*good, *[(0.05, 0.06)] * 5], 60, 40) >= 1
    assert excess([(5.0, 5.0)] * 62, 60, 40) == 2


def test_a_redis_that_hangs_slows_nobody_down_and_comes_back_by_itself(site: Site) -> None:
    server = site.start()
    ada = server.new_person("Ada")
    account = {"email": f"{uuid4().hex}@example.org", "password": "a-long-walk-home", "name": "Ben"}
    competition = ada.new_competition()
    ada.join(competition)
    counting = Server({**site.environ, "RATE_LIMIT": "1000/2000"})
    try:
        counting.wait_until_ready()
        phone = ada.at(counting)
        assert site.valkey.pid
        os.kill(site.valkey.pid, signal.SIGSTOP)
        try:
            phone.sync(300)
            began = time.monotonic()
            with ThreadPoolExecutor(4) as pool:
                paths = [f"/leaderboard/{competition}", "/users/me/profile", f"/leaderboard/{competition}?offset=0"] * 8
                answers = list(pool.map(phone.http.get, paths))
            assert {answer.status_code for answer in answers} == {200}
            assert time.monotonic() - began < 8, "24 time-outs of a second, by four, would be twice as long"
            assert phone.ranks(competition) == [(ada.user_id, 300, 1)]
            closed = httpx.post(f"{counting.address}/api/v1/auth/register", json=account, timeout=10)
            assert (closed.status_code, closed.headers["retry-after"]) == (503, "1")
        finally:
            os.kill(site.valkey.pid, signal.SIGCONT)
        deadline = time.monotonic() + 10
        while httpx.post(f"{counting.address}/api/v1/auth/register", json=account, timeout=10).status_code != 201:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        counting.stop()


def test_connections_to_postgresql_that_are_used_up_are_a_503_and_come_back(
    transactional_db: None, run_server: Callable[..., Server], person: User
) -> None:
    server = run_server("uvicorn", DATABASE_POOL_SIZE="2")
    ada = server.new_person("Ada")
    with connection.cursor() as cursor, ThreadPoolExecutor(4) as pool:
        cursor.execute("BEGIN; LOCK TABLE accounts_user IN ACCESS EXCLUSIVE MODE")
        try:
            waiting = [pool.submit(ada.http.get, "/users/me/profile") for _ in range(2)]
            until_somebody_waits(2)  # and so each holds one of the two connections
            refused = list(pool.map(ada.http.get, ["/users/me/profile"] * 2))
        finally:
            cursor.execute("ROLLBACK")
        assert {answer.status_code for answer in refused} == {503}
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        assert {answer.json()["error"] for answer in refused} == {"Service Unavailable"}
        assert {each.result().status_code for each in waiting} == {200}, "they only had to wait"
    assert ada.http.get("/users/me/profile").status_code == 200
