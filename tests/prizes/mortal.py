"""A process that pays prizes and dies where it is told to. Run as `python -m tests.prizes.mortal`; it reads a line of
JSON for each life it is to lead, and answers each with a line of JSON: where it died, or that it lived to the end.

Each life is a fork, so that Django is loaded once. A step is either what changes PostgreSQL (``"statements"``: every
lock, write and commit, ours and the pretended gateway's) or a line of Python that pays, when it
is come to first (``"lines"``).
"""

import json
import os
import re
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

DIED = 9
_PRIZES = Path(__file__).resolve().parents[2] / "prizes"
_PAYING = {
    str(_PRIZES / name)
    for name in (
        "tasks.py",
        "services/distribution.py",
        "services/transfers.py",
        "services/ledger.py",
        "gateways/sandbox.py",
    )
}


_CHANGES_NOTHING = re.compile(r"SAVEPOINT|RELEASE|SELECT (?!.*(advisory|procrastinate_defer))", re.DOTALL)
"""A death before a read leaves behind what a death before the next write does."""


class Steps:
    """Counts steps, and ends the process before the one with the given number, as if the power had failed."""

    def __init__(self, last: int, tell: Callable[[str], None]) -> None:
        self._left, self._tell, self._lock = last, tell, threading.Lock()
        self._seen: set[str] = set()

    def step(self, what: str) -> None:
        with self._lock:
            self._left -= 1
            if self._left < 0:
                self._tell(what)
                os._exit(DIED)

    def watch_statements(self) -> None:
        import psycopg

        for name, method in (
            ("execute", psycopg.Cursor),
            ("executemany", psycopg.Cursor),
            ("commit", psycopg.Connection),
        ):
            setattr(method, name, self._counted(name, getattr(method, name)))

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(this: Any, *arguments: Any, **options: Any) -> Any:
            statement = str(arguments[0]) if arguments else name
            if not _CHANGES_NOTHING.match(statement):
                self.step(statement[:80])
            return call(this, *arguments, **options)

        return counted

    def watch_lines(self) -> None:
        sys.settrace(self._trace)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename not in _PAYING:
            return None
        place = f"{Path(frame.f_code.co_filename).relative_to(_PRIZES)}:{frame.f_lineno}"
        if event == "line" and place not in self._seen:
            self._seen.add(place)
            self.step(place)
        return self._trace


def pay(competition_id: UUID, treasurer_id: UUID) -> None:
    """Distributes, and then does what a worker does: takes a job, carries it out, says that it is done."""
    from django.db import connection
    from procrastinate.contrib.django import app
    from procrastinate.contrib.django.models import ProcrastinateJob

    from accounts.models import User
    from prizes.actors import Actor
    from prizes.services.distribution import distribute_prizes

    actor = Actor(User.objects.get(id=treasurer_id))
    distribute_prizes(competition_id=competition_id, actor=actor, now=datetime.now(UTC))
    for job in ProcrastinateJob.objects.filter(status="todo").order_by("id"):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", [job.id])
        task: Any = app.tasks[job.task_name]
        task(**job.args)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = %s", [job.id])


def live(order: dict[str, Any]) -> None:
    """One life. Writes its own answer, and never returns."""

    def tell(what: str) -> None:
        os.write(1, (json.dumps({"died_before": what}) + "\n").encode())

    steps = Steps(order["steps"], tell)
    steps.watch_statements() if order["kind"] == "statements" else steps.watch_lines()
    pay(UUID(order["competition"]), UUID(order["treasurer"]))
    os.write(1, (json.dumps({"died_before": None}) + "\n").encode())
    os._exit(0)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    import prizes.api.views
    import prizes.tasks  # noqa: F401 - loaded once, before the first fork

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                live(json.loads(line))
            except BaseException as error:
                os.write(1, (json.dumps({"died_before": None, "error": repr(error)}) + "\n").encode())
                os._exit(1)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
