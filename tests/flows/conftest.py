"""Server processes on the test's own database and Valkey. They outlive a test; its rows do not."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from django.db import connection

from accounts.models import User
from competitions.models import Competition
from competitions.rules import Kind, span_of
from competitions.services.enrolment import enrol_people
from competitions.services.lifecycle import create_competition
from config.devservices import Postgres, Valkey
from tests.flows.clusters import Cluster
from tests.flows.servers import ROOT, Server

THROUGH_CLUSTER = os.environ.get("THROUGH_CLUSTER") == "true"  # make cluster-test
KINDS = ["cluster"] if THROUGH_CLUSTER else ["uvicorn", pytest.param("daphne", marks=pytest.mark.slow)]


def database_at_hand() -> str:
    """The address of the database that the tests at hand use."""
    return os.environ["DATABASE_URL"].replace("/pacesetter?", f"/{connection.settings_dict['NAME']}?")


@pytest.fixture(scope="session")
def run_server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts servers, each kind and number once; stopped before the database is dropped."""
    running: dict[str, Server] = {}
    logs = tmp_path_factory.mktemp("servers")

    def run(kind: str, number: int = 1, **environ: str) -> Server:
        name = "-".join([kind, str(number), *environ.values()]).replace("/", "_")
        if name not in running:
            running[name] = Server({"DATABASE_URL": database_at_hand(), **environ}, kind=kind, log=logs / f"{name}.log")
            running[name].wait_until_ready()
        return running[name]

    yield run
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def made_cluster(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Started once; it ends cleanly and leaves nobody behind."""
    if shutil.which("nginx", path="/usr/sbin:/usr/bin") is None and not os.environ.get("CI"):
        pytest.skip("Debian's nginx is not installed")
    cluster = Cluster({"DATABASE_URL": database_at_hand()}, folder=tmp_path_factory.mktemp("cluster"))
    try:
        cluster.wait_until_ready()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(transactional_db: None, made_cluster: Cluster) -> Cluster:
    """Two servers and a worker behind nginx, by TLS and HTTP/2."""
    return made_cluster


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, transactional_db: None, run_server: Callable[..., Server]) -> Server:
    """What serves in production, and what serves with ``runserver``; or the cluster in their place."""
    if THROUGH_CLUSTER:
        return cast("Server", request.getfixturevalue("cluster"))
    return run_server(request.param)


@pytest.fixture
def one_server(request: pytest.FixtureRequest, transactional_db: None, run_server: Callable[..., Server]) -> Server:
    """What serves in production."""
    return cast("Server", request.getfixturevalue("cluster")) if THROUGH_CLUSTER else run_server("uvicorn")


@pytest.fixture
def two_servers(
    request: pytest.FixtureRequest, transactional_db: None, run_server: Callable[..., Server]
) -> tuple[Server, Server]:
    if THROUGH_CLUSTER:  # which of the two somebody comes to is nginx's choice
        return (request.getfixturevalue("cluster"),) * 2
    return run_server("uvicorn", 1), run_server("uvicorn", 2)


@pytest.fixture
def strict_server(transactional_db: None, run_server: Callable[..., Server]) -> Server:
    """One that counts, and lets nobody watch more than twice at once."""
    return run_server("uvicorn", RATE_LIMIT="1000/2000", SOCKETS_PER_USER="2")


@pytest.fixture
def paying_servers(transactional_db: None, run_server: Callable[..., Server]) -> tuple[Server, Server]:
    """Two that pay through the sandbox, which takes DEBUG."""
    sandbox = {"DEBUG": "true", "PAYMENT_GATEWAY": "sandbox"}
    return run_server("uvicorn", 1, **sandbox), run_server("uvicorn", 2, **sandbox)


@pytest.fixture
def make_past_board(person: User) -> Callable[..., Competition]:
    """A competition over days of years ago, both included, that still takes data: it was made now, with its people."""

    def make(first: date, last: date, zone: str, *people: User, **fields: Any) -> Competition:
        now = datetime.now(UTC)
        columns = {"name": "Back then", "timezone": zone, "grace_hours": 24, "score_source": "synced", **fields}
        span = span_of(first, last, zone, Kind.CUSTOM)
        board = create_competition(owner=person, fields=columns, span=span, published=True, now=now)
        enrol_people(competition=board, user_ids=[someone.id for someone in people], now=now)
        return board

    return make


class Site:
    """A whole installation of its own, whose parts may be killed."""

    def __init__(self, folder: Path) -> None:
        self.postgres, self.valkey = Postgres(folder), Valkey(folder)
        self._log = folder / "server.log"
        self.server: Server | None = None

    @property
    def environ(self) -> dict[str, str]:
        return {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url}

    def start(self) -> Server:
        self.postgres.start()
        self.valkey.start()
        if self.server is None:
            self.manage("migrate", "--verbosity=0")
            self.server = Server(self.environ, log=self._log)
        elif self.server.process.poll() is not None:
            self.server.start()
        self.server.wait_until_ready()
        return self.server

    def manage(self, *arguments: str) -> str:
        """Runs a management command; raises CalledProcessError when it fails."""
        command = [sys.executable, "manage.py", *arguments]
        environ = {**os.environ, **self.environ}
        return subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True).stdout

    def discard(self) -> None:
        if self.server is not None and self.server.process.poll() is None:
            self.server.kill()
        self.valkey.discard()
        self.postgres.discard()


@pytest.fixture(scope="module")
def made_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.discard()


@pytest.fixture
def site(made_site: Site) -> Site:
    """Whole again, whatever the test before has killed."""
    made_site.start()
    return made_site
