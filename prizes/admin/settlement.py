"""A competition as its treasurer sees it: standings, plan, what everybody gets, and how far that is."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone

from competitions.rules import Status
from competitions.services.lifecycle import lock_competition
from config.core.admin import MOST_ROWS
from config.core.columns import COLOURS, Column, Money
from leaderboards.models import FinalStandings
from prizes.admin.distribution_steps import APPROVE, DISTRIBUTE
from prizes.admin.overview import Overview
from prizes.admin.settlement_steps import CALCULATE, FUND, PAY_ORGANISER, REFUND, SETTLE
from prizes.admin.steps import Step, WithSteps
from prizes.forms import AmountForm
from prizes.models import AwardList, Distribution, Purpose, Settlement, Transfer, TransferState
from prizes.models.transfers import UNFINISHED


class Waiting(admin.SimpleListFilter):
    """What a treasurer has to see to."""

    title = "what it waits for"
    parameter_name = "waits_for"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("funding", "money for its pool"),
            ("distribution", "distribution"),
            ("approval", "approval"),
            ("failed", "failed transfers"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        over = Q(cancelled_at=None, published_at__isnull=False, closes_at__lte=timezone.now())
        match self.value():
            case "funding":
                short = Q(funded_minor__lt=F("prize_pool_minor"), cancelled_at=None, published_at__isnull=False)
                return queryset.filter(short)
            case "distribution":
                at_stake = Q(prize_pool_minor__gt=0) | Q(entry_fee_minor__gt=0)
                ended = Settlement.objects.filter(over, at_stake).order_by("-end_at").values("pk")[:MOST_ROWS]
                open_or_stale = Q(asked_at=None) | Q(calculated__lt=F("final"))
                return queryset.filter(open_or_stale, pk__in=ended)
            case "approval":
                asked = Distribution.objects.filter(released_at=None).order_by("requested_at")
                return queryset.filter(
                    asked_at__isnull=False, released_at=None, pk__in=asked.values("award_list__competition")[:MOST_ROWS]
                )
            case "failed":
                failed = Transfer.objects.filter(state=TransferState.FAILED).order_by("-created_at")
                return queryset.filter(pk__in=failed.values("competition")[:MOST_ROWS])
        return queryset


def _transfers(**states: Any) -> Subquery:
    """How many of a competition's transfers; a subquery each, so that only the rows of the page are counted."""
    found = Transfer.objects.filter(competition=OuterRef("pk"), **states).order_by().values("competition")
    return Subquery(found.annotate(count=Count("id")).values("count"))


@admin.register(Settlement)
class SettlementAdmin(WithSteps):
    change_form_template = "admin/prizes/settlement.html"
    list_display = (
        "name",
        "status_now",
        "prizes",
        Money("prize_pool_minor", "promised pool"),
        Money("funded_minor", "confirmed"),
        Column("end_at", "ended", sorts=True),
    )
    list_filter = (Waiting, "status")
    search_fields = ("id", "owner")
    search_help_text = "Competition or organiser"
    ordering = ("-end_at",)
    when_empty = "No competition has been made yet."
    fields = ()
    steps = (SETTLE, CALCULATE, FUND, DISTRIBUTE, APPROVE, REFUND, PAY_ORGANISER)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Settlement]:
        newest = AwardList.objects.filter(competition=OuterRef("pk")).order_by("-version")
        standings = FinalStandings.objects.filter(competition=OuterRef("pk")).order_by("-number")
        prizes = {"purpose": Purpose.PRIZE}
        competitions: QuerySet[Settlement] = super().get_queryset(request)
        return competitions.annotate(
            final=Subquery(standings.values("number")[:1]),
            calculated=Subquery(newest.values("version")[:1]),
            asked_at=Subquery(newest.values("distribution__requested_at")[:1]),
            released_at=Subquery(newest.values("distribution__released_at")[:1]),
            paid=_transfers(**prizes, state=TransferState.PAID),
            unfinished=_transfers(**prizes, state__in=UNFINISHED),
            failed=_transfers(state=TransferState.FAILED),
        )

    def facts(self, row: Settlement) -> Overview:
        return Overview(row)

    def lock(self, row: Settlement) -> None:
        lock_competition(row.id)

    def form_options(self, row: Settlement, step: Step) -> dict[str, Any]:
        return {"currency": row.currency} if issubclass(step.form, AmountForm) else {}

    @admin.display(description="status")
    def status_now(self, row: Settlement) -> str:
        """By its dates; what is stored follows a moment later."""
        return row.status_at(timezone.now()).value

    status_now.label = COLOURS  # type: ignore[attr-defined]  # for unfold

    @admin.display(description="prizes")
    def prizes(self, row: Any) -> str:
        if row.calculated is not None and row.calculated < row.final:
            return "corrected, to be calculated again"
        if row.released_at is not None:
            told = [("paid", row.paid), ("on the way", row.unfinished), ("failed", row.failed)]
            return ", ".join(f"{count:,} {state}" for state, count in told if count) or "nothing to transfer"
        if row.asked_at is not None:
            return "waits for approval"
        if row.calculated is not None:
            return "calculated"
        return "not calculated" if row.status_at(timezone.now()) is Status.COMPLETED else "–"
