"""Jobs as the transactions that need them enqueue them, and what becomes of those whose worker is gone."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, ParamSpec

import structlog
from django.db import IntegrityError, connection, transaction
from procrastinate import JobContext
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.worker import Worker

log = structlog.get_logger(__name__)

P = ParamSpec("P")

SILENT_SECONDS = 30
"""Every ten seconds a worker says that it lives (procrastinate's heartbeat); one that is silent for so long is gone."""
MOST_ATTEMPTS = 25
"""Of a job that was lost: one that takes every worker down with it must not do so for ever."""
SET_SECONDS = 5.0
"""By so much at once nobody's clock goes wrong by itself."""

_LOST = """
SELECT job.id, job.task_name, job.attempts
  FROM procrastinate_jobs job LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
 WHERE job.status = 'doing'
   AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => %s))
 ORDER BY job.id FOR UPDATE OF job SKIP LOCKED
"""


def enqueue_once(defer: Callable[P, int], *args: P.args, **kwargs: P.kwargs) -> bool:
    """``defer`` of a job with a queueing lock, in the transaction at hand: the job exists if and only if that is
    committed. Changes nothing while the same job waits already; says whether it is new."""
    with suppress(AlreadyEnqueued), transaction.atomic():
        defer(*args, **kwargs)
        return True
    return False


@transaction.atomic
def take_up_lost_jobs() -> int:
    """Has done again what workers that died, or that let go of a job without saying how it ended, have left as being
    done: procrastinate itself never looks at that again. Says how many there were.

    A job whose like waits already (a queueing lock is free for the next as soon as a job begins) has its successor, and
    is over.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOST, [SILENT_SECONDS])
        lost = cursor.fetchall()
    for job_id, task, attempts in lost:
        log.warning("job_lost", job_id=job_id, task=task, attempts=attempts)
        if attempts >= MOST_ATTEMPTS:
            _call("procrastinate_finish_job_v1(%s, 'failed', false)", job_id)
            continue
        try:
            with transaction.atomic():
                _call("procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", job_id)
        except IntegrityError:
            _call("procrastinate_finish_job_v1(%s, 'aborted', true)", job_id)
    return len(lost)


def _call(function: str, job_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}", [job_id])


async def leave_rather_than_lose(call_next: Callable[[], Awaitable[Any]], context: JobContext, worker: Worker) -> Any:
    """Around every job of a worker. Where the worker cannot go on as it should, it ends, and whoever supervises it
    starts another: when it could not write down how a job ended (PostgreSQL was away for that moment), because as long
    as it lives the job counts as being done; and when the clock was set, because procrastinate's periodic jobs stand
    still until the clock is again where it was."""
    task = asyncio.current_task()
    assert task is not None
    task.add_done_callback(lambda done: _leave_unless_written(worker, done))
    if worker not in _watched:
        _watched[worker] = asyncio.create_task(_leave_when_the_clock_is_set(worker))
    return await call_next()


_watched: dict[Worker, asyncio.Task[None]] = {}


def _leave_unless_written(worker: Worker, done: asyncio.Task[Any]) -> None:
    """What goes wrong in a job is its outcome and no exception here; this is about writing it down."""
    error = None if done.cancelled() else done.exception()
    if error is not None:
        log.warning("job_end_not_written", error=type(error).__name__)
        _leave(worker)


async def _leave_when_the_clock_is_set(worker: Worker) -> None:
    ahead = time.time() - time.monotonic()
    while abs(time.time() - time.monotonic() - ahead) < SET_SECONDS:
        await asyncio.sleep(1)
    log.warning("clock_was_set", seconds=round(time.time() - time.monotonic() - ahead))
    _leave(worker)


def _leave(worker: Worker) -> None:
    """What is under way is finished first."""
    worker.stop()  # type: ignore[no-untyped-call]  # the library leaves this one out
