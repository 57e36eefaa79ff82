"""What a competition's rules cut off of what its participants sent, all of them together. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from fitness.explaining import ExplainedDay
from fitness.reckoning import AMOUNTS
from fitness.rules import SampleType

CAPPED = "capped"
"""Beside the reasons of `reckoning`: what a day has above the daily cap."""


@dataclass
class LeftOut:
    """Amounts in base units by metric: ``said`` is what sources said, ``counted`` what of it counts, ``amounts`` by
    reason what does not; these add up. ``people``: of how many something was left out for that reason; ``heard``: of
    how many anything was said."""

    heard: int = 0
    said: dict[str, int] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    amounts: dict[str, dict[str, int]] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)

    def add_person(self, days: Iterable[ExplainedDay]) -> None:
        """What is explained to one person."""
        reasons: set[str] = set()
        heard = False
        for day in days:
            for line in day.lines:
                heard = True
                _add(self.said, line.type, line.said)
                for reason, amount in line.left_out.items():
                    reasons |= self._add_reason(reason.value, line.type, amount)
            for type_, column in AMOUNTS.items():
                _add(self.counted, type_, getattr(day.counted, column))
                reasons |= self._add_reason(CAPPED, type_, getattr(day.capped, column))
        self.heard += heard
        for name in reasons:
            self.people[name] = self.people.get(name, 0) + 1

    def add(self, other: Self) -> None:
        """Those of another competition; whoever is in both counts twice."""
        self.heard += other.heard
        _add_all(self.said, other.said)
        _add_all(self.counted, other.counted)
        _add_all(self.people, other.people)
        for reason, amounts in other.amounts.items():
            _add_all(self.amounts.setdefault(reason, {}), amounts)

    def _add_reason(self, reason: str, type_: SampleType, amount: int) -> set[str]:
        if not amount:
            return set()
        _add(self.amounts.setdefault(reason, {}), type_, amount)
        return {reason}


def left_out_of(document: Mapping[str, Any]) -> LeftOut:
    """Out of what `dataclasses.asdict` made of one."""
    return LeftOut(**document)


def _add(sums: dict[str, int], name: str, amount: int) -> None:
    if amount:
        sums[str(name)] = sums.get(str(name), 0) + amount


def _add_all(sums: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        _add(sums, name, amount)
