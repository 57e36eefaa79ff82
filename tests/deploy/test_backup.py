"""What deploy/backup.sh keeps, deploy/restore.sh brings back, and every check finds it right."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command

from config.devservices.postgres import binaries
from tests.flows.conftest import database_at_hand
from tests.plugins.engines import with_database

pytestmark = pytest.mark.slow  # a whole world, and processes for each command
ROOT = Path(__file__).resolve().parents[2]
RESTORED = "pacesetter_restored"


@pytest.fixture
def world(transactional_db: None, settings: Any, tmp_path: Path) -> Path:
    """People, competitions, money and files; answers DATA_DIR."""
    settings.DEBUG = True
    settings.PAYMENT_GATEWAY, settings.GATEWAYS = "sandbox", {"sandbox", "manual"}
    call_command("seed_demo", people=50, competitions=12, seed=3, json=True)
    data = tmp_path / "data"
    settings.MEDIA_ROOT = data / "media"
    storages["default"].save("avatars/ada.webp", ContentFile(b"a picture"))
    (data / "private/exports").mkdir(parents=True)
    (data / "private/exports/ada.zip").write_bytes(b"all that is Ada's")
    (data / "imports").mkdir()
    (data / "imports/1.part").write_bytes(b"not read yet")
    return data


@pytest.fixture
def empty_database(django_db_setup: None) -> Iterator[str]:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {RESTORED}")
        admin.execute(f"CREATE DATABASE {RESTORED}")
        yield os.environ["DATABASE_URL"].replace("/pacesetter?", f"/{RESTORED}?")
        admin.execute(f"DROP DATABASE {RESTORED} WITH (FORCE)")


def run(script: str, *arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(binaries()), os.environ["PATH"]])
    command = ["bash", str(ROOT / "deploy" / script), *map(str, arguments)]
    return subprocess.run(command, env={**os.environ, "PATH": path, **environ}, capture_output=True, text=True)


def rows_of_every_table(url: str) -> dict[str, str]:
    """How many there are, and a sum over all that they say."""
    with psycopg.connect(url) as reader:
        tables = [name for (name,) in reader.execute("SELECT relname FROM pg_stat_user_tables ORDER BY 1")]
        found = {}
        for table in tables:
            row = reader.execute(
                f"SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM public.{table} t"  # noqa: S608 - PostgreSQL says what its tables are called
            ).fetchone()
            found[table] = str(row)
    return found


def test_what_was_backed_up_is_there_again_and_right(world: Path, empty_database: str, tmp_path: Path) -> None:
    kept = run("backup.sh", tmp_path / "backups", DATABASE_URL=database_at_hand(), DATA_DIR=str(world))
    assert kept.returncode == 0, kept.stderr
    [folder] = (tmp_path / "backups").iterdir()
    assert folder.stat().st_mode & 0o077 == 0, "it holds everybody's data"
    before = rows_of_every_table(database_at_hand())

    data = tmp_path / "elsewhere"
    restored = run("restore.sh", folder, DATABASE_URL=empty_database, DATA_DIR=str(data))
    assert restored.returncode == 0, restored.stderr
    after = rows_of_every_table(empty_database)
    assert after == before
    assert sum(int(row.strip("(").partition(",")[0]) for row in after.values()) > 1000
    files = {str(path.relative_to(world)): path.read_bytes() for path in world.rglob("*") if path.is_file()}
    assert len(files) == 3
    assert {str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()} == files

    other_redis = with_database(os.environ["REDIS_URL"], 15)
    for command in ("migrate", "rebuild_leaderboards", "verify_ledger", "verify_standings", "verify_leaderboards"):
        environ = {**os.environ, "DATABASE_URL": empty_database, "REDIS_URL": other_redis, "DATA_DIR": str(data)}
        done = subprocess.run(
            [sys.executable, "manage.py", command], cwd=ROOT, env=environ, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    again = run("restore.sh", folder, DATABASE_URL=empty_database, DATA_DIR=str(tmp_path / "third"))
    assert again.returncode == 1
    assert "restore into an empty one" in again.stderr, "nothing is ever written over"
    with (folder / "database.dump").open("r+b") as dump:
        dump.seek(1000)
        dump.write(b"\0\0\0\0")
    assert run("restore.sh", folder, DATABASE_URL=empty_database, DATA_DIR=str(data)).returncode == 1


def test_files_that_are_there_already_stop_a_restore_before_the_database_is_touched(
    transactional_db: None, empty_database: str, tmp_path: Path
) -> None:
    nothing_uploaded_yet, taken = tmp_path / "data", tmp_path / "taken"
    nothing_uploaded_yet.mkdir()
    kept = run("backup.sh", tmp_path / "backups", DATABASE_URL=database_at_hand(), DATA_DIR=str(nothing_uploaded_yet))
    assert kept.returncode == 0, kept.stderr
    [folder] = (tmp_path / "backups").iterdir()
    (taken / "media").mkdir(parents=True)
    (taken / "media/ada.webp").write_bytes(b"another picture")
    refused = run("restore.sh", folder, DATABASE_URL=empty_database, DATA_DIR=str(taken))
    assert refused.returncode == 1
    assert "restore into an empty folder" in refused.stderr
    again = run("restore.sh", folder, DATABASE_URL=empty_database, DATA_DIR=str(tmp_path / "elsewhere"))
    assert again.returncode == 0, again.stderr
