from django.db import models

from competitions.models import Competition


class SyncHour(models.Model):
    """How many syncs one connection to PostgreSQL stored in one hour. A row each, so that no sync waits for another's
    count."""

    hour = models.DateTimeField(help_text="When it began.")
    backend = models.IntegerField(help_text="PostgreSQL's process.")
    syncs = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hour", "backend"], name="one_count_per_hour_and_backend")]

    def __str__(self) -> str:
        return f"{self.syncs} from {self.hour} on"


class LeftOut(models.Model):
    """What a competition's rules cut off, worked out from every reading of its participants.

    ``version``: the board's when that began, at ``read_at``; ``document``: what `left_out.LeftOut` says. While it is
    being worked out anew ``people_done`` says how far that is; then it is empty.
    """

    competition = models.OneToOneField(Competition, models.CASCADE, primary_key=True, related_name="+")
    version = models.BigIntegerField(null=True, help_text="Empty: it is worked out for the first time.")
    read_at = models.DateTimeField(null=True)
    document = models.JSONField(null=True)
    people_done = models.PositiveIntegerField(null=True)

    class Meta:
        verbose_name_plural = "left out"

    def __str__(self) -> str:
        return f"left out in {self.competition_id}"
