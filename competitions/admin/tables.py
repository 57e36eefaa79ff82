from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from competitions.admin.own import ORGANISE, ReadOnlyOfCompetition
from competitions.models import Competition, Participant, RulesVersion, Seat, StatusMove
from competitions.services.lifecycle import AlreadyEnded, cancel_competition, publish_competition
from config.core.admin import ReadOnlyInline, readable_document
from config.core.money import money_text

if TYPE_CHECKING:  # unfold has no types; a button of a list is declared as an action is
    from django.contrib.admin import action as button
else:
    from unfold.decorators import action as button


class StatusMoveInline(ReadOnlyInline):
    model = StatusMove
    fields = readonly_fields = ("from_status", "to_status", "moved_at", "moved_by")


class CompetitionAdmin(ReadOnlyOfCompetition):
    """Rules, dates and money change over the API, where they are checked; here one looks, publishes and cancels."""

    competition = ""

    list_display = (
        "name",
        "status",
        "kind",
        "metric",
        "start_at",
        "end_at",
        "participant_count",
        "visibility",
        "pool",
    )
    list_filter = ("status", "visibility", "kind", "metric")
    search_fields = ("name", "id", "owner__name", "owner__email")
    list_select_related = ("owner",)
    inlines = (StatusMoveInline,)
    actions = ("publish", "cancel")
    actions_list = ("new_competition",)

    @admin.display(description="prize pool")
    def pool(self, competition: Competition) -> str:
        return money_text(competition.prize_pool_minor, competition.currency)

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("competitions.change_competition")

    def has_make_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(ORGANISE) or request.user.has_perm("competitions.add_competition")

    @button(description="New competition", permissions=["make"])
    def new_competition(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:new_competition"))

    @admin.action(description="Publish the selected drafts", permissions=["publish"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Competition]) -> None:
        for competition in queryset:
            publish_competition(competition_id=competition.id, by=request.user, now=timezone.now())  # type: ignore[arg-type]
        messages.success(request, "Published.")

    @admin.action(description="Cancel the selected competitions", permissions=["publish"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Competition]) -> None:
        for competition in queryset:
            try:
                cancel_competition(competition_id=competition.id, by=request.user, now=timezone.now())  # type: ignore[arg-type]
                messages.success(request, f"{competition} is cancelled.")
            except AlreadyEnded:
                messages.error(request, f"{competition} has ended and cannot be cancelled.")


@admin.register(Participant)
class ParticipantAdmin(ReadOnlyOfCompetition):
    list_display = ("user", "competition", "joined_at", "left_at")
    list_filter = (("left_at", admin.EmptyFieldListFilter),)
    search_fields = ("user__name", "user__email", "competition__name")
    list_select_related = ("user", "competition")


@admin.register(Seat)
class SeatAdmin(ReadOnlyOfCompetition):
    list_display = ("user", "competition", "state", "fee", "reserved_at", "expires_at", "taken_at", "released_at")
    list_filter = ("state", "currency")
    search_fields = ("id", "user__name", "user__email", "competition__name")
    list_select_related = ("user", "competition")

    @admin.display(description="entry fee")
    def fee(self, seat: Seat) -> str:
        return money_text(seat.fee_minor, seat.currency)


@admin.register(StatusMove)
class StatusMoveAdmin(ReadOnlyOfCompetition):
    list_display = ("competition", "from_status", "to_status", "moved_at", "moved_by")
    list_filter = ("to_status",)
    search_fields = ("competition__name",)
    list_select_related = ("competition", "moved_by")


@admin.register(RulesVersion)
class RulesVersionAdmin(ReadOnlyOfCompetition):
    list_display = ("competition", "number", "made_at", "made_by", "reason", "digest")
    search_fields = ("competition__name", "digest")
    list_select_related = ("competition", "made_by")
    fields = ("competition", "number", "made_at", "made_by", "reason", "previous_digest", "digest", "readable")
    readonly_fields = ("readable",)

    @admin.display(description="document")
    def readable(self, version: RulesVersion) -> SafeString:
        return readable_document(version.document)
