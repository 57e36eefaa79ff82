"""Money on its way: transfers to people, and the fees that came from them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import User
from accounts.services.people import lock_people
from config.core.admin import ReadOnlyInline
from config.core.columns import Column, Money, State
from config.core.money import money_text
from config.core.tables import Table, day_and_time, moment
from prizes.actors import Actor
from prizes.admin.links import link
from prizes.admin.steps import Answers, Effect, Step, Verdict, WithSteps, blocked, done, ready
from prizes.forms import ReferenceForm
from prizes.models import Payment, PaymentState, Purpose, Transfer, TransferMove, TransferState
from prizes.models.transfers import UNFINISHED
from prizes.services.fees import mark_payment_paid
from prizes.services.transfers import give_up_transfer, mark_transfer_paid, retry_transfer


class TransferMoveInline(ReadOnlyInline):
    model = TransferMove
    verbose_name_plural = "what happened to it"
    fields = readonly_fields = ("moved_at", "from_state", "to_state", "attempt", "reason", "by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TransferMove]:
        return super().get_queryset(request).select_related("by")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("prizes.view_transfer")  # whoever sees the transfer sees its life


# --- Sending it again ---


def _can_retry(transfer: Transfer, treasurer: User) -> Verdict:
    if transfer.state == TransferState.FAILED:
        return ready("It has failed.")
    return done(f"There is nothing to try again: {_how_it_stands(transfer)}.")


def _how_it_stands(transfer: Transfer) -> str:
    match transfer.state:
        case TransferState.PAID:
            assert transfer.paid_at is not None
            return f"it was paid on {day_and_time(transfer.paid_at)}, reference {transfer.reference or 'unknown'}"
        case TransferState.CANCELLED:
            return "it was withdrawn"
        case TransferState.FAILED:
            return "it has failed"
    return f"it is {transfer.state}, attempt {transfer.attempt}"


def _what_retry_does(transfer: Transfer, treasurer: User) -> Effect:
    return Effect(
        [
            f"{_sum(transfer)} is sent to {transfer.user.name} again, as attempt {transfer.attempt + 1}"
            + (", to the payout account that is connected by then." if transfer.purpose == Purpose.PRIZE else "."),
            f"It failed because: {transfer.reason or 'nobody said why'}",
        ],
        notes=["The gateway is asked first whether an earlier attempt has arrived after all."],
        background=_life(transfer),
    )


def _sum(row: Transfer | Payment) -> str:
    return money_text(row.amount_minor, row.currency)


def _life(transfer: Transfer) -> Table:
    moves = transfer.moves.select_related("by")
    return Table(
        ("when", "what", "attempt", "why", "who"),
        [(moment(m.moved_at), str(m), m.attempt, m.reason, m.by.name if m.by else "–") for m in moves],
        frozenset({2}),
        caption="What happened to it so far",
    )


def _retry(transfer: Transfer, actor: Actor, answers: Answers) -> str:
    retry_transfer(transfer_id=transfer.id, actor=actor, reason=answers["reason"], now=timezone.now())
    return f"{_sum(transfer)} for {transfer.user.name} will be sent again."


# --- Paid by hand ---


def _can_be_marked(transfer: Transfer, treasurer: User) -> Verdict:
    if transfer.state in (TransferState.PAID, TransferState.CANCELLED):
        return done(f"There is nothing to pay: {_how_it_stands(transfer)}.")
    if transfer.state == TransferState.FAILED or (transfer.gateway == "manual" and transfer.state in UNFINISHED):
        return ready("A treasurer pays it by hand." if transfer.gateway == "manual" else "It has failed.")
    return blocked(f"The gateway {transfer.gateway} sends it; by hand only what has failed there.")


def _what_marking_does(transfer: Transfer, treasurer: User) -> Effect:
    return Effect(
        [
            f"You say that you have paid {_sum(transfer)} to {transfer.user.name} yourself.",
            "It counts as paid from then on, and nothing is sent any more. This cannot be taken back.",
        ],
        notes=["It has failed at the gateway. Make sure that it did not arrive there after all."]
        if transfer.state == TransferState.FAILED
        else [],
        background=_life(transfer),
    )


def _mark_paid(transfer: Transfer, actor: Actor, answers: Answers) -> str:
    reference = answers["reference"]
    mark_transfer_paid(
        transfer_id=transfer.id, reference=reference, actor=actor, reason=answers["reason"], now=timezone.now()
    )
    return f"{_sum(transfer)} for {transfer.user.name} counts as paid, reference {reference}."


# --- Not paid by hand after all ---


def _can_be_given_up(transfer: Transfer, treasurer: User) -> Verdict:
    if transfer.state not in UNFINISHED:
        return done(f"There is nothing to give up: {_how_it_stands(transfer)}.")
    if transfer.gateway != "manual":
        return blocked(f"The gateway {transfer.gateway} sends it, and says itself when it fails.")
    return ready("For a payment by hand that will not be made.")


def _what_giving_up_does(transfer: Transfer, treasurer: User) -> Effect:
    sentences = [
        f"You say that {_sum(transfer)} to {transfer.user.name} was not paid and will not be. It counts as failed.",
        "It stays owed: it can be tried again, or withdrawn when the standings are corrected.",
    ]
    return Effect(sentences, background=_life(transfer))


def _give_up(transfer: Transfer, actor: Actor, answers: Answers) -> str:
    give_up_transfer(transfer_id=transfer.id, actor=actor, reason=answers["reason"], now=timezone.now())
    return f"{_sum(transfer)} for {transfer.user.name} is given up; it is still owed."


class Lacking(admin.SimpleListFilter):
    title = "what it lacks"
    parameter_name = "lacks"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("something", "cannot go out yet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Transfer]) -> QuerySet[Transfer]:
        return queryset.exclude(waits_for="") if self.value() else queryset


@admin.register(Transfer)
class TransferAdmin(WithSteps):
    list_display = (
        Column("user", "person"),
        Money("amount_minor", "amount"),
        State("state"),
        "note",
        "competition",
        "purpose",
        "gateway",
        Column("created_at", "ordered", sorts=True),
    )
    list_filter = ("state", Lacking)
    found_filters = ("purpose",)
    search_fields = ("id", "^key", "^reference", "user", "competition")
    search_help_text = "Person, competition, our key or the gateway's"
    ordering = ("-created_at", "id")
    when_empty = "No prize or refund has been ordered yet."
    list_select_related = ("user", "competition")
    fields = (
        "person",
        "money",
        "settlement",
        "state",
        "waits_for",
        "reason",
        "purpose",
        "gateway",
        "attempt",
        "destination",
        "reference",
        "key",
        "created_at",
        "updated_at",
        "paid_at",
    )
    inlines = (TransferMoveInline,)
    steps = (
        Step("retry", "Try again", _can_retry, _what_retry_does, _retry),
        Step("mark-paid", "Mark as paid", _can_be_marked, _what_marking_does, _mark_paid, ReferenceForm),
        Step("give-up", "Give up", _can_be_given_up, _what_giving_up_does, _give_up),
    )

    @admin.display(description="amount")
    def money(self, transfer: Transfer) -> str:
        return _sum(transfer)

    def named(self, row: Transfer) -> str:
        return f"{_sum(row)} to {row.user}"

    @admin.display(description="person")
    def person(self, transfer: Transfer) -> str:
        return transfer.user.name

    @admin.display(description="competition")
    def settlement(self, transfer: Transfer) -> SafeString:
        return link("settlement", transfer.competition_id, transfer.competition)

    @admin.display(description="note", empty_value="")
    def note(self, transfer: Transfer) -> str:
        return transfer.waits_for or transfer.reason


# --- Entry fees ---


def _fee_can_be_marked(payment: Payment, treasurer: User) -> Verdict:
    if payment.paid_at is not None:
        reference = payment.payment_reference or "unknown"
        return done(f"It was paid on {day_and_time(payment.paid_at)}, reference {reference}.")
    if payment.gateway != "manual":
        return blocked(f"This fee is paid at the gateway {payment.gateway}, which tells us by itself.")
    return ready("A treasurer takes it by hand.")


def _what_marking_a_fee_does(payment: Payment, treasurer: User) -> Effect:
    person = payment.user.name
    sentences = [
        f"You say that you have {_sum(payment)} from {person} in hand.",
        f"{person} then takes part in {payment.competition}. If there is no seat left, the fee is owed back.",
    ]
    if payment.state == PaymentState.CLOSED:
        sentences.append("The seat was given up meanwhile.")
    return Effect(sentences, notes=[f"The seat was asked for on {day_and_time(payment.created_at)}."])


def _mark_fee_paid(payment: Payment, actor: Actor, answers: Answers) -> str:
    reference = answers["reference"]
    mark_payment_paid(
        payment_id=payment.id, reference=reference, actor=actor, reason=answers["reason"], now=timezone.now()
    )
    return f"{_sum(payment)} from {payment.user.name} counts as paid, reference {reference}."


@admin.register(Payment)
class PaymentAdmin(WithSteps):
    plural = "entry fees"
    list_display = (
        Column("user", "person"),
        Money("amount_minor", "amount"),
        State("state"),
        "competition",
        "gateway",
        Column("created_at", "asked for", sorts=True),
        Column("paid_at", "paid"),
    )
    list_filter = ("state",)
    search_fields = ("id", "^checkout_reference", "^payment_reference", "user", "competition")
    search_help_text = "Person, competition or the gateway's reference"
    ordering = ("-created_at", "id")
    when_empty = "Nobody has been asked for an entry fee yet."
    list_select_related = ("user", "competition")
    fields = (
        "person",
        "money",
        "settlement",
        "state",
        "gateway",
        "checkout_reference",
        "payment_reference",
        "created_at",
        "paid_at",
    )
    steps = (
        Step("mark-paid", "Mark as paid", _fee_can_be_marked, _what_marking_a_fee_does, _mark_fee_paid, ReferenceForm),
    )

    def lock(self, row: Payment) -> None:
        lock_people([row.user_id])  # a fee's row comes after its person

    def named(self, row: Payment) -> str:
        return f"{_sum(row)} from {row.user}"

    @admin.display(description="person")
    def person(self, payment: Payment) -> str:
        return payment.user.name

    @admin.display(description="competition")
    def settlement(self, payment: Payment) -> SafeString:
        return link("settlement", payment.competition_id, payment.competition)

    @admin.display(description="amount")
    def money(self, payment: Payment) -> str:
        return _sum(payment)
