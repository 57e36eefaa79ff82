from datetime import UTC, datetime
from uuid import UUID

from procrastinate.contrib.django import app

from fitness.services.connections import forget_stale_authorisations, revoke_grant
from fitness.services.fetching import enqueue_due_fetches, fetch_connection
from fitness.services.imports import read_imports, remove_orphans
from fitness.services.left_out import request_all_left_out, work_out_left_out
from fitness.services.streaks import tell_streaks_at_risk
from fitness.services.sync_counts import forget_sync_counts


@app.task()
def fetch_one_connection(connection_id: int) -> None:
    fetch_connection(connection_id=connection_id, now=datetime.now(UTC))


@app.task()
def revoke_one_grant(provider_name: str, sealed: str) -> None:
    revoke_grant(provider_name=provider_name, sealed=sealed)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="fetch_due_connections", pass_context=False)
def fetch_due_connections(timestamp: int) -> None:
    """Every minute: goes on with what a webhook, a worker that died, or a cloud that fell silent has left behind."""
    now = datetime.now(UTC)
    forget_stale_authorisations(now=now)
    enqueue_due_fetches(now=now)


@app.task(queueing_lock="read_uploads")
def read_uploads() -> None:
    read_imports(clock=lambda: datetime.now(UTC))


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="finish_imports", pass_context=False)
def finish_imports(timestamp: int) -> None:
    """Every minute: goes on with what a worker that died has left behind."""
    remove_orphans(now=datetime.now(UTC))
    read_imports(clock=lambda: datetime.now(UTC))


@app.task()
def work_out_one(competition_id: str) -> None:
    work_out_left_out(competition_id=UUID(competition_id), clock=lambda: datetime.now(UTC))


@app.periodic(cron="23 3 * * *")
@app.task(queueing_lock="work_out_left_out", pass_context=False)
def work_out_all(timestamp: int) -> None:
    """Every night: so that what is said of all competitions covers those whose page nobody opens."""
    now = datetime.now(UTC)
    forget_sync_counts(now=now)
    request_all_left_out(now=now)


@app.periodic(cron="*/15 * * * *")
@app.task(queueing_lock="tell_streaks_at_risk", pass_context=False)
def tell_evening_streaks(timestamp: int) -> None:
    """Every quarter of an hour, as zones lie that far apart."""
    tell_streaks_at_risk(now=datetime.now(UTC))
