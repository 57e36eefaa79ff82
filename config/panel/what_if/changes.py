"""What may be supposed of a competition, what it would do to the board, and doing it."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from accounts.models import User
from competitions.models import Competition
from competitions.queries import participation
from competitions.rules import Status
from competitions.services.lifecycle import change_competition
from competitions.services.rulebook import RulesOver
from fitness.services.counting import totals_under
from leaderboards.models import Correction, FinalStandings, Standing
from leaderboards.settling import add_correction, judge_participant
from leaderboards.supposing import Supposition


@dataclass(frozen=True)
class Saving:
    """Who saves a change, why, and when. ``id``: of the form, so that the same form sent twice acts once."""

    id: UUID
    by: User
    reason: str
    now: datetime


class Change(Protocol):
    @property
    def person(self) -> User | None:
        """Whom it is about; None: everybody."""
        ...

    @property
    def title(self) -> str: ...

    def hindrance(self, competition: Competition, viewer: User) -> str:
        """Why it cannot be at all, as things are; empty if it can."""
        ...

    def supposed(self, competition: Competition) -> Supposition: ...

    def was_saved(self, competition: Competition, form_id: UUID) -> bool:
        """Whether it is so already."""
        ...

    def save(self, competition: Competition, saving: Saving) -> None:
        """Raises Refusal."""
        ...


@dataclass(frozen=True)
class Judgement:
    """Somebody is disqualified, or is not any more."""

    person: User
    disqualify: bool

    @property
    def title(self) -> str:
        return f"{'Disqualify' if self.disqualify else 'Reinstate'} {self.person}"

    def hindrance(self, competition: Competition, viewer: User) -> str:
        if self.was_saved(competition, UUID(int=0)):
            return f"{self.person} is {'disqualified already' if self.disqualify else 'not disqualified'}."
        return _hindrance(competition, self.person, viewer)

    def supposed(self, competition: Competition) -> Supposition:
        return Supposition(disqualified={self.person.id: self.disqualify})

    def was_saved(self, competition: Competition, form_id: UUID) -> bool:
        standing = _standing(competition, self.person)
        return standing is not None and bool(standing.disqualified_reason) == self.disqualify

    def save(self, competition: Competition, saving: Saving) -> None:
        judge_participant(
            competition_id=competition.id,
            user_id=self.person.id,
            disqualify=self.disqualify,
            reason=saving.reason,
            by=saving.by,
            now=saving.now,
        )


@dataclass(frozen=True)
class Points:
    """Somebody is given points or, negative, they are taken."""

    person: User
    points: int

    @property
    def title(self) -> str:
        amount = f"{abs(self.points):,} {'point' if abs(self.points) == 1 else 'points'}"
        return f"Give {self.person} {amount}" if self.points > 0 else f"Take {amount} from {self.person}"

    def hindrance(self, competition: Competition, viewer: User) -> str:
        standing = _standing(competition, self.person)
        if standing is not None and standing.disqualified_reason:
            return f"{self.person} is disqualified, so there is no score to correct."
        return _hindrance(competition, self.person, viewer)

    def supposed(self, competition: Competition) -> Supposition:
        return Supposition(points={self.person.id: self.points})

    def was_saved(self, competition: Competition, form_id: UUID) -> bool:
        """By this very form; whoever wants the same once more opens another one."""
        return Correction.objects.filter(
            id=form_id, competition=competition, user=self.person, points=self.points
        ).exists()

    def save(self, competition: Competition, saving: Saving) -> None:
        add_correction(
            competition_id=competition.id,
            user_id=self.person.id,
            points=self.points,
            reason=saving.reason,
            by=saving.by,
            correction_id=saving.id,
            now=saving.now,
        )


@dataclass(frozen=True)
class NewRules:
    """Other activity counts. ``stored_policy`` is the column's new value."""

    stored_policy: Mapping[str, Any]
    person: None = None
    title: str = "Change the rules"

    def hindrance(self, competition: Competition, viewer: User) -> str:
        if competition.status == Status.COMPLETED:
            return RulesOver.message
        return "These rules hold already." if self.was_saved(competition, UUID(int=0)) else ""

    def supposed(self, competition: Competition) -> Supposition:
        changed = copy(competition)
        changed.stored_policy = dict(self.stored_policy)
        return Supposition(synced=totals_under(changed))

    def was_saved(self, competition: Competition, form_id: UUID) -> bool:
        return bool(competition.stored_policy == self.stored_policy)

    def save(self, competition: Competition, saving: Saving) -> None:
        change_competition(
            competition_id=competition.id,
            merge=lambda current: ({"stored_policy": dict(self.stored_policy)}, None),
            by=saving.by,
            reason=saving.reason,
            now=saving.now,
        )


def _hindrance(competition: Competition, person: User, viewer: User) -> str:
    if person.id == viewer.id:
        return "Nobody decides about their own score; ask a colleague."
    if participation(competition.id, person.id) is None:
        return f"{person} does not take part any more."
    return ""


def _standing(competition: Competition, person: User) -> Standing | None:
    return Standing.objects.filter(competition=competition, user=person).first()


# --- What a shown effect rests on ---

_MOVED = (
    "The competition is not where it was in its life",
    "The standings were frozen or corrected",
    "The rules have another version",
    "Something else was decided about this person",
)


def basis_of(competition: Competition, change: Change, now: datetime) -> str:
    """As long as this is the same, what was shown of the change is what it does; the scores may go on. What the clock
    freezes for the first time, a moment after it is due, changes nothing."""
    final = FinalStandings.objects.filter(competition=competition).order_by("-number")
    number = final.values_list("number", flat=True).first() or 1
    rules = max(competition.rules_version, 1)
    return "/".join((_phase(competition, now), str(number), str(rules), _personal(competition, change.person)))


def moved_since(seen: str, basis: str) -> str:
    """Which part of what the effect rests on is another one, as a sentence; empty if none is."""
    before, after = seen.split("/"), basis.split("/")
    if len(before) != len(after):
        return "It is not clear what was shown before this."
    changed = (why for why, one, other in zip(_MOVED, before, after, strict=True) if one != other)
    first = next(changed, "")
    return f"{first} since you looked. Read again what it does now, then save." if first else ""


def _phase(competition: Competition, now: datetime) -> str:
    status = competition.status_at(now)
    return "runs" if status in (Status.ACTIVE, Status.ENDED) else status.value


def _personal(competition: Competition, person: User | None) -> str:
    if person is None:
        return ""
    standing, here = _standing(competition, person), participation(competition.id, person.id)
    if standing is None or here is None:
        return "gone"
    return f"{here.joined_at.timestamp()}:{bool(standing.disqualified_reason)}:{standing.adjustment_points}"
