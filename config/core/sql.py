"""Many rows in one statement."""

from collections.abc import Collection, Sequence
from typing import Any


def columns(rows: Collection[Sequence[Any]], count: int) -> list[list[Any]]:
    """Rows of ``count`` values each as the columns that ``unnest`` takes; none of them makes empty columns."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(count)]
