from django.conf import settings
from django.db import models
from django.db.models import Q

from fitness.rules import Source
from leaderboards.scoring import Totals


class Activity(models.Model):
    """What one source says that a person did on one day. Base units, as in scoring.Totals.

    Of two readings for the same (person, source, day) the larger of each metric stands, so a retry changes nothing.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="activities")
    day = models.DateField(help_text="The person's calendar day.")
    source = models.CharField(max_length=16, choices=[(source.value, source.value) for source in Source])
    steps = models.BigIntegerField(default=0)
    distance_mm = models.BigIntegerField(default=0)
    energy_cal = models.BigIntegerField(default=0)
    active_seconds = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(help_text="When the first reading arrived.")
    synced_at = models.DateTimeField(help_text="When a reading last changed something.")

    class Meta:
        verbose_name_plural = "activities"
        constraints = [
            models.UniqueConstraint(fields=["user", "day", "source"], name="one_activity_per_source_and_day"),
            models.CheckConstraint(
                condition=Q(steps__gte=0, distance_mm__gte=0, energy_cal__gte=0, active_seconds__gte=0),
                name="activity_not_negative",
            ),
        ]
        indexes = [models.Index(fields=["user", "-synced_at"], name="activity_latest")]

    def __str__(self) -> str:
        return f"{self.user_id} on {self.day} by {self.source}"

    @property
    def totals(self) -> Totals:
        return Totals(self.steps, self.distance_mm, self.energy_cal, self.active_seconds)
