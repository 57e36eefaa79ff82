"""Many rows in one statement, and many statements at one moment."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from uuid import UUID

from django.db import connection, transaction

Value = int | UUID | date | str | None


def columns(rows: Collection[Sequence[Value]], count: int) -> list[str]:
    """Rows of ``count`` values each as the columns that ``unnest(%s::bigint[], …)`` takes.

    They are PostgreSQL's own text for arrays: psycopg's, which knows every type, costs five times as much, and a group
    of syncs has thousands of values.
    """
    listed = zip(*rows, strict=True) if rows else [()] * count
    return [_column(values) for values in listed]


def _column(values: Sequence[Value]) -> str:
    if any(type(value) is str for value in values):  # what is of our own making has nothing to escape
        values = [_escaped(value) if type(value) is str else value for value in values]
    return "{" + ",".join(["NULL" if value is None else f'"{value}"' for value in values]) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@contextmanager
def alone_with(name: str) -> Iterator[bool]:
    """Whether no other process is at what is called so. The lock belongs to the connection, so it ends with a process
    that dies, and not with the transactions in between."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 1))", [name])
        (alone,) = cursor.fetchone()
    try:
        yield alone
    finally:
        if alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 1))", [name])


@contextmanager
def one_moment() -> Iterator[None]:
    """Everything that is read inside is as it was when the first of it was read. Nothing can be written, and no writer
    waits for it. Inside a transaction that is open already, what is read is as that transaction sees it."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
