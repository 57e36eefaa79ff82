"""The compose file: by the schema of the Compose Specification, and by what we want of it."""

import copy
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from config.core.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "deploy/compose.yaml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
WEB = ["web-1", "web-2"]
OURS = [*WEB, "worker", "migrate"]
ONCE = ["migrate", "certificate", "backup", "restore"]
BY_HAND = ["backup", "restore"]
BUILT = [*OURS, *BY_HAND, "certificate", "nginx"]
SETTINGS = {known.name for known in fields(Environment)} | {"METRICS_PORT"}
FOR_COMPOSE_ITSELF = {"POSTGRES_PASSWORD", "GRAFANA_PASSWORD", "TLS_DIR", "BACKUPS_DIR", "HTTP_PORT", "HTTPS_PORT"}
SCHEMA = json.loads((Path(__file__).parent / "compose-spec.json").read_text())  # its NOTICE says whose it is


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(COMPOSE)
    return parsed


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


def faults(compose: dict[str, Any]) -> list[str]:
    return [error.json_path for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(compose)]


def test_it_is_what_the_compose_specification_describes(compose: dict[str, Any]) -> None:
    assert faults(compose) == []


@pytest.mark.parametrize(
    ("path", "value", "found_at"),
    [
        (("services", "nginx", "imagee"), "nginx", "$.services.nginx"),
        (("services", "web-1", "depends_on", "valkey", "condition"), "healthy", "$.services['web-1'].depends_on"),
        (("services", "postgres", "volumes"), "postgres", "$.services.postgres.volumes"),
        (("networks", "engines", "internal"), ["yes"], "$.networks.engines.internal"),
    ],
)
def test_the_schema_finds_what_is_wrong(
    compose: dict[str, Any], path: tuple[str, ...], value: object, found_at: str
) -> None:
    broken = copy.deepcopy(compose)
    part = broken
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    found = faults(broken)
    assert found, "a fault that was planted"
    assert any(place.startswith(found_at) for place in found), found


def test_the_services_are_the_servers_what_they_need_and_what_watches_them(services: dict[str, Any]) -> None:
    others = {"worker", *ONCE, "nginx", "postgres", "valkey", "prometheus", "grafana"}
    assert services.keys() == {*WEB, *others}


def test_engines_are_pinned(services: dict[str, Any]) -> None:
    assert services["postgres"]["image"] == "postgres:18"
    assert services["valkey"]["image"] == "valkey/valkey:9"
    for name, service in services.items():
        if name not in BUILT:
            assert re.fullmatch(r"[a-z0-9./-]+:v?[0-9][\w.-]*", service["image"]), name


def test_ours_are_built_from_this_repository(services: dict[str, Any]) -> None:
    for name in [*OURS, "certificate"]:
        assert (ROOT / "deploy" / services[name]["build"]).resolve() == ROOT
    assert services["nginx"]["build"] == {"context": "..", "target": "nginx"}


