"""What is counted, by labels that no client can make up, over as many processes as there are."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from prometheus_client import REGISTRY, CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition
from config.api import figures
from config.api.metrics import SeenAlike, counted_here
from config.api.operators import is_in_operations
from config.core.metrics_port import answer_metrics
from config.core.money import CURRENCIES
from config.core.threads import in_thread
from leaderboards.hub import Hub
from leaderboards.services import redraw_person
from leaderboards.watching import Close, Counted, Watcher, count_frames

ROOT = Path(__file__).resolve().parents[2]

BOUNDED = {
    "method": r"GET|HEAD|POST|PUT|DELETE|TRACE|OPTIONS|CONNECT|PATCH|<invalid method>",
    "transport": r"https?|websocket|event_stream|long_poll",
    "status": r"[1-5]\d\d",
    "charset": r"utf-8|utf8",
    "templatename": r"None|[\w./\[\], '-]+\.(html|txt)'?\]?",
    "type": r"[A-Z]\w+",  # of an exception: classes of the code
    "le": r"[\d.e+]+|\+Inf",
    "alias": "default|__no_db__",
    "vendor": "postgresql",
    "name": "[a-z_-]+",  # of a cache
    "result": "hit|miss|error|stale|[a-z]+",
    "limit": "[a-z_]+",
    "outcome": "[a-z_]+",
    "source": "mirror|postgresql",
    "reason": "|".join([
        "active_minutes|calories|complete_from|complete_to|date|deleted|distance|end|id|recording|source|start|steps",
        "type|unit|user_id|value|version|zone|other",
        *(close.name.lower() for close in Close),
    ]),
    "circuit": "[a-z_]+",
    "provider": "[a-z_]+",
    "gateway": "sandbox|manual|stripe",
    "channel": "mail|push|text|[a-z_]+",
    "state": "[a-z_]+",
    "task": r"[a-z_.]+",
    "pool": "postgresql|redis",
    "component": "postgresql|migrations|redis",
    "part": "|".join(figures.PARTS),
    "currency": "|".join(CURRENCIES),
    "implementation": ".*", "major": r"\d+", "minor": r"\d+", "patchlevel": r"\d+", "version": ".*",  # of Python
    "generation": r"\d", "application": ".*", "connection": "default",
}  # fmt: skip
"""What each label may say. A label that is not here is not there."""
A_STRANGERS_WORD = "x7stranger"


def views(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[str]:
    """As django-prometheus names them."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            spaces = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from (spaces + name for name in views(pattern.url_patterns))
        else:
            yield pattern.name or pattern.lookup_str


def unbounded(registry: Any) -> list[str]:
    """Labels whose values nobody has bounded, by walking over everything that was ever counted."""
    known_views = {*views(get_resolver().url_patterns), "<unnamed view>"}
    return [
        f"{sample.name}{{{label}={value!r}}}"
        for family in registry.collect()
        for sample in family.samples
        for label, value in sample.labels.items()
        if (value not in known_views if label == "view" else not re.fullmatch(BOUNDED.get(label, "(?!)"), value))
        or A_STRANGERS_WORD in value
    ]


@pytest.mark.django_db
def test_no_label_takes_a_word_of_a_strangers(
    person: User, signed_in: Callable[[User], APIClient], anonymous: APIClient
) -> None:
    word, before = A_STRANGERS_WORD, set(unbounded(REGISTRY))  # of tests that have views of their own
    Client().generic(word.upper(), f"/{word}/", HTTP_X_REQUESTED_WITH=word)
    for path in (f"/{word}", f"/boards/{word}", f"/api/v1/users/{word}/profile", f"/webhooks/{word}", f"/media/{word}"):
        anonymous.get(path, {word: word}, HTTP_USER_AGENT=word, HTTP_ORIGIN=f"https://{word}.example")
        anonymous.generic("PROPFIND", path)
    client = signed_in(person)
    for record in ({word: 1}, {"steps": word, "source": word}, {"steps": 1, "source": "manual", "date": word}):
        client.post("/api/v1/fitness/sync", record)
    client.post("/api/v1/fitness/sync", {"records": [{word: word}, word, {"user_id": word}]})
    client.get("/api/v1/leaderboard/" + word, {"mode": word})
    anonymous.post("/api/v1/auth/token", {"email": f"{word}@example.org", "password": word})
    assert set(unbounded(REGISTRY)) <= before
    assert unbounded(SeenAlike()) == []
    assert 'view="config.core.errors.nothing_here"' in counted_here().decode()


