"""Tables full of rows that mean little, made by PostgreSQL in one statement each: for lists, which only show them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.admin.sites import site
from django.db import connection, models

from accounts.models import Delivery, Device, Notification, ServiceKey, Suppression, User
from competitions.models import Competition, RulesVersion, Seat
from fitness.models import CountedDay, Flag, Import, Sample
from leaderboards.models import Correction, FinalStandings
from prizes.models import Account, AwardList, Entry, GatewayEvent, Payment, PayoutAccount, Transfer, TreasuryAction

UUID_OF_I = "('00000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid"
EARLIER = "now() - i * interval '1 minute'"
LATER = "now() + i * interval '1 minute'"

# What the constraints of a table ask for; i counts the rows.
WANTED: dict[type[models.Model], dict[str, str]] = {
    User: {"name": "'Person number' || i", "is_active": "true", "is_staff": "i = 1", "identity_provider": "'local'"},
    Notification: {"dedupe_key": "i::text", "listed": "true"},
    Delivery: {"state": "CASE WHEN i % 1000 = 0 THEN 'failed' ELSE 'sent' END"},
    Device: {"token": "i::text"},
    Suppression: {"address_digest": "i::text"},
    ServiceKey: {"name": "'key ' || i", "digest": "i::text"},
    Competition: {
        "name": "'Walk number' || i",
        "end_at": LATER,
        "join_code": "i::text",
        "status": "'active'",
        "published_at": EARLIER,
        "currency": "'USD'",
    },
    Seat: {"fee_minor": "1", "expires_at": LATER, "state": "'reserved'", "currency": "'USD'"},
    RulesVersion: {"number": "1", "document": "'{}'"},
    FinalStandings: {"number": "1", "document": "'{}'"},
    Correction: {"points": "i", "reason": "'Because.'"},
    Flag: {
        "state": "CASE WHEN i <= 3 THEN 'open' ELSE 'accepted' END",
        "decided_at": "now()",
        "decided_by_id": UUID_OF_I,
        "check_name": "'cadence'",
    },
    Sample: {"end_at": LATER},
    CountedDay: {"competition_id": UUID_OF_I},
    Import: {"state": "'done'", "finished_at": "now()"},
    Entry: {"key": "'entry ' || i", "posting_count": "2", "kind": "'funding'", "competition_id": UUID_OF_I},
    Account: {"kind": "'pool'", "competition_id": UUID_OF_I, "currency": "'USD'"},
    AwardList: {"version": "1", "currency": "'USD'"},
    TreasuryAction: {"by_id": UUID_OF_I, "action": "'fund'"},
    PayoutAccount: {"reference": "i::text"},
    GatewayEvent: {"event_id": "'evt_' || i", "key": "'key ' || i"},
    Payment: {"amount_minor": "1", "state": "'closed'", "currency": "'USD'", "payment_reference": "'pay_' || i"},
    Transfer: {
        "key": "'transfer ' || i",
        "purpose": "'prize'",
        "award_id": "i",
        "amount_minor": "1",
        "currency": "'USD'",
        "state": "'paid'",
        "paid_at": "now()",
        "reference": "'tr_' || i",
    },
}
_PLAIN: dict[str, str] = {
    "TextField": "''",
    "CharField": "''",
    "BooleanField": "false",
    "DateTimeField": EARLIER,
    "DateField": "current_date - i",
    "JSONField": "'{}'",
    "ArrayField": "'{}'",
    "UUIDField": UUID_OF_I,
    "BigAutoField": "i",
    "AutoField": "i",
}
BY_HAND = {"ProcrastinateJob", "Group", "SandboxFault"}


def tables() -> list[type[models.Model]]:
    """That the panel shows and that are filled here; a proxy is its table."""
    found = {model._meta.concrete_model or model for model in site._registry if model.__name__ not in BY_HAND}
    return sorted(found, key=lambda model: str(model._meta.label))


@contextmanager
def unchecked() -> Iterator[None]:
    """Without foreign keys and triggers; check constraints hold."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield
        cursor.execute("SET LOCAL session_replication_role = origin")


def fill(count: int, *models_: type[models.Model], **more: str) -> None:
    """Row i of every table refers to row i of every other. ``more``: columns of text, where there are such."""
    with unchecked(), connection.cursor() as cursor:
        for model in models_:
            texts = {f.column for f in model._meta.fields if f.get_internal_type() in ("CharField", "TextField")}
            columns = {f.column: _value(model, f) for f in model._meta.concrete_fields} | {
                column: value for column, value in more.items() if column in texts
            }
            names, values = ", ".join(f'"{name}"' for name in columns), ", ".join(columns.values())
            rows = f"generate_series(1, {count}) AS i"
            cursor.execute(f'INSERT INTO "{model._meta.db_table}" ({names}) SELECT {values} FROM {rows}')  # noqa: S608 - names of our own tables and columns
            if "Auto" in model._meta.pk.get_internal_type():  # what is written later comes after these
                sequence = f"pg_get_serial_sequence('{model._meta.db_table}', '{model._meta.pk.column}')"
                cursor.execute(f"SELECT setval({sequence}, greatest(nextval({sequence}), {count}))")
            cursor.execute(f'ANALYZE "{model._meta.db_table}"')


def _value(model: type[models.Model], field: Any) -> str:
    wanted = WANTED.get(model, {}).get(field.column)
    if wanted is not None:
        return wanted
    if field.null:
        return "NULL"
    if field.is_relation:
        return _value(model, field.target_field) if not field.target_field.is_relation else UUID_OF_I
    return _PLAIN.get(field.get_internal_type(), "0")


_JOBS = """
INSERT INTO procrastinate_jobs (queue_name, task_name, status, args, attempts)
SELECT 'default', 'app.tasks.do_it',
       (CASE WHEN i %% 1000 = 0 THEN 'failed' ELSE 'succeeded' END)::procrastinate_job_status,
       '{"competition_id": "0815", "sealed": "a secret"}', 1
  FROM generate_series(1, %s) AS i
"""


def fill_jobs(count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_JOBS, [count])
        cursor.execute("ANALYZE procrastinate_jobs")
