from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q

from competitions.models import Competition
from leaderboards.ranking import Placing
from leaderboards.scoring import MAX_SCORE, Totals


class Board(models.Model):
    """A competition's board as a whole. ``version`` grows by one with every transaction that moves a row.

    Whoever moves rows holds this row's lock until the commit, so versions are committed in their order, and
    “every standing with a version above N” is exactly what happened since N. The mirror in Redis and every
    frame on a socket lean on that.
    """

    competition = models.OneToOneField(Competition, models.CASCADE, primary_key=True, related_name="board")
    version = models.BigIntegerField(default=0)
    epoch = models.UUIDField(default=uuid4)
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"board {self.competition_id} at {self.version}"


class Standing(models.Model):
    """Where one person stands in one competition. Totals in base units, as in scoring.Totals."""

    competition = models.ForeignKey(Competition, models.CASCADE, related_name="standings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="standings")

    synced_steps = models.BigIntegerField(default=0)
    synced_distance_mm = models.BigIntegerField(default=0)
    synced_energy_cal = models.BigIntegerField(default=0)
    synced_active_seconds = models.BigIntegerField(default=0)
    reported_steps = models.BigIntegerField(default=0)
    reported_distance_mm = models.BigIntegerField(default=0)
    reported_energy_cal = models.BigIntegerField(default=0)
    reported_active_seconds = models.BigIntegerField(default=0)

    steps = models.BigIntegerField(default=0)
    distance_mm = models.BigIntegerField(default=0)
    energy_cal = models.BigIntegerField(default=0)
    active_seconds = models.BigIntegerField(default=0)
    score = models.BigIntegerField(default=0)
    reached_at = models.DateTimeField(help_text="When this score was reached; decides among equals.")
    joined_at = models.DateTimeField()
    on_board = models.BooleanField(default=True, help_text="False for somebody who has left.")
    version = models.BigIntegerField(help_text="The board's version that this row last changed in.")
    last_synced_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["competition", "user"], name="one_standing_per_person"),
            models.CheckConstraint(condition=Q(score__gte=0, score__lte=MAX_SCORE), name="standing_score_exact"),
        ]
        indexes = [
            models.Index(
                "competition",
                models.F("score").desc(),
                "reached_at",
                "joined_at",
                "user",
                condition=Q(on_board=True),
                name="standing_in_board_order",
            ),
            models.Index(fields=["competition", "version"], name="standing_since_version"),
            models.Index(fields=["user"], name="standing_of_person"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.score}"

    @property
    def synced(self) -> Totals:
        return Totals(self.synced_steps, self.synced_distance_mm, self.synced_energy_cal, self.synced_active_seconds)

    @property
    def reported(self) -> Totals:
        return Totals(
            self.reported_steps,
            self.reported_distance_mm,
            self.reported_energy_cal,
            self.reported_active_seconds,
        )

    @property
    def totals(self) -> Totals:
        return Totals(self.steps, self.distance_mm, self.energy_cal, self.active_seconds)

    @property
    def placing(self) -> Placing:
        return Placing(self.user_id, self.score, self.reached_at, self.joined_at)
