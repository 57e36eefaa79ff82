"""Charts of the panel, each with the table that it was drawn from: for eyes, screen readers and spreadsheets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from config.core.tables import Table

_COLOURS = ("var(--chart-1)", "var(--chart-2)", "var(--chart-3)", "var(--chart-4)", "var(--chart-5)")
_TEXT = "#808996"  # on white and on black alike
_DASHES: Sequence[list[int]] = ([], [6, 4], [2, 3], [10, 4, 2, 4], [1, 6])


class Shape(StrEnum):
    BAR = "bar"
    LINE = "line"
    ROWS = "rows"  # bars that lie, for labels that are words


@dataclass(frozen=True)
class Chart:
    """``series``: values by name, one for each label; None where nothing is known. ``unit`` stands in the table's head
    and beside the axis. ``key``: its name in addresses, for the CSV."""

    key: str
    title: str
    labels: Sequence[str]
    series: Mapping[str, Sequence[float | int | None]]
    label: str = "day"
    unit: str = ""
    shape: Shape = Shape.BAR
    stacked: bool = False
    says: str = ""
    """One sentence on what it shows, above it."""
    note: str = ""
    """What it does not show, or how it was counted; below it."""
    places: int = 0
    """Decimals of the values."""
    csv: str = ""
    """The address of the table behind it, for spreadsheets."""

    @property
    def heads(self) -> list[str]:
        return [self.label, *(f"{name} ({self.unit})" if self.unit else name for name in self.series)]

    @property
    def rows(self) -> list[list[str | float | int | None]]:
        return [[label, *values] for label, *values in zip(self.labels, *self.series.values(), strict=True)]

    @property
    def table(self) -> Table:
        rows = [[label, *(self._written(value) for value in values)] for label, *values in self.rows]
        return Table(self.heads, rows, frozenset(range(1, len(self.heads))), caption=self.title)

    def _written(self, value: str | float | int | None) -> str:
        return "–" if value is None else f"{value:,.{self.places}f}"

    @property
    def data(self) -> str:
        """As unfold's script hands it to Chart.js, which resolves the colours. Series differ in more than colour: lines
        in their dashes, every second kind of bar is hollow."""
        sets = [
            {"label": name, "data": list(values), "backgroundColor": colour, "borderColor": colour}
            | (self._line(place) if self.shape is Shape.LINE else self._bar(place))
            for place, ((name, values), colour) in enumerate(zip(self.series.items(), _COLOURS, strict=False))
        ]
        return json.dumps({"labels": list(self.labels), "datasets": sets})

    def _line(self, place: int) -> dict[str, Any]:
        radius = 3 if len(self.labels) == 1 else 0  # a single point makes no line
        return {
            "type": "line",
            "fill": False,
            "pointRadius": radius,
            "borderWidth": 2,
            "borderDash": _DASHES[place],
            "pointStyle": "line",
        }

    def _bar(self, place: int) -> dict[str, Any]:
        hollow: dict[str, Any] = {"backgroundColor": "transparent", "borderWidth": 2}
        return {"maxBarThickness": 48, "pointStyle": "rect", **(hollow if place % 2 else {})}

    @property
    def kind(self) -> str:
        """As Chart.js calls it."""
        return "line" if self.shape is Shape.LINE else "bar"

    @property
    def height_rem(self) -> float:
        if self.shape is not Shape.ROWS:
            return 14
        return 3.5 + len(self.labels) * (1.6 if len(self.series) == 1 else 2.2)

    @property
    def options(self) -> str:
        axis: dict[str, Any] = {
            "beginAtZero": True,
            "stacked": self.stacked,
            "ticks": {"precision": self.places, "color": _TEXT},
        }
        axis["title"] = {"display": bool(self.unit), "text": self.unit, "color": _TEXT}
        ticks = {"color": _TEXT, "maxRotation": 0, "autoSkipPadding": 12, "autoSkip": self.shape is not Shape.ROWS}
        labels = {"stacked": self.stacked, "grid": {"display": False}, "ticks": ticks}
        return json.dumps(
            {
                "indexAxis": "y" if self.shape is Shape.ROWS else "x",
                "animation": False,
                "maintainAspectRatio": False,
                "interaction": {"mode": "index", "intersect": False, "axis": "y" if self.shape is Shape.ROWS else "x"},
                "plugins": {
                    "legend": {
                        "display": len(self.series) > 1,
                        "align": "end",
                        "labels": {"color": _TEXT, "usePointStyle": True, "pointStyleWidth": 28, "boxHeight": 8},
                    }
                },
                "scales": {"x": axis, "y": labels} if self.shape is Shape.ROWS else {"x": labels, "y": axis},
            }
        )

    def __str__(self) -> SafeString:
        return render_to_string("panel/chart.html", {"chart": self})

    __html__ = __str__
