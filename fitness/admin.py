from django.contrib import admin

from config.core.admin import ReadOnly
from fitness.models import Activity, Connection, SupersededActivity


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
