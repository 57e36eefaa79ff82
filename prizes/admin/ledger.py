"""The books, to look at: entries and their accounts, awards, who did what, and what gateways said."""

import json
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.core.admin import Page, ReadOnlyInline
from config.core.columns import Column, Money, Number, YesNo
from config.core.money import money_text
from config.core.tables import SHOWN, Table
from prizes.admin.steps import Book
from prizes.models import (
    Account,
    AccountKind,
    AwardList,
    Entry,
    GatewayEvent,
    PayoutAccount,
    Posting,
    SandboxFault,
    TreasuryAction,
)


class PostingInline(ReadOnlyInline):
    model = Posting
    fields = readonly_fields = ("account", "debit", "credit")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Posting]:
        return super().get_queryset(request).select_related("account")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("prizes.view_entry")  # an entry without its sides says nothing

    @admin.display(empty_value="")
    def debit(self, posting: Posting) -> str | None:
        return money_text(posting.amount_minor, posting.account.currency) if posting.amount_minor > 0 else None

    @admin.display(empty_value="")
    def credit(self, posting: Posting) -> str | None:
        return money_text(-posting.amount_minor, posting.account.currency) if posting.amount_minor < 0 else None


@admin.register(Entry)
class EntryAdmin(Book):
    plural = "ledger entries"
    list_display = (
        Column("created_at", "written", sorts=True),
        Column("kind", "what"),
        "competition",
        Column("user", "person"),
        "note",
        "by",
    )
    found_filters = ("kind",)
    search_fields = ("id", "^key", "user", "competition")
    search_help_text = "Person, competition, or the beginning of an entry's key"
    ordering = ("-created_at", "id")
    when_empty = "No money has moved yet."
    list_select_related = ("competition", "user", "by")
    fields = ("kind", "competition", "user", "note", "by", "created_at", "key")
    inlines = (PostingInline,)


class Balance(Money):
    """What we hold counts up, and what we owe too, though it stands on the other side."""

    def value(self, row: Any) -> int:
        debits: int = row.debits or 0
        return debits if row.kind == AccountKind.CASH else -debits


@admin.register(Account)
class AccountAdmin(Book):
    list_display = (
        Column("kind", "whose money"),
        "gateway",
        "competition",
        Column("user", "person"),
        Balance("debits", "balance"),
    )
    list_filter = ("kind",)
    search_fields = ("competition", "user")
    search_help_text = "Person or competition"
    ordering = ("-id",)
    when_empty = "No money has moved yet, so there is no pot for any."
    list_select_related = ("competition", "user")
    fields = ("kind", "currency", "gateway", "competition", "user", "balance")
    readonly_fields = ("balance",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """A subquery, so that only the accounts of the page are added up."""
        postings = Posting.objects.filter(account=OuterRef("pk")).values("account").annotate(sum=Sum("amount_minor"))
        accounts: QuerySet[Account] = super().get_queryset(request)
        return accounts.annotate(debits=Subquery(postings.values("sum")))

    @admin.display(description="balance")
    def balance(self, account: Account) -> str:
        return money_text(Balance("debits").value(account), account.currency)


@admin.register(AwardList)
class AwardListAdmin(Book):
    plural = "awards"
    list_display = (
        "competition",
        Number("version"),
        Money("pool_minor", "pool"),
        Column("created_at", "calculated"),
        Column("created_by", "by"),
    )
    search_fields = ("competition",)
    search_help_text = "Competition"
    ordering = ("-id",)
    when_empty = "No prizes have been calculated yet."
    list_select_related = ("competition", "created_by")
    fields = (
        "competition",
        "version",
        "money",
        "promised",
        "fees",
        "platform_fee",
        "organiser_part",
        "kept",
        "created_at",
        "created_by",
        "awards",
    )

    @admin.display(description="pool", ordering="pool_minor")
    def money(self, listed: AwardList) -> str:
        return money_text(listed.pool_minor, listed.currency)

    @admin.display(description="promised")
    def promised(self, listed: AwardList) -> str:
        return money_text(listed.promised_minor, listed.currency)

    @admin.display(description="entry fees")
    def fees(self, listed: AwardList) -> str:
        return money_text(listed.fees_minor, listed.currency)

    @admin.display(description="of these the platform's")
    def platform_fee(self, listed: AwardList) -> str:
        return money_text(listed.platform_fee_minor, listed.currency)

    @admin.display(description="of these the organiser's")
    def organiser_part(self, listed: AwardList) -> str:
        return money_text(listed.organiser_minor, listed.currency)

    @admin.display(description="kept of the pool")
    def kept(self, listed: AwardList) -> str:
        return money_text(listed.kept_minor, listed.currency)

    @admin.display(description="awards")
    def awards(self, listed: AwardList) -> Table:
        awards = listed.awards.select_related("user")
        return Table(
            ("rank", "person", "amount"),
            [(a.rank, a.user.name, money_text(a.amount_minor, listed.currency)) for a in awards[:SHOWN]],
            frozenset({0, 2}),
            total=awards.count(),
        )


@admin.register(TreasuryAction)
class TreasuryActionAdmin(Book):
    plural = "treasury actions"
    list_display = (
        Column("done_at", "when"),
        "who",
        "what",
        "competition",
        Column("reason", "why"),
    )
    search_fields = ("competition", "by")
    search_help_text = "Competition, or who did it"
    ordering = ("-id",)
    when_empty = "No treasurer has done anything yet."
    list_select_related = ("competition", "by")
    fields = ("done_at", "who", "what", "competition", "reason", "particulars")
    readonly_fields = ("who", "what", "particulars")

    @admin.display(description="what")
    def what(self, action: TreasuryAction) -> str:
        return action.action.replace("_", " ")

    @admin.display(description="who")
    def who(self, action: TreasuryAction) -> str:
        return action.by.name if action.by else f"key {action.service_key}"

    @admin.display(description="details")
    def particulars(self, action: TreasuryAction) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(action.details, ensure_ascii=False, indent=2))


@admin.register(PayoutAccount)
class PayoutAccountAdmin(Book):
    list_display = (Column("user", "person"), "gateway", YesNo("ready"), Column("updated_at", "last changed"))
    found_filters = ("ready",)
    search_fields = ("user",)
    search_help_text = "Person or e-mail"
    list_select_related = ("user",)
    ordering = ("-id",)
    when_empty = "No winner has connected an account yet."


@admin.register(GatewayEvent)
class GatewayEventAdmin(Book):
    list_display = (Column("received_at", "received"), "gateway", Column("kind", "what"), "event_id", "key")
    search_fields = ("^event_id", "^key")
    search_help_text = "The beginning of an event's id or of our key"
    ordering = ("-id",)
    when_empty = "No gateway has told us anything yet."


@admin.register(SandboxFault)
class SandboxFaultAdmin(Page):
    """What the pretended gateway is told to do wrong; none left to do switches one off."""

    list_display = ("call", "fault", Number("times_left"))
    ordering = ("-id",)
    when_empty = "The pretended gateway does nothing wrong. What it shall do wrong is said here."

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _has_sandbox() and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: SandboxFault | None = None) -> bool:
        return _has_sandbox() and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _has_sandbox() and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: SandboxFault | None = None) -> bool:
        return _has_sandbox() and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: SandboxFault | None = None) -> bool:
        return False


def _has_sandbox() -> bool:
    return "sandbox" in settings.GATEWAYS
