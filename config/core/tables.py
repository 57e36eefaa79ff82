"""How the panel shows rows, moments and counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

SHOWN = 100
"""Rows of a table, at most; a page stays a page for a competition of thousands."""


def day_and_time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%-d %b %Y, %H:%M} UTC"


def moment(at: datetime) -> SafeString:
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), day_and_time(at))


def counted(count: int, one: str, many: str) -> str:
    """``2, "prize", "prizes"`` → ``2 prizes``."""
    return f"{count:,} {one if count == 1 else many}"


@dataclass(frozen=True)
class Table:
    """``numbers``: the columns, counted from 0, that stand right-aligned. ``total``: how many rows there are if more
    than these."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Any]]
    numbers: frozenset[int] = frozenset()
    caption: str = ""
    total: int = 0

    @property
    def columns(self) -> list[tuple[str, bool]]:
        return [(head, place in self.numbers) for place, head in enumerate(self.heads)]

    @property
    def lines(self) -> list[list[tuple[Any, bool]]]:
        return [[(cell, place in self.numbers) for place, cell in enumerate(row)] for row in self.rows]

    @property
    def unshown(self) -> int:
        return max(0, self.total - len(self.rows))

    def __str__(self) -> SafeString:
        return render_to_string("panel/table.html", {"table": self})

    __html__ = __str__
