"""The report as an SVG: answers a second above, latency below, over the seconds of the run. Pure."""

import math
from collections.abc import Callable, Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 960, 64, 92
PLOT = WIDTH - LEFT - RIGHT
RATE_TOP, RATE_HEIGHT = 92, 150
LATENCY_TOP, LATENCY_HEIGHT = 300, 240
FOOT = LATENCY_TOP + LATENCY_HEIGHT
HEIGHT = FOOT + 62
LABEL_GAP = 15

_STYLE = """
    svg { color-scheme: light dark; --paper: #fcfcfa; --ink: #22262b; --faint: #6b737c; --line: #dfe2e1;
          --rate: #2b6cb0; --error: #c0392b; --p50: #2f855a; --p95: #b7791f; --p99: #9b2c6f; }
    @media (prefers-color-scheme: dark) {
      svg { --paper: #15181b; --ink: #e8eaec; --faint: #98a1a9; --line: #31363b;
            --rate: #6cb0f0; --error: #ff8a7a; --p50: #68d391; --p95: #f0c05a; --p99: #f08cc0; } }
    text { font: 13px system-ui, sans-serif; fill: var(--faint); }
    .title { font-size: 19px; font-weight: 600; fill: var(--ink); } .panel { fill: var(--ink); font-weight: 600; }
    .grid { stroke: var(--line); } .ramp { fill: var(--line); opacity: .45; }
    .curve { fill: none; stroke-width: 2; stroke-linejoin: round; } .promise { stroke-dasharray: 2 5; opacity: .8; }
"""


def picture_of(document: dict[str, Any]) -> str:
    """``document``: the report as `report_of` makes it, with ``target``."""
    seconds: list[dict[str, Any]] = document["timeline"]
    plan, whole = document["plan"], document["requests"][0]
    last = max(1, len(seconds) - 1)

    def across(second: float) -> float:
        return LEFT + PLOT * second / last

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Load test">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="var(--paper)"/>',
        _text(LEFT, 34, f"Load test of {document['target']}", "title"),
        _text(LEFT, 56, _summary(plan, whole, document["sockets"])),
        *_rates(seconds, whole["due_per_second"], plan, across),
        *_latencies(seconds, document["targets_ms"], plan, across),
        *_time_axis(last, across),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _summary(plan: dict[str, Any], whole: dict[str, Any], sockets: dict[str, Any] | None) -> str:
    said = [
        f"{plan['users']:,} users",
        f"{whole['due_per_second']:,g} requests a second due",
        f"{whole['answered_per_second']:,g} answered",
        f"{whole['error_per_cent']:g} % errors",
    ]
    if sockets:
        said.append(f"{sockets['open_at_end']:,} of {sockets['asked']:,} sockets open at the end")
    return " · ".join(said)


def _rates(
    seconds: Sequence[dict[str, Any]], due: float, plan: dict[str, Any], across: Callable[[float], float]
) -> list[str]:
    most = max([due, *(row["answered"] + row["errors"] for row in seconds)])
    ticks = linear_ticks(most)

    def up(value: float) -> float:
        return RATE_TOP + RATE_HEIGHT * (1 - value / ticks[-1])

    parts = [_ramp(RATE_TOP, RATE_HEIGHT, plan, across), _text(LEFT, RATE_TOP - 10, "Answers a second", "panel")]
    parts += [line for tick in ticks for line in _grid(up(tick), f"{tick:,g}")]
    labels = [(up(seconds[-1]["answered"]), "good", "rate")] if seconds else []
    parts.append(_curve([(across(row["second"]), up(row["answered"])) for row in seconds], "rate"))
    if any(row["errors"] for row in seconds):
        parts.append(_curve([(across(row["second"]), up(row["errors"])) for row in seconds], "error"))
        labels.append((up(seconds[-1]["errors"]), "errors", "error"))
    return parts + _labels(labels)


def _latencies(
    seconds: Sequence[dict[str, Any]],
    promised: dict[str, float],
    plan: dict[str, Any],
    across: Callable[[float], float],
) -> list[str]:
    names = ("p50", "p95", "p99")
    values = [row[name] for row in seconds for name in names if row[name]]
    ticks = decades([*values, *promised.values()])
    low, high = math.log10(ticks[0]), math.log10(ticks[-1])

    def up(value: float) -> float:
        share = (math.log10(max(value, ticks[0])) - low) / (high - low)
        return LATENCY_TOP + LATENCY_HEIGHT * (1 - share)

    parts = [
        _ramp(LATENCY_TOP, LATENCY_HEIGHT, plan, across),
        _text(LEFT, LATENCY_TOP - 10, "Latency from the moment a request was due (dotted: promised)", "panel"),
    ]
    parts += [
        line for tick in ticks for line in _grid(up(tick), f"{tick:g} ms" if tick < 1000 else f"{tick / 1000:,g} s")
    ]
    labels = []
    for name in names:
        parts.append(_level(up(promised[name]), f'class="promise" stroke="var(--{name})"'))
        points = [(across(row["second"]), up(row[name])) for row in seconds if row[name] is not None]
        parts.append(_curve(points, name))
        labels += [(points[-1][1], name.upper(), name)] if points else []
    return parts + _labels(labels)


def _time_axis(last: int, across: Callable[[float], float]) -> list[str]:
    ticks = [tick for tick in linear_ticks(last) if tick <= last]
    parts = [_text(across(tick), FOOT + 20, f"{tick:g} s", anchor="middle") for tick in ticks]
    return [*parts, _text(LEFT, FOOT + 46, "Grey: the ramp-up, which the figures of the report leave out.")]


def linear_ticks(most: float) -> list[float]:
    """Round numbers from 0 to ``most`` or just above, four to seven of them."""
    rough = max(most, 1) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 2.5, 5, 10) if factor * unit >= rough)
    return [step * number for number in range(math.ceil(max(most, 1) / step) + 1)]


def decades(values: Sequence[float]) -> list[float]:
    """Powers of ten around all values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    low -= 10.0**low > min(values)  # a logarithm is rounded, and may round across a power of ten
    high += 10.0**high < max(values)
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def _ramp(top: float, height: float, plan: dict[str, Any], across: Callable[[float], float]) -> str:
    return f'<rect class="ramp" x="{LEFT}" y="{top}" width="{across(plan["ramp_up"]) - LEFT:.1f}" height="{height}"/>'


def _grid(level: float, label: str) -> list[str]:
    return [
        _level(level, 'class="grid"'),
        _text(LEFT - 8, level + 4, label, anchor="end"),
    ]


def _level(level: float, looks: str) -> str:
    return f'<line x1="{LEFT}" x2="{LEFT + PLOT}" y1="{level:.1f}" y2="{level:.1f}" {looks}/>'


def _curve(points: Sequence[tuple[float, float]], colour: str) -> str:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="curve" stroke="var(--{colour})" points="{drawn}"/>'


def _labels(labels: Sequence[tuple[float, str, str]]) -> list[str]:
    """Names at the ends of their curves, moved apart where they would touch."""
    parts, below = [], -math.inf
    for level, text, colour in sorted(labels):
        below = max(level, below + LABEL_GAP)
        looks = f"fill: var(--{colour}); font-weight: 600"
        parts.append(f'<text x="{LEFT + PLOT + 8}" y="{below + 4:.1f}" style="{looks}">{text}</text>')
    return parts


def _text(x: float, y: float, text: str, kind: str = "", *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
