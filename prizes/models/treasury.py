from django.conf import settings
from django.db import models
from django.db.models import Q

from competitions.models import Competition
from config.core.audit import audited


@audited(told_by=["competition"])
class TreasuryAction(models.Model):
    """Who did what about a competition's money, when and why. Append-only (migration 0002)."""

    competition = models.ForeignKey(Competition, models.PROTECT, related_name="treasury_actions")
    action = models.CharField(max_length=32)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    service_key = models.CharField(max_length=80, blank=True, help_text="Name of the key, if no person did it.")
    reason = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)
    done_at = models.DateTimeField()

    class Meta:
        ordering = ["-done_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(by__isnull=False) | ~Q(service_key=""), name="treasury_action_has_an_author"
            )
        ]
        indexes = [models.Index(fields=["competition", "-done_at"], name="treasury_actions_latest")]

    def __str__(self) -> str:
        return self.action
