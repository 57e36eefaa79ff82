from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from competitions.admin.own import ReadOnlyOfCompetition
from config.core.admin import readable_document
from config.core.columns import Column, Number, YesNo
from config.core.errors import Refusal
from leaderboards.models import Board, Correction, FinalStandings, Standing
from leaderboards.settling import add_correction


@admin.register(Board)
class BoardAdmin(ReadOnlyOfCompetition):
    list_display = ("competition", Number("version"), Column("updated_at", "last moved"))
    search_fields = ("competition",)
    search_help_text = "Competition"
    list_select_related = ("competition",)
    when_empty = "A competition has a board from the moment it is made; none has been made yet."


@admin.register(Standing)
class StandingAdmin(ReadOnlyOfCompetition):
    list_display = (
        Column("user", "person"),
        "competition",
        Number("score", "points"),
        Number("steps"),
        YesNo("on_board", "on the board"),
        Column("reached_at", "reached"),
        Column("last_synced_at", "last sync"),
    )
    found_filters = ("on_board",)
    search_fields = ("user", "competition")
    search_help_text = "Person, e-mail or competition"
    list_select_related = ("user", "competition")
    ordering = ("-id",)
    when_empty = "Nobody stands on a board yet."


@admin.register(FinalStandings)
class FinalStandingsAdmin(ReadOnlyOfCompetition):
    list_display = (
        "competition",
        "number",
        Column("frozen_at", "frozen"),
        Column("frozen_by", "by"),
        "reason",
        Column("digest", "SHA-256"),
    )
    search_fields = ("competition",)
    search_help_text = "Competition"
    list_select_related = ("competition", "frozen_by")
    ordering = ("-id",)
    when_empty = "No competition has final standings yet."
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[FinalStandings]:
        return super().get_queryset(request).defer("document")  # of thousands of people; a list shows none of them

    @admin.display(description="document")
    def readable(self, standings: FinalStandings) -> SafeString:
        return readable_document(standings.document)


class CorrectionForm(forms.ModelForm[Correction]):
    correction_id = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)  # so that a form sent twice corrects once

    class Meta:
        model = Correction
        fields = ("competition", "user", "points", "reason")


@admin.register(Correction)
class CorrectionAdmin(ReadOnlyOfCompetition):
    """A correction stays as it was made; what was wrong is made good by another one."""

    form = CorrectionForm
    list_display = (
        Column("made_at", "made", sorts=True),
        Column("user", "person"),
        "competition",
        Number("points"),
        "reason",
        Column("made_by", "by"),
    )
    search_fields = ("id", "user", "competition")
    search_help_text = "Person, e-mail or competition"
    ordering = ("-made_at", "id")
    when_empty = "Nobody has been given or taken points."
    list_select_related = ("competition", "user", "made_by")
    raw_id_fields = ("competition", "user")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("leaderboards.add_correction")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*CorrectionForm.Meta.fields, *(["made_by", "made_at"] if obj else ["correction_id"]))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """What cannot be corrected is said above the form, which keeps what was written into it."""
        try:
            return super().add_view(request, form_url, extra_context)
        except Refusal as refusal:
            complaints = [text for texts in (refusal.details or {}).values() for text in texts]
            messages.error(request, " ".join(complaints or [refusal.message]))
            written = {name: request.POST.get(name, "") for name in CorrectionForm.base_fields}
            return HttpResponseRedirect(f"{request.path}?{urlencode(written)}")

    def save_model(self, request: HttpRequest, obj: Correction, form: Any, change: bool) -> None:
        obj.pk = form.cleaned_data["correction_id"]
        add_correction(
            competition_id=obj.competition_id,
            user_id=obj.user_id,
            points=obj.points,
            reason=obj.reason,
            by=request.user,  # type: ignore[arg-type]  # only staff get here
            correction_id=obj.pk,
            now=timezone.now(),
        )
