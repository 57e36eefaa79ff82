"""Starting, finding and ending the engines' processes, which outlive whoever started them."""

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.devservices.account import Account, EngineError, engines_account

# Kept so that those who end before this process can be reaped.
_started: list[subprocess.Popen[bytes]] = []


@contextlib.contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Holds a lock between processes, which the system lets go of when its holder dies.

    Raises BlockingIOError when another process holds it and `wait` is false.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def spawn(command: list[str], directory: Path, log: Path) -> subprocess.Popen[bytes]:
    """Starts `command` as the engines' account in a session of its own, so that no Ctrl-C reaches it."""
    with _appending(log) as output, _named_failure(command):
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command, stdin=subprocess.DEVNULL, stdout=output, **_as_engine(directory)
        )
    _started[:] = [other for other in _started if other.poll() is None] + [process]
    return process


def complete(command: list[str], directory: Path, log: Path, script: str = "") -> None:
    """Runs `command` to its end, `script` on its standard input. Raises EngineError when it fails."""
    with _appending(log) as output, _named_failure(command):
        done = subprocess.run(  # noqa: S603 - our own command line
            command, input=script.encode(), stdout=output, **_as_engine(directory)
        )
    if done.returncode != 0:
        raise EngineError(f"{Path(command[0]).name} failed.\n{tail(log)}")


def running(binary: str, title: str, mark: str) -> list[int]:
    """Process ids of one engine and all its children: by binary or title, by account, and by `mark`.

    `mark` is in each one's command line. That is readable where /proc/<pid>/exe is not (root in a container
    that may not trace), and unlike a pid file it cannot name somebody else's process.
    """
    for child in _started:
        child.poll()  # reaps it: nobody else does while this process lives
    account = engines_account()
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if _matches(pid, binary, title, mark, account)]


def kill(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _matches(pid: int, binary: str, title: str, mark: str, account: Account) -> bool:
    process = Path("/proc", str(pid))
    try:
        if process.stat().st_uid != account.uid:
            return False
        command = (process / "cmdline").read_text(errors="replace")
    except OSError:  # it ended meanwhile
        return False
    first = command.partition("\0")[0]
    return mark in command and (first.startswith(f"{title}: ") or Path(first).name == binary)


def _as_engine(directory: Path) -> dict[str, Any]:
    """What every engine process gets: its account, its directory and nothing of our own environment."""
    common = {
        "stderr": subprocess.STDOUT,
        "cwd": directory,
        "env": {"LC_ALL": "C"},
        "start_new_session": True,
    }
    if os.geteuid() != 0:
        return common
    account = engines_account()
    return common | {"user": account.uid, "group": account.gid, "extra_groups": []}


@contextlib.contextmanager
def _appending(log: Path) -> Iterator[int]:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _named_failure(command: list[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EngineError(f"{command[0]} cannot be started: {error}.") from error
