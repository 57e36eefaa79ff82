"""What the sandbox gateway remembers. It is a world of its own: nothing else reads these tables."""

from uuid import uuid4

from django.db import models
from django.db.models import Q


class SandboxCall(models.TextChoices):
    CHECKOUT = "checkout", "checkout"
    TRANSFER = "transfer", "transfer"
    REFUND = "refund", "refund"


class SandboxOrder(models.Model):
    """A checkout, transfer or refund. Like the real ones it recognises a repeated request for a day only; after that
    the same request moves money again."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    call = models.CharField(max_length=8, choices=SandboxCall.choices)
    key = models.CharField(max_length=120)
    attempt = models.PositiveSmallIntegerField(default=1)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    destination = models.CharField(max_length=120, blank=True)
    status = models.CharField(max_length=10)
    remembered = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["call", "key", "attempt"], condition=Q(remembered=True), name="sandbox_recognises_a_repeat"
            )
        ]
        indexes = [models.Index(fields=["call", "key"], name="sandbox_orders_by_key")]

    def __str__(self) -> str:
        return f"{self.call} {self.key}"


class SandboxFault(models.Model):
    """What the sandbox is told to do wrong the next few times."""

    class Fault(models.TextChoices):
        REFUSE = "refuse", "refuse"
        TIME_OUT_BEFORE = "time_out_before", "time out without doing it"
        TIME_OUT_AFTER = "time_out_after", "do it, then time out"
        BUSY = "busy", "answer 429"
        ERROR = "error", "answer 500 without doing it"
        ABANDON = "abandon", "never pay (checkouts)"
        WEBHOOK_TWICE = "webhook_twice", "send the webhook twice (checkouts)"
        WEBHOOK_LATE = "webhook_late", "send the webhook a minute late (checkouts)"

    call = models.CharField(max_length=8, choices=SandboxCall.choices)
    fault = models.CharField(max_length=16, choices=Fault.choices)
    times_left = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.fault} of {self.call}, {self.times_left} more"
