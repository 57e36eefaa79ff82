"""What a change would do, in words and rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from accounts.models import User
from competitions.policy import policy_of
from competitions.rules import Status
from config.core.money import money_text
from config.core.tables import SHOWN, Table, counted
from config.panel.what_if.changes import NewRules
from config.panel.what_if.comparison import Effect, Line, Place, Side
from config.panel.what_if.forms import RulesForm, rules_now
from leaderboards.queries import final_standings_history
from prizes.queries import has_released_prizes

_MANY = 1000


@dataclass(frozen=True)
class Cells:
    """One side of a row."""

    rank: str
    score: str
    prize: str


@dataclass(frozen=True)
class Row:
    """``skipped``: how many people stand between the row above and this one. ``sign`` says in one character what
    ``words`` say."""

    name: str
    before: Cells
    after: Cells
    sign: str
    words: str
    is_subject: bool
    skipped: int


class Told:
    """An effect as its reader needs it."""

    def __init__(self, effect: Effect, now: datetime) -> None:
        self.effect = effect
        self.competition = effect.competition
        self.now = now

    @cached_property
    def has_prizes(self) -> bool:
        sides = (self.effect.before, self.effect.after)
        return any(side.prizes_minor or side.kept_minor for side in sides) or self.competition.money_at_stake

    @cached_property
    def as_of(self) -> str:
        return f"{self.effect.as_of:%H:%M:%S} UTC"

    @property
    def figures(self) -> list[tuple[str, str]]:
        effect = self.effect
        figures = [
            ("scores that change", f"{effect.scores_changed:,}"),
            ("people who move", f"{len(effect.moved):,}"),
        ]
        if self.has_prizes:
            before, after = self._money(effect.before.total_minor), self._money(effect.after.total_minor)
            figures += [
                ("prizes that change", f"{len(effect.prizes_changed):,}"),
                ("prizes in all", before if before == after else f"{before} → {after}"),
            ]
        return figures

    @property
    def sentences(self) -> list[str]:
        effect = self.effect
        told = [*self._about_the_rules(), *self._about_the_subject(), self._about_the_others()]
        refusal = effect.after.refusal or effect.before.refusal
        if refusal:
            told.append(f"The prizes cannot be worked out: {refusal}")
        elif self.has_prizes and not effect.prizes_changed:
            told.append("Everybody wins what they win now.")
        elif self.has_prizes:
            told.append(f"{counted(len(effect.prizes_changed), 'prize changes', 'prizes change')}.")
        if effect.before.kept_minor != effect.after.kept_minor:
            before, after = self._money(effect.before.kept_minor), self._money(effect.after.kept_minor)
            told.append(f"{after} of the pool would be nobody's prize; now it is {before}.")
        return [sentence for sentence in told if sentence]

    @cached_property
    def consequences(self) -> list[str]:
        """What saving does beside that."""
        told = []
        if self.competition.status_at(self.now) == Status.COMPLETED:
            number = (final_standings_history(self.competition.id).values_list("number", flat=True).last() or 0) + 1
            told.append(f"The standings are final: they are frozen anew, as number {max(number, 2)}, with your name.")
            if has_released_prizes(self.competition.id):
                told.append(
                    "Prizes of the standings before have gone out. What was paid is not taken back; a treasurer"
                    " distributes what is still owed."
                )
        if isinstance(self.effect.change, NewRules):
            number = self.competition.rules_version + 1
            told.append(f"The rules get version {number}; everybody who takes part can read it, with your reason.")
            if len(self.effect.lines) > _MANY:
                told.append("Everybody is counted anew at once, which takes some seconds; what is sent then waits.")
        elif self.competition.status_at(self.now) != Status.COMPLETED:
            told.append("It can be taken back here, by the opposite; both stay on record.")
        return told

    def _about_the_rules(self) -> list[str]:
        change = self.effect.change
        if not isinstance(change, NewRules):
            return []
        old, new = rules_now(self.competition.policy), rules_now(policy_of(change.stored_policy))
        fields = RulesForm.base_fields
        changed = [name for name in fields if old.get(name, "") != new.get(name, "")]
        return [f"{fields[name].label}: {_rule(old.get(name))} now, {_rule(new.get(name))} then." for name in changed]

    def _about_the_subject(self) -> list[str]:
        subject = self.effect.change.person
        line = next((line for line in self.effect.lines if subject and line.user_id == subject.id), None)
        if subject is None or line is None:
            return []
        if line.before and line.after:
            moves = _words(line)
            place = f"{subject} {moves}" if moves != "stays" else f"{subject} stays at rank {line.after.rank:,}"
            return [f"{place}, with {line.after.score:,} points instead of {line.before.score:,}."]
        if line.before:
            return [f"{subject} leaves the board, from rank {line.before.rank:,}."]
        assert line.after is not None
        return [f"{subject} comes back to the board, at rank {line.after.rank:,} with {line.after.score:,} points."]

    def _about_the_others(self) -> str:
        subject = self.effect.change.person
        others = [line for line in self.effect.moved if subject is None or line.user_id != subject.id]
        up = sum(line.climbs > 0 for line in others)
        down = sum(line.climbs < 0 for line in others)
        if not others:
            return "Nobody else moves." if subject else "Nobody moves."
        moves = [f"{counted(up, 'moves', 'move')} up"] if up else []
        moves += [f"{counted(down, 'moves', 'move')} down"] if down else []
        return f"Of {'the others' if subject else 'all'}, {' and '.join(moves)}."

    # --- Rows ---

    @cached_property
    def rows(self) -> list[Row]:
        rows, subject = [], self.effect.change.person
        expected = 0
        for line in self._shown:
            position = line.after.position if line.after else None
            skipped = position - expected if position is not None else 0
            expected = position + 1 if position is not None else expected
            rows.append(
                Row(
                    name=self._name(line.user_id),
                    before=self._cells(line.before, self.effect.before),
                    after=self._cells(line.after, self.effect.after),
                    sign=_sign(line),
                    words=_words(line),
                    is_subject=subject is not None and line.user_id == subject.id,
                    skipped=skipped,
                )
            )
        return rows

    @property
    def unshown_after(self) -> int:
        """How many stand after the last row."""
        shown = [line.after.position for line in self._shown if line.after]
        return len(self.effect.after.finishers) - (max(shown) + 1 if shown else 0)

    @cached_property
    def prizes(self) -> Table:
        """Who wins what, before and after; those for whom it changes first, and the sum."""
        winners = [line for line in self.effect.lines if _prize(line.before) or _prize(line.after)]
        winners.sort(key=lambda line: (not line.wins_minor, line.order))
        rows: list[Sequence[object]] = [
            (
                self._name(line.user_id),
                self._money(_prize(line.before)),
                self._money(_prize(line.after)),
                self._difference(line.wins_minor),
            )
            for line in winners[: SHOWN - 1]
        ]
        before, after = self.effect.before.total_minor, self.effect.after.total_minor
        rows.append(("All of them", self._money(before), self._money(after), self._difference(after - before)))
        return Table(
            ("person", "now", "then", "difference"), rows, frozenset({1, 2, 3}), "Prizes", total=len(winners) + 1
        )

    @cached_property
    def _shown(self) -> list[Line]:
        return self.effect.shown(SHOWN)

    @cached_property
    def _names(self) -> dict[UUID, str]:
        winners = [line for line in self.effect.lines if _prize(line.before) or _prize(line.after)]
        winners.sort(key=lambda line: (not line.wins_minor, line.order))
        ids = [line.user_id for line in [*self._shown, *winners[:SHOWN]]]
        return dict(User.objects.filter(id__in=ids).values_list("id", "name"))

    def _name(self, user_id: UUID) -> str:
        return self._names[user_id]

    def _cells(self, place: Place | None, side: Side) -> Cells:
        if place is None:
            return Cells("–", "–", "–")
        prize = "" if side.refusal or not place.prize_minor else self._money(place.prize_minor)
        return Cells(f"{place.rank:,}", f"{place.score:,}", prize)

    def _difference(self, minor: int) -> str:
        return f"{'+' if minor > 0 else '−'}{self._money(abs(minor))}" if minor else "the same"

    def _money(self, minor: int) -> str:
        return money_text(minor, self.competition.currency)


def _rule(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else value or "none named"


def _prize(place: Place | None) -> int:
    return place.prize_minor if place else 0


def _sign(line: Line) -> str:
    if line.before is None or line.after is None:
        return "+" if line.before is None else "×"
    return "▲" if line.climbs > 0 else "▼" if line.climbs < 0 else "="


def _words(line: Line) -> str:
    if line.before is None:
        return "comes onto the board"
    if line.after is None:
        return "leaves the board"
    if not line.climbs:
        return "stays"
    way = f"moves {'up' if line.climbs > 0 else 'down'} {abs(line.climbs):,}"
    return f"{way}, from {line.before.rank:,} to {line.after.rank:,}"
