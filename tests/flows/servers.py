"""Real server processes for the end-to-end tests, and ordinary clients for them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.docs.asyncapi import said_at

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN = 30.0  # seconds; two cores may be busy with other tests
FRAME_WITHIN = 10.0  # seconds; a bound for a hanging test, not a promise about speed


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server process, by uvicorn as in production or by daphne as in ``runserver``."""

    def __init__(self, environ: Mapping[str, str], *, kind: str = "uvicorn", log: Path | None = None) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._kind = kind
        settings = {"DJANGO_SETTINGS_MODULE": "config.settings"}
        self.environ = {**os.environ, **settings, **environ, "PORT": str(self.port)}
        self._log = log
        self.start()

    def command(self) -> list[str]:
        return {
            "uvicorn": ["-m", "config.serve"],
            # Not as loud as usual: its own access log would hold query strings.
            "daphne": ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(self.port), "config.asgi:application"],
        }[self._kind]

    def start(self) -> None:
        output = self._log.open("ab") if self._log else subprocess.DEVNULL
        self.process = subprocess.Popen(
            [sys.executable, *self.command()], cwd=ROOT, env=self.environ, stdout=output, stderr=output
        )

    def wait_until_ready(self, within: float = READY_WITHIN) -> None:
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the server ended at once"
            try:
                if httpx.get(f"{self.address}/health/ready", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise AssertionError(f"the server is not ready after {within} s")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def metric(self, name: str) -> int:
        """The sum over its labels."""
        page = httpx.get(f"{self.address}/metrics").text
        values = re.findall(rf"^pacesetter_{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)
        assert values, f"there is no pacesetter_{name}"
        return int(sum(map(float, values)))

    def new_person(self, name: str) -> "Phone":
        """Registers and logs in, as an app does."""
        account = {"email": f"{uuid4().hex}@example.org", "password": "a-long-walk-home"}
        anonymous = Phone(self.address, None)
        profile = anonymous.post("/auth/register", {**account, "name": name})
        return Phone(self.address, anonymous.post("/auth/token", account)["access"], profile["id"])


class Phone:
    """A client of the API with somebody's token."""

    def __init__(self, address: str, token: str | None, user_id: str = "") -> None:
        self.token, self.user_id, self.address = token, user_id, address
        self.http = self._client()

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        by_tls = self.address.startswith("https")
        return httpx.Client(base_url=f"{self.address}/api/v1", headers=headers, timeout=20, http2=by_tls)

    def at(self, server: Server) -> "Phone":
        """The same person at another server."""
        return Phone(server.address, self.token, self.user_id)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._data(self.http.post(path, json=body if body is not None else {}))

    def get(self, path: str) -> Any:
        return self._data(self.http.get(path))

    def _data(self, answer: httpx.Response) -> Any:
        assert answer.is_success, f"{answer.status_code}: {answer.text}"
        return answer.json().get("data")

    def new_competition(self, **fields: Any) -> str:
        span = {"start_date": "2020-01-01", "end_date": "2029-12-30"}
        return str(self.post("/competitions", {"name": "Lake walk", **span, **fields})["id"])

    def join(self, competition: str) -> None:
        self.post(f"/competitions/{competition}/join")

    def sync(self, steps: int, **fields: Any) -> Any:
        return self.post("/fitness/sync", {"steps": steps, "source": "health_connect", **fields})

    def ranks(self, competition: str) -> list[tuple[str, int, int]]:
        entries = self.get(f"/leaderboard/{competition}")["entries"]
        return [(entry["user_id"], entry["score"], entry["rank"]) for entry in entries]

    def version(self, competition: str) -> int:
        return int(self.get(f"/leaderboard/{competition}")["version"])

    @contextmanager
    def watching(self, competition: str, **query: Any) -> Iterator["Watch"]:
        with self._socket(f"/ws/leaderboard/{competition}?{urlencode({'token': self.token, **query})}") as watch:
            yield watch

    @contextmanager
    def following(self) -> Iterator["Watch"]:
        """Their own activity."""
        with self._socket(f"/ws/fitness?token={self.token}") as watch:
            yield watch

    @contextmanager
    def _socket(self, path: str) -> Iterator["Watch"]:
        with self._connected(self.address.replace("http", "ws", 1) + path) as socket:
            yield Watch(socket, "fitness" if path.startswith("/ws/fitness") else "leaderboard")

    def _connected(self, url: str) -> ClientConnection:
        """Through TLS once more when the client hangs in its handshake: it uses one TLS session from two threads, which
        went wrong 2 times in 400, where a client of one thread never hung in 1,700."""
        try:
            return connect(url, max_size=None)
        except TimeoutError:
            if not url.startswith("wss:"):
                raise
            return connect(url, max_size=None)

    @contextmanager
    def streaming(
        self,
        competition: str,
        query: Mapping[str, Any] | None = None,
        *,
        last_event_id: str = "",
        timeout: float = FRAME_WITHIN,
    ) -> Iterator["Stream"]:
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        path = f"/leaderboard/{competition}/stream"
        # On a connection of its own: with HTTP/2 the client would not tell the server that it has stopped listening.
        with self._client() as http, http.stream("GET", path, params=query, headers=headers, timeout=timeout) as answer:
            yield Stream(answer)


class Watch:
    """An open socket. Whatever comes must be what docs/asyncapi.yaml says of ``channel``."""

    def __init__(self, socket: ClientConnection, channel: str = "leaderboard") -> None:
        self.socket, self.channel = socket, channel

    def message(self) -> Any:
        return said_at(self.channel, json.loads(self.socket.recv(timeout=FRAME_WITHIN)))

    def send(self, message: Mapping[str, Any]) -> None:
        self.socket.send(json.dumps(message))

    def goodbye(self) -> tuple[Any, int | None]:
        """Reads on until the server closes the socket: the last message, and the code."""
        last = None
        try:
            while True:
                last = self.message()
        except ConnectionClosed as closed:
            return last, closed.rcvd.code if closed.rcvd else None

    def ranks_when(self, score: int) -> list[tuple[str, int, int]]:
        """The first frame in which somebody has this score."""
        while True:
            rankings = self.message()["data"]["rankings"]
            if any(row["score"] == score for row in rankings):
                return [(row["userId"], row["score"], row["rank"]) for row in rankings]


class Event(NamedTuple):
    """``id`` is the state that the frame leads to, as ``<epoch>:<version>``."""

    id: str
    frame: Any


class Stream:
    """An open event stream. ``retry_ms`` is what it last said about coming back."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.retry_ms: int | None = None
        self._lines = answer.iter_lines()

    def event(self) -> Event:
        """The next one that carries a frame. Raises StopIteration when the stream has ended."""
        id_, frame = "", None
        while True:
            name, _, value = next(self._lines).partition(": ")
            match name:
                case "id":
                    id_ = value
                case "data":
                    frame = said_at("stream", json.loads(value))
                case "retry":
                    self.retry_ms = int(value)
                case "" if value == "" and frame is not None:
                    return Event(id_, frame)

    def frame(self) -> Any:
        return self.event().frame

    def last_frame(self) -> Any:
        """Reads on until the server ends the stream."""
        frame = None
        while True:
            try:
                frame = self.frame()
            except StopIteration:
                return frame
