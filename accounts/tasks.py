from datetime import UTC, datetime
from uuid import UUID

from django.core.management import call_command
from procrastinate.contrib.django import app

from accounts.services import pictures
from accounts.services.delivering import deliver_due
from accounts.services.notifying import forget_old_notifications
from accounts.services.passwords import send_password_reset
from config.core.sql import alone_with

DELIVERERS = 2
"""At once, of all workers: the others are for other things."""


@app.periodic(cron="17 3 * * *")
@app.task(queueing_lock="forget_expired_logins", pass_context=False)
def forget_expired_logins(timestamp: int) -> None:
    """Every night: refresh tokens and sessions that have run out are only ballast, and who logged in to the panel is
    kept for a year."""
    call_command("flushexpiredtokens")
    call_command("clearsessions")
    call_command("axes_reset_logs", age=365)


@app.task()
def mail_password_reset(user_id: str | None) -> None:
    """Nobody: enqueued all the same, so that who asks cannot tell by the time it takes."""
    if user_id is not None:
        send_password_reset(user_id=UUID(user_id), now=datetime.now(UTC))


@app.task(queueing_lock="deliver_waiting")
def deliver_waiting() -> None:
    _deliver()


@app.periodic(cron="* * * * * */10")
@app.task(queueing_lock="deliver_due", pass_context=False)
def deliver_what_is_due(timestamp: int) -> None:
    """Every ten seconds: what waited for its hour, and what a worker that died has left behind."""
    _deliver()


def _deliver() -> None:
    """Leaves it to those who are at it, if they are enough: a full outbox takes long to empty, and each of these jobs
    would stay until it is."""
    for number in range(DELIVERERS):
        with alone_with(f"deliverer:{number}") as alone:
            if alone:
                deliver_due(clock=lambda: datetime.now(UTC))
                return


@app.periodic(cron="37 3 * * *")
@app.task(queueing_lock="remove_orphan_pictures", pass_context=False)
def remove_orphan_pictures(timestamp: int) -> None:
    """Every night: pictures that nobody shows, left by a process that died or a store that was out."""
    pictures.remove_orphan_pictures()


@app.periodic(cron="47 3 * * *")
@app.task(queueing_lock="forget_old_notifications", pass_context=False)
def forget_what_was_told_long_ago(timestamp: int) -> None:
    """Every night."""
    forget_old_notifications(now=datetime.now(UTC))
