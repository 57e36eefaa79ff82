"""What `tracing` does when it is on; imported only then.

Spans begin with a request or a job. What a hub or an idle worker asks by itself, again and again, belongs to nobody's
trace and is left out.
"""

import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

from config.core.request import scope_headers
from config.core.tracing import TRACE_ARGUMENT

FLUSH_SECONDS = 3.0

_tracer = trace.get_tracer("pacesetter")  # a proxy until `start`
_propagator = TraceContextTextMapPropagator()


class BegunByARequestOrJob(Sampler):
    """Asks ``inner`` about those, and drops every other span that would begin a trace."""

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        within = trace.get_current_span(parent_context).get_span_context().is_valid
        if not within and kind not in (SpanKind.SERVER, SpanKind.CONSUMER):
            return SamplingResult(Decision.DROP)
        return self._inner.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"begun by a request or a job, {self._inner.get_description()}"


class WithoutWords(OTLPSpanExporter):
    """An exception is told by its type. Its words hold values: PostgreSQL's complaint of an e-mail address that is
    taken has the address in it. The logs have the stack, under the same trace, with such things cut out."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return super().export([_without_words(span) for span in spans])


_WORDS = frozenset({"exception.message", "exception.stacktrace"})


def _without_words(span: ReadableSpan) -> ReadableSpan:
    if not span.events and not span.status.description:
        return span
    events = []
    for event in span.events:
        said = {name: value for name, value in (event.attributes or {}).items() if name not in _WORDS}
        events.append(Event(event.name, said, event.timestamp))
    return ReadableSpan(
        span.name,
        span.context,
        span.parent,
        span.resource,
        span.attributes,
        events,
        span.links,
        span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def start() -> None:
    os.environ.setdefault("OTEL_SERVICE_NAME", "pacesetter")
    provider = TracerProvider()
    provider.sampler = BegunByARequestOrJob(provider.sampler)  # which it took from the environment
    provider.add_span_processor(BatchSpanProcessor(WithoutWords()))
    trace.set_tracer_provider(provider)
    # Statements with their placeholders, commands without their arguments: values are nobody else's.
    PsycopgInstrumentor().instrument(capture_parameters=False, skip_dep_check=True)
    RedisInstrumentor().instrument(skip_dep_check=True)
    HTTPXClientInstrumentor().instrument(
        request_hook=_without_address, async_request_hook=_without_address_async, skip_dep_check=True
    )
    for name in ("batch_defer_jobs", "batch_defer_jobs_async"):
        setattr(JobManager, name, _carrying(getattr(JobManager, name)))


def flush() -> None:
    """As far as that goes quickly: a collector that is away must keep nobody from ending."""
    provider: Any = trace.get_tracer_provider()
    sending = threading.Thread(target=provider.force_flush, daemon=True)
    sending.start()
    sending.join(FLUSH_SECONDS)


# --- Requests ---


def traced(application: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def with_span(scope: Any, receive: Any, send: Any) -> None:
        before = _propagator.extract(scope_headers(scope), context=Context())
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        attributes = {"http.request.method": method, "url.scheme": scope.get("scheme", "http")}
        span = _tracer.start_span(method, context=before, kind=SpanKind.SERVER, attributes=attributes)

        async def send_noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                _note_answer(span, message)
            await send(message)

        with trace.use_span(span, end_on_exit=True):
            await application(scope, receive, send_noted)

    return with_span


_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})


def _note_answer(span: Span, start: Any) -> None:
    span.set_attribute("http.response.status_code", start["status"])
    if start["status"] >= 500:
        span.set_status(Status(StatusCode.ERROR))
    if any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in start["headers"]):
        span.end()  # it goes on for hours, and what it sends are frames


def note_view(view: str) -> None:
    span: Any = trace.get_current_span()
    if span.is_recording() and span.kind == SpanKind.SERVER:
        span.update_name(f"{span.attributes['http.request.method']} {view}")
        span.set_attribute("http.route", view)


def _without_address(span: Span, request: Any) -> None:
    """Paths and queries of other people's servers hold accounts and tokens."""
    scheme, host = request[1].scheme.decode(), request[1].host.decode()
    for name in ("http.url", "url.full"):
        span.set_attribute(name, f"{scheme}://{host}/")


async def _without_address_async(span: Span, request: Any) -> None:
    _without_address(span, request)


# --- Within ---


def trace_id() -> str:
    place = here()
    return trace.format_trace_id(place.trace_id) if place is not None else ""


def step(name: str) -> AbstractContextManager[Span]:
    return _tracer.start_as_current_span(name)


def here() -> SpanContext | None:
    """None where nobody will ever see the trace."""
    context = trace.get_current_span().get_span_context()
    return context if context.is_valid and context.trace_flags.sampled else None


@contextmanager
def shared_by(places: Iterable[SpanContext | None]) -> Iterator[None]:
    known = [place for place in places if place is not None]
    if not known:
        yield
        return
    first = trace.set_span_in_context(NonRecordingSpan(known[0]), Context())
    links = [Link(place) for place in known[1:]]
    with _tracer.start_as_current_span("group", first, links=links, attributes={"pacesetter.group.size": len(known)}):
        yield


# --- Jobs ---


def job(task: str, carried: Mapping[str, str] | None) -> AbstractContextManager[Span]:
    before = _propagator.extract(carried or {}, context=Context())
    return _tracer.start_as_current_span(f"job {task}", before, kind=SpanKind.CONSUMER)


def _carrying(defer: Callable[..., Any]) -> Callable[..., Any]:
    """Has every job take along the trace that it is enqueued in."""

    @wraps(defer)
    def with_trace(manager: JobManager, jobs: list[Job], connection: Any = None) -> Any:
        name = f"enqueue {jobs[0].task_name}" if jobs else "enqueue"
        with _tracer.start_as_current_span(name, kind=SpanKind.PRODUCER):
            carried: dict[str, str] = {}
            if trace.get_current_span().is_recording():
                _propagator.inject(carried)
            given = [_with(job_, carried) for job_ in jobs] if carried else jobs
            return defer(manager, given, connection)

    return with_trace


def _with(job_: Job, carried: Mapping[str, str]) -> Job:
    return job_.evolve(task_kwargs={**job_.task_kwargs, TRACE_ARGUMENT: dict(carried)})
