"""The treasurer's panel. Everything is read-only; what moves money asks first, and says why and who for ever."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import User
from config.core.admin import ReadOnly
from config.core.errors import Refusal
from config.core.money import to_decimal
from leaderboards.queries import final_standings
from leaderboards.settling import settle_competition
from prizes import queries
from prizes.actors import Actor
from prizes.api.permissions import TREASURER
from prizes.api.serializers import plan_on_wire
from prizes.calculation import calculate
from prizes.forms import FundingForm, ReasonForm, ReferenceForm
from prizes.models import (
    Account,
    AwardList,
    Entry,
    GatewayEvent,
    Payment,
    PayoutAccount,
    Posting,
    SandboxFault,
    Settlement,
    Transfer,
    TransferMove,
    TreasuryAction,
)
from prizes.services.audit import record_action
from prizes.services.distribution import approve_distribution, award_prizes, distribute_prizes
from prizes.services.fees import mark_payment_paid, refund_competition
from prizes.services.funding import confirm_funding
from prizes.services.transfers import mark_transfer_paid, retry_transfer

Carry = Callable[[Any, Actor, Mapping[str, Any]], object]


@dataclass(frozen=True)
class Step:
    """Something a treasurer can do to a row: its address, what the button says, what it will do, and what it asks."""

    name: str
    label: str
    effect: str
    carry_out: Carry
    form: type[Form] = ReasonForm


class WithSteps(ReadOnly):
    """A read-only page with buttons; each leads to a page that says what will happen and asks for the reason."""

    steps: Sequence[Step] = ()
    change_form_template = "admin/prizes/with_steps.html"

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_step"
        ours = path("<path:object_id>/step/<slug:step>/", self.admin_site.admin_view(self.step_view), name=name)
        return [ours, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["steps"] = self.steps if request.user.has_perm(TREASURER) else ()
        return super().render_change_form(request, context, *args, **kwargs)

    def step_view(self, request: HttpRequest, object_id: str, step: str) -> HttpResponse:
        chosen = next((known for known in self.steps if known.name == step), None)
        row = self.get_object(request, object_id)
        if chosen is None or row is None or not request.user.has_perm(TREASURER):
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        form = chosen.form(request.POST or None, **self.form_options(row, chosen))
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])
        if request.method == "POST" and form.is_valid() and self._carried_out(request, chosen, row, form):
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": chosen.label,
            "step": chosen,
            "row": row,
            "form": form,
            "back": back,
        }
        return TemplateResponse(request, "admin/prizes/step.html", context)

    def form_options(self, row: Any, step: Step) -> dict[str, Any]:
        return {}

    def _carried_out(self, request: HttpRequest, step: Step, row: Any, form: Form) -> bool:
        assert isinstance(request.user, User)
        try:
            step.carry_out(row, Actor(request.user), form.cleaned_data)
        except Refusal as refusal:
            complaints = [text for texts in (refusal.details or {}).values() for text in texts]
            form.add_error(None, " ".join([refusal.message, *complaints]))
            return False
        messages.success(request, f"{step.label}: done.")
        return True


def _settle(row: Settlement, actor: Actor, answers: Mapping[str, Any]) -> None:
    settle_competition(competition_id=row.id, now=timezone.now())
    _recorded("settle", row, actor, answers)


def _calculate(row: Settlement, actor: Actor, answers: Mapping[str, Any]) -> None:
    award_prizes(competition_id=row.id, actor=actor, now=timezone.now())
    _recorded("calculate", row, actor, answers)


def _recorded(action: str, row: Settlement, actor: Actor, answers: Mapping[str, Any]) -> None:
    record_action(competition_id=row.id, action=action, actor=actor, reason=answers["reason"], now=timezone.now())


def _fund(row: Settlement, actor: Actor, answers: Mapping[str, Any]) -> None:
    confirm_funding(
        competition_id=row.id,
        amount_minor=answers["amount"],
        reference=answers["reference"],
        from_reserve=answers["from_reserve"],
        reason=answers["reason"],
        actor=actor,
        now=timezone.now(),
    )


def _distribute(row: Settlement, actor: Actor, answers: Mapping[str, Any]) -> None:
    distribute_prizes(competition_id=row.id, actor=actor, reason=answers["reason"], now=timezone.now())


def _approve(row: Settlement, actor: Actor, answers: Mapping[str, Any]) -> None:
    approve_distribution(competition_id=row.id, actor=actor, reason=answers["reason"], now=timezone.now())


def _refund(row: Settlement, actor: Actor, answers: Mapping[str, Any]) -> None:
    refund_competition(competition_id=row.id, actor=actor, reason=answers["reason"], now=timezone.now())


@admin.register(Settlement)
class SettlementAdmin(WithSteps):
    """A competition's money: its standings, its plan, what everybody gets, and how far that is."""

    list_display = ("name", "status", "end_at", "closes_at", "pool", "funded", "state")
    list_filter = ("status", "currency")
    search_fields = ("name", "id", "owner__name")
    ordering = ("-end_at",)
    fields = (
        ("name", "status", "owner"),
        ("end_at", "closes_at"),
        ("pool", "funded", "fees"),
        "state",
        "plan",
        "standings",
        "awards",
        "transfers",
        "log",
    )
    readonly_fields = ("pool", "funded", "fees", "state", "plan", "standings", "awards", "transfers", "log")
    steps = (
        Step("settle", "Settle", "Freezes the final standings; nothing that arrives later changes them.", _settle),
        Step("calculate", "Calculate", "Writes down what everybody wins. No money moves.", _calculate),
        Step("fund", "Confirm funding", "Says that money for the pool has arrived.", _fund, FundingForm),
        Step(
            "distribute",
            "Distribute",
            "Orders one transfer to each winner, once. Large sums wait for a second treasurer.",
            _distribute,
        ),
        Step("approve", "Approve", "Lets the transfers go that another treasurer has asked for.", _approve),
        Step("refund", "Refund", "Gives every entry fee back to whoever paid it.", _refund),
    )

    def form_options(self, row: Settlement, step: Step) -> dict[str, Any]:
        return {"currency": row.currency} if step.form is FundingForm else {}

    @admin.display(description="promised pool")
    def pool(self, row: Settlement) -> str:
        return _money(row.prize_pool_minor, row.currency)

    @admin.display(description="confirmed")
    def funded(self, row: Settlement) -> str:
        return _money(row.funded_minor, row.currency)

    @admin.display(description="entry fees paid")
    def fees(self, row: Settlement) -> str:
        return _money(queries.fees_paid_minor(row.id), row.currency)

    @admin.display(description="prizes")
    def state(self, row: Settlement) -> str:
        award_list = queries.newest_award_list(row.id)
        if award_list is None:
            return "not calculated"
        distribution = getattr(award_list, "distribution", None)
        if distribution is None:
            return "calculated"
        if distribution.released_at is None:
            return f"asked for by {distribution.requested_by or distribution.requested_with}, waits for approval"
        return "distributed"

    @admin.display(description="prize plan")
    def plan(self, row: Settlement) -> SafeString:
        plan = plan_on_wire(queries.plan_document(row.id), row.currency)
        lines = [
            (f"{_span(place)}", f"{place['percent']} %" if "percent" in place else f"{place['amount']} {row.currency}")
            for place in plan["places"]
        ]
        if plan["target"]:
            lines.append((f"everybody with {plan['target']} points", "the same"))
        lines += [
            ("places nobody holds", str(plan["leftover"]).replace("_", " ")),
            ("equals", "share" if row.tie_rule == "shared" else "first to reach wins"),
            ("platform's part of the fees", f"{plan['platform_fee_percent']} %"),
            ("pool's part of the rest", f"{plan['fee_share_percent']} %"),
        ]
        return _table(("", ""), lines)

    @admin.display(description="final standings")
    def standings(self, row: Settlement) -> SafeString | str:
        final = final_standings(row.id)
        if final is None:
            return "not final"
        shown = final.rows[:20]
        names = dict(User.objects.filter(id__in=[line.user_id for line in shown]).values_list("id", "name"))
        table = _table(
            ("rank", "person", "points"), [(r.rank, names.get(r.user_id, r.user_id), r.score) for r in shown]
        )
        return format_html("<p>Number {}, SHA-256 <code>{}</code></p>{}", final.number, final.digest, table)

    @admin.display(description="awards")
    def awards(self, row: Settlement) -> SafeString | str:
        award_list = queries.newest_award_list(row.id)
        if award_list is not None:
            lines = [
                (award.rank, award.user.name, _money(award.amount_minor, award_list.currency))
                for award in award_list.awards.select_related("user")[:100]
            ]
            return _table(
                ("rank", "person", "amount"), [*lines, ("", "kept", _money(award_list.kept_minor, row.currency))]
            )
        try:
            found = calculate(row)
        except Refusal as refusal:
            return refusal.message
        names = dict(User.objects.filter(id__in=[a.user_id for a in found.awards[:100]]).values_list("id", "name"))
        lines = [
            (award.rank, names[award.user_id], _money(award.amount_minor, found.currency))
            for award in found.awards[:100]
        ]
        return format_html("<p>As it would be now:</p>{}", _table(("rank", "person", "amount"), lines))

    @admin.display(description="transfers")
    def transfers(self, row: Settlement) -> SafeString:
        return _table(
            ("", "person", "amount", "state", ""),
            [
                (_link(t), t.user.name, _money(t.amount_minor, t.currency), t.state, t.waits_for or t.reason)
                for t in queries.transfers_of(row.id)[:200]
            ],
        )

    @admin.display(description="who did what")
    def log(self, row: Settlement) -> SafeString:
        actions = TreasuryAction.objects.filter(competition_id=row.id).select_related("by")[:100]
        return _table(
            ("when", "who", "what", "why"),
            [(f"{a.done_at:%Y-%m-%d %H:%M:%S}", a.by or a.service_key, a.action, a.reason) for a in actions],
        )


