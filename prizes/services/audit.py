from datetime import datetime
from typing import Any
from uuid import UUID

from prizes.actors import Actor
from prizes.models import TreasuryAction


def record_action(
    *, competition_id: UUID, action: str, actor: Actor, now: datetime, reason: str = "", **details: Any
) -> None:
    """Writes down who did what about a competition's money, in the transaction that does it."""
    TreasuryAction.objects.create(
        competition_id=competition_id,
        action=action,
        by=actor.user,
        service_key=actor.service_key,
        reason=reason,
        details=details,
        done_at=now,
    )
