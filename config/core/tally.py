"""Counts what is answered in front of Django in the metrics of django-prometheus, a second's worth at a time.

Each answer would otherwise cost a dozen locks. A request is added to plain numbers here, and these to the metrics once
a second, so the two kinds of requests cannot be told apart in a graph.
"""

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django_prometheus.conf import PROMETHEUS_LATENCY_BUCKETS
from django_prometheus.middleware import Metrics, PrometheusAfterMiddleware
from prometheus_client import Histogram

from config.core.tracing import note_view

FLUSH_SECONDS = 1.0
_BOUNDS = sorted(PROMETHEUS_LATENCY_BUCKETS)


class _Kind(NamedTuple):
    method: str
    view: str
    secure: bool
    status: int
    stream: bool


@dataclass(slots=True)
class _Took:
    """How many answers of one kind fell into each bucket of seconds, and the sum of their seconds."""

    answers: int = 0
    seconds: float = 0.0
    buckets: Counter[int] = field(default_factory=Counter)


class Tally:
    """For the event loop's thread only."""

    def __init__(self) -> None:
        self._took: dict[_Kind, _Took] = {}
        self._sizes: Counter[int] = Counter()
        self._flushing: asyncio.TimerHandle | None = None

    def add(self, method: str, view: str, secure: bool, status: int, size: int | None, began: float) -> None:
        """``size`` in bytes, None for a stream; ``began`` by time.perf_counter."""
        kind = _Kind(method, view, secure, status, size is None)
        took = self._took.get(kind)
        if took is None:
            took = self._took[kind] = _Took()
        seconds = time.perf_counter() - began
        took.answers += 1
        took.seconds += seconds
        took.buckets[bisect_left(_BOUNDS, seconds)] += 1
        if size is not None:
            self._sizes[size] += 1
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        self._flushing = None
        metrics = Metrics.get_instance()
        for kind, took in self._took.items():
            method, view, status, count = kind.method, kind.view, str(kind.status), took.answers
            transport = "https" if kind.secure else "http"
            metrics.requests_total.inc(count)
            metrics.responses_total.inc(count)
            metrics.requests_by_method.labels(method=method).inc(count)
            metrics.requests_by_transport.labels(transport=transport).inc(count)
            by_view = metrics.requests_by_view_transport_method
            by_view.labels(view=view, transport=transport, method=method).inc(count)
            metrics.responses_by_status.labels(status=status).inc(count)
            metrics.responses_by_status_view_method.labels(status=status, view=view, method=method).inc(count)
            metrics.responses_by_charset.labels(charset="utf-8").inc(count)
            metrics.responses_streaming.inc(count if kind.stream else 0)
            _observe(metrics.requests_body_bytes, Counter({0: count}), 0.0)
            _observe(metrics.requests_latency_before, took.buckets, took.seconds)
            by_view_method = metrics.requests_latency_by_view_method
            _observe(by_view_method.labels(view=view, method=method), took.buckets, took.seconds)
        bounds, sizes = metrics.responses_body_bytes._upper_bounds, Counter[int]()
        for size, count in self._sizes.items():
            sizes[bisect_left(bounds, size)] += count
        _observe(metrics.responses_body_bytes, sizes, sum(size * count for size, count in self._sizes.items()))
        self._took.clear()
        self._sizes.clear()


class BoundedMetricsMiddleware(PrometheusAfterMiddleware):  # type: ignore[misc]  # django-prometheus has no types
    """That of django-prometheus, which labels its latencies with whatever word a client put for the method. A trace has
    the same names of views."""

    def process_view(self, request: HttpRequest, view_func: Any, *view_args: Any, **view_kwargs: Any) -> None:
        super().process_view(request, view_func, *view_args, **view_kwargs)
        note_view(self._get_view_name(request))

    def label_metric(
        self, metric: Any, request: HttpRequest, response: HttpResponse | None = None, **labels: str
    ) -> Any:
        if "method" in labels:
            labels["method"] = self._method(request)
        return super().label_metric(metric, request, response, **labels)


def observe_all(histogram: Histogram, values: Iterable[float]) -> None:
    """Many observations at once."""
    bounds, buckets, total = histogram._upper_bounds, Counter[int](), 0.0
    for value in values:
        buckets[bisect_left(bounds, value)] += 1
        total += value
    _observe(histogram, buckets, total)


def _observe(histogram: Any, buckets: "Counter[int]", total: float) -> None:
    """As if so many values had been observed in each bucket; prometheus_client itself takes one value at a time."""
    for index, count in buckets.items():
        histogram._buckets[index].inc(count)
    histogram._sum.inc(total)
