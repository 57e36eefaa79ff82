"""Metrics of several processes in one folder, for a machine on which one address stands for all of them.

Ordinarily each process answers ``/metrics`` for itself, and Prometheus adds them up. Where it can only ask an address
behind which now this process answers and now that one, METRICS_DIR names a folder in which all of them keep their
metrics (prometheus_client's multi-process mode), and each of them answers for all.

A process holds a lock on a file of its own for as long as it lives, which the kernel takes away however it ends; a
number alone would be another process's some time. What a dead one counted stays in the sums, or Prometheus would take
the smaller sum for a restart and count everything anew; what it was, such as its open sockets, goes with it. Whoever
comes first finds the folder empty.

Called before prometheus_client is imported, which looks at the environment then.
"""

import fcntl
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_ALIVE = ".alive"
_held: list[IO[str]] = []


def share_metrics(folder: Path) -> None:
    """This process keeps its metrics in the folder from now on, and is told apart from dead ones there."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[VARIABLE] = str(folder)
    with _alone(folder):
        sweep(folder)
        mine = (folder / f"{os.getpid()}{_ALIVE}").open("w")
        try:
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(
                f"Pacesetter cannot start: another process has the number {os.getpid()} in METRICS_DIR."
                " Processes in containers of their own cannot share that folder."
            )
        _held.append(mine)


def keep_own_metrics() -> None:
    """Each process for itself. The variable may be there and empty, which prometheus_client takes for a folder."""
    os.environ.pop(VARIABLE, None)


def shared_folder() -> Path | None:
    return Path(os.environ[VARIABLE]) if VARIABLE in os.environ else None


@contextmanager
def swept(folder: Path) -> Iterator[None]:
    """The folder without dead processes, while nobody else changes it."""
    with _alone(folder):
        sweep(folder)
        yield


def sweep(folder: Path) -> None:
    """With the folder to oneself."""
    living = _living(folder)
    files = list(folder.glob("*.db"))
    if not living:
        _remove(files)
        return
    dead = [file for file in files if _process_of(file) not in living | {_NOBODY}]
    for kind in ("counter", "histogram", "summary"):
        _fold(folder / f"{kind}_{_NOBODY}.db", [file for file in dead if file.name.startswith(f"{kind}_")])
    _remove(dead)


_NOBODY = "0"
"""Stands for all the dead in the names of files; no process has this number."""


def _fold(into: Path, files: Iterable[Path]) -> None:
    """Adds up what the dead have counted."""
    from prometheus_client import mmap_dict

    dictionary: Any = mmap_dict.MmapedDict  # without types
    sums = None
    for file in files:
        sums = sums or dictionary(str(into))
        for key, value, _, _ in dictionary.read_all_values_from_file(str(file)):
            sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
    if sums is not None:
        sums.close()


def _living(folder: Path) -> set[str]:
    living = set()
    for file in folder.glob(f"*{_ALIVE}"):
        with file.open() as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                living.add(file.stem)
                continue
        file.unlink(missing_ok=True)
    return living


def _process_of(file: Path) -> str:
    return file.stem.rpartition("_")[2]


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
