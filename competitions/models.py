from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self
from uuid import UUID, uuid4

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from competitions import rules
from competitions.policy import DayBoundary, Policy, policy_of
from competitions.rules import Kind, Metric, ScoreSource, SeatState, Status, TieRule, Visibility
from config.core.audit import audited
from config.core.search import WordIndex


def _choices(values: type[StrEnum]) -> list[tuple[str, str]]:
    return [(value.value, value.value.replace("_", " ")) for value in values]


class CompetitionQuerySet(models.QuerySet["Competition"]):
    def visible_to(self, user_id: UUID) -> Self:
        """What a signed-in person may see: everything published but private, what they own or take part in, and what
        they are paying for."""
        here = Participant.objects.filter(competition=models.OuterRef("pk"), user_id=user_id, left_at=None)
        paying = Seat.objects.filter(competition=models.OuterRef("pk"), user_id=user_id, state=SeatState.RESERVED)
        published = ~Q(published_at=None)
        shown = published & ~Q(visibility=Visibility.PRIVATE)
        inside = models.Exists(here) | models.Exists(paying)
        return self.filter(shown | Q(owner_id=user_id) | (published & inside))

    def accepting(self, now: datetime) -> Self:
        """Those that activity still counts in, by their dates: the stored status may lag a few seconds. Once it says
        completed the standings are frozen, and whoever asked for the time before that and then waited is too late."""
        still_open = self.filter(cancelled_at=None, published_at__isnull=False, closes_at__gt=now)
        return still_open.exclude(status=Status.COMPLETED)

    def with_status(self, status: Status, now: datetime) -> Self:
        """Those that `rules.status_at` puts there now; said in SQL so that the database can page through them."""
        live = Q(cancelled_at=None, published_at__isnull=False)
        asked = {
            Status.CANCELLED: Q(cancelled_at__isnull=False),
            Status.DRAFT: Q(cancelled_at=None, published_at=None),
            Status.UPCOMING: live & Q(start_at__gt=now),
            Status.ACTIVE: live & Q(start_at__lte=now, end_at__gt=now),
            Status.ENDED: live & Q(end_at__lte=now, closes_at__gt=now),
            Status.COMPLETED: live & Q(end_at__lte=now, closes_at__lte=now),
        }
        return self.filter(asked[status])


