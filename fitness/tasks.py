from datetime import UTC, datetime

from procrastinate.contrib.django import app

from fitness.services.imports import read_imports, remove_orphans


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="read_waiting_imports", pass_context=False)
def read_waiting_imports(timestamp: int) -> None:
    """After each upload; and every minute, to go on with what a worker that died has left behind."""
    remove_orphans(now=datetime.now(UTC))
    read_imports(clock=lambda: datetime.now(UTC))
