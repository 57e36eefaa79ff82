"""Many rows in one statement."""

from collections.abc import Collection, Sequence
from datetime import date
from enum import StrEnum
from uuid import UUID

Value = int | UUID | date | StrEnum | None


def columns(rows: Collection[Sequence[Value]], count: int) -> list[str]:
    """Rows of ``count`` values each as the columns that ``unnest(%s::bigint[], …)`` takes.

    They are PostgreSQL's own text for arrays: psycopg's, which knows every type, costs five times as much, and a group
    of syncs has thousands of values. Text that somebody chose is not among them, so nothing needs escaping.
    """
    listed = zip(*rows, strict=True) if rows else [()] * count
    return ["{" + ",".join(["NULL" if value is None else f'"{value}"' for value in column]) + "}" for column in listed]
