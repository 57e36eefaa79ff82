"""What people were told and how it went, to look at. Whose rows they are says a name; addresses, tokens and whole
numbers are nobody's business here.

Organisers see none of it: what somebody is told about prizes, flags and their own days is theirs. How many were reached
stands on the page of their competition.
"""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Delivery, Device, Notification, Phone, Suppression
from accounts.services.delivering import retry_deliveries
from config.core.admin import ReadOnly
from config.core.columns import Column, Number, State, YesNo
from config.core.search import MOST_FOUND, Search

RETRY = "accounts.change_delivery"


def _about(notification: Notification) -> str:
    return str(notification.data.get("competition") or "–")


@admin.register(Notification)
class NotificationAdmin(ReadOnly):
    list_display = (
        Column("user", "who"),
        Column("event"),
        "competition",
        Column("created_at", "told"),
        YesNo("listed", "in the app"),
        Column("read_at", "read"),
    )
    list_select_related = ("user",)
    found_filters = ("event",)
    search_fields = ("id", "user")
    search_help_text = "Name or e-mail of the person, or a whole id"
    ordering = ("-created_at", "-id")
    when_empty = "Nobody has been told anything yet."
    fields = readonly_fields = (
        "id",
        "user",
        "event",
        "competition",
        "competition_id",
        "data",
        "listed",
        "created_at",
        "expires_at",
        "read_at",
    )

    @admin.display(description="competition")
    def competition(self, notification: Notification) -> str:
        return _about(notification)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = (
        "who",
        "event",
        "competition",
        Column("channel"),
        State("state"),
        "reason",
        Number("attempts"),
        Column("due_at", "not before"),
        Column("done_at", "done"),
    )
    list_select_related = ("notification__user",)
    list_filter = ("state",)
    found_filters = ("channel",)
    search_fields = ("id",)
    search_help_text = "Name or e-mail of the person, or a whole id"
    ordering = ("-due_at", "id")
    when_empty = "Nothing has been sent to anybody yet."
    fields = readonly_fields = (
        "id",
        "who",
        "event",
        "competition",
        "channel",
        "digest",
        "state",
        "reason",
        "attempts",
        "due_at",
        "done_at",
        "provider_id",
    )
    actions = ("retry",)

    def found(self, rows: QuerySet[Any], search: Search) -> QuerySet[Any]:
        """A delivery has no words of its own; it is for whom its notification is for."""
        of_person = Search(Notification, ("id", "user"), search.text, search.rows_of)
        told = Notification.objects.filter(of_person.condition).order_by("-created_at").values_list("id", flat=True)
        condition = search.condition | Q(notification__in=list(told[:MOST_FOUND]))
        search.has_more |= of_person.has_more
        return rows.filter(condition)

    @admin.display(description="who")
    def who(self, delivery: Delivery) -> str:
        return str(delivery.notification.user)

    @admin.display(description="event")
    def event(self, delivery: Delivery) -> str:
        return delivery.notification.get_event_display()

    @admin.display(description="competition")
    def competition(self, delivery: Delivery) -> str:
        return _about(delivery.notification)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(RETRY)

    @admin.action(description="Try again what has failed", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        chosen = list(queryset.values_list("id", flat=True))
        count = retry_deliveries(delivery_ids=chosen, by=str(request.user.pk), now=timezone.now())
        if count:
            messages.success(request, f"{count} of {len(chosen)} wait to be sent again.")
        if count < len(chosen):
            left = len(chosen) - count
            messages.warning(request, f"{left} had not failed, or are of no use any more, and stay as they are.")


@admin.register(Device)
class DeviceAdmin(ReadOnly):
    """Without the token: whoever has that can write to the device."""

    list_display = (Column("user", "whose"), Column("platform"), Column("added_at", "added"), Column("seen_at", "seen"))
    list_select_related = ("user",)
    search_fields = ("id", "user")
    search_help_text = "Name or e-mail of the person, or a whole id"
    ordering = ("id",)
    when_empty = "Nobody has a device that takes push messages yet."
    fields = readonly_fields = ("id", "user", "platform", "added_at", "seen_at")


@admin.register(Phone)
class PhoneAdmin(ReadOnly):
    list_display = (Column("user", "whose"), "ends_in", Column("verified_at", "verified"))
    list_select_related = ("user",)
    search_fields = ("user",)
    search_help_text = "Name or e-mail of the person"
    ordering = ("user_id",)
    when_empty = "Nobody has given a phone number yet."
    fields = readonly_fields = ("user", "ends_in", "code_sent_at", "verified_at")

    @admin.display(description="number")
    def ends_in(self, phone: Phone) -> str:
        return f"…{phone.number[-3:]}"


@admin.register(Suppression)
class SuppressionAdmin(ReadOnly):
    """Addresses are kept as digests only, so nobody can read here whose they are."""

    list_display = (Column("channel"), "reason", Column("since"))
    ordering = ("-id",)
    when_empty = "No address is closed to us: no mail has come back, and nobody has said stop."
    fields = readonly_fields = ("channel", "reason", "since")
