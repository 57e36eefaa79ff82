"""Old and new standings and prizes side by side. Pure but for `work_out`, which reads them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from uuid import UUID

from competitions.models import Competition
from competitions.queries import competition as competition_with
from config.core.errors import Refusal
from config.core.sql import one_moment
from config.panel.what_if.changes import Change, basis_of
from leaderboards.queries import final_standings, placings_now
from leaderboards.supposing import placings_if
from prizes.allocation import Finisher
from prizes.calculation import calculate

_BEST = 10
_SMALL = 30
"""A board of so few is shown whole."""


@dataclass(frozen=True)
class Side:
    """The standings, best first, and what they are worth in minor units; ``refusal``: why that cannot be said."""

    finishers: Sequence[Finisher]
    prizes_minor: Mapping[UUID, int] = field(default_factory=dict)
    kept_minor: int = 0
    refusal: str = ""

    @cached_property
    def total_minor(self) -> int:
        return sum(self.prizes_minor.values())


@dataclass(frozen=True)
class Place:
    """``position``: how many stand before it."""

    position: int
    rank: int
    score: int
    prize_minor: int


@dataclass(frozen=True)
class Line:
    """One person before and after; None: not on the board."""

    user_id: UUID
    before: Place | None
    after: Place | None

    @property
    def climbs(self) -> int:
        """Ranks upward; negative: downward."""
        return self.before.rank - self.after.rank if self.before and self.after else 0

    @property
    def gains(self) -> int:
        """Points."""
        return self.after.score - self.before.score if self.before and self.after else 0

    @property
    def moves(self) -> bool:
        return bool(self.climbs) or (self.before is None) != (self.after is None)

    @property
    def wins_minor(self) -> int:
        """More than before; negative: less."""
        return (self.after.prize_minor if self.after else 0) - (self.before.prize_minor if self.before else 0)

    @property
    def order(self) -> float:
        """As on the new board; whoever is not on it where they stood."""
        if self.after:
            return self.after.position
        return self.before.position - 0.5 if self.before else 0


@dataclass(frozen=True)
class Effect:
    """What a change would do. ``basis``: what that rests on, see `changes.basis_of`."""

    competition: Competition
    change: Change
    before: Side
    after: Side
    as_of: datetime
    basis: str

    @cached_property
    def lines(self) -> list[Line]:
        """Everybody on either board, in the order of the new one."""
        before, after = _places(self.before), _places(self.after)
        people = {**before, **after}
        return sorted((Line(one, before.get(one), after.get(one)) for one in people), key=lambda line: line.order)

    @cached_property
    def scores_changed(self) -> int:
        return sum(bool(line.gains) for line in self.lines)

    @cached_property
    def moved(self) -> list[Line]:
        return [line for line in self.lines if line.moves]

    @cached_property
    def prizes_changed(self) -> list[Line]:
        return [line for line in self.lines if line.wins_minor]

    def shown(self, most: int) -> list[Line]:
        """The person and their neighbours, the best, whose prize changes, and whose score changes most."""
        if len(self.lines) <= _SMALL:
            return self.lines
        chosen = [*self._around_the_person(), *self.lines[:_BEST], *self._best_before(), *self.prizes_changed]
        gains = sorted((line for line in self.lines if line.gains), key=lambda line: -abs(line.gains))
        unique = {line.user_id: line for line in [*chosen, *gains[:_BEST]]}
        return sorted(list(unique.values())[:most], key=lambda line: line.order)

    def _around_the_person(self) -> Iterable[Line]:
        subject = self.change.person
        for place, line in enumerate(self.lines):
            if subject is not None and line.user_id == subject.id:
                return [line, *self.lines[max(0, place - 1) : place + 2]]
        return []

    def _best_before(self) -> Iterable[Line]:
        return (line for line in self.lines if line.before and line.before.position < _BEST)


def work_out(competition_id: UUID, change: Change, now: datetime) -> Effect:
    """Reads both boards as of one moment and holds nobody up. Raises NotFound."""
    with one_moment():
        competition = competition_with(competition_id)
        placed = [(placing.user_id, rank, placing.score) for rank, placing in placings_now(competition)]
        if final := final_standings(competition_id):
            placed = [(row.user_id, row.rank, row.score) for row in final.rows]
        supposed = placings_if(competition, change.supposed(competition), now)
        before = _side(competition, [Finisher(*row) for row in placed])
        after = _side(competition, [Finisher(placing.user_id, rank, placing.score) for rank, placing in supposed])
        return Effect(competition, change, before, after, now, basis_of(competition, change, now))


def _side(competition: Competition, finishers: Sequence[Finisher]) -> Side:
    try:
        found = calculate(competition, finishers=finishers)
    except Refusal as refusal:
        return Side(finishers, refusal=refusal.message)
    prizes = {award.user_id: award.amount_minor for award in found.awards}
    return Side(finishers, prizes, found.allocation.kept_minor)


def _places(side: Side) -> dict[UUID, Place]:
    return {
        finisher.user_id: Place(position, finisher.rank, finisher.score, side.prizes_minor.get(finisher.user_id, 0))
        for position, finisher in enumerate(side.finishers)
    }
