"""Columns of the panel's lists: a heading in people's words, one look for each kind of thing, and what of it goes into
a spreadsheet. A column that may be sorted by says so; it may if an index serves it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db.models import Model
from django.utils.html import format_html

from config.core.money import money_text, to_decimal

Shown = Callable[[Any], Any]

COLOURS: Mapping[str, str] = {
    **dict.fromkeys(("active", "paid", "done", "accepted", "connected", "taken", "completed", "succeeded"), "success"),
    **dict.fromkeys(("open", "pending", "waiting", "reserved", "ended", "unknown", "needs_consent"), "warning"),
    **dict.fromkeys(("failed", "failing", "disqualified", "excluded"), "danger"),
    **dict.fromkeys(("upcoming", "running", "sending", "sent", "doing", "todo"), "info"),
}
"""Of states, whatever they are of; the word stands beside the colour."""


class Column:
    """One of a list. ``heads`` and ``cells`` are the spreadsheet's."""

    label: Any = None
    boolean = False
    empty_value_display = "–"

    def __init__(self, name: str, heading: str = "", *, sorts: bool = False) -> None:
        self.name = name
        self.short_description = heading or name.replace("_", " ")
        self.__name__ = self.css + name
        self.admin_order_field = name if sorts else None

    css = ""
    """Before the name, in the classes of its cells."""

    def __call__(self, row: Model) -> Any:
        return self.value(row)

    def value(self, row: Model) -> Any:
        display = getattr(row, f"get_{self.name}_display", None)
        return display() if display is not None else getattr(row, self.name)

    @property
    def heads(self) -> Sequence[str]:
        return (self.short_description,)

    def cells(self, row: Model) -> Sequence[Any]:
        return (self.value(row),)


class YesNo(Column):
    boolean = True


class Number(Column):
    """A whole number, its thousands apart."""

    css = "number-"

    def __call__(self, row: Model) -> Any:
        number = self.value(row)
        return None if number is None else format_html('<span class="nowrap">{}</span>', f"{number:,}")


class Money(Column):
    """Minor units of the row's currency. A spreadsheet gets an amount to reckon with, and the currency beside it."""

    css = "number-"

    def __call__(self, row: Any) -> Any:
        return money_text(self.value(row) or 0, row.currency)

    @property
    def heads(self) -> Sequence[str]:
        return (self.short_description, "currency")

    def cells(self, row: Any) -> Sequence[Any]:
        return (to_decimal(self.value(row) or 0, row.currency), row.currency)


class State(Column):
    """One of a few words, in a colour."""

    label = COLOURS

    def __call__(self, row: Model) -> Any:
        stored = getattr(row, self.name)
        return (str(stored), self.value(row)) if str(stored) in COLOURS else self.value(row)