@audited(exclude=["participant_count", "reserved_count", "join_code", "updated_at"])
class Competition(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="owned_competitions")
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=5000)

    kind = models.CharField("type", max_length=8, choices=_choices(Kind), default=Kind.CUSTOM)
    timezone = models.CharField(max_length=64, default="UTC", help_text="IANA zone: what “a day” means here.")
    start_at = models.DateTimeField()
    end_at = models.DateTimeField(help_text="Exclusive.")
    starts_on = models.DateField(editable=False, help_text="First day that counts, in the competition's zone.")
    last_on = models.DateField(editable=False, help_text="Last day that counts, included.")
    grace_hours = models.PositiveSmallIntegerField(
        default=24, help_text="How long after the end late phones may still send what was measured before it."
    )
    closes_at = models.DateTimeField(editable=False, help_text="When the grace is over.")

    metric = models.CharField(max_length=16, choices=_choices(Metric), default=Metric.STEPS)
    weights = models.JSONField(
        default=dict,
        blank=True,
        help_text="For the weighted metric: points per step, metre, kcal, minute, as text.",
    )
    score_source = models.CharField(max_length=8, choices=_choices(ScoreSource), default=ScoreSource.EITHER)
    tie_rule = models.CharField(max_length=16, choices=_choices(TieRule), default=TieRule.FIRST_TO_REACH)
    stored_policy = models.JSONField(
        "policy",
        default=dict,
        blank=True,
        help_text="What of policy.Policy is not as by default.",
    )
    rules_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="The newest of its frozen rules; 0 before the start."
    )

    visibility = models.CharField(max_length=8, choices=_choices(Visibility), default=Visibility.OPEN)
    join_code = models.CharField(max_length=16, editable=False, unique=True)
    max_participants = models.PositiveIntegerField(null=True, blank=True)
    participant_count = models.PositiveIntegerField(default=0, editable=False)
    reserved_count = models.PositiveIntegerField(default=0, editable=False, help_text="Seats held but not yet paid.")

    currency = models.CharField(max_length=3, default="USD")
    entry_fee_minor = models.BigIntegerField(default=0, help_text="In the currency's minor unit.")
    prize_pool_minor = models.BigIntegerField(default=0, help_text="In the currency's minor unit.")
    funded_minor = models.BigIntegerField(
        default=0, editable=False, help_text="What of the pool a treasurer has confirmed to be there."
    )

    status = models.CharField(max_length=10, choices=_choices(Status), default=Status.DRAFT, editable=False)
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    cancelled_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager["Competition"]] = CompetitionQuerySet.as_manager()

    class Meta:
        ordering = ["-start_at", "id"]
        permissions = [("organise_own", "Can run competitions of their own in the panel")]
        constraints = [
            models.CheckConstraint(condition=Q(end_at__gt=F("start_at")), name="competition_ends_after_start"),
            models.CheckConstraint(condition=Q(last_on__gte=F("starts_on")), name="competition_days_in_order"),
            models.CheckConstraint(
                condition=Q(entry_fee_minor__gte=0, prize_pool_minor__gte=0),
                name="competition_money_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(max_participants=None)
                | Q(max_participants__gte=F("participant_count") + F("reserved_count")),
                name="competition_not_overfull",
            ),
        ]
        indexes = [
            models.Index(fields=["-start_at", "id"]),
            models.Index(fields=["status", "-start_at"]),
            models.Index(fields=["owner"]),
            models.Index(
                fields=["closes_at"],
                condition=~Q(status__in=["completed", "cancelled", "draft"]),
                name="competition_still_moving",
            ),
            models.Index(fields=["-end_at"], name="competitions_end_lists"),
            models.Index(
                fields=["-end_at"],
                condition=Q(funded_minor__lt=F("prize_pool_minor"), cancelled_at=None, published_at__isnull=False),
                name="competitions_short_lists",
            ),
            models.Index(
                fields=["-end_at"],
                condition=Q(prize_pool_minor__gt=0) | Q(entry_fee_minor__gt=0),
                name="competitions_stake_lists",
            ),
            WordIndex("name", name="competitions_search"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def policy(self) -> Policy:
        return policy_of(self.stored_policy)

    @property
    def day_zone(self) -> str | None:
        """Whose midnights divide the days that count; None: those of where each participant was."""
        zones = {DayBoundary.COMPETITION: self.timezone, DayBoundary.UTC: "UTC"}
        return zones.get(self.policy.day_boundary)

    @property
    def money_at_stake(self) -> bool:
        return bool(self.entry_fee_minor or self.prize_pool_minor)

    @property
    def prize_pool_funded(self) -> bool:
        return self.funded_minor >= self.prize_pool_minor

    def status_at(self, now: datetime) -> Status:
        """Where it stands by its dates, whatever is stored."""
        return rules.status_at(
            now,
            published=self.published_at is not None,
            cancelled=self.cancelled_at is not None,
            start_at=self.start_at,
            end_at=self.end_at,
            closes_at=self.closes_at,
        )


class Participant(models.Model):
    competition = models.ForeignKey(Competition, models.CASCADE, related_name="participants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="participations")
    joined_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["joined_at", "id"]
        constraints = [models.UniqueConstraint(fields=["competition", "user"], name="one_participation_per_person")]
        indexes = [
            models.Index(
                fields=["competition", "joined_at", "id"], condition=Q(left_at=None), name="participants_here"
            ),
            models.Index(fields=["user"], condition=Q(left_at=None), name="participations_of_person"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.competition_id}"


class Seat(models.Model):
    """A place in a competition with an entry fee: held while its person pays, taken once the money is there. It
    changes only while its competition's row is locked, and stays for good: money hangs on it."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    competition = models.ForeignKey(Competition, models.PROTECT, related_name="seats")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="seats")
    state = models.CharField(max_length=8, choices=_choices(SeatState), default=SeatState.RESERVED)
    fee_minor = models.BigIntegerField(help_text="In the currency's minor unit, as it was when the seat was reserved.")
    currency = models.CharField(max_length=3)
    reserved_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="Until when it is held without being paid.")
    taken_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(
        null=True, blank=True, help_text="When its person left: money that comes later goes back."
    )

    class Meta:
        ordering = ["reserved_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["competition", "user"],
                condition=Q(state__in=[SeatState.RESERVED, SeatState.TAKEN]),
                name="one_seat_per_person",
            ),
            models.CheckConstraint(condition=Q(fee_minor__gt=0), name="seat_costs_something"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("reserved_at")), name="seat_is_held_for_a_while"),
            models.CheckConstraint(
                condition=Q(state=SeatState.RESERVED, taken_at=None, released_at=None)
                | Q(state=SeatState.TAKEN, taken_at__isnull=False, released_at=None)
                | Q(state=SeatState.RELEASED, released_at__isnull=False),
                name="seat_times_tell_its_state",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state=SeatState.RESERVED), name="seats_waiting_for_money"),
            models.Index(fields=["-reserved_at", "id"], name="seats_lists"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.competition_id}, {self.state}"


@audited(exclude=["document"], told_by=["competition"])
class RulesVersion(models.Model):
    """A competition's rules as they were frozen: number 1 when it starts, by the clock, each further one a change with
    an author and a reason. PostgreSQL refuses to change, delete or truncate them.

    ``document`` is canonical JSON (`documents` says of what), ``digest`` the SHA-256 of its UTF-8 bytes in hex. Every
    document holds the digest of the one before it, so none can be exchanged unnoticed.
    """

    competition = models.ForeignKey(Competition, models.PROTECT, related_name="rules_versions", db_index=False)
    number = models.PositiveIntegerField()
    document = models.TextField()
    digest = models.CharField(max_length=64)
    previous_digest = models.CharField(max_length=64, blank=True)
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", help_text="Empty: the clock."
    )
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["competition", "number"]
        constraints = [
            models.UniqueConstraint(fields=["competition", "number"], name="rules_once_per_number"),
            models.CheckConstraint(
                condition=Q(number=1, previous_digest="") | (Q(number__gt=1) & ~Q(previous_digest="")),
                name="rules_chained",
            ),
            models.CheckConstraint(
                condition=Q(number=1, made_by=None, reason="")
                | (Q(number__gt=1, made_by__isnull=False) & ~Q(reason="")),
                name="rules_change_signed",
            ),
        ]

    def __str__(self) -> str:
        return f"rules {self.number} of {self.competition_id}"


class StatusMove(models.Model):
    """One move of a competition's status; written once, never changed."""

    competition = models.ForeignKey(Competition, models.CASCADE, related_name="status_moves")
    from_status = models.CharField(max_length=10, choices=_choices(Status), blank=True)
    to_status = models.CharField(max_length=10, choices=_choices(Status))
    moved_at = models.DateTimeField()
    moved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        help_text="Empty: its dates moved it.",
    )

    class Meta:
        ordering = ["moved_at", "id"]

    def __str__(self) -> str:
        return f"{self.from_status or 'new'} → {self.to_status}"
