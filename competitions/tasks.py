from datetime import UTC, datetime

from procrastinate.contrib.django import app

from competitions.services.lifecycle import move_statuses


@app.periodic(cron="* * * * * */5")
@app.task(queueing_lock="move_statuses", pass_context=False)
def move_competition_statuses(timestamp: int) -> None:
    """Every five seconds: starts what should have started and ends what should have ended."""
    move_statuses(now=datetime.now(UTC))
