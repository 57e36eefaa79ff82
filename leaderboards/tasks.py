from datetime import UTC, datetime

from procrastinate.contrib.django import app

from leaderboards.rebuilding import rebuild_board as rebuild_board  # the worker finds its tasks here
from leaderboards.tickets import forget_spent_tickets


@app.periodic(cron="41 * * * *")
@app.task(queueing_lock="forget_expired_tickets", pass_context=False)
def forget_expired_tickets(timestamp: int) -> None:
    """Every hour: that a ticket was spent matters only while it could be used again."""
    forget_spent_tickets(now=datetime.now(UTC))
