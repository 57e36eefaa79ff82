"""Real engines for development and tests, out of wheels: PostgreSQL and Valkey with nothing to install.

No app imports this package. In production DATABASE_URL and REDIS_URL name the operator's own engines.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.devservices.account import EngineError
from config.devservices.engine import Engine
from config.devservices.postgres import Postgres, database_url
from config.devservices.processes import locked
from config.devservices.valkey import Valkey, redis_url

__all__ = [
    "EngineError",
    "Engines",
    "Postgres",
    "Valkey",
    "database_url",
    "ensure_running",
    "provide",
    "redis_url",
    "stop",
    "throwaway",
]


@dataclass(frozen=True)
class Engines:
    postgres: Postgres
    valkey: Valkey

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        return self.valkey.url


def provide(data_dir: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Starts the engines whose URL `environ` does not set; answers those URLs by the variable's name.

    Raises EngineError when one cannot be had.
    """
    wanted: dict[str, Engine] = {"DATABASE_URL": Postgres(data_dir), "REDIS_URL": Valkey(data_dir)}
    missing = {name: engine for name, engine in wanted.items() if not environ.get(name)}
    with locked(data_dir / "engines.lock", wait=True):
        for engine in missing.values():
            engine.start()
    return {name: engine.url for name, engine in missing.items()}


def ensure_running(data_dir: Path) -> None:
    """Returns when both engines of `data_dir` answer: those that run already, else new ones.

    Raises EngineError when one cannot be had.
    """
    provide(data_dir, {})


def stop(data_dir: Path) -> None:
    """Ends both engines of `data_dir` with everything written; those that do not run are left alone."""
    with locked(data_dir / "engines.lock", wait=True):
        for engine in (Valkey(data_dir), Postgres(data_dir)):
            engine.stop()


@contextlib.contextmanager
def throwaway() -> Iterator[Engines]:
    """Engines for tests, fast and forgetful; they and their data are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pacesetter-test-") as name:
        engines = Engines(Postgres(Path(name), durable=False), Valkey(Path(name), durable=False))
        try:
            engines.postgres.start()
            engines.valkey.start()
            yield engines
        finally:
            engines.valkey.discard()
            engines.postgres.discard()
