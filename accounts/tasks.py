from django.core.management import call_command
from procrastinate.contrib.django import app


@app.periodic(cron="17 3 * * *")
@app.task(queueing_lock="forget_expired_logins", pass_context=False)
def forget_expired_logins(timestamp: int) -> None:
    """Every night: refresh tokens and sessions that have run out are only ballast, and who logged in to the panel is
    kept for a year."""
    call_command("flushexpiredtokens")
    call_command("clearsessions")
    call_command("axes_reset_logs", age=365)
