from django.contrib import admin
from django.utils.safestring import SafeString

from config.core.admin import ReadOnly, readable_document
from leaderboards.models import Board, FinalStandings, Standing


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


@admin.register(FinalStandings)
class FinalStandingsAdmin(ReadOnly):
    list_display = ("competition", "number", "frozen_at", "frozen_by", "reason", "digest")
    list_filter = ("scoring_version",)
    search_fields = ("competition__name", "digest")
    list_select_related = ("competition", "frozen_by")
    fields = (
        "competition",
        "number",
        "frozen_at",
        "frozen_by",
        "reason",
        "scoring_version",
        "previous_digest",
        "digest",
        "readable",
    )
    readonly_fields = ("readable",)

    @admin.display(description="document")
    def readable(self, standings: FinalStandings) -> SafeString:
        return readable_document(standings.document)
