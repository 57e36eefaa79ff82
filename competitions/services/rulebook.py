"""Freezing a competition's rules, and changing what of them may change while people compete."""

from datetime import datetime

from accounts.models import User
from competitions.documents import written_rules
from competitions.models import Competition
from competitions.policy import Policy
from competitions.queries import is_impartial_organiser, rules_versions
from competitions.rules import Status
from config.core.errors import Conflict, Forbidden, Invalid

MOST_VERSIONS = 100
"""Each counts everybody anew, and participants should be able to read them all."""


class RulesOver(Conflict):
    message = "The competition is over, so its rules stay as they are."


class TooManyVersions(Conflict):
    message = f"The rules were changed {MOST_VERSIONS - 1} times already; they stay as they are."


def freeze_rules(*, competition: Competition, now: datetime) -> None:
    """Number 1, by the clock. The competition is locked and has none yet."""
    _keep(competition, None, "", now)


def refuse_new_rules(competition: Competition, policy: Policy, by: User, reason: str, now: datetime) -> None:
    """Whether ``by`` may give a locked competition that has started another policy. Raises RulesOver, TooManyVersions,
    Forbidden where an owner could move money with it, and Invalid without a reason or for a first backfill limit: what
    was replaced before it was set was not kept."""
    over = (Status.COMPLETED, Status.CANCELLED)
    if competition.status_at(now) in over or competition.status in over:
        raise RulesOver
    paid_out = competition.money_at_stake or competition.funded_minor > 0  # fixed prizes may come out of what arrived
    if paid_out and not (by.has_perm("competitions.change_competition") or is_impartial_organiser(by, competition)):
        raise Forbidden("Money is at stake, so after the start only staff may change the rules.")
    if not reason.strip():
        raise Invalid(details={"rules_reason": ["Say why the rules change, for those who take part."]})
    if policy.backfill_days is not None and competition.policy.backfill_days is None:
        raise Invalid(details={"rules.backfill_days": ["Set a limit before the start; then it may be changed."]})
    if competition.rules_version >= MOST_VERSIONS:
        raise TooManyVersions


def amend_rules(*, competition: Competition, by: User, reason: str, now: datetime) -> None:
    """The next version, after the policy of a locked competition was changed."""
    _keep(competition, by, reason, now)


def _keep(competition: Competition, by: User | None, reason: str, now: datetime) -> None:
    before = rules_versions(competition.id).last()
    version = written_rules(competition, before=before, by=by, reason=reason.strip(), made_at=now)
    version.save(force_insert=True)
    competition.rules_version = version.number
    competition.save(update_fields=["rules_version", "updated_at"])
