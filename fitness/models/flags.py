from enum import StrEnum
from typing import ClassVar, Self
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Value, When

from competitions.models import Competition
from competitions.policy import Check
from config.core.audit import audited
from fitness.models.samples import DataSource
from fitness.plausibility import Decision, FlagState
from fitness.rules import SampleType


class FlagEventKind(StrEnum):
    OPENED = "opened"
    EVIDENCE = "evidence"  # more of it was found
    APPEALED = "appealed"
    DECIDED = "decided"


def _choices(values: type[StrEnum]) -> list[tuple[str, str]]:
    return [(value.value, value.value.replace("_", " ")) for value in values]


WAITS = Q(state=FlagState.OPEN.value) | Q(appeal_waits=True)
"""For somebody to decide."""
IN_QUEUE = (Case(When(WAITS, then=Value(0)), default=Value(1)).asc(), F("appeal_waits").desc(), F("opened_at").asc())
"""What waits first, appeals before everything, the oldest first."""


class FlagQuerySet(models.QuerySet["Flag"]):
    def waiting(self) -> Self:
        return self.filter(WAITS)


@audited(exclude=["appeal"], told_by=["competition"])
class Flag(models.Model):
    """Something of a participant's day is not plausible, says a check. It changes only while its person is locked.

    What was seen is its evidence, and what happened to it its events: whether a piece of evidence is set aside follows
    from the decisions since it was found.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    competition = models.ForeignKey(Competition, models.PROTECT, related_name="flags", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="flags")
    check_name = models.CharField("check", max_length=16, choices=_choices(Check))
    day = models.DateField(help_text="The competition's day.")
    state = models.CharField(max_length=12, choices=_choices(FlagState), default=FlagState.OPEN.value)
    held = models.BooleanField(default=False, help_text="Something of it does not count until somebody decides.")
    opened_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="decided_flags"
    )
    reason = models.TextField(blank=True, help_text="Of the decision.")
    appeal = models.TextField(blank=True, help_text="What the person says.")
    appealed_at = models.DateTimeField(null=True, blank=True)
    appeal_waits = models.BooleanField(default=False)

    objects: ClassVar[models.Manager["Flag"]] = FlagQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "id"]
        permissions = [("decide_flag", "Can decide flags")]
        constraints = [
            models.UniqueConstraint(
                fields=["competition", "user", "check_name", "day"], name="one_flag_per_check_and_day"
            ),
            models.CheckConstraint(
                condition=Q(state=FlagState.OPEN.value) | Q(decided_at__isnull=False, decided_by__isnull=False),
                name="flag_decision_signed",
            ),
            models.CheckConstraint(
                condition=Q(appealed_at=None, appeal_waits=False, appeal="") | Q(appealed_at__isnull=False),
                name="flag_appeal_has_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["opened_at"], condition=WAITS, name="flags_waiting"),
            models.Index(*IN_QUEUE, name="flags_queue_lists"),
            models.Index(fields=["state", "opened_at"], name="flags_state_lists"),
        ]

    def __str__(self) -> str:
        return f"{self.get_check_name_display()} on {self.day}"

    @property
    def waits(self) -> bool:
        return self.state == FlagState.OPEN or self.appeal_waits

    @property
    def can_be_appealed(self) -> bool:
        """Once, against a decision or a hold."""
        against = self.held or self.state in (FlagState.EXCLUDED, FlagState.DISQUALIFIED)
        return against and self.appealed_at is None


class FlagEvidence(models.Model):
    """What was seen, and which data it is about: samples of a source by their times, or days of daily records by the
    source's name; `plausibility.Hold` says how they are matched."""

    flag = models.ForeignKey(Flag, models.CASCADE, related_name="evidence")
    source = models.ForeignKey(DataSource, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False)
    source_name = models.CharField(max_length=16, blank=True, help_text="Of daily records.")
    type = models.CharField(max_length=16, choices=_choices(SampleType), blank=True)
    start_at = models.DateTimeField(null=True, blank=True)
    end_at = models.DateTimeField(null=True, blank=True, help_text="Exclusive.")
    day = models.DateField(null=True, blank=True, help_text="Of daily records.")
    numbers = models.JSONField(default=dict, help_text="seen, limit, unit, and what else explains them.")
    text = models.TextField()
    held = models.BooleanField(help_text="What the rules said of such data when it was found.")
    found_at = models.DateTimeField()
    other_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="The other account that has the same samples; only staff see it.",
    )

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "evidence"
        constraints = [
            models.CheckConstraint(
                condition=Q(day__isnull=False, start_at=None, end_at=None)
                | Q(day=None, start_at__isnull=False, end_at__isnull=False),
                name="evidence_of_times_or_of_a_day",
            ),
        ]

    def __str__(self) -> str:
        return self.text


class FlagEvent(models.Model):
    """What happened to a flag, written once: PostgreSQL refuses to change, delete or truncate it. What the person says
    in an appeal is not in here but with the flag, so that it can be forgotten."""

    flag = models.ForeignKey(Flag, models.PROTECT, related_name="events")
    kind = models.CharField(max_length=8, choices=_choices(FlagEventKind))
    decision = models.CharField(max_length=10, choices=_choices(Decision), blank=True)
    text = models.TextField(blank=True)
    at = models.DateTimeField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="Empty: the server.",
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind=FlagEventKind.DECIDED.value, by__isnull=False) & ~Q(decision="") & ~Q(text="")
                | ~Q(kind=FlagEventKind.DECIDED.value) & Q(decision=""),
                name="flag_decision_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.decision}".strip()
