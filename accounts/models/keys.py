"""What services come in with."""

from uuid import uuid4

from django.contrib.postgres.fields import ArrayField
from django.db import models

from config.core.audit import audited


class Scope(models.TextChoices):
    """What a service key may be good for."""

    ACTIVITY_WRITE = "activity:write", "sync activity for anybody"
    SCORES_WRITE = "scores:write", "report totals for anybody"
    PRIZES_DISTRIBUTE = "prizes:distribute", "distribute prizes"
    OPERATIONS_READ = "operations:read", "read metrics and detailed health"


@audited(exclude=["digest"])
class ServiceKey(models.Model):
    """A key for service-to-service calls. Only its SHA-256 is kept: the key itself has 256 random bits, so there is
    nothing to guess and no need for a slow hash."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True, help_text="Who uses it and for what.")
    prefix = models.CharField(max_length=12, editable=False, help_text="Its first letters, to recognise it by.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope.choices), default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes
