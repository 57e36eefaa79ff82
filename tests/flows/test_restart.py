"""SIGTERM: whoever watches is told to come again, requests finish, and the process ends by itself."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from tests.flows.conftest import database_at_hand
from tests.flows.servers import FRAME_WITHIN, Phone, Server
from tests.locks import waiting_for_locks

ENDS_WITHIN = 30.0
A_SYNC = {"steps": 777, "source": "health_connect"}

pytestmark = pytest.mark.slow  # servers of their own


@pytest.fixture
def passing_server(transactional_db: None, tmp_path: Any) -> Iterator[Server]:
    """One that a test may end."""
    server = Server({"DATABASE_URL": database_at_hand()}, log=tmp_path / "server.log")
    server.wait_until_ready()
    yield server
    if server.process.poll() is None:
        server.kill()


@contextmanager
def held_up(person: Phone) -> Iterator[None]:
    """Whatever this person sends waits until this is over."""
    with psycopg.connect(database_at_hand()) as holder:
        holder.execute("SELECT 1 FROM accounts_user WHERE id = %s FOR UPDATE", [person.user_id])
        yield
        holder.rollback()


def beside(answers: list[httpx.Response], ask: Callable[[], httpx.Response]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    return thread


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + FRAME_WITHIN
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_that_has_to_go_lets_nobody_down(passing_server: Server) -> None:
    server = passing_server
    ada, ben = server.new_person("Ada"), server.new_person("Ben")
    board = ada.new_competition()
    ada.join(board)
    ben.join(board)
    etag = ada.http.get(f"/leaderboard/{board}").headers["etag"]
    polled: list[httpx.Response] = []
    synced: list[httpx.Response] = []
    poller = ada.at(server).http
    poller.headers["If-None-Match"] = etag
    with ExitStack() as open_ones:
        sockets = [open_ones.enter_context(ada.watching(board, mode=mode)) for mode in ("snapshot", "delta")]
        windows = [open_ones.enter_context(ada.watching(board, window=2))]
        streams = [open_ones.enter_context(ben.streaming(board)) for _ in range(2)]
        for watch in (*sockets, *windows):
            watch.message()
        for stream in streams:
            stream.event()
        with held_up(ben):
            polling = beside(polled, lambda: poller.get(f"/leaderboard/{board}", params={"wait": 60}))
            syncing = beside(synced, lambda: ben.at(server).http.post("/fitness/sync", json=A_SYNC))
            wait_for(lambda: waiting_for_locks() > 0 and server.metric("sockets") == 6)  # a long poll is one
            server.process.send_signal(signal.SIGTERM)
            asked_at = time.monotonic()
            waits = []
            for watch in (*sockets, *windows):
                closing, code = watch.goodbye()
                assert (closing["type"], closing["code"], code) == ("closing", 1012, 1012)
                waits.append(closing["retryAfterMs"])
            for stream in streams:
                closing = stream.last_frame()
                assert (closing["type"], closing["code"]) == ("closing", 1012)
                assert stream.retry_ms == closing["retryAfterMs"]
                waits.append(closing["retryAfterMs"])
            polling.join(FRAME_WITHIN)
            assert [answer.status_code for answer in polled] == [304]
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{server.address}/health/live")
            assert synced == []
            assert server.process.poll() is None
        syncing.join(FRAME_WITHIN)
    assert [answer.status_code for answer in synced] == [200]
    assert server.process.wait(ENDS_WITHIN) == 0
    assert time.monotonic() - asked_at < ENDS_WITHIN
    assert all(500 <= wait <= 5000 for wait in waits)
    assert len(set(waits)) > 1  # or they would all come back at once


@pytest.mark.slow
def test_a_request_that_never_ends_does_not_keep_the_process(passing_server: Server) -> None:
    ada = passing_server.new_person("Ada")
    failed: list[Exception] = []

    def sync() -> None:
        try:
            ada.http.post("/fitness/sync", json=A_SYNC, timeout=60)
        except httpx.HTTPError as error:
            failed.append(error)

    with held_up(ada):
        syncing = threading.Thread(target=sync)
        syncing.start()
        wait_for(lambda: waiting_for_locks() > 0)
        passing_server.process.send_signal(signal.SIGTERM)
        assert passing_server.process.wait(ENDS_WITHIN + 5) == 0
    syncing.join(FRAME_WITHIN)
    assert len(failed) == 1
