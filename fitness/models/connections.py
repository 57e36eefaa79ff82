from django.conf import settings
from django.db import models
from django.db.models import Q

from fitness.clouds.base import ConnectionState
from fitness.rules import Channel

_CLOUDS = [(channel.value, channel.value) for channel in (Channel.GOOGLE_HEALTH, Channel.GOOGLE_FIT)]


class Connection(models.Model):
    """A cloud that fetches a person's activity, and how far. Tokens are encrypted (`fitness.clouds.vault`), and there
    are none where there is no consent."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="connections", db_index=False)
    provider = models.CharField(max_length=16, choices=_CLOUDS)
    account = models.CharField(max_length=128, blank=True, help_text="The cloud's own id of the person, if it has one.")
    state = models.CharField(max_length=13, choices=[(state.value, state.value) for state in ConnectionState])
    tokens = models.TextField(blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Until when the access token is good.")
    connected_at = models.DateTimeField()
    fetched_until = models.DateTimeField(null=True, blank=True, help_text="Everything before has been asked for once.")
    last_fetched_at = models.DateTimeField(null=True, blank=True, help_text="When the last good fetch began.")
    last_notified_at = models.DateTimeField(null=True, blank=True, help_text="When the cloud last reported news.")
    waits_until = models.DateTimeField(null=True, blank=True, help_text="Nothing is asked for before.")
    claimed_until = models.DateTimeField(
        null=True, blank=True, help_text="A fetch is under way, unless its worker died."
    )
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    last_error = models.CharField(max_length=200, blank=True, help_text="A sentence for the person.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "provider"], name="one_connection_per_cloud"),
            models.UniqueConstraint(
                fields=["provider", "account"], condition=~Q(account=""), name="one_person_per_cloud_account"
            ),
            models.CheckConstraint(
                condition=Q(state__in=("connected", "failing")) | Q(tokens=""), name="no_tokens_without_consent"
            ),
        ]
        indexes = [
            models.Index(
                fields=["last_fetched_at"],
                condition=Q(state__in=("connected", "failing")),
                name="connection_to_fetch",
            ),
            models.Index(fields=["state", "-id"], condition=~Q(state="connected"), name="connections_lists"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} of {self.user_id}: {self.state}"


class PendingAuthorisation(models.Model):
    """Somebody was sent to a cloud to consent, and has not come back. ``state_hash``: SHA-256 of the OAuth state, which
    only their browser knows; ``verifier``: that of PKCE, encrypted."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    provider = models.CharField(max_length=16, choices=_CLOUDS)
    state_hash = models.CharField(max_length=64, unique=True)
    verifier = models.TextField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "provider"], name="one_pending_authorisation_per_cloud")]
        indexes = [models.Index(fields=["expires_at"], name="pending_authorisation_expiry")]

    def __str__(self) -> str:
        return f"{self.provider} of {self.user_id} until {self.expires_at}"
