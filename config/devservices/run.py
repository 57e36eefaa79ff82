"""`make run`: engines, demo data, web server, worker and walkers, up and down together."""

import http.client
import json
import os
import time
from pathlib import Path

from config.devservices import provide, stop
from config.devservices.children import Children, end_leftovers
from config.devservices.supervising import HOST, RunError, is_ready, no_longer_stopped, refuse_taken, say, supervised

READY_WITHIN = 60.0  # seconds
POLL = 0.1  # seconds
WALKERS = "walkers"
WORKER = "worker"
WORKER_RESTARTS = 5


def run(data_dir: Path, port: int) -> int:
    """Runs until Ctrl-C, SIGTERM or the end of a child; answers the exit code."""
    return supervised(data_dir, lambda: _run_alone(data_dir, port))


def _run_alone(data_dir: Path, port: int) -> None:
    record = data_dir / "run.json"
    end_leftovers(record)
    refuse_taken(port)
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
        say(_welcome(data_dir, port))
        while True:
            _refuse_ended(children)
            time.sleep(POLL)
    finally:
        no_longer_stopped()
        children.stop()
        stop(data_dir)


def _wait_until_ready(children: Children, port: int) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not is_ready(http.client.HTTPConnection(HOST, port, timeout=5)):
        _refuse_ended(children)
        if time.monotonic() > deadline:
            raise RunError(f"The web server is not ready after {READY_WITHIN:.0f} seconds.")
        time.sleep(POLL)


def _refuse_ended(children: Children) -> None:
    """Raises RunError when a child has ended; without walkers the demo goes on, only nobody moves."""
    for name, code in children.ended().items():
        if name == WORKER and children.restarts < WORKER_RESTARTS:
            say("The worker ended, as it does when PostgreSQL goes away; it is started again.")
            children.restarts += 1
            _start_worker(children)
        elif name != WALKERS:
            raise RunError(f"The {name} ended unexpectedly (exit code {code}), so everything was stopped.")
        else:
            say(f"The walkers ended (exit code {code}); the board stands still.")
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