def test_a_label_with_any_word_would_be_noticed() -> None:
    planted = CollectorRegistry()
    Counter("planted", "By path", ["path"], registry=planted).labels(path="/boards/1").inc()
    Counter("sly", "By a known label", ["reason"], registry=planted).labels(reason=A_STRANGERS_WORD).inc()
    Counter("views", "By view", ["view"], registry=planted).labels(view="/boards/17").inc()
    assert {name.partition("{")[0] for name in unbounded(planted)} >= {"planted_total", "sly_total", "views_total"}


def value(page: bytes | str, name: str, **labels: str) -> float:
    text = page.decode() if isinstance(page, bytes) else page
    found = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert found, f"there is no {name} with {labels}"
    return sum(found)


@pytest.mark.slow
@pytest.mark.django_db
def test_refused_records_are_counted_by_what_was_wrong_and_stored_syncs_once(
    person: User, signed_in: Callable[[User], APIClient], anonymous: APIClient
) -> None:
    def counted() -> tuple[float, ...]:
        page = counted_here()
        return (
            *(value(page, "pacesetter_records_refused_total", reason=reason) for reason in ("steps", "other")),
            value(page, "pacesetter_syncs_total"),
        )

    client = signed_in(person)
    bad = [{"steps": -1, "source": "manual"}, "no object"]
    client.post("/api/v1/fitness/sync", {"records": bad})
    before = counted()
    client.post("/api/v1/fitness/sync", {"records": [*bad, {"steps": 5, "source": "manual"}]})
    assert [after - earlier for earlier, after in zip(before, counted(), strict=True)] == [1, 1, 1]