def _span(place: Mapping[str, Any]) -> str:
    return (
        f"place {place['first']}" if place["first"] == place["last"] else f"places {place['first']} to {place['last']}"
    )


def _money(minor: int, currency: str) -> str:
    return f"{to_decimal(minor, currency)} {currency}"


def _link(transfer: Transfer) -> SafeString:
    return format_html(
        '<a href="{}">{}</a>', reverse("admin:prizes_transfer_change", args=[transfer.pk]), transfer.purpose
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> SafeString:
    if not rows:
        return SafeString("–")
    head = format_html_join("", "<th>{}</th>", [(name,) for name in heads])
    body = format_html_join(
        "", "<tr>{}</tr>", [(format_html_join("", "<td>{}</td>", [(cell,) for cell in row]),) for row in rows]
    )
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body)


class TransferMoveInline(admin.TabularInline[TransferMove, Transfer]):
    model = TransferMove
    extra = 0
    can_delete = False
    readonly_fields = ("from_state", "to_state", "attempt", "reason", "by", "moved_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _retry(row: Transfer, actor: Actor, answers: Mapping[str, Any]) -> None:
    retry_transfer(transfer_id=row.id, actor=actor, reason=answers["reason"], now=timezone.now())


def _mark_paid(row: Transfer, actor: Actor, answers: Mapping[str, Any]) -> None:
    mark_transfer_paid(
        transfer_id=row.id,
        reference=answers["reference"],
        actor=actor,
        reason=answers["reason"],
        now=timezone.now(),
    )


@admin.register(Transfer)
class TransferAdmin(WithSteps):
    list_display = ("created_at", "purpose", "user", "competition", "money", "gateway", "state", "note")
    list_filter = ("state", "purpose", "gateway", ("waits_for", admin.EmptyFieldListFilter))
    search_fields = ("key", "reference", "user__name", "user__email", "competition__name")
    list_select_related = ("user", "competition")
    inlines = (TransferMoveInline,)
    steps = (
        Step("retry", "Try again", "Sends a failed transfer again, after looking for it at the gateway.", _retry),
        Step("mark-paid", "Mark as paid", "Says that you have paid it by hand.", _mark_paid, ReferenceForm),
    )

    @admin.display(description="amount")
    def money(self, row: Transfer) -> str:
        return _money(row.amount_minor, row.currency)

    @admin.display(description="note")
    def note(self, row: Transfer) -> str:
        return row.waits_for or row.reason


def _mark_fee_paid(row: Payment, actor: Actor, answers: Mapping[str, Any]) -> None:
    mark_payment_paid(
        payment_id=row.id,
        reference=answers["reference"],
        actor=actor,
        reason=answers["reason"],
        now=timezone.now(),
    )


@admin.register(Payment)
class PaymentAdmin(WithSteps):
    list_display = ("created_at", "user", "competition", "money", "gateway", "state", "paid_at")
    list_filter = ("state", "gateway")
    search_fields = ("id", "user__name", "user__email", "competition__name", "payment_reference")
    list_select_related = ("user", "competition")
    exclude = ("checkout_url",)
    steps = (Step("mark-paid", "Mark as paid", "Says that you have the fee in hand.", _mark_fee_paid, ReferenceForm),)

    @admin.display(description="amount")
    def money(self, row: Payment) -> str:
        return _money(row.amount_minor, row.currency)


class PostingInline(admin.TabularInline[Posting, Entry]):
    model = Posting
    extra = 0
    can_delete = False
    fields = ("account", "debit", "credit")
    readonly_fields = ("account", "debit", "credit")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Posting]:
        return super().get_queryset(request).select_related("account")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def debit(self, posting: Posting) -> str:
        return _money(posting.amount_minor, posting.account.currency) if posting.amount_minor > 0 else ""

    def credit(self, posting: Posting) -> str:
        return _money(-posting.amount_minor, posting.account.currency) if posting.amount_minor < 0 else ""


