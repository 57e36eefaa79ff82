"""A board with a watcher in each mode and transport, followed while parts of the site are killed and syncs go on."""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import httpx
import psycopg
import pytest
from websockets.exceptions import WebSocketException

from tests.flows.conftest import Site
from tests.flows.servers import Phone
from tests.leaderboards.histories import client

pytestmark = pytest.mark.slow  # each kills and restarts whole engines

FOLLOWS_WITHIN = 60.0  # seconds; clients wait up to 15 between two attempts
QUIET_SECONDS = 30.0
Rows = list[tuple[str, int, int]]


# --- Who watches: as docs/clients tells clients to ---


class Follower(ABC):
    """Keeps a board and comes back, whatever happens. ``seen`` counts the kinds of frames that it was shown."""

    def __init__(self, phone: Phone, board_id: str, **query: Any) -> None:
        self.phone, self.board_id, self.query = phone, board_id, query
        self.board: Any = None
        self.seen: Counter[str] = Counter()
        self.breaks = 0
        self.failure: Exception | None = None
        self._stop = threading.Event()
        self._retry_ms: int | None = None
        self._thread = threading.Thread(target=self._follow, name=str(self), daemon=True)
        self._thread.start()

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.query}"

    def stop(self) -> None:
        self._stop.set()

    @property
    def rows(self) -> Rows:
        kept = self.board
        return [(row["userId"], row["score"], row["rank"]) for row in kept["rankings"]] if kept else []

    @abstractmethod
    def _watch(self) -> None:
        """Watches until the connection ends, one way or another."""

    def _follow(self) -> None:
        pause = 1.0
        while not self._stop.is_set():
            shown = self.seen.total()
            try:
                self._watch()
            except (OSError, EOFError, WebSocketException, httpx.HTTPError):
                self.breaks += 1
            except Exception as error:
                self.failure = error
                return
            pause = 1.0 if self.seen.total() > shown else min(2 * pause, 15.0)
            self._stop.wait(pause if self._retry_ms is None else self._retry_ms / 1000)
            self._retry_ms = None

    def _take(self, frame: Any) -> str:
        self.seen[frame["type"]] += 1
        if frame["type"] == "closing":
            self._retry_ms = frame.get("retryAfterMs")
        self.board, outcome = client.apply(self.board, frame)
        self.seen[outcome] += 1
        return str(outcome)


class Socket(Follower):
    def _watch(self) -> None:
        have = {name: self.board[name] for name in ("epoch", "version")} if self.board else {}
        with self.phone.watching(self.board_id, **self.query, **have) as watch:
            while not self._stop.is_set():
                if self._take(self._heard(watch.socket)) == client.RESUME:
                    watch.send(client.resume(self.board))

    def _heard(self, socket: Any) -> Any:
        """What comes next; a socket that is quiet for long is asked whether it is there."""
        try:
            return json.loads(socket.recv(timeout=QUIET_SECONDS))
        except TimeoutError:
            socket.send('{"type": "ping"}')
            return json.loads(socket.recv(timeout=QUIET_SECONDS))


class Events(Follower):
    last_id = ""

    def _watch(self) -> None:
        with self.phone.streaming(
            self.board_id, self.query, last_event_id=self.last_id, timeout=QUIET_SECONDS
        ) as stream:
            if stream.answer.status_code != 200:
                return
            while not self._stop.is_set():
                try:
                    event = stream.event()
                except StopIteration:
                    return
                self.last_id = event.id or self.last_id
                if self._take(event.frame) == client.RESUME:
                    return  # a stream is not spoken to: the next one begins where the last event was


class Polls(Follower):
    etag = ""

    @property
    def rows(self) -> Rows:
        kept = self.board
        return [(entry["user_id"], entry["score"], entry["rank"]) for entry in kept["entries"]] if kept else []

    def _watch(self) -> None:
        headers = {"If-None-Match": self.etag} if self.etag else {}
        while not self._stop.is_set():
            answer = self.phone.http.get(
                f"/leaderboard/{self.board_id}?wait=20", headers=headers, timeout=QUIET_SECONDS
            )
            if answer.status_code not in (200, 304):
                return
            self.seen[str(answer.status_code)] += 1
            if answer.status_code == 200:
                self.board, self.etag = answer.json()["data"], answer.headers["etag"]
                headers = {"If-None-Match": self.etag}


# --- Who walks ---


