"""What only several servers behind nginx can show. `make cluster-test` runs the other end-to-end tests there too."""

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from http.client import HTTPSConnection
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from tests.flows.clusters import Cluster
from tests.flows.servers import FRAME_WITHIN, Phone, Watch

pytestmark = [
    pytest.mark.slow,  # two servers, a worker and nginx
    pytest.mark.filterwarnings("ignore:ssl.TLSVersion"),
]
AWAY_AT_MOST = 5.0  # seconds


@pytest.fixture
def ada(cluster: Cluster) -> Phone:
    return cluster.new_person("Ada")


@pytest.fixture
def board(ada: Phone) -> str:
    board = ada.new_competition()
    ada.join(board)
    return board


def test_a_write_at_one_server_reaches_everybody_who_watches_at_the_other(
    cluster: Cluster, ada: Phone, board: str
) -> None:
    with ExitStack() as opened:
        watches = [opened.enter_context(ada.watching(board)) for _ in range(6)]
        for watch in watches:
            watch.message()
        at_each = [cluster.metric_at(number, "sockets") for number in (1, 2)]
        assert sum(at_each) == 6
        assert min(at_each) >= 2, "nginx gives both their share"
        for number, steps in ((1, 700), (2, 800)):
            cluster.direct(number, ada).sync(steps)
            for watch in watches:
                assert watch.ranks_when(steps) == [(ada.user_id, steps, 1)]


def test_everything_comes_by_http_2_but_sockets_by_an_upgrade_of_http_1(
    cluster: Cluster, ada: Phone, board: str
) -> None:
    answer = ada.http.get(f"/leaderboard/{board}")
    assert answer.http_version == "HTTP/2"
    with ada.watching(board) as watch:
        assert watch.message()["type"] == "leaderboard_update"
    path = f"/ws/leaderboard/{board}"
    eventually(lambda: bool(cluster.requests(path)))  # it is written down when the socket closes
    [line] = cluster.requests(path)
    assert (line["protocol"], line["status"]) == ("HTTP/1.1", "101")
    [read] = cluster.requests(f"/api/v1/leaderboard/{board}")
    assert (read["protocol"], read["status"]) == ("HTTP/2.0", "200")
    assert read["request_id"] == answer.headers["x-request-id"], "one id in both logs"


def test_an_event_leaves_when_it_happens(ada: Phone, board: str) -> None:
    """A buffer would keep it until some kilobytes have come together, or the stream ends."""
    with ada.streaming(board) as stream:
        assert stream.answer.http_version == "HTTP/2"
        stream.event()
        for steps in (10, 20, 30):
            ada.sync(steps)
            [row] = stream.frame()["data"]["rankings"]
            assert row["score"] == steps


def test_no_query_string_is_in_any_log(cluster: Cluster, ada: Phone, board: str) -> None:
    assert ada.token
    with ada.watching(board) as watch, ada.streaming(board, {"token": ada.token}) as stream:
        watch.message()
        stream.event()
    with connect(f"wss://127.0.0.1:{cluster.port}/ws/nothing?token={ada.token}") as socket:
        Watch(socket).goodbye()
    eventually(lambda: bool(cluster.requests(f"/api/v1/leaderboard/{board}/stream")))
    everything = cluster.logs + cluster.output
    assert ada.token not in everything
    lines = [json.loads(line) for line in cluster.logs.splitlines() if line.startswith("{")]
    assert len(lines) > 5
    assert not [line for line in lines if "?" in line["path"]]


def test_a_forged_forwarded_address_is_not_believed(cluster: Cluster) -> None:
    """Only this machine may read the metrics."""
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    with httpx.Client(http2=True) as client:
        assert client.get(f"{cluster.address}/metrics", headers=forged).status_code == 200, "nginx put its own there"
    assert httpx.get(f"{cluster.servers[0]}/metrics", headers=forged).status_code == 403, "past nginx it would be"


def test_static_files_are_nginx_s_and_may_be_kept_for_ever_by_their_digest(cluster: Cluster) -> None:
    with httpx.Client(http2=True) as client:
        page = client.get(f"{cluster.address}/api/docs").text
        hashed = re.findall(r"/static/[^\"']+\.[0-9a-f]{12}\.(?:css|js)", page)
        assert hashed, "collected files have their digest in their names"
        answer = client.get(f"{cluster.address}{hashed[0]}", headers={"Accept-Encoding": "gzip"})
        plain = client.get(f"{cluster.address}{re.sub(r'[.][0-9a-f]{12}[.]', '.', hashed[0])}")
    assert (answer.status_code, plain.status_code) == (200, 200)
    assert answer.headers["cache-control"] == "max-age=315360000, public, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert plain.headers["cache-control"] == "max-age=60, public"
    assert answer.headers["x-content-type-options"] == "nosniff"
    direct = httpx.get(f"{cluster.servers[0]}{hashed[0]}")
    assert direct.headers["cache-control"] == answer.headers["cache-control"], "the server itself says the same"
    [line] = cluster.requests(hashed[0])
    assert line["server"] == "", "no server was asked"


