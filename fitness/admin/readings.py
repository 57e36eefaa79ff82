from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet

from competitions.models import Participant
from config.core.admin import ReadOnly
from config.core.columns import Column, Number, State
from config.core.search import MOST_FOUND, Search
from fitness.models import Activity, Connection, CountedDay, DataSource, Import, Sample, SupersededActivity

_PERSON = Column("user", "person")
_AMOUNTS = (
    Number("steps"),
    Number("distance_mm", "distance (mm)"),
    Number("energy_cal", "energy (cal)"),
    Number("active_seconds", "active (s)"),
)


class OfPerson(ReadOnly):
    """Newest first by their keys: these tables are written all day, and an index for the eye would cost each write."""

    search_fields: ClassVar[tuple[str, ...]] = ("user",)
    search_help_text = "Person, e-mail or a person's id"
    list_select_related: ClassVar[tuple[str, ...]] = ("user",)
    ordering: ClassVar[tuple[str, ...]] = ("-id",)


@admin.register(Activity)
class ActivityAdmin(OfPerson):
    plural = "day totals"
    list_display = (_PERSON, "day", "source", *_AMOUNTS, Column("synced_at", "last sync"))
    found_filters = ("source",)
    when_empty = "No phone has sent the total of a day yet."


@admin.register(SupersededActivity)
class SupersededActivityAdmin(OfPerson):
    plural = "replaced totals"
    list_display = (
        _PERSON,
        "day",
        "source",
        *_AMOUNTS[:2],
        Column("synced_at", "true from"),
        Column("superseded_at", "until"),
    )
    found_filters = ("source",)
    when_empty = "No later reading has replaced a total that a finished competition had counted."


@admin.register(Connection)
class ConnectionAdmin(OfPerson):
    list_display = (
        _PERSON,
        Column("provider", "cloud"),
        State("state"),
        Column("connected_at", "connected"),
        Column("last_fetched_at", "last fetched"),
        Column("waits_until", "waits until"),
        Column("last_error", "last problem"),
    )
    list_filter = ("state",)
    found_filters = ("provider",)
    exclude = ("tokens",)
    when_empty = "Nobody has connected a cloud yet."


@admin.register(DataSource)
class DataSourceAdmin(OfPerson):
    plural = "sources"
    list_display = (_PERSON, "app", "device", "kind", Column("synced_at", "last changed"))
    found_filters = ("kind",)
    when_empty = "No app has sent samples yet."


@admin.register(Sample)
class SampleAdmin(OfPerson):
    list_display = (
        _PERSON,
        "type",
        Number("amount"),
        Column("start_at", "from"),
        Column("end_at", "until"),
        "source",
        "recording",
        Column("synced_at", "arrived"),
        Column("superseded_at", "replaced"),
    )
    found_filters = ("type", "recording", "channel")
    list_select_related = ("user", "source")
    when_empty = "No app has sent samples yet."


@admin.register(CountedDay)
class CountedDayAdmin(OfPerson):
    list_display = (_PERSON, "competition", "day", *_AMOUNTS)
    search_fields = ("user", "competition")
    search_help_text = "Person, e-mail or competition"
    list_select_related = ("user", "competition")
    when_empty = "Nothing has counted in a competition yet."

    def found(self, rows: QuerySet[Any], search: Search) -> QuerySet[Any]:
        """The table's one index begins with the competition: a person's days are looked for in those they were in."""
        people = search.keys_of("user")
        taken_part = Participant.objects.filter(user__in=people).order_by().distinct()
        competitions = list(taken_part.values_list("competition", flat=True)[:MOST_FOUND])
        theirs = Q(competition__in=competitions, user__in=people) | Q(competition=None, user__in=people)
        return rows.filter(theirs | Q(competition__in=search.keys_of("competition")))


@admin.register(Import)
class ImportAdmin(OfPerson):
    list_display = (
        _PERSON,
        "format",
        State("state"),
        Number("bytes"),
        Number("read"),
        Number("accepted"),
        Number("unchanged"),
        Number("rejected"),
        Column("created_at", "sent", sorts=True),
    )
    list_filter = ("state",)
    found_filters = ("format",)
    search_fields = ("id", "user")
    search_help_text = "Person, e-mail or id"
    ordering = ("-created_at", "id")
    when_empty = "Nobody has uploaded a file yet."
