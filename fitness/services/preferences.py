"""Which of their devices somebody trusts more."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from accounts.services.people import lock_people
from competitions.policy import MergeRule
from competitions.queries import held_for
from competitions.rules import DeviceKind, ScoreSource
from fitness.models import SourcePreference
from fitness.queries.activity import turns_of
from fitness.queries.readings import source_preference
from fitness.services.counting import count_activity


@transaction.atomic
def prefer_sources(*, user_id: UUID, kinds: Sequence[DeviceKind], now: datetime) -> None:
    """From now on, also for what was measured before, in every open competition that leaves it to its participants.
    The same again changes nothing."""
    lock_people([user_id])
    if source_preference(user_id) == list(kinds):
        return
    competitions = [
        competition
        for competition in held_for([user_id], now)[user_id]
        if competition.score_source != ScoreSource.REPORTED
        and competition.policy.merge is MergeRule.PREFERRED
        and not competition.policy.preference
    ]
    turn = turns_of({user_id: (now, [date.min, date.max])})[user_id]  # after a freeze that this waited for
    SourcePreference.objects.create(user_id=user_id, kinds=list(kinds), since_at=turn.at)
    count_activity(competitions=competitions, user_ids=[user_id], now=now)