def test_everything_that_stays_is_watched_and_started_again(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name in ONCE:
            continue
        assert service["restart"] == "unless-stopped", name
        assert "test" in service.get("healthcheck", {}) or name in WEB, name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, "or they fill the disk"
    assert re.search(r"^HEALTHCHECK ", (ROOT / "Dockerfile").read_text(), re.MULTILINE), "web uses the image's"


def test_nothing_starts_before_what_it_needs(services: dict[str, Any]) -> None:
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    for name in (*WEB, "worker"):
        needs = {needed: how["condition"] for needed, how in services[name]["depends_on"].items()}
        assert needs == {"migrate": "service_completed_successfully", "valkey": "service_healthy"}
    assert services["nginx"]["depends_on"]["certificate"]["condition"] == "service_completed_successfully"


def test_a_backup_is_made_by_the_very_release_that_the_database_is_of(services: dict[str, Any]) -> None:
    assert f"FROM {services['postgres']['image']} AS backup\n" in DOCKERFILE
    for name in BY_HAND:
        assert services[name]["build"] == {"context": "..", "target": "backup"}
        assert services[name]["profiles"] == ["by-hand"], "not started with the others"
        script = services[name]["entrypoint"][1]
        assert (ROOT / script.lstrip("/")).exists()
        mounted = f".{script.removeprefix('/deploy')}:{script}:ro"
        assert mounted in services[name]["volumes"], "the script alone, not the folder with .env in it"


def test_who_writes_to_a_volume_is_whom_the_image_gives_its_folder_to(services: dict[str, Any]) -> None:
    """A new volume belongs to root where the image has no such folder, and the first who mounts it decides."""
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    [backup] = [stage for stage in stages if " AS backup\n" in stage]
    for name in BUILT:
        stage = backup if name in BY_HAND else stages[-1]
        [given] = re.findall(r"install -d -o \S+ -g \S+ (.+)$", stage, re.MULTILINE)
        written = {mount.split(":")[-1] for mount in services[name].get("volumes", []) if not mount.endswith(":ro")}
        assert written <= set(given.split()), name


def test_each_does_its_own_work(services: dict[str, Any]) -> None:
    assert not [name for name in WEB if "command" in services[name]]
    assert services["worker"]["command"] == ["python", "manage.py", "procrastinate", "worker"]
    assert services["migrate"]["command"][:3] == ["python", "manage.py", "migrate"]
    assert services["certificate"]["command"][:3] == ["python", "-m", "config.devservices.certificate"]


def test_only_nginx_is_reached_from_outside(compose: dict[str, Any], services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published.keys() == {"nginx", "grafana"}
    assert all(port.startswith("127.0.0.1:") for port in published["grafana"]), "from this machine alone"
    assert compose["networks"]["engines"]["internal"], "no engine can be reached from elsewhere, nor reach anything"
    for name in ("postgres", "valkey"):
        assert services[name]["networks"] == ["engines"]
    assert "engines" not in services["nginx"]["networks"]


def test_nginx_knows_the_addresses_of_both_servers_and_only_prometheus_may_read_metrics(
    services: dict[str, Any],
) -> None:
    fixed = {name: services[name]["networks"]["servers"]["ipv4_address"] for name in (*WEB, "prometheus")}
    conf = (ROOT / "deploy/nginx/nginx.conf").read_text()
    port = services["web-1"]["environment"]["PORT"]
    assert re.findall(r"server (\S+) max_fails", conf) == [f"{fixed[name]}:{port}" for name in WEB]
    for name in WEB:
        environment = services[name]["environment"]
        assert environment["OPERATIONS_NETWORKS"].split(",") == ["127.0.0.0/8", f"{fixed['prometheus']}/32"]
        assert environment["PROXY_COUNT"] == "1", "nginx, which writes X-Forwarded-For itself"
    listened = set(re.findall(r"listen (\d+)[ ;]", conf))
    assert {port.rpartition(":")[2] for port in services["nginx"]["ports"]} == listened


def test_prometheus_asks_every_server_and_worker_by_name(services: dict[str, Any]) -> None:
    """What DNS finds is gone from the targets as soon as it is down, and no alert says so."""
    asked = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    assert all(job.keys() == {"job_name", "static_configs"} for job in asked)
    servers, workers = ([target for group in job["static_configs"] for target in group["targets"]] for job in asked)
    assert servers == [f"{name}:{services[name]['environment']['PORT']}" for name in WEB]
    assert workers == [f"worker:{services['worker']['environment']['METRICS_PORT']}"]
    assert all("servers" in services[name]["networks"] for name in (*WEB, "worker", "prometheus"))


def test_what_is_mounted_from_here_can_only_be_read(services: dict[str, Any]) -> None:
    mounted = [mount for service in services.values() for mount in service.get("volumes", []) if mount.startswith("./")]
    assert "./nginx:/etc/nginx:ro" in mounted
    for mount in mounted:
        source, _, mode = mount.split(":")
        assert mode == "ro"
        assert source.split("/")[1] in ("backup.sh", "restore.sh", "nginx", "prometheus", "grafana"), mount
    assert (ROOT / "deploy/nginx/nginx.conf").exists()


def test_what_must_stay_is_on_volumes(compose: dict[str, Any], services: dict[str, Any]) -> None:
    mounts = [mount for service in services.values() for mount in service.get("volumes", [])]
    used = {re.sub(r"\$\{\w+:-(\w+)\}", r"\1", mount).split(":")[0] for mount in mounts}
    assert {name for name in used if not name.startswith("./")} == compose["volumes"].keys()
    assert services["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert services["valkey"]["volumes"] == ["valkey:/data"]
    assert services["valkey"]["command"] == ["valkey-server", "--appendonly", "yes"]


def test_every_name_in_the_environment_is_a_setting(services: dict[str, Any]) -> None:
    for name in OURS:
        assert services[name]["environment"].keys() <= SETTINGS | ({"PGOPTIONS"} if name == "migrate" else set())
    assert set(re.findall(r"\$\{(\w+)", COMPOSE)) <= SETTINGS | FOR_COMPOSE_ITSELF


def test_no_secret_has_a_default_and_each_missing_one_is_a_clear_sentence() -> None:
    asked = re.findall(r"\$\{(\w+)([^}]*)\}", COMPOSE)
    for name, rest in asked:
        if name not in FOR_COMPOSE_ITSELF - {"POSTGRES_PASSWORD", "GRAFANA_PASSWORD"}:
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


def test_inside_the_container_the_server_listens_to_everybody(services: dict[str, Any]) -> None:
    for name in WEB:
        assert services[name]["environment"]["HOST"] == "0.0.0.0"


def test_everybody_runs_with_no_more_rights_than_they_need(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert name in ("postgres", "valkey") or "cap_add" not in service, name
