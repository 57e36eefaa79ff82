"""What accounts announces upward, inside the transaction that did it."""

from django.dispatch import Signal

profile_changed = Signal()
"""``user: User`` shows another name or picture."""

person_erased = Signal()
"""``user_id: UUID, erased_at: datetime``: what is known of the person is to be forgotten. The person is locked."""
