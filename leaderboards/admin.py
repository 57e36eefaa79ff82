from django.contrib import admin

from config.core.admin import ReadOnly
from leaderboards.models import Board, Standing


@admin.register(Board)
class BoardAdmin(ReadOnly):
    list_display = ("competition", "version", "updated_at")
    list_filter = ("competition__status",)
    search_fields = ("competition__name",)
    list_select_related = ("competition",)


@admin.register(Standing)
class StandingAdmin(ReadOnly):
    list_display = ("user", "competition", "score", "steps", "on_board", "reached_at", "last_synced_at")
    list_filter = ("on_board", "competition__status")
    search_fields = ("user__name", "user__email", "competition__name")
    list_select_related = ("user", "competition")
