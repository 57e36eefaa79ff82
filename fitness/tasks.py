from datetime import UTC, datetime

from procrastinate.contrib.django import app

from fitness.services.imports import read_imports, remove_orphans


@app.task(queueing_lock="read_uploads")
def read_uploads() -> None:
    read_imports(clock=lambda: datetime.now(UTC))


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="finish_imports", pass_context=False)
def finish_imports(timestamp: int) -> None:
    """Every minute: goes on with what a worker that died has left behind."""
    remove_orphans(now=datetime.now(UTC))
    read_imports(clock=lambda: datetime.now(UTC))
