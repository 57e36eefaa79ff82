"""The image and the compose file."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.core.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "deploy/compose.yaml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = ["web", "worker", "migrate"]
SETTINGS = {known.name for known in fields(Environment)}
FOR_COMPOSE_ITSELF = {"POSTGRES_PASSWORD"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(COMPOSE)
    return parsed


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


def test_the_services_are_the_server_its_worker_and_the_two_engines(services: dict[str, Any]) -> None:
    assert services.keys() >= {"web", "worker", "migrate", "postgres", "valkey"}


def test_engines_are_pinned(services: dict[str, Any]) -> None:
    assert services["postgres"]["image"] == "postgres:18"
    assert services["valkey"]["image"] == "valkey/valkey:9"
    for name, service in services.items():
        if name not in OURS:
            assert re.fullmatch(r"[a-z0-9./-]+:[0-9][\w.-]*", service["image"]), name


def test_ours_are_built_from_this_repository(services: dict[str, Any]) -> None:
    for name in OURS:
        assert (ROOT / "deploy" / services[name]["build"]).resolve() == ROOT


def test_everything_that_stays_is_watched_and_started_again(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name == "migrate":
            continue
        assert service["restart"] == "unless-stopped", name
        assert "test" in service.get("healthcheck", {}) or name == "web", name
    assert re.search(r"^HEALTHCHECK ", DOCKERFILE, re.MULTILINE), "web uses the image's"


def test_nothing_starts_before_what_it_needs(services: dict[str, Any]) -> None:
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    for name in ("web", "worker"):
        needs = {needed: how["condition"] for needed, how in services[name]["depends_on"].items()}
        assert needs == {"migrate": "service_completed_successfully", "valkey": "service_healthy"}


def test_each_does_its_own_work(services: dict[str, Any]) -> None:
    assert "command" not in services["web"]
    assert services["worker"]["command"] == ["python", "manage.py", "procrastinate", "worker"]
    assert services["migrate"]["command"][:3] == ["python", "manage.py", "migrate"]


def test_only_the_web_server_is_reached_from_outside(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "ports" in service} == {"web"}


def test_what_must_stay_is_on_volumes(compose: dict[str, Any], services: dict[str, Any]) -> None:
    used = {mount.split(":")[0] for service in services.values() for mount in service.get("volumes", [])}
    assert used == compose["volumes"].keys()
    assert services["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert services["valkey"]["volumes"] == ["valkey:/data"]
    assert services["valkey"]["command"] == ["valkey-server", "--appendonly", "yes"]


def test_every_name_in_the_environment_is_a_setting(services: dict[str, Any]) -> None:
    for name in OURS:
        assert services[name]["environment"].keys() <= SETTINGS
    assert set(re.findall(r"\$\{(\w+)", COMPOSE)) <= SETTINGS | FOR_COMPOSE_ITSELF


def test_no_secret_has_a_default_and_each_missing_one_is_a_clear_sentence() -> None:
    asked = re.findall(r"\$\{(\w+)([^}]*)\}", COMPOSE)
    for name, rest in asked:
        if name != "PORT":
            assert rest.startswith(":?"), name
            assert name in rest, "the sentence names what to set"
            assert "deploy/.env" in rest, "and where"
    assert {name for name, _ in asked} >= {"SECRET_KEY", "POSTGRES_PASSWORD", "ALLOWED_HOSTS"}
    for line in COMPOSE.splitlines():
        if re.search(r"(SECRET|PASSWORD|KEY)\w*:", line):
            assert "${" in line, line


def test_development_mode_cannot_be_switched_on_by_the_file(services: dict[str, Any]) -> None:
    for name in OURS:
        assert services[name]["environment"]["DEBUG"] == "false"


def test_inside_the_container_the_server_listens_to_everybody_on_the_port_that_is_published(
    services: dict[str, Any],
) -> None:
    environment = services["web"]["environment"]
    assert environment["HOST"] == "0.0.0.0"
    assert services["web"]["ports"] == [f"${{PORT:-8080}}:{environment['PORT']}"]


def test_ours_run_with_no_more_rights_than_they_need(services: dict[str, Any]) -> None:
    for name in OURS:
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


# --- The image --------------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word]


def last(word: str) -> str:
    return [rest for name, rest in instructions() if name == word][-1]


def test_the_image_is_built_in_two_stages_on_a_pinned_python() -> None:
    assert [rest for name, rest in instructions() if name == "FROM"] == [
        "python:3.11-slim AS build",
        "python:3.11-slim",
    ]


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
    assert {name for name in names if not name.startswith("PYTHON") and name != "PATH"} <= SETTINGS


def test_secrets_and_history_stay_out_of_the_image() -> None:
    ignored = set((ROOT / ".dockerignore").read_text().split())
    assert {".git", "**/.env", "**/.env.*", ".data", ".venv", "tests", "deploy"} <= ignored


def test_the_client_that_the_live_page_runs_on_gets_into_the_image() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines.index("!docs/clients") > lines.index("docs"), "the last line that fits decides"
