"""Why somebody has the score that they have: per day, per source, what counted and what was left out. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from fitness.merging import whole
from fitness.reckoning import AMOUNTS, Frame, Part, Reason, in_whole_units
from fitness.rules import SampleType
from fitness.samples import SourceKey
from leaderboards.scoring import Totals

SENTENCES: Mapping[Reason, str] = {
    Reason.LATE: "It arrived after the time for which this competition accepts it.",
    Reason.OUTSIDE: "It was measured before the competition started or after it ended.",
    Reason.BEFORE_JOINING: "It was measured before the person joined.",
    Reason.MANUAL: "It was typed in, and this competition does not count manual entries.",
    Reason.SOURCE_NOT_ALLOWED: "This competition does not count this source.",
    Reason.OWNER_ONLY: "This source may be shown to its owner only, so it counts on no board.",
    Reason.HELD: "It is held back until somebody has looked at a flag.",
    Reason.EXCLUDED: "It was excluded after somebody had looked at a flag.",
    Reason.OVERLAPPED: "Another source counts for that time.",
}


@dataclass
class SourceLine:
    """What one source said of one metric on one day, in base units: ``counted`` of it, and by reason what did not."""

    source: SourceKey
    type: SampleType
    said: int = 0
    counted: int = 0
    left_out: dict[Reason, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ExplainedDay:
    """``counted`` is what the sources' lines come to, as far as it is not above the daily cap (``capped``: by how
    much)."""

    day: date
    counted: Totals
    capped: Totals
    lines: list[SourceLine]


def explained_days(frame: Frame, parts: Iterable[Part]) -> list[ExplainedDay]:
    """Oldest first, every day of which any source said something."""
    by_day: dict[date, list[Part]] = {}
    for part in parts:
        by_day.setdefault(part.day, []).append(part)
    return [_explained(frame, day, by_day[day]) for day in sorted(by_day)]


def _explained(frame: Frame, day: date, parts: list[Part]) -> ExplainedDay:
    lines: list[SourceLine] = []
    counted: dict[str, int] = {}
    capped: dict[str, int] = {}
    for type_, name in AMOUNTS.items():
        theirs = [part for part in parts if part.type is type_]
        amount = whole(part.share for part in theirs)
        cap = frame.policy.daily_cap.get(name, amount)
        counted[name], capped[name] = min(amount, cap), max(0, amount - cap)
        lines += _lines(theirs, amount)
    return ExplainedDay(day, Totals(**counted), Totals(**capped), lines)


def _lines(parts: Iterable[Part], amount: int) -> list[SourceLine]:
    """One for each source; what they counted adds up to ``amount``."""
    lines: dict[SourceKey, SourceLine] = {}
    shares: dict[SourceKey, list[Fraction | int]] = {}
    for part in parts:
        line = lines.setdefault(part.source, SourceLine(part.source, part.type))
        line.said += part.amount
        shares.setdefault(part.source, []).append(part.share)
        if part.reason is not None and part.reason is not Reason.OVERLAPPED:
            line.left_out[part.reason] = line.left_out.get(part.reason, 0) + part.amount
    ordered = sorted(lines)
    exact = [sum(shares[source], Fraction(0)) for source in ordered]
    for source, counted in zip(ordered, in_whole_units(exact, amount), strict=True):
        line = lines[source]
        line.counted = counted
        overlapped = line.said - counted - sum(line.left_out.values())
        if overlapped > 0:
            line.left_out[Reason.OVERLAPPED] = overlapped
    return [lines[source] for source in ordered]