@pytest.mark.slow
@pytest.mark.django_db
def test_what_lies_in_postgresql_is_read_when_somebody_asks_and_remembered(
    anonymous: APIClient, django_assert_max_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For longer than a busy machine takes from one question to the next.
    monkeypatch.setattr(figures, "_PARTS", [replace(part, seconds=600.0) for part in figures._PARTS])
    page = anonymous.get("/metrics").content
    assert value(page, "pacesetter_ready") == 1
    assert value(page, "pacesetter_collect_failed") == 0
    for name in ("jobs", "transfers", "flags_waiting", "mirror_rows_behind"):
        assert value(page, f"pacesetter_{name}") == 0
    assert value(page, "pacesetter_pool_limit", pool="redis") == 10
    with django_assert_max_num_queries(1):  # whether PostgreSQL answers
        anonymous.get("/metrics")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_scrape_succeeds_without_postgresql_and_says_what_is_missing(
    anonymous: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is when nothing listens there: every new connection is refused."""

    def refused() -> None:
        raise OperationalError("connection refused")

    connection.close()
    monkeypatch.setattr(connection, "connect", refused)
    answer = anonymous.get("/metrics")
    assert answer.status_code == 200
    failed = {part: value(answer.content, "pacesetter_collect_failed", part=part) for part in figures.PARTS}
    assert {part for part, is_missing in failed.items() if is_missing} == set(figures.PARTS) - {"circuits"}
    assert value(answer.content, "pacesetter_ready") == 0
    assert b"pacesetter_jobs{" not in answer.content


@pytest.mark.django_db
def test_one_figure_that_cannot_be_read_takes_no_other_along(anonymous: APIClient) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE fitness_flag RENAME TO somewhere_else")
    page = anonymous.get("/metrics").content
    assert value(page, "pacesetter_collect_failed", part="flags") == 1
    assert value(page, "pacesetter_collect_failed") == 1
    assert value(page, "pacesetter_jobs") == 0


# --- Processes ---

_COUNT = """
import sys
from pathlib import Path
from config.core.metric_files import share_metrics
share_metrics(Path(sys.argv[1]))
from prometheus_client import Counter, Gauge, Histogram
Counter("syncs", "Syncs").inc(float(sys.argv[2]))
Gauge("sockets", "Open", multiprocess_mode="livesum").set(float(sys.argv[2]))
Histogram("seconds", "Took", buckets=(1, 2)).observe(1.5)
print("counted", flush=True)
sys.stdin.read()
"""
_SHOW = """
import sys
from pathlib import Path
from config.core.metric_files import share_metrics, swept
share_metrics(Path(sys.argv[1]))
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry, path=sys.argv[1])
with swept(Path(sys.argv[1])):
    print(generate_latest(registry).decode())
"""


def test_processes_that_share_a_folder_are_one_and_the_dead_keep_what_they_counted(tmp_path: Path) -> None:
    def counting(amount: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _COUNT, tmp_path, str(amount)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "counted\n"
        return process

    def shown() -> tuple[float, ...]:
        page = subprocess.run(
            [sys.executable, "-c", _SHOW, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        names = ("syncs_total", "seconds_count")
        return (*(value(page, name) for name in names), value(page, "sockets") if "sockets " in page else 0)

    first, second = counting(3), counting(4)
    try:
        assert shown() == (7, 2, 7)
        first.kill()
        first.wait()
        assert shown() == shown() == (7, 2, 4), "what it counted stays, what it had open is gone"
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
    third = counting(1)
    try:
        assert shown() == (1, 1, 1), "whoever comes first finds nothing"
    finally:
        third.kill()
        third.wait()


_TAKEN = """
import fcntl, os, sys
held = open(f"{sys.argv[1]}/{os.getpid()}.alive", "w")
fcntl.flock(held, fcntl.LOCK_EX)
"""


def test_two_processes_of_one_number_are_told_so(tmp_path: Path) -> None:
    """As in two containers: each is the first of its own. Waiting for the other's end, it would keep all of them from
    answering."""
    second = subprocess.run(
        [sys.executable, "-c", _TAKEN + _COUNT, tmp_path, "1"],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.startswith("Pacesetter cannot start: ")
    assert second.stderr.count("\n") == 1


def test_an_empty_variable_is_no_folder() -> None:
    """As a file of settings has it that was copied from the example."""
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": "", "METRICS_DIR": ""}
    shown = subprocess.run(
        [sys.executable, "-c", "import config.settings, prometheus_client as p; print(p.values.ValueClass.__name__)"],
        cwd=ROOT, env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout == "MutexValue\n"


def test_a_worker_answers_on_its_port_to_operators_alone(settings: Any) -> None:
    port = answer_metrics("127.0.0.1", 0, counted_here, is_in_operations)
    address = f"http://127.0.0.1:{port}"
    answer = httpx.get(f"{address}/metrics")
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
    assert "pacesetter_jobs_done_total" in answer.text
    assert httpx.get(address).status_code == 404
    settings.OPERATIONS_NETWORKS = ()
    assert httpx.get(f"{address}/metrics").status_code == 403


def test_the_middleware_bounds_what_django_prometheus_does_not() -> None:
    assert "config.core.tally.BoundedMetricsMiddleware" in settings.MIDDLEWARE
    assert "django_prometheus.middleware.PrometheusAfterMiddleware" not in settings.MIDDLEWARE


# --- What watchers are shown ---


@pytest.fixture
def board(person: User, transactional_db: None, make_competition: Any, join: Any) -> Competition:
    competition: Competition = make_competition()
    join(competition, person)
    return competition


@pytest.mark.slow
async def test_a_frame_that_was_waited_for_is_measured_from_the_write_it_shows(
    board: Competition, person: User
) -> None:
    def rename() -> None:
        redraw_person(user_id=person.id, now=datetime.now(UTC))
        connections.close_all()

    count_frames()
    before = counted_here()
    hub, watchers = Hub(), [Watcher(person.id), Watcher(person.id)]
    try:
        for watcher in watchers:
            await hub.watch(board.id, watcher)
            await watcher.next_frame()
        assert Counted.lags == [], "what is there already was not waited for"
        await in_thread(rename)()
        for watcher in watchers:
            await watcher.next_frame()
        assert len(Counted.lags) == 2
        assert all(0 < lag < 30 for lag in Counted.lags)
        assert (Counted.made, Counted.reused) == (2, 2), "two versions, encoded once each for two"
        count_frames()
        after = counted_here()
        for name, more in (("delivery_lag_seconds_count", 2), ("frames_total", 4), ("snapshots_total", 4)):
            assert value(after, f"pacesetter_{name}") - value(before, f"pacesetter_{name}") == more
    finally:
        await hub.close()
