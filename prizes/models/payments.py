from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q

from competitions.models import Competition, Seat
from config.core.audit import audited


class PaymentState(models.TextChoices):
    OPEN = "open", "open"  # a checkout page may be paid
    PAID = "paid", "paid"
    CLOSED = "closed", "closed"  # nobody paid, and nobody can any more


@audited(exclude=["checkout_url"], told_by=["competition"])
class Payment(models.Model):
    """Somebody's entry fee, from the checkout page to the money. One for each seat that was held."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    seat = models.OneToOneField(Seat, models.PROTECT, related_name="payment")
    competition = models.ForeignKey(Competition, models.PROTECT, related_name="payments")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="payments")
    gateway = models.CharField(max_length=16)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=8, choices=PaymentState.choices, default=PaymentState.OPEN)
    checkout_reference = models.CharField(max_length=120, blank=True)
    checkout_url = models.TextField(blank=True)
    payment_reference = models.CharField(max_length=120, blank=True, help_text="What a refund is asked for by.")
    created_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payment_is_something"),
            models.CheckConstraint(
                condition=Q(state="paid", paid_at__isnull=False) | ~Q(state="paid") & Q(paid_at=None),
                name="payment_paid_at",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(state="open"), name="payments_open"),
            models.Index(fields=["-created_at", "id"], name="payments_lists"),
            models.Index(fields=["state", "-created_at"], name="payments_state_lists"),
            models.Index(
                fields=["payment_reference"],
                opclasses=["varchar_pattern_ops"],
                condition=~Q(payment_reference=""),
                name="payments_search",
            ),
            models.Index(
                fields=["checkout_reference"],
                opclasses=["varchar_pattern_ops"],
                condition=~Q(checkout_reference=""),
                name="checkouts_search",
            ),
        ]

    def __str__(self) -> str:
        return f"fee of {self.user_id} for {self.competition_id}"


@audited()
class PayoutAccount(models.Model):
    """Where a winner's prizes go, at one gateway."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="payout_accounts")
    gateway = models.CharField(max_length=16)
    reference = models.CharField(max_length=120)
    ready = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "gateway"], name="one_payout_account_per_gateway"),
            models.UniqueConstraint(fields=["gateway", "reference"], name="one_person_per_payout_account"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway} account of {self.user_id}"


class GatewayEvent(models.Model):
    """A webhook that arrived; its id is stored once, so a second delivery changes nothing."""

    gateway = models.CharField(max_length=16)
    event_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=32)
    key = models.CharField(max_length=255, blank=True)
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-received_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["gateway", "event_id"], name="one_row_per_gateway_event")]
        indexes = [
            models.Index(fields=["event_id"], opclasses=["varchar_pattern_ops"], name="gateway_events_search"),
            models.Index(
                fields=["key"],
                opclasses=["varchar_pattern_ops"],
                condition=~Q(key=""),
                name="gateway_keys_search",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"
