"""Databases for tests that are migrated already.

To migrate an empty one takes a quarter of a minute, to restore it a second. So the first run leaves its dump behind,
named after everything that migrating depends on, and those after it begin with that.
"""

import os
import subprocess
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import psycopg
from django.db import connection
from psycopg import sql
from psycopg.conninfo import make_conninfo

from config.devservices.postgres import binaries

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / ".pytest_cache" / "migrated"


def begin_with_kept_dump() -> None:
    """Lets Django copy the tests' database from one that is restored from the dump, if there is one that fits. What is
    missing in it, Django then migrates as ever."""
    if not (dump := _dump()).exists():
        return
    template = f"migrated_{uuid4().hex}"
    with _connected() as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(template)))
    _complete("pg_restore", "--exit-on-error", f"--dbname={_conninfo(template)}", str(dump))
    connection.settings_dict["TEST"]["TEMPLATE"] = template


def keep_dump() -> None:
    """Of the tests' database while there is nothing in it but what migrations put there."""
    if template := connection.settings_dict["TEST"].get("TEMPLATE"):
        with _connected() as server:
            server.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(template)))
    if (dump := _dump()).exists():
        return
    KEPT.mkdir(parents=True, exist_ok=True)
    unfinished = KEPT / f"{os.getpid()}.unfinished"
    _complete("pg_dump", "--format=custom", f"--file={unfinished}", f"--dbname={_conninfo()}")
    for outdated in KEPT.glob("*.dump"):
        outdated.unlink(missing_ok=True)
    unfinished.rename(dump)


def _dump() -> Path:
    """By the server's version, every migration of ours, and the lock that has everybody else's."""
    with _connected() as server:
        digest = sha256(str(server.info.server_version).encode())
    for path in sorted([ROOT / "requirements-dev.txt", *ROOT.glob("*/migrations/*.py")]):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return KEPT / f"{digest.hexdigest()}.dump"


def _connected() -> psycopg.Connection:
    """Not Django's own connection: its pool would go on with the database that it began with."""
    return psycopg.connect(_conninfo(), autocommit=True)


def _conninfo(database: str = "") -> str:
    parts = connection.settings_dict
    named = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    given = {name: parts[key] for name, key in named.items() if parts[key]}
    return make_conninfo(dbname=database or parts["NAME"], **given)


def _complete(program: str, *arguments: str) -> None:
    subprocess.run([binaries() / program, *arguments], check=True)
