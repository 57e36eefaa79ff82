"""What the two embedded engines have in common: one data directory, one private socket, one life cycle."""

import abc
import contextlib
import enum
import hashlib
import shutil
import signal
import time
from pathlib import Path

from config.devservices import processes
from config.devservices.account import EngineError, engines_account, open_the_way, private_directory

READY_WITHIN = 60.0  # seconds; recovery after a crash replays what was not yet checkpointed
GONE_WITHIN = 30.0  # seconds
POLL = 0.02  # seconds


class Answer(enum.Enum):
    READY = enum.auto()
    STARTING = enum.auto()  # or recovering, or shutting down: it speaks, but serves nobody
    NONE = enum.auto()


def socket_directory(data_dir: Path) -> Path:
    """Where the sockets of `data_dir` are: short, because the system cuts their paths at 107 bytes.

    It is not the user's own temporary directory, so that two terminals with different TMPDIRs agree on it.
    """
    name = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]
    return Path(f"/tmp/pacesetter-{engines_account().uid}-{name}")  # noqa: S108 - verified before use


class Engine(abc.ABC):
    """One engine on one data directory; any number of these objects may speak of the same engine.

    `durable=False` gives up safety from power cuts for speed; for data that nobody will miss.
    """

    binary: str  # name of the executable
    title: str  # what its processes call themselves, before a colon
    pid_file: str  # below `home`; its first line is the process id
    socket_files: tuple[str, ...]  # below `sockets`
    stop_signal: signal.Signals

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = data_dir.resolve()
        self.durable = durable
        self.home = self.data_dir / self.title
        self.log = self.data_dir / f"{self.title}.log"
        self.sockets = socket_directory(self.data_dir)

    @property
    @abc.abstractmethod
    def url(self) -> str: ...

    @abc.abstractmethod
    def probe(self) -> Answer: ...

    @abc.abstractmethod
    def command(self) -> list[str]: ...

    @property
    def pid(self) -> int | None:
        """The engine's main process; None when it does not run, or runs on a directory since removed."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int((self.home / self.pid_file).read_text().splitlines()[0])
            return pid if pid in self._running() else None
        return None

    def start(self) -> None:
        """Returns when the engine answers: the one that runs already, else a new one in its place.

        Raises EngineError with the end of the log when it ends instead, or needs more than READY_WITHIN.
        """
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        open_the_way(self.home)
        private_directory(self.sockets)
        deadline = time.monotonic() + READY_WITHIN
        if self.pid is not None and self._settles(deadline):
            return
        self.kill()  # what does not answer is broken; both engines recover from this
        self.prepare()
        (self.home / self.pid_file).unlink(missing_ok=True)
        self._clear_sockets()
        process = processes.spawn(self.command(), self.home, self.log)
        while not self._settles(deadline):
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise EngineError(f"{self.title} does not start:\n{processes.tail(self.log)}")
            time.sleep(POLL)

    def prepare(self) -> None:
        private_directory(self.home)

    def stop(self) -> None:
        """Ends the engine with everything written; connections are cut. It need not run."""
        if (pid := self.pid) is not None:
            processes.kill([pid], self.stop_signal)
            self._gone_within(GONE_WITHIN)
        self.kill()
        self._clear_sockets()
        with contextlib.suppress(OSError):  # the other engine still uses the directory, or never was there
            self.sockets.rmdir()

    def kill(self) -> None:
        """Ends the engine and all its children at once (SIGKILL), as a crash would."""
        deadline = time.monotonic() + GONE_WITHIN
        while pids := self._running():  # again: one of them may have been about to have a child
            processes.kill(pids, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise EngineError(f"{self.title} (process {pids[0]}) cannot be ended.")
            time.sleep(POLL)

    def discard(self) -> None:
        """Ends the engine and removes its data."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _clear_sockets(self) -> None:
        for name in self.socket_files:
            (self.sockets / name).unlink(missing_ok=True)

    def _settles(self, deadline: float) -> bool:
        while (answer := self.probe()) is Answer.STARTING and time.monotonic() < deadline:
            time.sleep(POLL)
        return answer is Answer.READY

    def _gone_within(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._running() and time.monotonic() < deadline:
            time.sleep(POLL)

    def _running(self) -> list[int]:
        return processes.running(self.binary, self.title, self.sockets.name)
