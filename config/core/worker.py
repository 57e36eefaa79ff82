"""Around every job that a worker does: it is counted, its log lines say which it is, and it stands in the trace of
whoever enqueued it."""

from collections.abc import Awaitable, Callable
from typing import Any

from procrastinate import App, JobContext
from structlog.contextvars import bound_contextvars

from config.core import tracing
from config.core.metrics import JOBS_DONE


def look_after_jobs(app: App) -> None:
    """Called by the queue as soon as it is set up; ours is the outermost middleware."""
    known: Any = app.worker_defaults
    known["worker_middleware"] = [look_after_job, *known.get("worker_middleware", [])]


async def look_after_job(call_next: Callable[[], Awaitable[Any]], context: JobContext, _worker: Any) -> Any:
    """The trace is taken out of the arguments whether or not this worker traces: a server may that enqueued it."""
    job, outcome = context.job, "raised"
    carried: Any = job.task_kwargs.pop(tracing.TRACE_ARGUMENT, None)
    try:
        with bound_contextvars(job_id=job.id, task=job.task_name), tracing.job(job.task_name, carried):
            result = await call_next()
            outcome = "done"
            return result
    finally:
        JOBS_DONE.labels(task=job.task_name, outcome=outcome).inc()
