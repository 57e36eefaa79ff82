from django.conf import settings
from django.db import models
from django.db.models import Q

from fitness.rules import Source
from leaderboards.scoring import Totals


class Activity(models.Model):
    """What one source says that a person did on one day. Base units, as in scoring.Totals.

    Of two readings for the same (person, source, day) the larger of each metric stands, so a retry changes nothing.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="activities", db_index=False)
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


class SupersededActivity(models.Model):
    """What an activity said before a later reading replaced it, kept where a finished competition counted it: so that
    its final standings can be worked out again from what had arrived in time.

    It was true from ``synced_at`` until ``superseded_at``, which is exclusive.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="superseded_activities")
    day = models.DateField()
    source = models.CharField(max_length=16, choices=[(source.value, source.value) for source in Source])
    steps = models.BigIntegerField()
    distance_mm = models.BigIntegerField()
    energy_cal = models.BigIntegerField()
    active_seconds = models.BigIntegerField()
    synced_at = models.DateTimeField()
    superseded_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "superseded activities"
        indexes = [models.Index(fields=["user", "day"], name="superseded_of_day")]

    def __str__(self) -> str:
        return f"{self.user_id} on {self.day} by {self.source} until {self.superseded_at}"
