"""The dashboard: every expression is one that Prometheus understands, about metrics that exist, and none of ours is
forgotten."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.watching import (
    DASHBOARD,
    ROOT,
    alerts,
    asked_for,
    known_metrics,
    needs_promtool,
    our_metrics,
    promtool,
)

NOT_SHOWN = {
    "pacesetter_circuit_open": "what one process saw last; pacesetter_circuit_state is read when somebody asks",
}
PROVISIONING = ROOT / "deploy/grafana/provisioning"


def expressions() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


@pytest.mark.django_db
def test_the_dashboard_shows_metrics_that_exist_and_all_of_ours() -> None:
    shown = {name for expression in expressions() for name in asked_for(expression)}
    assert shown <= known_metrics()
    used = {name.removesuffix("_bucket").removesuffix("_count") for name in shown}
    used |= {name for rule in alerts() for name in asked_for(rule["expr"])}
    assert our_metrics() - used == set(NOT_SHOWN)
    assert "pacesetter_frames_total" in used, "the test would not notice one that is missing"


@needs_promtool
def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    plain = [expression.replace("$__rate_interval", "1m") for expression in expressions()]

    def checked(expressions: list[str]) -> int:
        rules = [{"record": f"panel:{place}", "expr": text} for place, text in enumerate(expressions)]
        file = tmp_path / "panels.yml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
        return promtool("check", "rules", str(file)).returncode

    assert len(plain) > 50
    assert checked(plain) == 0
    assert checked([*plain, "sum(rate(pacesetter_frames_total)"]) != 0


def test_the_panels_lie_beside_each_other_and_ask_the_source_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources/prometheus.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/pacesetter.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert [panel["title"] for panel in panels if panel["type"] == "row"] == [
        "People see it", "Writes", "Mirror", "Money", "Jobs", "Providers", "Machine"
    ]  # fmt: skip
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert all(target["datasource"]["uid"] == source["uid"] for target in panel.get("targets", ()))
