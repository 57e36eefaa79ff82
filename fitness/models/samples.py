from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import Exact

from competitions.models import Competition
from competitions.rules import DeviceKind
from fitness.rules import Channel, Recording, SampleType


class DataSource(models.Model):
    """One app on one device of one person, as samples name it: what is compared with what when days are merged."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="data_sources", db_index=False)
    app = models.CharField(max_length=200, help_text="Such as apple_health, or an app's bundle id.")
    device = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=8, choices=[(kind.value, kind.value) for kind in DeviceKind])
    synced_at = models.DateTimeField(help_text="When something of it last changed.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "app", "device", "kind"], name="data_source_once")]

    def __str__(self) -> str:
        return " ".join(part for part in (self.app, self.device, f"({self.kind})") if part)


class Sample(models.Model):
    """What one source measured between two moments, as it was known from ``synced_at`` until ``superseded_at``, which
    is exclusive and empty for what stands now. What stood once stays: final standings are worked out from it again.

    ``amount`` is in the base units of scoring.Totals. An edit is a new row with a larger ``version``.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="samples", db_index=False)
    source = models.ForeignKey(DataSource, models.CASCADE, related_name="samples", db_index=False)
    external_id = models.CharField(max_length=200, help_text="The sender's id of the sample.")
    version = models.BigIntegerField(default=0, help_text="The sender's; the larger one stands.")
    channel = models.CharField(max_length=16, choices=[(channel.value, channel.value) for channel in Channel])
    type = models.CharField(max_length=16, choices=[(type_.value, type_.value) for type_ in SampleType])
    start_at = models.DateTimeField()
    end_at = models.DateTimeField(help_text="Exclusive.")
    amount = models.BigIntegerField(help_text="Steps, millimetres, small calories or seconds.")
    recording = models.CharField(max_length=9, choices=[(value.value, value.value) for value in Recording])
    zone = models.CharField(max_length=64, help_text="Where the person was: an IANA zone or an offset such as +13:00.")
    synced_at = models.DateTimeField(help_text="When it arrived.")
    superseded_at = models.DateTimeField(null=True, blank=True)
    removed_by_window = models.BooleanField(
        default=False, help_text="Superseded because a window that was said to be complete did not have it."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "external_id"], condition=Q(superseded_at=None), name="one_current_sample_per_id"
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="sample_not_negative"),
            models.CheckConstraint(condition=Q(end_at__gt=F("start_at")), name="sample_ends_after_start"),
        ]
        indexes = [
            models.Index(fields=["user", "start_at"], name="sample_by_start"),
            models.Index(  # as plausibility.bears_witness
                fields=["start_at", "amount"],
                condition=Q(Exact(F("amount") % 8, 5), superseded_at=None, amount__gte=100),
                name="sample_bearing_witness",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.type} of {self.user_id} from {self.start_at}"


class Tombstone(models.Model):
    """A sample that its person deleted. No version of it, sent before or after, stands any more."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tombstones", db_index=False)
    external_id = models.CharField(max_length=200)
    deleted_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "external_id"], name="one_tombstone_per_sample")]

    def __str__(self) -> str:
        return f"{self.external_id} of {self.user_id}"


class SourcePreference(models.Model):
    """Which kinds of devices a person trusts more, best first, from ``since_at`` on; the latest one stands."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="source_preferences")
    kinds = ArrayField(models.CharField(max_length=8))
    since_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["user", "-since_at"], name="preference_latest")]

    def __str__(self) -> str:
        return f"{self.user_id}: {' > '.join(self.kinds)}"


class CountedDay(models.Model):
    """What of somebody's day counts in a competition, its sources merged and the rules applied; or, without one, for
    the person themselves, where everything does. They add up to a participant's synced totals. A day on which nothing
    counts may have no row."""

    competition = models.ForeignKey(
        Competition, models.CASCADE, null=True, blank=True, related_name="counted_days", db_index=False
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="counted_days", db_index=False)
    day = models.DateField()
    steps = models.BigIntegerField()
    distance_mm = models.BigIntegerField()
    energy_cal = models.BigIntegerField()
    active_seconds = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["competition", "user", "day"], nulls_distinct=False, name="one_counted_day_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} of {self.user_id} in {self.competition_id or 'all'}"
