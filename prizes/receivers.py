"""What happens to competitions and concerns their money; one line each."""

from typing import Any

from django.dispatch import receiver

from competitions.models import Competition
from competitions.signals import rules_changed
from prizes.services.plans import keep_plan_possible


@receiver(rules_changed)
def ask_the_plan(competition: Competition, **_: Any) -> None:
    keep_plan_possible(competition=competition)
