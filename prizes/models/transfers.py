from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q

from competitions.models import Competition
from config.core.audit import audited
from prizes.models.awards import Award
from prizes.models.ledger import Entry
from prizes.models.payments import Payment


class Purpose(models.TextChoices):
    PRIZE = "prize", "prize"
    REFUND = "refund", "refund"


class TransferState(models.TextChoices):
    PENDING = "pending", "pending"  # nothing was sent
    SENT = "sent", "sent"  # written down before the gateway is asked; the answer has not come yet
    UNKNOWN = "unknown", "unknown"  # asked, without a clear answer: it is looked up before anything is sent again
    PAID = "paid", "paid"
    FAILED = "failed", "failed"  # did not happen, or was taken back; a person decides
    CANCELLED = "cancelled", "cancelled"  # withdrawn before it was sent


UNFINISHED = (TransferState.PENDING, TransferState.SENT, TransferState.UNKNOWN)


@audited(exclude=["updated_at"], told_by=["competition"])
class Transfer(models.Model):
    """Money to one person. ``key`` is made of competition, user and award version, or of the payment that is given
    back, never of a place; it is what the gateway files the transfer under."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    key = models.CharField(max_length=120, unique=True)
    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    competition = models.ForeignKey(Competition, models.PROTECT, related_name="transfers")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="transfers")
    award = models.OneToOneField(Award, models.PROTECT, null=True, blank=True, related_name="transfer")
    payment = models.OneToOneField(Payment, models.PROTECT, null=True, blank=True, related_name="refund")
    owed = models.OneToOneField(Entry, models.PROTECT, related_name="transfer", help_text="The entry that promises it.")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    gateway = models.CharField(max_length=16)
    state = models.CharField(max_length=10, choices=TransferState.choices, default=TransferState.PENDING)
    attempt = models.PositiveSmallIntegerField(default=1)
    destination = models.CharField(max_length=120, blank=True, help_text="The payout account, or the payment's.")
    reference = models.CharField(max_length=120, blank=True, help_text="The gateway's own name for it.")
    waits_for = models.CharField(max_length=200, blank=True, help_text="What a pending transfer lacks.")
    reason = models.CharField(max_length=500, blank=True, help_text="Why it failed or is unknown.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at", "id"]
        permissions = [("distribute_prizes", "Can distribute prizes, approve, fund pools and mark as paid")]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="transfer_is_something"),
            models.CheckConstraint(
                condition=Q(purpose="prize", award__isnull=False, payment=None)
                | Q(purpose="refund", award=None, payment__isnull=False),
                name="transfer_says_what_for",
            ),
            models.CheckConstraint(
                condition=Q(state="paid", paid_at__isnull=False) | ~Q(state="paid") & Q(paid_at=None),
                name="transfer_paid_at",
            ),
        ]
        indexes = [
            models.Index(
                fields=["updated_at"],
                condition=Q(state__in=["pending", "sent", "unknown"]),
                name="transfers_unfinished",
            ),
            models.Index(fields=["competition", "state"], name="transfers_of_competition"),
            models.Index(fields=["-created_at", "id"], name="transfers_lists"),
            models.Index(fields=["state", "-created_at"], name="transfers_state_lists"),
            models.Index(fields=["-created_at"], condition=~Q(waits_for=""), name="transfers_lacking_lists"),
            models.Index(
                fields=["reference"],
                opclasses=["varchar_pattern_ops"],
                condition=~Q(reference=""),
                name="transfers_search",
            ),
        ]

    def __str__(self) -> str:
        return self.key


class TransferMove(models.Model):
    """One step in a transfer's life; written once, never changed."""

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="moves")
    from_state = models.CharField(max_length=10, choices=TransferState.choices, blank=True)
    to_state = models.CharField(max_length=10, choices=TransferState.choices)
    attempt = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    moved_at = models.DateTimeField()

    class Meta:
        ordering = ["moved_at", "id"]

    def __str__(self) -> str:
        return f"{self.from_state or 'new'} → {self.to_state}"