class Walk:
    """Syncs of one person after another, as long as they are let. ``acknowledged`` and ``sent``: steps by person."""

    def __init__(self, people: list[Phone]) -> None:
        self.acknowledged: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.acknowledgements = 0
        self._people, self._chance = people, Random(4)
        self._going, self._over = threading.Event(), threading.Event()
        self._resting = threading.Event()
        self._thread = threading.Thread(target=self._walk, daemon=True)
        self._thread.start()

    @contextmanager
    def going(self) -> Iterator[None]:
        """Until the last sync is answered or has failed."""
        self._resting.clear()
        self._going.set()
        yield
        self._going.clear()
        assert self._resting.wait(60)

    def until_acknowledged(self, more: int) -> None:
        wanted = self.acknowledgements + more
        wait_until(lambda: self.acknowledgements >= wanted, "syncs are not acknowledged")

    def stop(self) -> None:
        self._over.set()

    def _walk(self) -> None:
        while not self._over.is_set():
            if not self._going.wait(0.05):
                self._resting.set()
                continue
            person = self._chance.choice(self._people)
            steps = self.sent[person.user_id] + self._chance.choice([10, 10, 50])
            self.sent[person.user_id] = steps
            try:
                answer = person.http.post("/fitness/sync", json={"steps": steps, "source": "fitbit"}, timeout=10)
            except httpx.HTTPError:
                continue
            if answer.status_code == 200:
                self.acknowledged[person.user_id] = steps
                self.acknowledgements += 1


def wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + FOLLOWS_WITHIN
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def rows_by_sql(site: Site, board_id: str) -> Rows:
    with psycopg.connect(site.postgres.url) as connection:
        return connection.execute(
            "SELECT user_id::text, score, rank() OVER (ORDER BY score DESC) FROM leaderboards_standing"
            " WHERE competition_id = %s AND on_board ORDER BY score DESC, reached_at, joined_at, user_id",
            [board_id],
        ).fetchall()


def around(rows: Rows, user_id: str, neighbours: int) -> Rows:
    [position] = [place for place, (id_, _, _) in enumerate(rows) if id_ == user_id]
    first = max(0, min(position - neighbours, len(rows) - 2 * neighbours - 1))
    return rows[first : first + 2 * neighbours + 1]


def test_everybody_who_watches_has_the_board_of_sql_whatever_was_killed(site: Site) -> None:
    server = site.start()
    people = [server.new_person(name) for name in ("Ada", "Ben", "Cleo", "Dan", "Eli", "Flo")]
    ada, _, cleo, *_ = people
    board = ada.new_competition(tie_rule="shared")
    for somebody in people:
        somebody.join(board)
    whole: list[Follower] = [
        Socket(ada.at(server), board),
        Socket(ada.at(server), board, mode="delta"),
        Events(ada.at(server), board),
        Events(ada.at(server), board, mode="delta"),
        Polls(ada.at(server), board),
    ]
    windows: list[Follower] = [
        Socket(cleo.at(server), board, window=1),
        Socket(cleo.at(server), board, window=1, mode="delta"),
        Events(cleo.at(server), board, window=1),
    ]
    walk = Walk([somebody.at(server) for somebody in people])

    def everybody_has_the_board() -> None:
        rows = rows_by_sql(site, board)
        for user_id, score, _ in rows:  # what was not acknowledged may have been stored all the same
            assert walk.acknowledged[user_id] <= score <= walk.sent[user_id]
        expected = dict.fromkeys(whole, rows)
        expected |= {follower: around(rows, cleo.user_id, 1) for follower in windows}
        for follower, wanted in expected.items():
            wait_until(
                lambda: follower.failure is not None or follower.rows == wanted,  # noqa: B023 - asked at once
                f"{follower} has {follower.rows} and not {wanted}",
            )
            assert follower.failure is None

    def kill_server() -> None:
        assert site.server is not None
        site.server.kill()

    def restart_server() -> None:
        assert site.server is not None
        site.server.stop()

    try:
        with walk.going():
            walk.until_acknowledged(10)
        everybody_has_the_board()
        for kill in (site.valkey.kill, kill_server, site.postgres.kill, restart_server):
            with walk.going():
                walk.until_acknowledged(5)
                kill()
                time.sleep(1.0)  # some go on without it, as well as they can
                site.start()
                walk.until_acknowledged(20)
            everybody_has_the_board()
        site.manage("verify_leaderboards")
    finally:
        walk.stop()
        for follower in (*whole, *windows):
            follower.stop()
    for follower in (*whole, *windows):
        if follower.query.get("mode") == "delta":
            assert follower.seen["leaderboard_delta"] > 0
        if not isinstance(follower, Polls):
            assert follower.seen["closing"] >= 1  # of the server that was asked to go
    assert all(follower.breaks > 0 for follower in whole)
