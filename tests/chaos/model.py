"""What was acknowledged, in plain Python: what must be there, and what may be there because nobody heard how it ended.

It shares nothing with the program. What is sent and not answered may have been stored or not; what is acknowledged
must have been.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.chaos.plan import DAYS, SOURCES


@dataclass
class Largest:
    """A value of which the larger one stands."""

    acknowledged: int = 0
    sent: set[int] = field(default_factory=set)  # without an answer, so far or for good

    def acknowledge(self, value: int) -> None:
        self.acknowledged = max(self.acknowledged, value)
        self.sent = {other for other in self.sent if other > self.acknowledged}


@dataclass
class Last:
    """A value of which the last one stands; one at a time is sent. ``may_be``: every value that it can have now."""

    may_be: set[int] = field(default_factory=lambda: {0})


@dataclass
class Model:
    days: defaultdict[tuple[int, str, int], Largest] = field(default_factory=lambda: defaultdict(Largest))
    reports: defaultdict[int, Last] = field(default_factory=lambda: defaultdict(Last))
    inside: defaultdict[int, Last] = field(default_factory=lambda: defaultdict(Last))  # 1: takes part
    distributed: set[str] = field(default_factory=set)
    asked_to_distribute: set[str] = field(default_factory=set)

    def reading_problem(self, person: int, source: str, day: int, stored: int) -> str:
        known = self.days[person, source, day]
        if stored == known.acknowledged or stored in known.sent:
            return ""
        return f"person {person}, {source}, {day} days ago: {stored} is stored, {known.acknowledged} was acknowledged"

    def day_problem(self, person: int, day: int, shown: int) -> str:
        """Several sources count once: the larger one."""
        known = [self.days[person, source, day] for source in SOURCES if (person, source, day) in self.days]
        least = max((one.acknowledged for one in known), default=0)
        allowed = {least} | {value for one in known for value in one.sent if value > least}
        if shown in allowed:
            return ""
        return f"person {person}, {day} days ago: {shown} steps are there, {least} were acknowledged"

    def activity_problems(self, person: int, shown: Mapping[int, int]) -> Iterator[str]:
        """``shown``: steps by how many days ago."""
        for day in range(DAYS):
            if problem := self.day_problem(person, day, shown.get(day, 0)):
                yield problem

    def report_problem(self, person: int, shown: int) -> str:
        allowed = self.reports[person].may_be
        return "" if shown in allowed else f"person {person}: {shown} reported steps instead of {sorted(allowed)}"

    def inside_problem(self, person: int, shown: bool) -> str:
        if int(shown) in self.inside[person].may_be:
            return ""
        return f"person {person}: {'takes part' if shown else 'does not take part'} against what was acknowledged"
