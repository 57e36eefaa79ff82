"""The scrape configuration and the alerts: sound, tested, about metrics that exist, and each with a runbook."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.deploy.watching import ROOT, RULES, alerts, asked_for, known_metrics, needs_promtool, promtool

RULE_TESTS = ROOT / "deploy/prometheus/rules_test.yml"


@needs_promtool
def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    checked = promtool("check", "config", "deploy/prometheus/prometheus.yml")
    assert checked.returncode == 0, checked.stderr
    assert f"{len(alerts())} rules found" in checked.stdout


@needs_promtool
def test_every_alert_fires_in_trouble_and_is_quiet_in_ordinary_life(tmp_path: Path) -> None:
    tested = promtool("test", "rules", str(RULE_TESTS))
    assert tested.returncode == 0, tested.stdout + tested.stderr
    # And a rule that looks at the wrong thing is noticed.
    shutil.copy(RULE_TESTS, tmp_path)
    for right, wrong in ((") > 60\n", ") > 6000\n"), ("== 0\n        for: 1m", "== 0\n        for: 0m")):
        assert right in RULES.read_text()
        (tmp_path / RULES.name).write_text(RULES.read_text().replace(right, wrong, 1))
        assert promtool("test", "rules", str(tmp_path / RULE_TESTS.name)).returncode == 1


def test_every_alert_has_a_test_of_both_kinds() -> None:
    trouble, ordinary = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    names = [rule["alert"] for rule in alerts()]
    assert [case["alertname"] for case in trouble["alert_rule_test"] if case["exp_alerts"]] == names
    assert {case["alertname"] for case in ordinary["alert_rule_test"]} == set(names)
    assert not any(case["exp_alerts"] for case in ordinary["alert_rule_test"])


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    entries = re.findall(r"^## (\w+)$", (ROOT / "docs/runbooks.md").read_text(), re.MULTILINE)
    assert entries == [rule["alert"] for rule in alerts()]
    for rule in alerts():
        assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning", "info")


@pytest.mark.django_db
def test_alerts_ask_for_metrics_that_exist() -> None:
    known = known_metrics()
    for rule in alerts():
        assert asked_for(rule["expr"]) <= known, rule["alert"]
    assert not asked_for("sum(rate(pacesetter_frame_total[5m]))") <= known
    assert asked_for('up{job="pacesetter_x"}') == set()