def test_bodies_may_be_as_large_for_nginx_as_for_the_servers(cluster: Cluster, ada: Phone) -> None:
    """By HTTP/1.1: this client of HTTP/2 does not hear an answer while it is still sending."""
    headers = {"Authorization": f"Bearer {ada.token}", "Content-Type": "text/plain"}
    most = 8 * 1024 * 1024
    with httpx.Client(base_url=cluster.address, headers=headers, timeout=30) as client:
        refused = client.post("/api/v1/fitness/sync", content=b"x" * (most + 1))
        assert (refused.status_code, refused.json()["code"]) == (413, 413)
        taken = client.post("/api/v1/fitness/sync", content=b"x" * most)
        assert taken.status_code == 415, "the server looked at it"


def test_a_stranger_is_refused_before_a_large_file_is_sent(cluster: Cluster) -> None:
    context = ssl.create_default_context(cafile=str(cluster.certificate))
    with closing(HTTPSConnection("127.0.0.1", cluster.port, context=context, timeout=20)) as connection:
        connection.putrequest("POST", "/api/v1/fitness/imports")
        connection.putheader("Authorization", "Bearer x")
        connection.putheader("Content-Type", "multipart/form-data; boundary=x")
        connection.putheader("Content-Length", str(500_000_000))
        connection.endheaders()
        assert connection.getresponse().status == 401


class Watcher(threading.Thread):
    """Watches as the clients do that come back: at the moment that they were given, or soon after a broken connection.
    ``away`` are the seconds between a close and the next snapshot."""

    def __init__(self, person: Phone, board: str) -> None:
        super().__init__(daemon=True)
        self._url = f"{person.address.replace('http', 'ws', 1)}/ws/leaderboard/{board}?token={person.token}"
        self.away: list[float] = []
        self.score = -1
        self.over = threading.Event()

    def run(self) -> None:
        lost_at = None
        while not self.over.is_set():
            pause = 0.5
            with suppress(OSError, WebSocketException, TimeoutError), connect(self._url) as socket:
                for message in _messages(Watch(socket)):
                    if self.over.is_set():
                        return
                    if message is None:
                        continue
                    if message["type"] == "closing":
                        pause = message["retryAfterMs"] / 1000
                    elif lost_at is not None:
                        self.away.append(time.monotonic() - lost_at)
                        lost_at = None
                    if message["type"] == "leaderboard_update":
                        [row] = message["data"]["rankings"]
                        self.score = row["score"]
            lost_at = lost_at or time.monotonic()
            self.over.wait(pause)


def _messages(watch: Watch) -> Iterator[Any]:
    """What comes; None where nothing comes for a while."""
    while True:
        try:
            yield json.loads(watch.socket.recv(timeout=0.2))
        except TimeoutError:
            yield None
        except ConnectionClosed:
            return


def test_a_rolling_restart_sends_nobody_away_for_more_than_five_seconds(
    cluster: Cluster, ada: Phone, board: str
) -> None:
    watchers = [Watcher(ada, board) for _ in range(10)]
    for watcher in watchers:
        watcher.start()
    eventually(lambda: all(watcher.score == 0 for watcher in watchers))
    answers: list[int] = []
    over = threading.Event()

    def write() -> None:
        person = Phone(ada.address, ada.token, ada.user_id)
        for steps in range(1, 100_000):
            if over.wait(0.05):
                return
            answers.append(
                person.http.post("/fitness/sync", json={"steps": steps, "source": "health_connect"}).status_code
            )

    writer = threading.Thread(target=write)
    writer.start()
    for number in (1, 2):
        cluster.restart(number)
    eventually(lambda: sum(len(watcher.away) for watcher in watchers) >= len(watchers))
    over.set()
    writer.join(FRAME_WITHIN)
    last = ada.get(f"/leaderboard/{board}")["entries"][0]["score"]
    eventually(lambda: all(watcher.score == last for watcher in watchers))
    for watcher in watchers:
        watcher.over.set()
    away = [seconds for watcher in watchers for seconds in watcher.away]
    assert away, "somebody was sent away"
    assert max(away) <= AWAY_AT_MOST, sorted(away)
    assert set(answers) <= {200, 503}
    assert answers.count(503) <= len(answers) // 20, "there was always a server to ask"


def test_nginx_vouches_for_itself_by_tls_of_today_alone(cluster: Cluster) -> None:
    old = ssl.create_default_context(cafile=str(cluster.certificate))
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{cluster.address}/health", verify=old)
    redirect = httpx.get(f"{cluster.redirect}/boards?x=1")
    assert (redirect.status_code, redirect.headers["location"]) == (308, "https://127.0.0.1/boards?x=1")


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 4 * FRAME_WITHIN
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
