"""What happens to people below, and concerns their competitions; one line each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.dispatch import receiver

from accounts.signals import person_erased
from competitions.services.erasing import let_go_of_person


@receiver(person_erased)
def let_go(user_id: UUID, erased_at: datetime, **_: Any) -> None:
    let_go_of_person(user_id=user_id, now=erased_at)
