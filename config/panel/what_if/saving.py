"""Doing what was shown, and who may."""

from uuid import UUID

from django.db import transaction

from accounts.models import User
from competitions.admin.own import ORGANISE
from competitions.models import Competition
from competitions.queries import is_impartial_organiser
from competitions.services.lifecycle import move_status
from config.core.audit import note
from config.core.errors import Conflict, Forbidden, Invalid
from config.panel.what_if.changes import Change, NewRules, Saving, basis_of, moved_since
from prizes.api.permissions import TREASURER

CORRECT = "leaderboards.add_correction"
CHANGE = "competitions.change_competition"


def may_look(person: User, competition: Competition) -> bool:
    """Those who may save, treasurers, whose prizes it is about, and the organiser, also when they take part."""
    theirs = competition.owner_id == person.id and person.has_perm(ORGANISE)
    return theirs or any(person.has_perm(permission) for permission in (CORRECT, CHANGE, TREASURER))


def why_not_save(person: User, competition: Competition, *, rules: bool) -> str:
    """A sentence for whoever may look and not save; empty for whoever may."""
    if person.has_perm(CHANGE if rules else CORRECT) or is_impartial_organiser(person, competition):
        return ""
    if competition.owner_id == person.id:
        return "You take part in this competition yourself, or did: ask a colleague to decide."
    who = "change rules" if rules else "correct standings"
    return f"You may look. Saving is for the organiser and for staff who {who}."


@transaction.atomic
def save_change(*, competition_id: UUID, change: Change, seen: str, saving: Saving) -> bool:
    """Does what was shown, once; False if it is so already. ``seen``: the basis of the effect that was shown.

    Raises Forbidden, NotFound, Invalid without a reason, Conflict when what was shown does not hold any more, and what
    the services raise.
    """
    competition = move_status(competition_id=competition_id, now=saving.now)
    if why_not := why_not_save(saving.by, competition, rules=isinstance(change, NewRules)):
        raise Forbidden(why_not)
    if not saving.reason.strip():
        raise Invalid(details={"reason": ["Say why, for whoever asks later."]})
    if change.was_saved(competition, saving.id):
        return False
    if moved := moved_since(seen, basis_of(competition, change, saving.now)):
        raise Conflict(moved)
    if hindrance := change.hindrance(competition, saving.by):
        raise Conflict(hindrance)
    note(reason=saving.reason.strip())
    change.save(competition, saving)
    return True
