from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from competitions.admin.own import ReadOnlyOfCompetition
from config.core.admin import readable_document
from config.core.errors import Refusal
from leaderboards.models import Board, Correction, FinalStandings, Standing
from leaderboards.settling import add_correction


@admin.register(Board)
class BoardAdmin(ReadOnlyOfCompetition):
    list_display = ("competition", "version", "updated_at")
    list_filter = ("competition__status",)
    search_fields = ("competition__name",)
    list_select_related = ("competition",)


@admin.register(Standing)
class StandingAdmin(ReadOnlyOfCompetition):
    list_display = ("user", "competition", "score", "steps", "on_board", "reached_at", "last_synced_at")
    list_filter = ("on_board", "competition__status")
    search_fields = ("user__name", "user__email", "competition__name")
    list_select_related = ("user", "competition")


@admin.register(FinalStandings)
class FinalStandingsAdmin(ReadOnlyOfCompetition):
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


class CorrectionForm(forms.ModelForm[Correction]):
    correction_id = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)  # so that a form sent twice corrects once

    class Meta:
        model = Correction
        fields = ("competition", "user", "points", "reason")


@admin.register(Correction)
class CorrectionAdmin(ReadOnlyOfCompetition):
    """A correction stays as it was made; what was wrong is made good by another one."""

    form = CorrectionForm
    list_display = ("made_at", "user", "competition", "points", "reason", "made_by")
    search_fields = ("user__name", "user__email", "competition__name", "reason")
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
            by=request.user,  # type: ignore[arg-type]
            correction_id=obj.pk,
            now=timezone.now(),
        )
