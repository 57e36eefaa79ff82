from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q

from fitness.importers.formats import FORMATS


class ImportState(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


UNFINISHED = (ImportState.WAITING, ImportState.RUNNING)


class Import(models.Model):
    """A file that somebody uploaded, and how far its reading has come. The file lies in the folder of imports under
    the id of this row, until that is finished.

    ``read`` counts what the file was seen to say; all before it is committed, so whoever goes on begins after it.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="imports", db_index=False)
    state = models.CharField(max_length=8, choices=ImportState.choices, default=ImportState.WAITING)
    format = models.CharField(max_length=16, choices=[(known.name, known.title) for known in FORMATS.values()])
    bytes = models.BigIntegerField(help_text="Of the file.")
    bytes_read = models.BigIntegerField(default=0, help_text="How much of the file is stored.")
    read = models.BigIntegerField(default=0)
    accepted = models.BigIntegerField(default=0)
    unchanged = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    problems = models.JSONField(default=list, help_text="The first hundred: where, and what is wrong.")
    reason = models.TextField(blank=True, help_text="Why it failed.")
    attempts = models.IntegerField(default=0, help_text="How many times somebody began to read it.")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(finished_at=None, state__in=UNFINISHED)
                | Q(finished_at__isnull=False) & ~Q(state__in=UNFINISHED),
                name="import_finished_when_it_says_so",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="import_latest"),
            models.Index(fields=["created_at"], condition=Q(state__in=UNFINISHED), name="import_unfinished"),
            models.Index(fields=["-created_at", "id"], name="imports_lists"),
            models.Index(fields=["state", "-created_at"], name="imports_state_lists"),
        ]

    def __str__(self) -> str:
        return f"{self.format} of {self.user_id}: {self.state}"
