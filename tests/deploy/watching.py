"""Which metrics there are, and which an expression asks for."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django_prometheus.middleware import Metrics
from prometheus_client import REGISTRY

from config.api.metrics import SeenAlike

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/rules.yml"
DASHBOARD = ROOT / "deploy/grafana/dashboards/pacesetter.json"
_METRIC = re.compile(r"\b(?:pacesetter|django|process|python)_\w+")
_OURS = "pacesetter_"

# In CI promtool must be there (Debian's `prometheus`).
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None and not os.environ.get("CI"), reason="promtool is not installed"
)


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def asked_for(expression: str) -> set[str]:
    """What a quoted label value looks like is no metric."""
    return set(_METRIC.findall(re.sub(r'"[^"]*"', "", expression)))


def known_metrics() -> set[str]:
    """As Prometheus has them, whether or not anything was counted yet."""
    Metrics.get_instance()  # django-prometheus makes them with the first request
    names = set()
    for family in [*REGISTRY.collect(), *SeenAlike().collect()]:
        endings = {
            "counter": ["_total"],
            "histogram": ["_bucket", "_count", "_sum"],
            "gauge": [""],
            "info": ["_info"],
        }[family.type]
        names |= {family.name + ending for ending in endings}
    return names


def our_metrics() -> set[str]:
    """By one name each."""
    counted = {name.removesuffix("_bucket") for name in known_metrics() if not name.endswith(("_count", "_sum"))}
    return {name for name in counted if name.startswith(_OURS)}
