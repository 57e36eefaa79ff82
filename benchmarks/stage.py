"""The stage: throwaway engines, server processes, and which core each of them may use.

Everything that is started here is ended here, also after Ctrl-C or a failure.
"""

import http.client
import json
import os
import platform
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import django

from benchmarks.figures import Report, say
from config.devservices import Postgres, Valkey
from config.devservices.processes import tail

ROOT = Path(__file__).resolve().parents[1]
LOAD = ROOT / "benchmarks" / "load"
READY_WITHIN = 60.0  # seconds
STOP_WITHIN = 15.0  # seconds, then SIGKILL
STOPPED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a supervisor, a closed terminal
HOST = "127.0.0.1"
GET_TOOLS = {"wrk": "apt-get install wrk", "nginx": "apt-get install nginx-light"} | {
    "redis-benchmark": "apt-get install redis-tools",
    "cc": "apt-get install gcc libc6-dev",
}


class BenchError(Exception):
    """Something is wrong with what is measured: it failed, or did not do what its figure would claim."""


class NotMeasured(Exception):
    """A figure cannot be taken here, through nobody's fault: a tool is missing, or it would take too long."""


@dataclass(frozen=True)
class Stage:
    """``server_core`` carries what is measured, ``load_core`` what drives it."""

    folder: Path
    postgres: Postgres
    valkey: Valkey
    environ: Mapping[str, str]
    server_core: int
    load_core: int
    quick: bool
    report: Report

    def seconds(self, full: float) -> float:
        """How long a row is measured; two seconds are enough to see whether everything works."""
        return min(full, 2.0) if self.quick else full


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    port: int

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"


@contextmanager
def opened(*, quick: bool) -> Iterator[Stage]:
    """Engines on a folder of their own, the database migrated, Django loaded on it. Durable: what is measured is
    what an operator gets."""
    _take_file_descriptors()
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="pacesetter-bench-") as name:
        folder = Path(name)
        postgres, valkey = Postgres(folder), Valkey(folder)
        try:
            say("starting PostgreSQL and Valkey")
            postgres.start()
            valkey.start()
            environ = os.environ | _production(folder, postgres, valkey)
            os.environ.update(environ)
            django.setup()
            run([sys.executable, "manage.py", "migrate", "--verbosity=0"], environ)
            yield Stage(folder, postgres, valkey, environ, cores[0], cores[-1], quick, Report())
        finally:
            for number in STOPPED_BY:
                signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
            valkey.discard()
            postgres.discard()


def _production(folder: Path, postgres: Postgres, valkey: Valkey) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "JWT_SECRET": secrets.token_urlsafe(32),
        "DATABASE_URL": postgres.url,
        "REDIS_URL": valkey.url,
        "DATA_DIR": str(folder),
        "HOST": HOST,
        "ALLOWED_HOSTS": HOST,
        "RATE_LIMIT": "0",
        "LOG_LEVEL": "WARNING",
    }


def _take_file_descriptors() -> None:
    """Ten thousand sockets need as many descriptors on both sides; children inherit what may be had."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = max(hard, 65_536)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    except (ValueError, OSError):  # only root may raise the hard limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def machine() -> str:
    """What this was measured on, in one line."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if "model name" in line), "unknown CPU")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {model}, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"


# --- Processes ----------------------------------------------------------------------------------------------------


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """What is started inside runs on this core alone; None leaves it to the system."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def moved_to_core(pid: int, core: int) -> Iterator[None]:
    """Keeps a process that runs already, with all its threads, on one core for a while."""
    threads = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    before = os.sched_getaffinity(pid)
    try:
        for thread in threads:
            os.sched_setaffinity(thread, {core})
        yield
    finally:
        for thread in threads:
            os.sched_setaffinity(thread, before)


@contextmanager
def started(
    command: Sequence[str], environ: Mapping[str, str], *, core: int | None, log: Path, stdin: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, so that Ctrl-C reaches only us; ended when the block is left. What it writes
    goes to the log; with ``stdin=PIPE`` it is one to talk with, and its standard output is ours to read."""
    with log.open("ab") as output, on_core(core):
        process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            cwd=ROOT,
            env=dict(environ),
            start_new_session=True,
            stdin=stdin,
            stdout=subprocess.PIPE if stdin else output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            pass
        finally:  # also when a second Ctrl-C comes while we wait
            process.kill()
            process.wait()


@contextmanager
def serving(stage: Stage, *command: str, pinned: bool = True, **environ: str) -> Iterator[Server]:
    """A server, ready to answer: the one that ships, or with ``command`` (Python's arguments, ``{port}`` filled in)
    a rival under the same settings. Raises BenchError with the end of its log when it does not come up."""
    port = free_port()
    arguments = [word.format(port=port) for word in command or ("-m", "config.serve")]
    log = stage.folder / f"server-{port}.log"
    own = {**stage.environ, "PORT": str(port), **environ}
    core = stage.server_core if pinned else None
    with started([sys.executable, *arguments], own, core=core, log=log) as process:
        server = Server(process, port)
        wait_until_ready(server, "/health/ready", log)
        yield server


