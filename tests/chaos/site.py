"""The installation: two servers, a worker, PostgreSQL and Valkey on a disk of their own, and who starts them again."""

import asyncio
import contextlib
import ctypes.util
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from config.devservices import Postgres, Valkey
from tests.chaos.plan import PATIENCE
from tests.flows.servers import ROOT, Server

DISK = "2g"
POLL = 0.05  # seconds
STARTS_WITHIN = 120.0  # seconds, for the first time; nothing is measured yet


class Failed(Exception):
    """A command ended with an error."""


class Worker:
    """`manage.py procrastinate worker`, with the same methods as a server."""

    def __init__(self, environ: Mapping[str, str], log: Path) -> None:
        self.environ, self._log = dict(environ), log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "procrastinate", "worker"],
                cwd=ROOT,
                env=os.environ | self.environ,
                stdout=output,
                stderr=output,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


class Disk:
    """A small disk in memory, where this machine lets us have one; otherwise the folder as it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "pacesetter-chaos", str(folder)]
        self.mounted = shutil.which("mount") is not None and _succeeds(mounting)

    def fill(self) -> None:
        with (self.folder / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            block = bytes(1 << 20)
            while True:
                ballast.write(block)

    def clear(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)

    def discard(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def faketime() -> str:
    """Debian's libfaketime, which sets a process's clock; empty where it is not installed. FAKETIME_LIB names another
    place."""
    usual = Path("/usr/lib", f"{os.uname().machine}-linux-gnu", "faketime", "libfaketime.so.1")
    named = os.environ.get("FAKETIME_LIB") or ctypes.util.find_library("faketime") or str(usual)
    return named if Path(named).exists() else ""


class Site:
    def __init__(self, folder: Path, stripe_url: str, stripe_key: str, *, servers: int = 2) -> None:
        self.folder = folder
        self.disk = Disk(folder / "disk")
        self.postgres, self.valkey = Postgres(self.disk.folder), Valkey(self.disk.folder)
        self.clock = folder / "clock"
        self.clock.write_text("+0")
        self.restarts = 0
        self.environ = {
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.valkey.url,
            "DATA_DIR": str(folder / "data"),
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "CHAOS_STRIPE_URL": stripe_url,
            "STRIPE_SECRET_KEY": stripe_key,
            "STRIPE_WEBHOOK_SECRETS": "whsec_of_this_endpoint",
            "PAYMENT_GATEWAY": "stripe",
            "PUBLIC_URL": "http://127.0.0.1",
            "DEBUG": "false",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "JWT_SECRET": secrets.token_urlsafe(32),
            "ALLOWED_HOSTS": "127.0.0.1",
            "RATE_LIMIT": "1000/2000",
            "LOG_LEVEL": "WARNING",
        }
        self._server_count = servers
        self.servers: list[Server] = []
        self.worker: Worker | None = None
        self._verifier: subprocess.Popen[str] | None = None
        self._verifying = asyncio.Lock()
        self._held: set[object] = set()

    # Up and down.

    def start_engines(self) -> None:
        self.postgres.start()
        self.valkey.start()
        self.run("manage.py", "migrate", "--verbosity=0")

    def start(self) -> None:
        logs = [self.folder / f"server{number}.log" for number in range(self._server_count)]
        self.servers = [Server(self.environ, log=log) for log in logs]
        for server in self.servers:
            server.wait_until_ready(within=STARTS_WITHIN)
        self.worker = Worker(self.environ, self.folder / "worker.log")
        self._verifier = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.verifier"],
            cwd=ROOT,
            env=os.environ | self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "verifier.log").open("ab"),
            text=True,
        )

    def discard(self) -> None:
        for one in (*self.servers, self.worker):
            if one is not None and one.process.poll() is None:
                one.kill()
        if self._verifier is not None:
            self._verifier.kill()
            self._verifier.wait()
        self.disk.clear()
        self.valkey.discard()
        self.postgres.discard()
        self.disk.discard()

    def run(self, *arguments: str) -> str:
        """Runs Python to its end; what it wrote. Raises Failed."""
        command, environ = [sys.executable, *arguments], os.environ | self.environ
        done = subprocess.run(command, cwd=ROOT, env=environ, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip().splitlines()
            raise Failed(f"{' '.join(arguments)} ended with {done.returncode}: {' / '.join(said[-6:])}")
        return done.stdout

    # What a supervisor does.

    async def supervise(self) -> None:
        """Starts again whatever has ended, whatever its exit code, until it is cancelled."""
        while True:
            for one in (*self.servers, self.worker):
                if one is not None and one not in self._held and one.process.poll() is not None:
                    self.restarts += 1
                    one.start()
            await asyncio.sleep(POLL)

    @contextlib.contextmanager
    def held(self, one: object) -> Iterator[None]:
        """Nobody starts it again meanwhile."""
        self._held.add(one)
        try:
            yield
        finally:
            self._held.discard(one)

    async def start_engine_again(self, engine: Postgres | Valkey, *, seconds: float = 10.0 * PATIENCE) -> None:
        """As an init system does: again and again until it stands."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await asyncio.to_thread(engine.start)
                except Exception:
                    await asyncio.sleep(0.2)

    # What is found inside.

    async def verified(self) -> dict[str, Any]:
        async with self._verifying:
            found = await asyncio.to_thread(self._ask_verifier)
            if "error" in found:  # its connections died with PostgreSQL; the next ones are new
                found = await asyncio.to_thread(self._ask_verifier)
        return found

    def _ask_verifier(self) -> dict[str, Any]:
        verifier = self._verifier
        assert verifier is not None
        assert verifier.stdin
        assert verifier.stdout
        verifier.stdin.write("all\n")
        verifier.stdin.flush()
        answer: dict[str, Any] = json.loads(verifier.stdout.readline())
        return answer