@admin.register(Entry)
class EntryAdmin(ReadOnly):
    list_display = ("created_at", "kind", "competition", "user", "note", "by")
    list_filter = ("kind",)
    search_fields = ("key", "user__name", "competition__name")
    list_select_related = ("competition", "user", "by")
    inlines = (PostingInline,)


@admin.register(Account)
class AccountAdmin(ReadOnly):
    list_display = ("kind", "currency", "gateway", "competition", "user", "balance")
    list_filter = ("kind", "currency")
    search_fields = ("competition__name", "user__name")
    list_select_related = ("competition", "user")
    readonly_fields = ("balance",)

    def balance(self, account: Account) -> str:
        return _money(queries.account_balance_minor(account), account.currency)


@admin.register(AwardList)
class AwardListAdmin(ReadOnly):
    list_display = ("competition", "version", "created_at", "created_by")
    search_fields = ("competition__name",)
    list_select_related = ("competition", "created_by")


@admin.register(TreasuryAction)
class TreasuryActionAdmin(ReadOnly):
    list_display = ("done_at", "by", "service_key", "action", "competition", "reason")
    list_filter = ("action",)
    search_fields = ("competition__name", "by__name", "reason")
    list_select_related = ("competition", "by")


@admin.register(PayoutAccount)
class PayoutAccountAdmin(ReadOnly):
    list_display = ("user", "gateway", "ready", "updated_at")
    list_filter = ("gateway", "ready")
    search_fields = ("user__name", "user__email", "reference")
    list_select_related = ("user",)


@admin.register(GatewayEvent)
class GatewayEventAdmin(ReadOnly):
    list_display = ("received_at", "gateway", "kind", "event_id", "key")
    list_filter = ("gateway", "kind")
    search_fields = ("event_id", "key")


@admin.register(SandboxFault)
class SandboxFaultAdmin(admin.ModelAdmin[SandboxFault]):
    """What the pretended gateway is told to do wrong."""

    list_display = ("call", "fault", "times_left")
