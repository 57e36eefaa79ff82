"""What happens to competitions and people and concerns their money; one line each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.dispatch import receiver

from accounts.signals import person_erased
from competitions.models import Competition
from competitions.signals import rules_changed
from prizes.services.payouts import forget_payout_accounts
from prizes.services.plans import keep_plan_possible


@receiver(rules_changed)
def ask_the_plan(competition: Competition, **_: Any) -> None:
    keep_plan_possible(competition=competition)


@receiver(person_erased)
def forget_where_it_goes(user_id: UUID, erased_at: datetime, **_: Any) -> None:
    forget_payout_accounts(now=erased_at)
