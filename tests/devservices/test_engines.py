"""The embedded engines, with real ones: reuse, crashes, privacy and tidiness."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis

from config.devservices import EngineError, Postgres, Valkey, ensure_running, provide, stop, throwaway
from config.devservices.account import engines_account, private_directory
from config.devservices.engine import socket_directory

pytestmark = pytest.mark.slow  # each starts and kills engines


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: pytest keeps closing the directory above it to the account that root's engines run as.
    with tempfile.TemporaryDirectory(prefix="pacesetter-test-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pacesetter-test-") as name:
        yield Path(name)
        stop(Path(name))


@pytest.fixture
def data_dir(cluster: Path) -> Path:
    ensure_running(cluster)
    return cluster


def pids(data_dir: Path) -> tuple[int, int]:
    postgres, valkey = Postgres(data_dir).pid, Valkey(data_dir).pid
    assert postgres is not None
    assert valkey is not None
    return postgres, valkey


def answers(data_dir: Path) -> bool:
    with (
        psycopg.connect(Postgres(data_dir).url) as connection,
        redis.from_url(Valkey(data_dir).url) as client,
    ):
        return connection.execute("SELECT 1").fetchone() == (1,) and bool(client.ping())


def test_a_second_start_reuses_the_engines_that_run(data_dir: Path) -> None:
    before = pids(data_dir)
    ensure_running(data_dir)
    assert pids(data_dir) == before
    assert answers(data_dir)


def test_starts_at_the_same_moment_make_one_pair_of_engines(data_dir: Path) -> None:
    stop(data_dir)

    def started(_: int) -> tuple[int, int]:
        ensure_running(data_dir)
        return pids(data_dir)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(started, range(4)))) == 1


def test_a_killed_postgresql_loses_no_committed_row(data_dir: Path) -> None:
    postgres = Postgres(data_dir)
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
        connection.execute("TRUNCATE kept")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
    postgres.kill()
    assert postgres.pid is None
    ensure_running(data_dir)
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)


def test_a_killed_valkey_loses_no_key_that_was_synced(data_dir: Path) -> None:
    valkey = Valkey(data_dir)
    with redis.from_url(valkey.url) as client:
        client.set("kept", "42")
        assert client.waitaof(1, 0, 5000)[0] == 1
    valkey.kill()
    assert valkey.pid is None
    ensure_running(data_dir)
    with redis.from_url(valkey.url) as client:
        assert client.get("kept") == b"42"


def test_a_busy_backend_that_outlives_its_killed_server_is_no_obstacle(data_dir: Path) -> None:
    before, url = pids(data_dir), Postgres(data_dir).url
    busy = "SELECT FROM pg_stat_activity WHERE pid = %s AND query LIKE 'DO %%' AND state = 'active'"
    with contextlib.closing(psycopg.connect(url)) as loops, psycopg.connect(url, autocommit=True) as looks:
        loops.pgconn.send_query(b"DO $$ BEGIN LOOP END LOOP; END $$")
        while not looks.execute(busy, [loops.info.backend_pid]).rowcount:
            pass
        os.kill(before[0], signal.SIGKILL)
        ensure_running(data_dir)
    assert pids(data_dir)[0] != before[0]
    assert answers(data_dir)


def test_a_stale_pid_file_that_names_another_process_is_replaced(data_dir: Path) -> None:
    postgres, valkey = Postgres(data_dir), Valkey(data_dir)
    postgres.stop()
    alive = valkey.pid
    (postgres.home / postgres.pid_file).write_text(f"{alive}\n{postgres.home}\n0\n5432\n")
    ensure_running(data_dir)
    assert pids(data_dir)[0] != alive
    assert valkey.pid == alive


def test_an_engine_that_cannot_be_reached_is_replaced(data_dir: Path) -> None:
    before = pids(data_dir)
    for engine in (Postgres(data_dir), Valkey(data_dir)):
        (engine.sockets / engine.socket_files[0]).unlink()
    ensure_running(data_dir)
    assert not set(pids(data_dir)) & set(before)
    assert answers(data_dir)


def test_an_engine_whose_url_is_set_is_not_started(data_dir: Path) -> None:
    stop(data_dir)
    assert provide(data_dir, {"DATABASE_URL": "postgresql://elsewhere/x"}) == {"REDIS_URL": Valkey(data_dir).url}
    assert Postgres(data_dir).pid is None


def test_sockets_and_data_are_private_to_the_account_of_the_engines(data_dir: Path) -> None:
    for path in (socket_directory(data_dir), data_dir / "postgres", data_dir / "valkey"):
        found = path.stat()
        assert stat.S_IMODE(found.st_mode) == 0o700
        assert found.st_uid == engines_account().uid


def test_socket_paths_fit_however_long_the_data_directory_is(folder: Path) -> None:
    deep = folder.joinpath(*["a-rather-long-name"] * 20)
    assert len(str(socket_directory(deep) / ".s.PGSQL.5432.lock")) < 107


def test_a_socket_directory_open_to_others_is_refused(folder: Path) -> None:
    sockets = socket_directory(folder)
    sockets.mkdir()
    sockets.chmod(0o755)
    try:
        with pytest.raises(EngineError, match="mode 0700"):
            Valkey(folder).start()
    finally:
        sockets.rmdir()


def test_a_symbolic_link_is_no_private_directory(folder: Path) -> None:
    private_directory(folder / "real")
    (folder / "link").symlink_to(folder / "real")
    with pytest.raises(EngineError, match="mode 0700"):
        private_directory(folder / "link")


def test_an_engine_that_cannot_start_says_why(folder: Path) -> None:
    postgres = Postgres(folder)
    private_directory(postgres.home)
    try:
        with pytest.raises(EngineError, match="could not access the server configuration"):
            postgres.start()
    finally:
        postgres.stop()


def test_throwaway_engines_leave_nothing_behind() -> None:
    with throwaway() as engines:
        with psycopg.connect(engines.database_url) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("off",)
        with redis.from_url(engines.redis_url) as client:
            assert client.config_get("appendonly") == {"appendonly": "no"}
        places = [engines.postgres.data_dir, engines.postgres.sockets]
        assert all(place.exists() for place in places)
    assert (engines.postgres.pid, engines.valkey.pid) == (None, None)
    assert not any(place.exists() for place in places)


@pytest.mark.parametrize("command", [["run"], ["exec", "--", "true"], ["stop"]])
def test_without_debug_everything_is_refused(command: list[str], folder: Path) -> None:
    environ = os.environ | {"DEBUG": "false", "DATA_DIR": str(folder / "data")}
    call = [sys.executable, "-m", "config.devservices", *command]
    done = subprocess.run(call, env=environ, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "DEBUG=true" in done.stderr
    assert not (folder / "data").exists()
