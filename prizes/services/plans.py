from datetime import datetime
from uuid import UUID

from django.db import transaction

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
        checked = plans.checked_plan(
            document, promised_minor=competition.prize_pool_minor, has_fees=competition.entry_fee_minor > 0
        )
    except plans.WrongPlan as error:
        raise Invalid(details={error.field: [str(error)]}) from None
    plan, _ = PrizePlan.objects.update_or_create(
        competition=competition, defaults={"document": checked, "updated_at": now, "updated_by": actor.user}
    )
    record_action(competition_id=competition.id, action="plan", actor=actor, now=now, plan=checked)
    return plan
