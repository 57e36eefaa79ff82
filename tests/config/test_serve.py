"""`python -m config.serve`: the server as a process of its own, with PostgreSQL out and everything logged."""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
HOST = "steps.example.org"


class Server:
    def __init__(self, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.log = log
        self.environ = os.environ | {
            "PORT": str(self.port),
            "LOG_LEVEL": "DEBUG",
            "ALLOWED_HOSTS": HOST,
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        }

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers={"Host": HOST}, timeout=30)

    def open_socket(self, path: str, *headers: str) -> bytes:
        """The server's answer to a WebSocket handshake, and the first frames after it."""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {HOST}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *headers,
        ]
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            answer = b""
            while (b"\x11\x31" not in answer) and (part := connection.recv(4096)):  # 4401, the closing code
                answer += part
        return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("serve") / "log")
    with running.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.serve"], cwd=ROOT, env=running.environ, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + 20
            while True:
                assert process.poll() is None, running.log.read_text()
                try:
                    socket.create_connection(("127.0.0.1", running.port), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, running.log.read_text()
                    time.sleep(0.05)
            yield running
        finally:
            process.terminate()
            process.wait(timeout=35)


@pytest.mark.slow
def test_no_line_holds_a_token_or_a_query(server: Server) -> None:
    assert server.get(f"/health?token={TOKEN}").status_code == 200
    assert server.get(f"/nothing?token={TOKEN}").status_code == 404
    path = "/ws/leaderboard/17"
    for handshake in (
        server.open_socket(f"{path}?token={TOKEN}"),
        server.open_socket(path, f"Sec-WebSocket-Protocol: bearer, {TOKEN}"),
    ):
        assert handshake.startswith(b"HTTP/1.1 101 ")
        assert TOKEN.encode() not in handshake
    written = server.log.read_text()
    assert '"path": "/health"' in written
    assert TOKEN not in written
    assert "token=" not in written


@pytest.mark.slow
def test_the_server_does_not_say_what_it_is_made_of(server: Server) -> None:
    assert not set(server.get("/health").headers) & {"server", "x-powered-by"}


@pytest.mark.slow
def test_it_lives_and_says_that_it_is_not_ready_while_postgresql_is_out(server: Server) -> None:
    assert server.get("/health/live").status_code == 200
    answer = server.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert answer.elapsed.total_seconds() < 6, "a probe does not wait any longer"


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/metrics", "/health/detailed"])
def test_who_watches_it_is_told_so_before_they_give_up(server: Server, path: str) -> None:
    """Prometheus waits for ten seconds, and would only say that the process is down."""
    answer = server.get(path)
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < 8
    assert "pacesetter_ready 0.0" in answer.text or answer.json()["status"] == "unavailable"


@pytest.mark.slow
def test_the_images_health_check_works_against_it(server: Server) -> None:
    """The command of the Dockerfile, run as Docker would."""
    (command,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    words = json.loads(command)
    environ = {"PORT": str(server.port), "ALLOWED_HOSTS": f"{HOST}, other.example.org"}
    assert subprocess.run([sys.executable, *words[1:]], env=environ, check=False).returncode == 0
    wrong = subprocess.run([sys.executable, *words[1:]], env=environ | {"PORT": "1"}, capture_output=True, check=False)
    assert wrong.returncode != 0
