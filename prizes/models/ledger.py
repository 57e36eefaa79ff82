"""The ledger: double entry, append-only. PostgreSQL refuses a change of what is written, and an entry whose postings do
not come to zero or are not as many as it says (migration 0002)."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q

from competitions.models import Competition
from config.core.audit import audited


class AccountKind(models.TextChoices):
    """Whose money it is. ``cash`` is what we hold, at a gateway or in the bank; all others say for whom."""

    CASH = "cash", "held at a gateway"
    FEES = "fees", "entry fees, to be refunded or split"
    POOL = "pool", "a competition's prize pool"
    PRIZES_OWED = "prizes_owed", "prizes owed to a winner"
    REFUNDS_OWED = "refunds_owed", "refunds owed to a person"
    PLATFORM = "platform", "the platform's own"
    ORGANISER = "organiser", "owed to an organiser"
    RESERVE = "reserve", "rolled over for an organiser's next competition"


class Account(models.Model):
    """One pot of money in one currency; what does not tell it apart from others of its kind stays empty."""

    kind = models.CharField(max_length=16, choices=AccountKind.choices)
    currency = models.CharField(max_length=3)
    gateway = models.CharField(max_length=16, blank=True)
    competition = models.ForeignKey(Competition, models.PROTECT, null=True, blank=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "currency", "gateway", "competition", "user"],
                nulls_distinct=False,
                name="one_account_per_pot",
            ),
            models.CheckConstraint(
                condition=Q(kind="cash", competition=None, user=None) & ~Q(gateway="")
                | Q(kind__in=["fees", "pool"], competition__isnull=False, user=None, gateway="")
                | Q(kind__in=["prizes_owed", "refunds_owed"], competition__isnull=False, user__isnull=False, gateway="")
                | Q(kind="platform", competition=None, user=None, gateway="")
                | Q(kind__in=["organiser", "reserve"], competition=None, user__isnull=False, gateway=""),
                name="account_says_whose",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.currency})"


class EntryKind(models.TextChoices):
    ENTRY_FEE = "entry_fee", "entry fee paid"
    REFUND_OWED = "refund_owed", "refund promised"
    REFUND_PAID = "refund_paid", "refund paid"
    FUNDING = "funding", "pool funded"
    FEES_SPLIT = "fees_split", "fees split between pool, platform and organiser"
    PRIZE_OWED = "prize_owed", "prize awarded"
    PRIZE_WITHDRAWN = "prize_withdrawn", "award withdrawn before it was sent"
    PRIZE_PAID = "prize_paid", "prize paid"
    PAYMENT_RETURNED = "payment_returned", "a paid transfer came back"
    REMAINDER = "remainder", "what the pool had left"
    ORGANISER_PAID = "organiser_paid", "paid out to the organiser"


@audited(exclude=["key", "posting_count"], told_by=["competition"])
class Entry(models.Model):
    """One event in the ledger. ``key`` is made of what happened, so the same event is written once however often it is
    reported."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    key = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=16, choices=EntryKind.choices)
    competition = models.ForeignKey(Competition, models.PROTECT, null=True, blank=True, related_name="ledger_entries")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="ledger_entries",
        help_text="Whose fee, prize or refund it is.",
    )
    note = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    posting_count = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "entries"
        ordering = ["-created_at", "id"]
        constraints = [models.CheckConstraint(condition=Q(posting_count__gte=2), name="entry_has_two_sides")]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="entries_of_person"),
            models.Index(fields=["competition", "-created_at"], name="entries_of_competition"),
            models.Index(fields=["-created_at", "id"], name="entries_lists"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.key})"


class Posting(models.Model):
    """One side of an entry, in the account's minor units: debits are positive, credits negative. So what we hold counts
    up, and what we owe counts down."""

    entry = models.ForeignKey(Entry, models.PROTECT, related_name="postings")
    account = models.ForeignKey(Account, models.PROTECT, related_name="postings")
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(amount_minor=0), name="posting_moves_something")]

    def __str__(self) -> str:
        return f"{self.amount_minor} to {self.account_id}"
