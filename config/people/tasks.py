"""Jobs about people that need several apps."""

from datetime import UTC, datetime

from procrastinate.contrib.django import app

from config.people.exports import remove_old_exports, write_exports


@app.task(queueing_lock="write_waiting_exports")
def write_waiting_exports() -> None:
    write_exports(clock=lambda: datetime.now(UTC))


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="finish_exports", pass_context=False)
def finish_exports(timestamp: int) -> None:
    """Every minute: begins anew what a worker that died has left behind."""
    write_exports(clock=lambda: datetime.now(UTC))


@app.periodic(cron="41 3 * * *")
@app.task(queueing_lock="remove_old_exports", pass_context=False)
def remove_exports_of_last_week(timestamp: int) -> None:
    remove_old_exports(now=datetime.now(UTC))
