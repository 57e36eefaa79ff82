from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString

from competitions.admin.own import ORGANISE, ReadOnlyOfCompetition
from competitions.models import Participant, RulesVersion, Seat, StatusMove
from config.core.admin import ReadOnlyInline, readable_document
from config.core.columns import Column, Money, Number, State

if TYPE_CHECKING:  # unfold has no types; a button of a list is declared as an action is
    from django.contrib.admin import action as button
else:
    from unfold.decorators import action as button


class StatusMoveInline(ReadOnlyInline):
    model = StatusMove
    fields = readonly_fields = ("from_status", "to_status", "moved_at", "moved_by")


class CompetitionAdmin(ReadOnlyOfCompetition):
    """Rules, dates and money change over the API, where they are checked; here one looks. What is done to a competition
    is done on its own page, which says first what it does and asks why."""

    competition = ""

    list_display = (
        "name",
        State("status"),
        Column("kind", "type"),
        "metric",
        Column("start_at", "starts", sorts=True),
        Column("end_at", "ends", sorts=True),
        Number("participant_count", "people"),
        Money("prize_pool_minor", "prize pool"),
        Column("owner", "organiser"),
    )
    list_filter = ("status",)
    found_filters = ("visibility", "kind", "metric")
    search_fields = ("id", "owner")
    search_help_text = "Competition, organiser or id"
    list_select_related = ("owner",)
    ordering = ("-start_at", "id")
    when_empty = "No competition has been made yet."
    inlines = (StatusMoveInline,)
    actions_list = ("new_competition",)

    def has_make_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(ORGANISE) or request.user.has_perm("competitions.add_competition")

    @button(description="New competition", permissions=["make"])
    def new_competition(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:new_competition"))


@admin.register(Participant)
class ParticipantAdmin(ReadOnlyOfCompetition):
    list_display = (
        Column("user", "person"),
        "competition",
        Column("joined_at", "joined"),
        Column("left_at", "left"),
    )
    found_filters = (("left_at", admin.EmptyFieldListFilter),)
    search_fields = ("user", "competition")
    search_help_text = "Person, e-mail or competition"
    list_select_related = ("user", "competition")
    ordering = ("-id",)
    when_empty = "Nobody has joined a competition yet."


@admin.register(Seat)
class SeatAdmin(ReadOnlyOfCompetition):
    list_display = (
        Column("user", "person"),
        "competition",
        State("state"),
        Money("fee_minor", "entry fee"),
        Column("reserved_at", "reserved", sorts=True),
        Column("expires_at", "held until"),
        Column("taken_at", "taken"),
        Column("released_at", "released"),
    )
    found_filters = ("state",)
    search_fields = ("id", "user", "competition")
    search_help_text = "Person, e-mail, competition or id"
    list_select_related = ("user", "competition")
    ordering = ("-reserved_at", "id")
    when_empty = "Nobody has asked for a place in a competition with an entry fee yet."


@admin.register(StatusMove)
class StatusMoveAdmin(ReadOnlyOfCompetition):
    plural = "moves"
    list_display = (
        "competition",
        State("from_status", "from"),
        State("to_status", "to"),
        Column("moved_at", "when"),
        Column("moved_by", "by"),
    )
    found_filters = ("to_status",)
    search_fields = ("competition",)
    search_help_text = "Competition"
    list_select_related = ("competition", "moved_by")
    ordering = ("-id",)
    when_empty = "No competition has moved yet."


@admin.register(RulesVersion)
class RulesVersionAdmin(ReadOnlyOfCompetition):
    plural = "rules"
    list_display = (
        "competition",
        "number",
        Column("made_at", "frozen"),
        Column("made_by", "by"),
        "reason",
        Column("digest", "SHA-256"),
    )
    search_fields = ("competition",)
    search_help_text = "Competition"
    list_select_related = ("competition", "made_by")
    ordering = ("-id",)
    when_empty = "Rules are frozen when a competition starts; none has started yet."
    fields = ("competition", "number", "made_at", "made_by", "reason", "previous_digest", "digest", "readable")
    readonly_fields = ("readable",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RulesVersion]:
        return super().get_queryset(request).defer("document")  # a list shows none of them

    @admin.display(description="document")
    def readable(self, version: RulesVersion) -> SafeString:
        return readable_document(version.document)
