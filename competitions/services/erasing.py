"""What becomes of an erased person's competitions, their own and those that they take part in."""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from competitions.models import Competition, Participant, Seat
from competitions.rules import SeatState
from competitions.services.enrolment import CompetitionOver, NotParticipating, leave_competition
from competitions.services.lifecycle import delete_competition
from config.core.errors import Conflict


class StillOrganising(Conflict):
    """Others have joined it under this person's name, and somebody must answer for it."""

    def __init__(self, names: list[str]) -> None:
        listed = ", ".join(f"“{name}”" for name in names)
        super().__init__(f"{listed}: a competition that is not over needs its organiser. Cancel it first, or wait.")


@transaction.atomic
def let_go_of_person(*, user_id: UUID, now: datetime) -> None:
    """Takes them out of whatever is not over, deletes their drafts, which nobody else has seen, and leaves what is over
    as it is. The person is locked. Raises StillOrganising."""
    own = Competition.objects.filter(owner_id=user_id, cancelled_at=None)
    running = own.filter(published_at__isnull=False, end_at__gt=now).order_by("start_at", "id")
    if names := list(running.values_list("name", flat=True)[:5]):
        raise StillOrganising(names)
    for draft_id in own.filter(published_at=None).values_list("id", flat=True):
        delete_competition(competition_id=draft_id, now=now)
    here = Participant.objects.filter(user_id=user_id, left_at=None).values("competition_id")
    paying = Seat.objects.filter(user_id=user_id, state=SeatState.RESERVED).values("competition_id")
    not_over = Competition.objects.filter(Q(id__in=here) | Q(id__in=paying), cancelled_at=None, end_at__gt=now)
    for competition in not_over.order_by("id"):
        with suppress(CompetitionOver, NotParticipating):  # cancelled a moment ago
            leave_competition(competition=competition, user_id=user_id, now=now)
