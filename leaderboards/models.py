from uuid import UUID, uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property

from accounts.notices import Event
from competitions.models import Competition
from config.core.audit import audited
from leaderboards.documents import FinalRow, disqualified_in, rows_in
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


@audited(
    fields=["competition", "user", "adjustment_points", "disqualified_reason"],
    updates_only=True,
    told_by=["competition"],
)
class Standing(models.Model):
    """Where one person stands in one competition. Totals in base units, as in scoring.Totals."""

    # Without indexes of their own: those below begin with them, and each costs every write of a row.
    competition = models.ForeignKey(Competition, models.CASCADE, related_name="standings", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="standings", db_index=False)

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
    adjustment_points = models.BigIntegerField(default=0, help_text="Added to the score by a correction.")
    disqualified_reason = models.TextField(blank=True)
    on_board = models.BooleanField(default=True, help_text="False for somebody who has left or is disqualified.")
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


@audited(exclude=["document"], told_by=["competition"])
class FinalStandings(models.Model):
    """A competition's standings as they were frozen: number 1 by the clock, each further one a correction with an
    author and a reason. PostgreSQL refuses to change, delete or truncate them.

    ``document`` is canonical JSON (`documents` says of what), ``digest`` the SHA-256 of its UTF-8 bytes in hex. Every
    document holds the digest of the one before it, so none can be exchanged unnoticed.
    """

    competition = models.ForeignKey(Competition, models.PROTECT, related_name="final_standings")
    number = models.PositiveIntegerField()
    document = models.TextField()
    digest = models.CharField(max_length=64)
    previous_digest = models.CharField(max_length=64, blank=True)
    scoring_version = models.PositiveIntegerField()
    frozen_at = models.DateTimeField()
    frozen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: the clock.",
    )
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["competition", "number"]
        verbose_name_plural = "final standings"
        constraints = [
            models.UniqueConstraint(fields=["competition", "number"], name="final_standings_once_per_number"),
            models.CheckConstraint(
                condition=Q(number=1, previous_digest="") | (Q(number__gt=1) & ~Q(previous_digest="")),
                name="final_standings_chained",
            ),
            models.CheckConstraint(
                condition=Q(number=1, reason="") | (Q(number__gt=1, frozen_by__isnull=False) & ~Q(reason="")),
                name="final_standings_correction_signed",
            ),
        ]

    def __str__(self) -> str:
        return f"standings {self.number} of {self.competition_id}"

    @cached_property
    def rows(self) -> tuple[FinalRow, ...]:
        """Best first."""
        return rows_in(self.document)

    @cached_property
    def disqualified(self) -> dict[UUID, str]:
        """Who, and why."""
        return disqualified_in(self.document)


@audited(told_by=["competition"])
class Correction(models.Model):
    """A bonus or, negative, a penalty by staff. PostgreSQL refuses to change, delete or truncate it: what was wrong is
    made good by another one. The sum of a person's corrections is their standing's ``adjustment_points``."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    competition = models.ForeignKey(Competition, models.PROTECT, related_name="corrections", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="corrections")
    points = models.BigIntegerField(help_text="More than the person's totals make; negative: fewer.")
    reason = models.TextField()
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["made_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(points=0),
                name="correction_changes_something",
                violation_error_message="Give or take some points.",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="correction_has_a_reason"),
        ]
        indexes = [
            models.Index(fields=["competition", "user", "made_at"], name="corrections_of_person"),
            models.Index(fields=["-made_at", "id"], name="corrections_lists"),
        ]

    def __str__(self) -> str:
        return f"{self.points:+} for {self.user_id}"


class SpentTicket(models.Model):
    """A one-time ticket that somebody came in with, by the SHA-256 of its text in hex; until it has expired."""

    digest = models.CharField(max_length=64, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.digest[:8]}…"


class Announcement(models.Model):
    """What everybody in a competition is to be told: written in the transaction that causes it, and told person by
    person afterwards, in the order of their ids, as far as ``told_up_to``."""

    competition = models.ForeignKey(Competition, models.CASCADE, related_name="announcements", db_index=False)
    event = models.CharField(max_length=32, choices=[(event.value, event.value.replace("_", " ")) for event in Event])
    number = models.PositiveIntegerField(default=1, help_text="Of the final standings; 1 for what happens once.")
    made_at = models.DateTimeField()
    told_up_to = models.UUIDField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["competition", "event", "number"], name="announced_once")]
        indexes = [models.Index(fields=["made_at"], condition=Q(done_at=None), name="announcements_under_way")]

    def __str__(self) -> str:
        return f"{self.event} of {self.competition_id}"


class Climb(models.Model):
    """Somebody's score has grown: written with the score, and gone as soon as those whom they overtook are told. It
    has no key and no index but its own, as every sync that moves a standing writes one."""

    competition_id = models.UUIDField()
    user_id = models.UUIDField()
    from_score = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.user_id} from {self.from_score}"
