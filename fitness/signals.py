"""What fitness announces upward, inside the transaction that did it."""

from django.dispatch import Signal

activity_stored = Signal()
"""``user_ids: Collection[UUID]`` did more than was known."""
