"""What people are told, how they want to hear of it, and the outbox of what is still to be sent."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.notices import Channel, Event


def _choices(values: type[Event] | type[Channel] | type["DeliveryState"]) -> list[tuple[str, str]]:
    return [(value.value, value.value.replace("_", " ")) for value in values]


class Notification(models.Model):
    """Something that a person is told once: in the app, where this row is what they see, and by the deliveries of it.

    ``data``: what the text needs beyond the person: numbers, ids, names of competitions; never anybody's name or
    address, which would outlive them. ``competition_id`` refers to a competition without a key, as competitions lie
    above accounts.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notifications", db_index=False)
    event = models.CharField(max_length=32, choices=_choices(Event))
    competition_id = models.UUIDField(null=True, blank=True)
    data = models.JSONField(default=dict, blank=True)
    dedupe_key = models.CharField(max_length=200, help_text="The same for what a person is to be told once.")
    listed = models.BooleanField(help_text="Whether the app shows it.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When it is of no use any more.")
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["user", "dedupe_key"], name="told_once")]
        indexes = [
            models.Index(
                fields=["user", "-created_at", "-id"], condition=Q(listed=True), name="notifications_of_person"
            ),
            models.Index(fields=["user"], condition=Q(listed=True, read_at=None), name="notifications_unread"),
            models.Index(fields=["competition_id", "event"], name="notifications_about"),
            models.Index(fields=["-created_at", "-id"], name="notifications_lists"),
        ]

    def __str__(self) -> str:
        return f"{self.event} for {self.user_id}"


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "waiting"
    SENDING = "sending", "being sent"
    UNKNOWN = "unknown", "unknown whether it was sent"
    SENT = "sent", "sent"
    FAILED = "failed", "failed"
    DROPPED = "dropped", "not sent any more"


class Device(models.Model):
    """Where push messages go: one installation of an app or a browser."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="devices")
    token = models.CharField(max_length=4096, help_text="The push service's name for it.")
    platform = models.CharField(max_length=16, choices=[("android", "Android"), ("ios", "iOS"), ("web", "browser")])
    added_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(models.functions.MD5("token"), name="one_device_per_token")]

    def __str__(self) -> str:
        return f"{self.platform} of {self.user_id}"


class Delivery(models.Model):
    """One message of a notification to one address, waiting or done with: the outbox.

    Whoever sends it first commits that it is being sent. What is left so by a process that died, and what a provider
    gave no answer about, may have been sent: it is looked up or waited for before it is sent again.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    notification = models.ForeignKey(Notification, models.CASCADE, related_name="deliveries", db_index=False)
    channel = models.CharField(max_length=8, choices=_choices(Channel))
    device = models.ForeignKey(Device, models.SET_NULL, null=True, blank=True, related_name="+")
    digest = models.BooleanField(default=False, help_text="Sent with others in one letter a day.")
    letter_id = models.UUIDField(
        null=True, blank=True, help_text="Of a digest: the first of the deliveries that went into the same letter."
    )
    state = models.CharField(max_length=8, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    due_at = models.DateTimeField(help_text="Not before that; of one in flight: when somebody looks after it.")
    attempts = models.PositiveSmallIntegerField(default=0)
    provider_id = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=300, blank=True, help_text="Why it failed or waits again.")
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            # Of devices that are gone there may be several.
            models.UniqueConstraint(fields=["notification", "channel", "device"], name="one_delivery_per_device"),
            models.UniqueConstraint(
                fields=["notification", "channel"], condition=~Q(channel="push"), name="one_delivery_per_channel"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(state__in=["waiting", "sending", "unknown"]), name="deliveries_due"
            ),
            models.Index(fields=["-due_at", "id"], name="deliveries_lists"),
            models.Index(fields=["state", "-due_at", "id"], name="deliveries_by_state"),
            models.Index(fields=["letter_id"], condition=~Q(letter_id=None), name="deliveries_of_letter"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} of {self.notification_id}, {self.state}"


class Phone(models.Model):
    """Where text messages go, once its owner has sent back the code that was sent there."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="phone")
    number = models.CharField(max_length=16, help_text="E.164.")
    code_sent_at = models.DateTimeField(editable=False)
    code_guesses = models.PositiveSmallIntegerField(default=0, editable=False)
    verified_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"phone of {self.user_id}"


class NotificationSettings(models.Model):
    """A person's quiet hours and digest, in their own zone; whoever has no row has neither."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="notification_settings"
    )
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    digest_at = models.TimeField(null=True, blank=True, help_text="When the one letter of a day comes.")

    class Meta:
        verbose_name_plural = "notification settings"
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None) | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="quiet_hours_have_two_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"notification settings of {self.user_id}"


class NotificationPreference(models.Model):
    """Where somebody wants it otherwise than by default."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="notification_preferences", db_index=False
    )
    event = models.CharField(max_length=32, choices=_choices(Event))
    channel = models.CharField(max_length=8, choices=_choices(Channel))
    wanted = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "event", "channel"], name="one_preference_each")]

    def __str__(self) -> str:
        return f"{self.event} by {self.channel}: {self.wanted}"


class Suppression(models.Model):
    """An address that is not written to any more: mail came back from it, or its owner said stop. Only a keyed digest
    of it is kept, so that it can outlive the person who had it."""

    channel = models.CharField(max_length=8, choices=_choices(Channel))
    address_digest = models.CharField(max_length=64)
    reason = models.CharField(max_length=300)
    since = models.DateTimeField()
    account_too = models.BooleanField(default=True, help_text="Also by what is about the account itself.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "address_digest"], name="suppressed_once")]

    def __str__(self) -> str:
        return f"{self.channel} {self.address_digest[:8]}…"
