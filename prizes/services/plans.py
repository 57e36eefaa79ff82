from datetime import datetime
from uuid import UUID

from django.db import transaction

from competitions.models import Competition
from competitions.rules import Status
from competitions.services.lifecycle import RulesFixed, lock_competition
from config.core.errors import Invalid
from prizes import plans
from prizes.actors import Actor
from prizes.models import PrizePlan
from prizes.services.audit import record_action


@transaction.atomic
def change_plan(*, competition_id: UUID, document: plans.Document, actor: Actor, now: datetime) -> PrizePlan:
    """Says how the pool is divided; fixed from the start on, like every rule that people joined under.

    Raises RulesFixed, and Invalid naming the field for a plan that cannot be carried out.
    """
    assert actor.user is not None
    competition = lock_competition(competition_id)
    if competition.status_at(now) not in (Status.DRAFT, Status.UPCOMING):
        raise RulesFixed
    try:
        checked = _checked(document, competition)
    except plans.WrongPlan as error:
        raise Invalid(details={error.field: [str(error)]}) from None
    if plans.names_amounts(checked):
        checked["currency"] = competition.currency
    plan, _ = PrizePlan.objects.update_or_create(
        competition=competition, defaults={"document": checked, "updated_at": now, "updated_by": actor.user}
    )
    record_action(competition_id=competition.id, action="plan", actor=actor, now=now, plan=checked)
    return plan


def keep_plan_possible(*, competition: Competition) -> None:
    """Refuses a change of a competition that its plan of fixed amounts does not survive. Raises Invalid naming the
    field that is to stay."""
    plan = PrizePlan.objects.filter(competition=competition).first()
    if plan is None or not plans.names_amounts(plan.document):
        return
    if plan.document["currency"] != competition.currency:
        raise Invalid(details={"currency": ["The prize plan names amounts of money; change it first."]})
    try:
        _checked(plan.document, competition)
    except plans.WrongPlan as error:
        raise Invalid(details={"prize_pool": [str(error)]}) from None


def _checked(document: plans.Document, competition: Competition) -> plans.Document:
    return plans.checked_plan(
        document, promised_minor=competition.prize_pool_minor, has_fees=competition.entry_fee_minor > 0
    )
