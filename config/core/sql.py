"""Many rows in one statement."""

from collections.abc import Collection, Sequence
from datetime import date
from uuid import UUID

Value = int | UUID | date | str | None


def columns(rows: Collection[Sequence[Value]], count: int) -> list[str]:
    """Rows of ``count`` values each as the columns that ``unnest(%s::bigint[], …)`` takes.

    They are PostgreSQL's own text for arrays: psycopg's, which knows every type, costs five times as much, and a group
    of syncs has thousands of values.
    """
    listed = zip(*rows, strict=True) if rows else [()] * count
    return ["{" + ",".join([_quoted(value) for value in column]) + "}" for column in listed]


def _quoted(value: Value) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
