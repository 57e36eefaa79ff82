"""What accounts announces upward, inside the transaction that did it."""

from django.dispatch import Signal

profile_changed = Signal()
"""``user: User`` shows another name or picture."""
