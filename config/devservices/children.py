"""The processes that `run` starts and stops together, also those that a killed run left behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

STOP_WITHIN = 10.0  # seconds, then SIGKILL
POLL = 0.1  # seconds


class Children:
    """Child processes by name, each the leader of a session of its own.

    So Ctrl-C reaches the parent alone, which then ends them in order. `record` is a JSON file that says who
    runs, for the next run in case this one is killed.
    """

    def __init__(self, record: Path, environ: Mapping[str, str]) -> None:
        self._record = record
        self.environ = dict(environ)
        self.restarts = 0
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        """Starts Python with `arguments`, and with `environ` beside what all of them get."""
        return self.start_command(name, [sys.executable, *arguments], **environ)

    def start_command(self, name: str, command: list[str], **environ: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(  # noqa: S603 - our own command line
            command, env=self.environ | environ, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self._running[name] = child
        self._save()
        return child

    def run(self, name: str, *arguments: str) -> int:
        """Runs Python with `arguments` to the end; answers its exit code."""
        code = self.start(name, *arguments).wait()
        self.forget(name)
        return code

    def forget(self, name: str) -> None:
        del self._running[name]
        self._save()

    def ended(self) -> dict[str, int]:
        """The exit codes of those that have ended."""
        codes = {name: child.poll() for name, child in self._running.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def stop(self) -> None:
        """Ends them all, the last started first."""
        _end([child.pid for child in reversed(self._running.values()) if child.poll() is None])
        for child in self._running.values():
            child.wait()
        self._record.unlink(missing_ok=True)

    def _save(self) -> None:
        running = [{"name": name, "pid": child.pid, "command": child.args} for name, child in self._running.items()]
        unfinished = self._record.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(running))
        unfinished.replace(self._record)


def end_leftovers(record: Path) -> None:
    """Ends what a killed run left behind, as far as its processes still run the very commands recorded."""
    try:
        recorded = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):  # none, or cut short by a power cut, which also ended everybody
        return
    _end([entry["pid"] for entry in recorded if _command(entry["pid"]) == entry["command"]])
    record.unlink()


def _end(pids: list[int]) -> None:
    """SIGTERM to each, after STOP_WITHIN SIGKILL; each time to its whole session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)
        deadline = time.monotonic() + STOP_WITHIN
        while any(map(_command, pids)) and time.monotonic() < deadline:
            time.sleep(POLL)


def _command(pid: int) -> list[str]:
    """The command line of a process; empty when it has ended, even if its parent has not noticed yet."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except OSError:
        return []
