"""The manifests: strictly by the schemas of Kubernetes, and by what we want of them."""

import copy
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from config.core.environment import Environment
from config.serve import GOODBYE_SECONDS

FOLDER = Path(__file__).resolve().parents[2] / "deploy/kubernetes"
SETTINGS = {known.name for known in fields(Environment)}
VERSIONS = ("1.34", "1.37")  # the oldest that knows all of it, and the newest
Manifest = dict[str, Any]


def documents(name: str) -> Iterator[Manifest]:
    yield from yaml.safe_load_all((FOLDER / name).read_text())


KUSTOMIZATION = next(documents("kustomization.yaml"))
MANIFESTS = [manifest for name in KUSTOMIZATION["resources"] for manifest in documents(name)]
BY_NAME = {f"{manifest['kind']}/{manifest['metadata']['name']}": manifest for manifest in MANIFESTS}
WORKLOADS = ["Deployment/web", "Deployment/worker", "Job/migrate"]


def pod(name: str) -> Manifest:
    found: Manifest = BY_NAME[name]["spec"]["template"]["spec"]
    return found


def container(name: str) -> Manifest:
    [found] = pod(name)["containers"]
    return dict(found)


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_what_kubernetes_describes(version: str) -> None:
    for manifest in MANIFESTS:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        ("Deployment/web", lambda spec: spec["template"]["spec"]["containers"][0].update(readynessProbe={})),
        ("Deployment/worker", lambda spec: spec.update(replicas="two")),
        ("NetworkPolicy/to-web", lambda spec: spec["ingress"][0].update(form=[])),
        ("HorizontalPodAutoscaler/web", lambda spec: spec["metrics"][1]["pods"].pop("target")),
    ],
)
def test_the_validator_finds_what_is_wrong(name: str, plant: Any) -> None:
    broken = copy.deepcopy(BY_NAME[name])
    plant(broken["spec"])
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[0], strict=True)


def test_no_manifest_is_left_out_and_all_are_there() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} == {"kustomization.yaml", *KUSTOMIZATION["resources"]}
    assert BY_NAME.keys() >= {
        *WORKLOADS,
        "Service/web",
        "PodDisruptionBudget/web",
        "HorizontalPodAutoscaler/web",
        "NetworkPolicy/nothing-else",
        "Ingress/pacesetter",
        "ServiceAccount/pacesetter",
    }


def test_everybody_runs_with_no_more_rights_than_they_need() -> None:
    for name in WORKLOADS:
        assert pod(name)["automountServiceAccountToken"] is False
        assert pod(name)["serviceAccountName"] == "pacesetter"
        of_pod, of_container = pod(name)["securityContext"], container(name)["securityContext"]
        assert of_pod["runAsNonRoot"] is True
        assert of_pod["runAsUser"] == 10001, "the image's own account"
        assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert of_container == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert BY_NAME["ServiceAccount/pacesetter"]["automountServiceAccountToken"] is False
    labels = BY_NAME["Namespace/pacesetter"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_container_says_what_it_needs_and_where_it_writes() -> None:
    for name in WORKLOADS:
        assert container(name)["resources"].keys() == {"requests", "limits"}
        for kind in ("requests", "limits"):
            assert container(name)["resources"][kind].keys() == {"cpu", "memory"}
        mounts = {mount["name"]: mount["mountPath"] for mount in container(name)["volumeMounts"]}
        assert mounts == {"data": "/data", "tmp": "/tmp"}  # noqa: S108 - a volume's
        assert {volume["name"] for volume in pod(name)["volumes"]} == mounts.keys()


def test_who_stays_is_watched_and_who_goes_has_the_time_for_it() -> None:
    web = container("Deployment/web")
    assert web["startupProbe"]["httpGet"]["path"] == web["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert web["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    worker = container("Deployment/worker")
    assert worker["livenessProbe"]["exec"]["command"][2:] == ["procrastinate", "healthchecks"]
    lets_requests_finish = 30
    needed = web["lifecycle"]["preStop"]["sleep"]["seconds"] + lets_requests_finish
    assert pod("Deployment/web")["terminationGracePeriodSeconds"] > needed > GOODBYE_SECONDS
    assert BY_NAME["Deployment/web"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_every_setting_exists_and_no_secret_is_in_a_file() -> None:
    assert BY_NAME["ConfigMap/pacesetter"]["data"].keys() <= SETTINGS
    assert not [name for name in BY_NAME if name.startswith("Secret/")]
    for name in WORKLOADS:
        assert {variable["name"] for variable in container(name).get("env", [])} <= SETTINGS | {
            "PGOPTIONS",
            "METRICS_PORT",
        }
        assert container(name)["envFrom"] == [
            {"configMapRef": {"name": "pacesetter"}},
            {"secretRef": {"name": "pacesetter-secrets"}},
        ]
    said = (FOLDER / "kustomization.yaml").read_text()
    assert set(re.findall(r"\b[A-Z]+_(?:KEY|SECRET|URL)\b", said)) <= SETTINGS
    for path in FOLDER.glob("*.yaml"):
        for line in path.read_text().splitlines():
            assert not re.search(r"(SECRET|PASSWORD|TOKEN|_KEY)\w*:", line), line


def test_what_refers_to_something_finds_it() -> None:
    labels = {name: BY_NAME[name]["spec"]["template"]["metadata"]["labels"] for name in WORKLOADS}
    for kind in ("Deployment", "PodDisruptionBudget"):
        for name in ("web", "worker"):
            assert BY_NAME[f"{kind}/{name}"]["spec"]["selector"]["matchLabels"] == labels[f"Deployment/{name}"]
    assert BY_NAME["Service/web"]["spec"]["selector"] == labels["Deployment/web"]
    [rule] = BY_NAME["Ingress/pacesetter"]["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": "web", "port": {"name": "http"}}
    config = BY_NAME["ConfigMap/pacesetter"]["data"]
    assert rule["host"] == config["ALLOWED_HOSTS"] == config["PUBLIC_URL"].removeprefix("https://")
    assert BY_NAME["HorizontalPodAutoscaler/web"]["spec"]["scaleTargetRef"]["name"] == "web"
    assert "replicas" not in BY_NAME["Deployment/web"]["spec"], "or each apply would undo what the autoscaler did"
    [image] = KUSTOMIZATION["images"]
    assert {container(name)["image"] for name in WORKLOADS} == {image["name"]}
    assert re.fullmatch(r"\d+\.\d+\.\d+", image["newTag"])


def test_the_autoscaler_goes_by_a_metric_that_there_is() -> None:
    metrics = BY_NAME["HorizontalPodAutoscaler/web"]["spec"]["metrics"]
    [sockets] = [metric["pods"]["metric"]["name"] for metric in metrics if metric["type"] == "Pods"]
    assert f'"{sockets}"' in (FOLDER.parents[1] / "config/core/metrics.py").read_text()


def test_the_ingress_lets_sockets_and_streams_through() -> None:
    annotations = BY_NAME["Ingress/pacesetter"]["metadata"]["annotations"]
    assert annotations["nginx.org/websocket-services"] == "web"
    assert annotations["nginx.org/proxy-buffering"] == "False"
    assert int(annotations["nginx.org/proxy-read-timeout"].removesuffix("s")) > 60, "as long as a long poll"
