from django.contrib import admin

from config.core.admin import ReadOnly
from fitness.models import Activity, Connection, CountedDay, DataSource, Import, Sample, SupersededActivity


@admin.register(Activity)
class ActivityAdmin(ReadOnly):
    list_display = (
        "user",
        "day",
        "source",
        "steps",
        "distance_mm",
        "energy_cal",
        "active_seconds",
        "synced_at",
    )
    list_filter = ("source",)
    search_fields = ("user__name", "user__email")
    list_select_related = ("user",)


@admin.register(SupersededActivity)
class SupersededActivityAdmin(ReadOnly):
    list_display = ("user", "day", "source", "steps", "distance_mm", "synced_at", "superseded_at")
    list_filter = ("source",)
    search_fields = ("user__name", "user__email")
    list_select_related = ("user",)


@admin.register(Connection)
class ConnectionAdmin(ReadOnly):
    list_display = ("user", "provider", "state", "connected_at", "last_fetched_at", "waits_until", "last_error")
    list_filter = ("provider", "state")
    search_fields = ("user__name", "user__email")
    list_select_related = ("user",)
    exclude = ("tokens",)


@admin.register(DataSource)
class DataSourceAdmin(ReadOnly):
    list_display = ("user", "app", "device", "kind", "synced_at")
    list_filter = ("kind",)
    search_fields = ("user__name", "user__email", "app")
    list_select_related = ("user",)


@admin.register(Sample)
class SampleAdmin(ReadOnly):
    list_display = ("user", "type", "amount", "start_at", "end_at", "source", "recording", "synced_at", "superseded_at")
    list_filter = ("type", "recording", "channel")
    search_fields = ("user__name", "user__email", "external_id")
    list_select_related = ("user", "source")


@admin.register(CountedDay)
class CountedDayAdmin(ReadOnly):
    list_display = ("user", "competition", "day", "steps", "distance_mm", "energy_cal", "active_seconds")
    search_fields = ("user__name", "user__email", "competition__name")
    list_select_related = ("user", "competition")


@admin.register(Import)
class ImportAdmin(ReadOnly):
    list_display = ("user", "format", "state", "bytes", "read", "accepted", "unchanged", "rejected", "created_at")
    list_filter = ("state", "format")
    search_fields = ("user__name", "user__email")
    list_select_related = ("user",)
