"""Charts of the panel, each with the table that it was drawn from: for eyes, screen readers and spreadsheets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from config.core.tables import Table

_COLOURS = ("var(--chart-1)", "var(--chart-2)", "var(--chart-3)", "var(--chart-4)", "var(--chart-5)")
_TEXT = "#808996"  # on white and on black alike


class Shape(StrEnum):
    BAR = "bar"
    LINE = "line"


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

    @property
    def table(self) -> Table:
        heads = [self.label, *(f"{name} ({self.unit})" if self.unit else name for name in self.series)]
        columns = [["–" if value is None else value for value in values] for values in self.series.values()]
        rows = [[label, *values] for label, *values in zip(self.labels, *columns, strict=True)]
        return Table(heads, rows, frozenset(range(1, len(heads))), caption=self.title)

    @property
    def data(self) -> str:
        """As unfold's script hands it to Chart.js, which resolves the colours."""
        sets = [
            {"label": name, "data": list(values), "backgroundColor": colour, "borderColor": colour}
            | ({"type": "line", "fill": False, "pointRadius": 0, "borderWidth": 2} if self.shape is Shape.LINE else {})
            for (name, values), colour in zip(self.series.items(), _COLOURS, strict=False)
        ]
        return json.dumps({"labels": list(self.labels), "datasets": sets})

    @property
    def options(self) -> str:
        axis = {"beginAtZero": True, "stacked": self.stacked, "ticks": {"precision": 0, "color": _TEXT}}
        return json.dumps(
            {
                "animation": False,
                "maintainAspectRatio": False,
                "plugins": {
                    "legend": {
                        "display": len(self.series) > 1,
                        "align": "end",
                        "labels": {"color": _TEXT, "boxWidth": 10},
                    }
                },
                "scales": {
                    "y": axis,
                    "x": {"stacked": self.stacked, "grid": {"display": False}, "ticks": {"color": _TEXT}},
                },
            }
        )

    def __str__(self) -> SafeString:
        return render_to_string("panel/chart.html", {"chart": self})

    __html__ = __str__
