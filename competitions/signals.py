"""What competitions announces upward, inside the transaction that did it."""

from django.dispatch import Signal

competition_created = Signal()
"""``competition: Competition``."""

competition_deleted = Signal()
"""``competition_id: UUID``."""

participants_joined = Signal()
"""``competition: Competition, user_ids: Sequence[UUID], joined_at: datetime``, also for those who come back. The people
are locked."""

participant_left = Signal()
"""``competition: Competition, user_id: UUID, left_at: datetime``. The person is locked."""

rules_changed = Signal()
"""``competition: Competition, changed_at: datetime``: it counts other days or scores differently. It is locked."""

status_moved = Signal()
"""``competition: Competition, from_status: str, moved_at: datetime``: it has another status than it had; from none when
it was made. It is locked."""

competition_completed = Signal()
"""``competition: Competition, completed_at: datetime``: its grace is over, nothing counts in it any more. It is locked;
sent once."""
