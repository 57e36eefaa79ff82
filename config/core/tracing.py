"""Traces: how one request went through SQL, Redis, announcements and jobs, and where its time stayed.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT (or its _TRACES_ form) says where they go, and then nothing that traces is even
imported. OpenTelemetry's other standard variables hold as well: the name of the service, headers, the sampler.

Sockets are not traced: a span for each message would outnumber everything else.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

TRACE_ARGUMENT = "_trace"
"""Under which a job carries the trace of whoever enqueued it, beside its own arguments."""

_spans: ModuleType | None = None
_NOTHING: AbstractContextManager[Any] = nullcontext()


def start_tracing() -> None:
    """Once, before the application is put together. Does nothing where nobody asks for traces."""
    global _spans
    if _spans is None and is_asked_for(os.environ):
        from config.core import spans

        spans.start()
        _spans = spans


def stop_tracing() -> None:
    """Sends what has not been sent."""
    if _spans is not None:
        _spans.flush()


def is_asked_for(environ: Mapping[str, str]) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(environ.get(f"OTEL_EXPORTER_OTLP_{of}ENDPOINT") for of in ("", "TRACES_"))


def traced(application: Any) -> Any:
    """An ASGI application for HTTP whose requests are spans."""
    return application if _spans is None else _spans.traced(application)


def note_view(view: str) -> None:
    """What the request at hand is called: never its path, which may hold a token."""
    if _spans is not None:
        _spans.note_view(view)


def trace_id() -> str:
    """Of the trace at hand, empty outside of one."""
    return "" if _spans is None else _spans.trace_id()


def span(name: str) -> AbstractContextManager[Any]:
    """A step of our own, within a trace."""
    return _NOTHING if _spans is None else _spans.step(name)


def here() -> Any:
    """A place in a trace, for `shared_by`."""
    return None if _spans is None else _spans.here()


def shared_by(places: Iterable[Any]) -> AbstractContextManager[Any]:
    """Work that several requests have done together: it stands in the first one's trace, and names the others'."""
    return _NOTHING if _spans is None else _spans.shared_by(places)


def job(task: str, carried: Mapping[str, str] | None) -> AbstractContextManager[Any]:
    """Around a job, in the trace that it carries."""
    return _NOTHING if _spans is None else _spans.job(task, carried)