def wait_until_ready(server: Server, path: str, log: Path) -> None:
    """Raises BenchError with the end of the log when it does not answer ``path`` with 200."""
    deadline = time.monotonic() + READY_WITHIN
    while not _answers(server.port, path):
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"{server.process.args!r} does not come up:\n{tail(log)}")
        time.sleep(0.05)


def _answers(port: int, path: str) -> bool:
    try:
        return fetch(port, path).status == 200
    except (OSError, http.client.HTTPException):
        return False


def run(command: Sequence[str], environ: Mapping[str, str], *, core: int | None = None, cwd: Path = ROOT) -> str:
    """Runs something to its end; answers what it wrote. Raises BenchError when it fails."""
    with on_core(core):
        done = subprocess.run(  # noqa: S603 - our own command line
            command, cwd=cwd, env=dict(environ), capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise BenchError(f"{command[0]} failed: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def attempt(stage: Stage, keys: Collection[str], measured: Callable[[], None]) -> None:
    """Where some of these figures cannot be taken, the reason stands in their place, and the bench goes on."""
    try:
        measured()
    except NotMeasured as reason:
        stage.report.give_up(keys, str(reason))
    except BenchError as error:
        stage.report.give_up(keys, str(error))
        stage.report.failures.append(str(error))


def tool(name: str) -> str:
    """The path of a tool that is not ours. Raises NotMeasured, which says how to get it."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        raise NotMeasured(f"{name} is missing ({GET_TOOLS[name]})")
    return found


def compiled(stage: Stage, name: str) -> str:
    """The path of a C program of ours, built on first use. Raises NotMeasured without a compiler."""
    program = stage.folder / name
    if not program.exists():
        run([tool("cc"), "-O2", "-Wall", "-o", str(program), str(LOAD / f"{name}.c")], stage.environ)
    return str(program)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def most_resident_kib(pid: int) -> int:
    """Of the program that runs now. What wait4 says would count the bench's own memory, which a child has between fork
    and exec."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def open_files(pid: int) -> int:
    """How many descriptors a process holds; of a server, its sockets and little else."""
    return len(os.listdir(f"/proc/{pid}/fd"))


# --- HTTP ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def fetch(port: int, path: str, *, token: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """One GET on a connection of its own; header names in the answer are in small letters."""
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("GET", path, headers={**_bearer(token), **(headers or {})})
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@dataclass(frozen=True)
class Load:
    """What wrk found; ``busy`` is the share of a core that the server's process took meanwhile."""

    per_second: float
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    busy: float

    @property
    def note(self) -> str:
        return f"p50 {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms, server {self.busy:.0%} of a core"


def load(
    stage: Stage,
    server: Server,
    path: str,
    *,
    seconds: float,
    connections: int = 64,
    headers: Mapping[str, str] | None = None,
    script: str = "report.lua",
    environ: Mapping[str, str] | None = None,
) -> Load:
    """Has wrk ask as fast as the server answers, after a second to warm up. Raises BenchError when any answer was an
    error: figures of refusals are none. Raises NotMeasured without wrk, and when hardly anything is answered."""
    named = [word for name, value in (headers or {}).items() for word in ("-H", f"{name}: {value}")]
    common = [tool("wrk"), "-t1", f"-c{connections}", "--timeout=10s", *named, "-s", script, f"{server.address}{path}"]
    environ = {**stage.environ, **(environ or {})}
    run([*common, "-d1s"], environ, core=stage.load_core, cwd=LOAD)
    before = cpu_seconds(server.process.pid)
    output = run([*common, f"-d{seconds:.0f}s"], environ, core=stage.load_core, cwd=LOAD)
    found = read_wrk(output)
    if found["failed"]:
        raise BenchError(f"{found['failed']} of {found['requests']} requests to {path} failed:\n{output}")
    if found["requests"] < 2 * connections:  # those cut off at the end, which wrk does not count, would be most of them
        raise NotMeasured(f"only {found['requests']} answers in {seconds:.0f} s to {connections} connections")
    return Load(
        per_second=found["requests"] / found["seconds"],
        requests=int(found["requests"]),
        p50_ms=found["p50_ms"],
        p95_ms=found["p95_ms"],
        p99_ms=found["p99_ms"],
        busy=(cpu_seconds(server.process.pid) - before) / found["seconds"],
    )


def read_wrk(output: str) -> dict[str, float]:
    """The line of JSON that load/report.lua writes below wrk's own table. Raises BenchError without one."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise BenchError(f"wrk did not say what it found:\n{output}")
    found: dict[str, float] = json.loads(lines[-1])
    return found
