"""`make run` with small stand-ins for the web server, the worker and the walkers."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import config

WAITING = "import time; time.sleep(60)"
DEMO = {"board_url": "/boards/7", "logins": [{"role": "admin", "email": "a@example.org", "password": "p"}]}
MANAGE = f"""
import os, pathlib, sys
if sys.argv[1] == "prepare_demo":
    pathlib.Path(os.environ["DATA_DIR"], "demo.json").write_text({json.dumps(DEMO)!r})
else:
    {WAITING}
"""
SERVE = """
import http.server, os
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Ready).serve_forever()
"""

Start = Callable[[], subprocess.Popen[str]]

pytestmark = pytest.mark.slow  # each starts a whole installation


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of stand-ins around the real config.devservices."""
    real = Path(config.__file__).parent
    (tmp_path / "config" / "demo").mkdir(parents=True)
    for name in ("core", "devservices"):
        (tmp_path / "config" / name).symlink_to(real / name)
    (tmp_path / "config" / "__init__.py").touch()
    (tmp_path / "config" / "serve.py").write_text(SERVE)
    (tmp_path / "config" / "demo" / "walkers.py").write_text(WAITING)
    (tmp_path / "manage.py").write_text(MANAGE)
    return tmp_path


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start(project: Path, port: int) -> Iterator[Start]:
    environ = os.environ | {"DEBUG": "true", "DATA_DIR": "data", "PORT": str(port)}
    with contextlib.ExitStack() as stack:

        def started() -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "config.devservices", "run"]
            run = subprocess.Popen(
                command, cwd=project, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            stack.callback(run.wait, timeout=20)
            stack.callback(run.terminate)
            return run

        yield started


def read_until(run: subprocess.Popen[str], text: str) -> str:
    assert run.stdout is not None
    read = ""
    for line in run.stdout:
        read += line
        if text in line:
            return read
    raise AssertionError(f"{text!r} never came:\n{read}")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def runs(pid: int) -> bool:
    """Whether a process still runs; one that has ended, seen by its parent or not, has no command line."""
    with contextlib.suppress(OSError):
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    return False


def children(run: subprocess.Popen[str]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()]


def test_a_run_shows_where_to_look_and_ctrl_c_ends_all_of_it(start: Start, port: int, project: Path) -> None:
    run = start()
    shown = read_until(run, "a@example.org")
    assert f"http://127.0.0.1:{port}/boards/7" in shown
    started = children(run)
    assert len(started) == 3
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=15) == 0
    assert not any(map(runs, started))
    assert not (project / "data" / "run.json").exists()


def test_a_child_that_dies_ends_the_run_and_is_named(start: Start, port: int) -> None:
    run = start()
    read_until(run, "a@example.org")
    os.kill(children(run)[0], signal.SIGKILL)
    assert "web server ended unexpectedly" in read_until(run, "web server")
    assert run.wait(timeout=15) == 1
    assert not listens(port)


def test_a_run_goes_on_without_walkers(start: Start, port: int, project: Path) -> None:
    (project / "config" / "demo" / "walkers.py").write_text("raise SystemExit(3)")
    run = start()
    read_until(run, "the board stands still")
    assert listens(port)


def test_a_taken_port_is_refused_before_anything_starts(start: Start, port: int, project: Path) -> None:
    with socket.create_server(("127.0.0.1", port)):
        run = start()
        assert f"Port {port} cannot be used" in read_until(run, "Port")
        assert run.wait(timeout=15) == 1
    assert not (project / "data" / "demo.json").exists()


def test_the_leftovers_of_a_killed_run_are_ended_by_the_next(start: Start, port: int) -> None:
    killed = start()
    read_until(killed, "a@example.org")
    leftovers = children(killed)
    killed.kill()
    killed.wait(timeout=15)
    assert listens(port)
    run = start()
    read_until(run, "a@example.org")
    assert not set(leftovers) & set(children(run))
    assert not any(map(runs, leftovers))


def test_a_process_that_merely_got_a_recorded_number_is_left_alone(start: Start, project: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WAITING]) as stranger:
        (project / "data").mkdir()
        (project / "data" / "run.json").write_text(json.dumps([{"pid": stranger.pid, "command": ["python"]}]))
        read_until(start(), "a@example.org")
        assert stranger.poll() is None
        stranger.kill()
