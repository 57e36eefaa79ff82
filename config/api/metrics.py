"""`GET /metrics`: what this process has counted, and what all see alike."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import prometheus_client
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config.api.figures import PARTS, Figures, figures
from config.api.health import check_components, is_ready, postgresql_answers
from config.api.operators import operators_only
from config.core.circuit import CircuitState
from config.core.errors import reading
from config.core.metric_files import shared_folder, swept
from config.core.pools import note_pools


@reading
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus. For operators."""
    operators_only(request)
    note_pools()
    page = counted_here() + generate_latest(_seen_alike)
    return HttpResponse(page, content_type=prometheus_client.CONTENT_TYPE_LATEST)


def counted_here() -> bytes:
    """Of this process, or of all that share its folder."""
    folder = shared_folder()
    if folder is None:
        return generate_latest(prometheus_client.REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]  # prometheus_client has no types here
    with swept(folder):
        return generate_latest(registry)


class SeenAlike(Collector):
    """What every process would say. A dashboard takes the largest, not the sum."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        components = check_components()
        yield _gauge("ready", "1 while requests are answered", {(): float(is_ready(components))})
        healthy = {(name,): float(found["status"] == "healthy") for name, found in components.items()}
        yield _gauge("component_healthy", "1 while a component answers", healthy, ["component"])
        found = figures(postgresql_answers=postgresql_answers(components))
        yield from _of(found)
        failed = {(part,): float(part in found.failed) for part in PARTS}
        yield _gauge("collect_failed", "1 while what is read for these metrics cannot be read", failed, ["part"])


def _of(found: Figures) -> Iterator[GaugeMetricFamily]:
    if found.jobs is not None:
        yield _gauge("jobs", "Jobs by state", _keyed(found.jobs.by_state), ["state"])
        oldest = found.jobs.oldest_due_seconds
        yield _gauge("job_oldest_due_seconds", "How long the oldest job that could run has waited", {(): oldest})
    if found.transfers is not None:
        yield _gauge("transfers", "Transfers not at their end by state", _keyed(found.transfers.by_state), ["state"])
        ages = _keyed(found.transfers.oldest_in_state)
        yield _gauge("transfer_state_seconds", "How long the oldest transfer has been in a state", ages, ["state"])
        oldest = found.transfers.oldest_seconds
        yield _gauge("transfer_oldest_seconds", "Age of the oldest transfer that lacks nothing", {(): oldest})
    if found.flags is not None:
        yield _gauge("flags_waiting", "Flags and appeals that wait for a person", {(): found.flags.waiting})
        yield _gauge("flag_oldest_seconds", "How long the oldest of them waits", {(): found.flags.oldest_seconds})
    if found.mirror is not None:
        yield _gauge("mirror_boards_behind", "Boards whose copy in Redis is behind", {(): found.mirror.boards})
        yield _gauge("mirror_rows_behind", "Rows that those copies lack", {(): found.mirror.rows})
    if found.ledger is not None:
        yield _gauge(
            "ledger_imbalance_minor", "What the ledger is off by, in minor units", _keyed(found.ledger), ["currency"]
        )
    if found.circuits is not None:
        states = {
            (name, state.value): float(state == now) for name, now in found.circuits.items() for state in CircuitState
        }
        yield _gauge("circuit_state", "1 for the state that a circuit is in", states, ["circuit", "state"])


def _keyed(values: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(name,): float(value) for name, value in values.items()}


def _gauge(name: str, words: str, values: Mapping[Any, float], labels: Iterable[str] = ()) -> GaugeMetricFamily:
    """``values`` by a tuple of label values."""
    family = GaugeMetricFamily(f"pacesetter_{name}", words, labels=list(labels))
    for labelled, value in values.items():
        family.add_metric(labelled, value)
    return family


_seen_alike = CollectorRegistry()
_seen_alike.register(SeenAlike())
