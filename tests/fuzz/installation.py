"""A whole installation to fuzz: engines of its own, the seeded demo in them, and the real server as in production."""

import json
import os
import re
import subprocess
import sys
import tempfile
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from config.devservices import throwaway
from tests.flows.servers import ROOT, Server

_TRACEBACK = re.compile(r"Traceback \(most recent call last\)|unexpected_error|Exception in ASGI")


@dataclass(frozen=True)
class Installation:
    """``world`` as `tests.fuzz.world` prints it; ``environ`` of the server's process."""

    world: dict[str, Any]
    environ: dict[str, str]
    folder: Path

    @contextmanager
    def serving(self, *, planted: bool = False) -> Iterator["Watched"]:
        """``planted``: with the faults of `tests.fuzz.planted`, which must be found."""
        log = self.folder / ("planted.log" if planted else "server.log")
        server = Watched(self.environ, kind="planted" if planted else "uvicorn", log=log)
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()


class Watched(Server):
    """A server whose log is read."""

    modules = {"uvicorn": "config.serve", "planted": "tests.fuzz.planted"}

    def __init__(self, environ: dict[str, str], *, kind: str, log: Path) -> None:
        self.log = log
        super().__init__(environ, kind=kind, log=log)

    def command(self) -> list[str]:
        return ["-m", self.modules[self._kind]]

    def tracebacks(self) -> list[str]:
        """The lines of its log that hold one, which is the whole of it: in production a line is an event."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if _TRACEBACK.search(line)]

    def document(self) -> dict[str, Any]:
        """Its own OpenAPI."""
        made: dict[str, Any] = httpx.get(f"{self.address}/api/schema", timeout=60).json()
        return made

    def memory_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024

    def gauge(self, name: str) -> int:
        page = httpx.get(f"{self.address}/metrics", timeout=60).text
        return int(float(re.findall(rf"^pacesetter_{name}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)[0]))


@contextmanager
def installed(seed: int) -> Iterator[Installation]:
    """The same seed gives the same people and competitions on the same day."""
    with throwaway() as engines, tempfile.TemporaryDirectory(prefix="pacesetter-fuzz-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        secret = sha256(f"fuzz {seed}".encode()).hexdigest()
        environ = {
            "DATABASE_URL": engines.database_url,
            "REDIS_URL": engines.redis_url,
            "DATA_DIR": str(folder / "data"),
            "SECRET_KEY": secret,
            "JWT_SECRET": secret,
            "STATEMENT_KEY": b64encode(secret[:32].encode()).decode(),
            "PUBLIC_URL": "http://127.0.0.1",
            "TOKEN_KEYS": urlsafe_b64encode(secret[:32].encode()).decode(),
            "GOOGLE_HEALTH_CLIENT_ID": "fuzz",  # so that somebody can begin to connect; nobody ever comes back from it
            "GOOGLE_HEALTH_CLIENT_SECRET": secret,
            "ALLOWED_HOSTS": "127.0.0.1",
            "OPERATIONS_NETWORKS": "127.0.0.1/32",
            "RATE_LIMIT": "0",
            "LOG_LEVEL": "WARNING",
        }
        demo = environ | {"DEBUG": "true"}  # its people pay at the sandbox, which needs that
        _python("manage.py", "migrate", "--verbosity=0", environ=demo)
        world = json.loads(_python("-m", "tests.fuzz.world", f"--seed={seed}", environ=demo))
        yield Installation(world, environ | {"DEBUG": "false"}, folder)


def _python(*arguments: str, environ: dict[str, str]) -> str:
    """Raises CalledProcessError; what it says on the way goes to the terminal."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environ}, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.splitlines()[-1] if done.stdout else ""
