from django.conf import settings
from django.db import models
from django.db.models import F, Q

from competitions.models import Competition
from config.core.audit import audited
from leaderboards.models import FinalStandings


@audited(told_by=["competition"])
class PrizePlan(models.Model):
    """How a competition's pool is divided; `prizes.plans` says what ``document`` holds, and the default without one."""

    competition = models.OneToOneField(Competition, models.CASCADE, primary_key=True, related_name="prize_plan")
    document = models.JSONField()
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"plan of {self.competition_id}"


@audited(told_by=["competition"])
class AwardList(models.Model):
    """What one version of the final standings is worth, to the last minor unit. Never changed: corrected standings make
    a list of their own, with the standings' number as its version."""

    competition = models.ForeignKey(Competition, models.PROTECT, related_name="award_lists")
    standings = models.OneToOneField(FinalStandings, models.PROTECT, related_name="award_list")
    version = models.PositiveIntegerField()
    plan = models.JSONField(help_text="As it stood when the competition started.")
    ties_share = models.BooleanField()
    currency = models.CharField(max_length=3)
    promised_minor = models.BigIntegerField(help_text="What the competition promises, fees aside.")
    fees_minor = models.BigIntegerField(help_text="Entry fees that were paid and not refunded.")
    platform_fee_minor = models.BigIntegerField()
    organiser_minor = models.BigIntegerField(help_text="The organiser's part of the fees.")
    pool_minor = models.BigIntegerField()
    kept_minor = models.BigIntegerField(help_text="What of the pool no award takes.")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["competition", "version"], name="one_award_list_per_version"),
            models.CheckConstraint(
                condition=Q(
                    pool_minor=F("promised_minor") + F("fees_minor") - F("platform_fee_minor") - F("organiser_minor")
                ),
                name="award_list_pool_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(
                    promised_minor__gte=0,
                    fees_minor__gte=0,
                    platform_fee_minor__gte=0,
                    organiser_minor__gte=0,
                    kept_minor__gte=0,
                    pool_minor__gte=F("kept_minor"),
                ),
                name="award_list_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"awards of {self.competition_id}, version {self.version}"


class Award(models.Model):
    award_list = models.ForeignKey(AwardList, models.PROTECT, related_name="awards")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="awards")
    rank = models.PositiveIntegerField()
    amount_minor = models.BigIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["award_list", "user"], name="one_award_per_person"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="award_is_something"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} for {self.user_id}"


@audited()
class Distribution(models.Model):
    """Somebody's decision to pay an award list, and somebody else's approval where one is needed."""

    award_list = models.OneToOneField(AwardList, models.PROTECT, primary_key=True, related_name="distribution")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    requested_with = models.CharField(max_length=80, blank=True, help_text="Name of the service key, if it was one.")
    requested_at = models.DateTimeField()
    needs_approval = models.BooleanField()
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True, help_text="When its transfers were ordered.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(requested_by__isnull=False, requested_with="")
                | Q(requested_by=None) & ~Q(requested_with=""),
                name="distribution_was_asked_for",
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None, approved_at=None)
                | Q(approved_by__isnull=False, approved_at__isnull=False)
                & (Q(requested_by=None) | ~Q(approved_by=F("requested_by"))),
                name="distribution_approved_by_somebody_else",
            ),
            models.CheckConstraint(
                condition=Q(released_at=None) | Q(needs_approval=False) | Q(approved_by__isnull=False),
                name="distribution_released_when_approved",
            ),
        ]
        indexes = [models.Index(fields=["requested_at"], condition=Q(released_at=None), name="distributions_lists")]

    def __str__(self) -> str:
        return f"distribution of {self.award_list_id}"
