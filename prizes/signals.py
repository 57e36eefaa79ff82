"""What prizes announces, inside the transaction that did it."""

from django.dispatch import Signal

prizes_settled = Signal()
"""``user_ids: Collection[UUID]``: a prize of theirs was paid, or came back."""
