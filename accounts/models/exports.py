from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q


class ExportState(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


UNFINISHED = (ExportState.WAITING, ExportState.RUNNING)


class Export(models.Model):
    """A file of everything that is known of a person, asked for by them; one at a time. It lies in the private storage
    under ``file_name``, which nobody can guess and which is decided before anything is written: whatever a worker that
    died left there is found by this row.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="export")
    state = models.CharField(max_length=8, choices=ExportState.choices, default=ExportState.WAITING)
    file_name = models.CharField(max_length=100, unique=True)
    bytes = models.BigIntegerField(null=True, help_text="Of the file that is ready.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How many times somebody began to write it.")
    requested_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True, help_text="When the file is removed.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state=ExportState.READY, bytes__isnull=False, expires_at__isnull=False)
                | ~Q(state=ExportState.READY) & Q(bytes=None, expires_at=None),
                name="export_ready_has_a_file",
            ),
            models.CheckConstraint(
                condition=Q(finished_at=None, state__in=UNFINISHED)
                | Q(finished_at__isnull=False) & ~Q(state__in=UNFINISHED),
                name="export_finished_when_it_says_so",
            ),
        ]
        indexes = [models.Index(fields=["requested_at"], condition=Q(state__in=UNFINISHED), name="exports_unfinished")]

    def __str__(self) -> str:
        return f"export of {self.user_id}: {self.state}"
