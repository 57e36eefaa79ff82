"""`make run`: engines, demo data, web server, worker and walkers, up and down together."""

import http.client
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from config.devservices import EngineError, provide, stop
from config.devservices.children import Children, end_leftovers
from config.devservices.processes import locked

HOST = "127.0.0.1"  # never another: with DEBUG the server shows stack traces, and the demo log-ins are public
READY_WITHIN = 60.0  # seconds
POLL = 0.1  # seconds
WALKERS = "walkers"
WORKER = "worker"
WORKER_RESTARTS = 5
STOPPED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a supervisor, a closed terminal


class RunError(Exception):
    """The run cannot start or go on; the text is one sentence for the developer."""


def run(data_dir: Path, port: int) -> int:
    """Runs until Ctrl-C, SIGTERM or the end of a child; answers the exit code."""
    for number in STOPPED_BY:
        under_nohup = number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN
        if not under_nohup:
            signal.signal(number, signal.default_int_handler)
    try:
        with locked(data_dir / "run.lock", wait=False):
            _run_alone(data_dir, port)
    except BlockingIOError:
        return _failed(f"Another run uses {data_dir}; stop it first, or choose another DATA_DIR.")
    except (RunError, EngineError) as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        _say("Stopped.")
    return 0


def _run_alone(data_dir: Path, port: int) -> None:
    record = data_dir / "run.json"
    end_leftovers(record)
    _refuse_taken(port)
    ours = {"DATA_DIR": str(data_dir), "HOST": HOST, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    quiet = {"LOG_LEVEL": "WARNING"}  # a dozen walkers a second would push the addresses off the screen
    children = Children(record, quiet | os.environ | ours)
    try:
        children.environ |= provide(data_dir, os.environ)
        children.start("web server", "-m", "config.serve")  # loads meanwhile; not ready before it is migrated
        if code := children.run("prepare_demo", "manage.py", "prepare_demo"):
            raise RunError(f"The demo cannot be prepared (manage.py prepare_demo ended with {code}).")
        _start_worker(children)
        _wait_until_ready(children, port)
        children.start(WALKERS, "-m", "config.demo.walkers")
        _say(_welcome(data_dir, port))
        while True:
            _refuse_ended(children)
            time.sleep(POLL)
    finally:
        for number in STOPPED_BY:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
        children.stop()
        stop(data_dir)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        # Connections that ended a moment ago do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunError(f"Port {port} cannot be used ({reason}); choose another with PORT=8081.") from None


def _wait_until_ready(children: Children, port: int) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not _answers(port):
        _refuse_ended(children)
        if time.monotonic() > deadline:
            raise RunError(f"The web server is not ready after {READY_WITHIN:.0f} seconds.")
        time.sleep(POLL)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _refuse_ended(children: Children) -> None:
    """Raises RunError when a child has ended; without walkers the demo goes on, only nobody moves."""
    for name, code in children.ended().items():
        if name == WORKER and children.restarts < WORKER_RESTARTS:
            _say("The worker ended, as it does when PostgreSQL goes away; it is started again.")
            children.restarts += 1
            _start_worker(children)
        elif name != WALKERS:
            raise RunError(f"The {name} ended unexpectedly (exit code {code}), so everything was stopped.")
        else:
            _say(f"The walkers ended (exit code {code}); the board stands still.")
            children.forget(name)


def _start_worker(children: Children) -> None:
    children.start(WORKER, "manage.py", "procrastinate", "worker")


def _welcome(data_dir: Path, port: int) -> str:
    """What to open and with which log-ins, as prepare_demo left it in demo.json."""
    demo = json.loads((data_dir / "demo.json").read_text())
    site = f"http://{HOST}:{port}"
    pages = {"Live board": demo["board_url"], "API docs": "/api/docs", "Admin": "/admin/"}
    lines = ["", "Pacesetter is ready; Ctrl-C stops it.", ""]
    lines += [f"  {name:<12}{site}{path}" for name, path in pages.items()]
    lines += ["", "  Log in as"]
    lines += [f"  {login['role']:<26}{login['email']:<32}{login['password']}" for login in demo["logins"]]
    return "\n".join([*lines, ""])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _failed(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1
