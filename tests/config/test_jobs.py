"""Jobs whose worker is gone, and a worker that cannot go on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from procrastinate.contrib.django import app

from config.core.jobs import MOST_ATTEMPTS, SILENT_SECONDS, enqueue_once, take_up_lost_jobs
from tests.flows.conftest import database_at_hand
from tests.flows.servers import ROOT


def run_sql(text: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchone() if cursor.description else None


def new_worker(*, silent_for: float) -> int:
    found = run_sql(
        "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %s)) RETURNING id",
        silent_for,
    )
    return int(found[0])


def new_job(name: str, worker: int | None, *, status: str = "doing", lock: str | None = None, attempts: int = 0) -> int:
    found = run_sql(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, worker_id, attempts)"
        " VALUES ('default', %s, %s, %s, %s) RETURNING id",
        name,
        lock,
        worker,
        attempts,
    )
    if status == "doing":
        run_sql("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", found[0])
    return int(found[0])


def status_of(job: int) -> str | None:
    found = run_sql("SELECT status::text FROM procrastinate_jobs WHERE id = %s", job)
    return str(found[0]) if found else None


@pytest.mark.django_db
def test_what_a_dead_worker_was_at_is_to_be_done_again_and_what_a_living_one_is_at_is_left_alone() -> None:
    dead, living = new_worker(silent_for=SILENT_SECONDS + 1), new_worker(silent_for=SILENT_SECONDS - 10)
    lost, orphan, kept = new_job("one", dead), new_job("two", None), new_job("three", living)
    assert take_up_lost_jobs() == 2
    assert [status_of(job) for job in (lost, orphan, kept)] == ["todo", "todo", "doing"]
    assert take_up_lost_jobs() == 0


@pytest.mark.django_db
def test_a_lost_job_whose_like_waits_already_is_over_and_the_one_that_waits_stays() -> None:
    dead = new_worker(silent_for=SILENT_SECONDS + 1)
    older, newer = new_job("all", dead, lock="all"), new_job("all", dead, lock="all")
    alone, waiting = new_job("some", dead, lock="some"), new_job("some", None, status="todo", lock="some")
    assert take_up_lost_jobs() == 3
    assert [status_of(job) for job in (older, newer, waiting, alone)] == ["todo", None, "todo", None]


@pytest.mark.django_db
def test_a_job_that_takes_every_worker_with_it_is_given_up() -> None:
    lost = new_job("fatal", new_worker(silent_for=SILENT_SECONDS + 1), attempts=MOST_ATTEMPTS)
    take_up_lost_jobs()
    assert status_of(lost) == "failed"


@pytest.mark.django_db
def test_a_queueing_lock_is_free_again_once_its_job_was_lost_and_done() -> None:
    """A worker dies at a job that others enqueue once: neither it nor they wait for ever."""
    task: Any = app.tasks["config.tasks.take_up_lost_jobs"]
    lost = new_job(task.name, new_worker(silent_for=SILENT_SECONDS + 1), lock=task.queueing_lock)
    assert enqueue_once(lambda: task.defer(timestamp=0))
    assert not enqueue_once(lambda: task.defer(timestamp=0))
    take_up_lost_jobs()
    assert status_of(lost) is None
    run_sql("UPDATE procrastinate_jobs SET status = 'doing' WHERE status = 'todo'")
    assert enqueue_once(lambda: task.defer(timestamp=0))


def test_no_job_has_both_a_queueing_lock_and_a_retry() -> None:
    """procrastinate cannot retry a job whose like was enqueued meanwhile: it would count as being done for as long as
    its worker lives."""
    ours = [task for task in app.tasks.values() if not task.name.startswith(("procrastinate", "builtin"))]
    assert len(ours) > 15
    assert [task.name for task in ours if task.queueing_lock and task.retry_strategy] == []


# Whole workers.


@pytest.fixture
def start_worker(transactional_db: None, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started = []

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / "worker.log").open("ab") as log:
            environ = {**os.environ, "DATABASE_URL": database_at_hand()}
            command = [sys.executable, "manage.py", "procrastinate", "worker"]
            started.append(subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
    run_sql("DELETE FROM procrastinate_jobs; DELETE FROM procrastinate_workers")


def wait_until(holds: Callable[[], object], *, within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def newest_tick() -> int:
    found = run_sql("SELECT coalesce(max(defer_timestamp), 0) FROM procrastinate_periodic_defers")
    return int(found[0])


@pytest.mark.slow
def test_periodic_jobs_go_on_after_a_kill_and_take_up_what_was_lost(
    start_worker: Callable[[], subprocess.Popen[bytes]],
) -> None:
    before = newest_tick()  # of a test before this one
    first = start_worker()
    wait_until(lambda: newest_tick() > before)
    first.send_signal(signal.SIGKILL)
    first.wait()
    dead = run_sql("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '31 s' RETURNING id")[0]
    lost = new_job("config.tasks.take_up_lost_jobs", dead)
    ticked = newest_tick()
    start_worker()
    wait_until(lambda: newest_tick() > ticked)
    wait_until(lambda: status_of(lost) != "doing", within=25)


@pytest.mark.slow
def test_a_worker_that_cannot_write_down_how_a_job_ended_ends(
    start_worker: Callable[[], subprocess.Popen[bytes]],
) -> None:
    """As long as it lived the job would count as being done."""
    run_sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'out of luck'; END $$;"
        "CREATE TRIGGER refuse BEFORE DELETE ON procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    try:
        worker = start_worker()
        assert worker.wait(60) is not None
    finally:
        run_sql("DROP TRIGGER refuse ON procrastinate_jobs; DROP FUNCTION refuse")
    assert take_up_lost_jobs() >= 1


@pytest.mark.slow
def test_a_worker_whose_connections_are_cut_ends_and_the_next_one_goes_on(
    start_worker: Callable[[], subprocess.Popen[bytes]],
) -> None:
    first = start_worker()
    wait_until(newest_tick)
    ticked = newest_tick()
    run_sql("ALTER TABLE procrastinate_workers RENAME TO away")
    try:
        assert first.wait(60) is not None
    finally:
        run_sql("ALTER TABLE away RENAME TO procrastinate_workers")
    start_worker()
    wait_until(lambda: newest_tick() > ticked)
