"""One request's way through SQL, Redis, the announcement and a job, as a collector is told of it; nothing otherwise."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from procrastinate.jobs import Job

from config.core import tracing, worker
from tests.flows.conftest import database_at_hand, run_server  # noqa: F401 - a fixture
from tests.flows.servers import FRAME_WITHIN, Server
from tests.plugins.log_scan import Scan

ROOT = Path(__file__).resolve().parents[2]
CALLER = "0af7651916cd43dd8448eb211c80319c"


class Collector:
    """Takes traces by OTLP over HTTP, as Jaeger, Tempo and the OpenTelemetry Collector do."""

    def __init__(self) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self.spans: list[Any] = []
        self.services: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                sent = ExportTraceServiceRequest()
                sent.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in sent.resource_spans:
                    collector.services |= {
                        attribute.value.string_value
                        for attribute in resource.resource.attributes
                        if attribute.key == "service.name"
                    }
                    collector.spans += [span for scope in resource.scope_spans for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def trace_with(self, wanted: Callable[[Any], bool]) -> list[Any]:
        """All spans of the trace in which such a span is."""
        deadline = time.monotonic() + FRAME_WITHIN
        while not (found := [span for span in self.spans if wanted(span)]):
            assert time.monotonic() < deadline, sorted({span.name for span in self.spans})
            time.sleep(0.05)
        return [span for span in self.spans if span.trace_id == found[-1].trace_id]


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def ancestors(span: Any, trace: list[Any]) -> list[str]:
    """The names of those that it stands in, the nearest first."""
    by_id = {one.span_id: one for one in trace}
    names = []
    while (span := by_id.get(span.parent_span_id)) is not None:
        names.append(span.name)
    return names


def walked(name: str, steps: int, *, hours_ago: int) -> dict[str, Any]:
    """A sample of five minutes."""
    end = datetime.now(UTC) - timedelta(hours=hours_ago)
    span = {"start": (end - timedelta(minutes=5)).isoformat(), "end": end.isoformat()}
    measured = {"type": "steps", "value": steps, "unit": "count", "source": {"app": "apple_health"}}
    return {"id": name, **span, **measured}


def work(environ: dict[str, str]) -> None:
    """A worker does what there is to do."""
    command = [sys.executable, "manage.py", "procrastinate", "worker", "--one-shot"]
    told = {**os.environ, **environ, "DATABASE_URL": database_at_hand()}
    subprocess.run(command, cwd=ROOT, env=told, check=True, timeout=60)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_trace_leads_from_a_request_through_sql_and_the_announcement_and_into_its_job(
    collector: Collector,
    run_server: Callable[..., Server],  # noqa: F811 - a fixture that is imported
) -> None:
    all_of_them = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.0"}
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "OTEL_BSP_SCHEDULE_DELAY": "100", **all_of_them}
    server = run_server("uvicorn", 9, **environ)
    ada = server.new_person("Ada")
    board = ada.new_competition()
    ada.join(board)
    samples = [walked("a walk", 300, hours_ago=3)]
    taken = {"email": f"ada.{uuid4().hex}@example.org", "password": "a-long-walk-home", "name": "Ada"}
    for status in (201, 409):  # PostgreSQL's complaint has the address in it
        assert ada.http.post("/auth/register", json=taken).status_code == status
    with ada.watching(board) as watch:
        watch.message()
        ada.http.get("/users/me/profile?token=hush", headers={"traceparent": f"00-{CALLER}-b7ad6b7169203331-01"})
        ada.post("/fitness/sync", {"samples": samples})
        watch.ranks_when(300)
    work(environ)
    trace = collector.trace_with(lambda span: span.name == "job accounts.tasks.deliver_waiting")
    (job,) = [span for span in trace if span.name.startswith("job ")]
    assert ancestors(job, trace)[0] == "enqueue accounts.tasks.deliver_waiting"
    assert ancestors(job, trace)[-1] == "POST config.api.profiles.RegisterView", "who is written to"

    trace = collector.trace_with(lambda span: span.name == "show boards")
    (request,) = [span for span in trace if not span.parent_span_id]
    assert request.name == "POST fitness.api.views.SyncView"
    statements = {
        attribute.value.string_value: span
        for span in trace
        for attribute in span.attributes
        if attribute.key in ("db.statement", "db.query.text")
    }
    (stored,) = [span for sql, span in statements.items() if "UPDATE leaderboards_standing" in sql]
    assert ancestors(stored, trace) == ["group", request.name]
    (announcing,) = {span.name: span for span in trace if span.name == "show boards"}.values()
    assert ancestors(announcing, trace) == ["group", request.name]
    below = [span.name for span in trace if "show boards" in ancestors(span, trace)]
    assert any(name.startswith(("EVALSHA", "ZADD", "EVAL", "HGET")) for name in below), below

    # Who sends a trace of their own is in it; a view is named, a path never.
    named = collector.trace_with(lambda span: span.trace_id.hex() == CALLER and span.kind == span.SPAN_KIND_SERVER)
    assert "GET config.api.profiles.ProfileView" in {span.name for span in named}
    # The socket was opened, and its frames were sent, without a span; and nothing that a hub asks by itself is here.
    roots = [span for span in collector.spans if not span.parent_span_id]
    assert {span.kind for span in roots} <= {request.SPAN_KIND_SERVER, request.SPAN_KIND_CONSUMER}
    assert not [span.name for span in collector.spans if "websocket" in span.name.lower() or "/ws/" in str(span)]
    assert collector.services == {"pacesetter"}
    scan = Scan()
    scan.know([ada.token, "a-long-walk-home"])
    for span in collector.spans:
        for attribute in span.attributes:
            scan.look_at(attribute.value.string_value)
        for event in span.events:
            for attribute in event.attributes:
                scan.look_at(attribute.value.string_value)
        scan.look_at(span.name)
        scan.look_at(span.status.message)
    assert scan.found == []
    wrong = {said.value.string_value for span in collector.spans for event in span.events for said in event.attributes}
    assert "psycopg.errors.UniqueViolation" in wrong, "its kind is told"


def test_without_an_address_nothing_that_traces_is_imported() -> None:
    """redis-py imports OpenTelemetry's metrics wherever it is installed; that is not ours to forbid."""
    tracing_alone = (
        "config.core.spans",
        *(f"opentelemetry.{part}" for part in ("sdk.trace", "exporter", "instrumentation")),
    )
    found = f"import config.asgi, sys; print([name for name in sys.modules if name.startswith({tracing_alone})])"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    shown = subprocess.run(
        [sys.executable, "-c", found], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "[]\n"


@pytest.mark.parametrize(
    ("environ", "is_on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://tempo:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://tempo:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://tempo:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://tempo:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_variables_switch_it_on_and_off(environ: dict[str, str], is_on: bool) -> None:
    assert tracing.is_asked_for(environ) is is_on


async def test_a_job_from_a_server_that_traces_runs_on_a_worker_that_does_not() -> None:
    job = Job(
        id=7, queue="default", task_name="planted", lock=None, queueing_lock=None,
        task_kwargs={"board": "x", tracing.TRACE_ARGUMENT: {"traceparent": f"00-{CALLER}-b7ad6b7169203331-01"}},
    )  # fmt: skip

    class Context:
        pass

    context: Any = Context()
    context.job = job

    async def work() -> dict[str, Any]:
        return dict(job.task_kwargs)

    assert await worker.look_after_job(work, context, None) == {"board": "x"}


def test_the_worker_looks_after_every_job() -> None:
    from procrastinate.contrib.django import app

    assert worker.look_after_job in app.worker_defaults["worker_middleware"]
