from datetime import UTC, datetime

from procrastinate.contrib.django import app

from leaderboards.rebuilding import rebuild_board as rebuild_board  # the worker finds its tasks here
from leaderboards.telling import announce_what_is_near, tell_announcements, tell_overtaken
from leaderboards.tickets import forget_spent_tickets


@app.periodic(cron="41 * * * *")
@app.task(queueing_lock="forget_expired_tickets", pass_context=False)
def forget_expired_tickets(timestamp: int) -> None:
    """Every hour: that a ticket was spent matters only while it could be used again."""
    forget_spent_tickets(now=datetime.now(UTC))


@app.task(queueing_lock="tell_what_is_announced")
def tell_what_is_announced() -> None:
    tell_announcements(clock=lambda: datetime.now(UTC))


@app.periodic(cron="* * * * * */10")
@app.task(queueing_lock="tell_participants", pass_context=False)
def tell_participants(timestamp: int) -> None:
    """Every ten seconds: who was overtaken, what is near, and what a worker that died has left behind."""
    announce_what_is_near(now=datetime.now(UTC))
    tell_announcements(clock=lambda: datetime.now(UTC))
    tell_overtaken(clock=lambda: datetime.now(UTC))
