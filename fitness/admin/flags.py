from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Max, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from config.core.admin import ReadOnly, ReadOnlyInline
from config.core.columns import Column, State, YesNo
from config.core.errors import Refusal
from fitness.models import Flag, FlagEvent, FlagEvidence
from fitness.models.flags import IN_QUEUE
from fitness.plausibility import Decision
from fitness.queries.flags import DECIDE
from fitness.services.decisions import decide_flag


class _OfFlag(ReadOnlyInline):
    """To be read by whoever reads the flag."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _reads_flags(request)


class EvidenceInline(_OfFlag):
    model = FlagEvidence
    verbose_name_plural = "what was seen"
    fields = readonly_fields = (
        *("text", "numbers", "source", "source_name", "type", "start_at", "end_at", "day", "held", "found_at"),
        "other_user",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[FlagEvidence]:
        return super().get_queryset(request).select_related("source", "other_user")


class EventInline(_OfFlag):
    model = FlagEvent
    verbose_name_plural = "what happened to it"
    fields = readonly_fields = ("at", "kind", "decision", "text", "by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FlagEvent]:
        return super().get_queryset(request).select_related("by")


def _reads_flags(request: HttpRequest) -> bool:
    return request.user.has_perm("fitness.view_flag") or request.user.has_perm(DECIDE)


class DecisionForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Why; the person reads it, and it is kept with your name.",
    )


_EFFECTS = {
    Decision.ACCEPT: "What was held counts from now on.",
    Decision.EXCLUDE: "What was seen does not count, also where it has counted so far.",
    Decision.DISQUALIFY: "What was seen does not count, and its person is taken off the board.",
}


@admin.register(Flag)
class FlagAdmin(ReadOnly):
    """The queue: what waits for a decision first, appeals before everything, the oldest first."""

    change_form_template = "admin/fitness/flag.html"
    list_display = (
        "check_name",
        "day",
        Column("user", "person"),
        "seen",
        State("state"),
        "competition",
        YesNo("held", "held back"),
        YesNo("appeal_waits", "appeal waits"),
        Column("opened_at", "opened"),
    )
    list_filter = ("state", "appeal_waits")
    found_filters = ("held", "check_name")
    search_fields = ("id", "user", "competition")
    search_help_text = "Person, e-mail, competition or id"
    list_select_related = ("user", "competition")
    ordering = IN_QUEUE
    when_empty = "Nothing has looked implausible yet. What does is decided here."
    inlines = (EvidenceInline, EventInline)
    actions = ("accept_flags", "exclude_flags", "disqualify_flags")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Flag]:
        """One's own are read where everybody reads theirs: here it says whose account has the same samples."""
        return super().get_queryset(request).exclude(user_id=request.user.pk).prefetch_related("evidence")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return _reads_flags(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _reads_flags(request)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(DECIDE)

    @admin.display(description="what was seen")
    def seen(self, flag: Flag) -> str:
        pieces = list(flag.evidence.all())
        more = f" (and {len(pieces) - 1} more)" if len(pieces) > 1 else ""
        return f"{pieces[0].text}{more}" if pieces else "forgotten with its person"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["decisions"] = list(Decision) if self.has_decide_permission(request) else []
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.action(description="Accept", permissions=["decide"])
    def accept_flags(self, request: HttpRequest, queryset: QuerySet[Flag]) -> HttpResponse | None:
        return self._decide(request, queryset, Decision.ACCEPT)

    @admin.action(description="Exclude", permissions=["decide"])
    def exclude_flags(self, request: HttpRequest, queryset: QuerySet[Flag]) -> HttpResponse | None:
        return self._decide(request, queryset, Decision.EXCLUDE)

    @admin.action(description="Disqualify", permissions=["decide"])
    def disqualify_flags(self, request: HttpRequest, queryset: QuerySet[Flag]) -> HttpResponse | None:
        return self._decide(request, queryset, Decision.DISQUALIFY)

    def _decide(self, request: HttpRequest, flags: QuerySet[Flag], decision: Decision) -> HttpResponse | None:
        """Shows what will be decided and asks for the reason; the second time it does so. What came meanwhile is shown
        first."""
        form = DecisionForm(request.POST if "seen" in request.POST else None)
        seen = str(flags.aggregate(latest=Max("evidence__id"))["latest"])
        if form.is_valid() and request.POST["seen"] == seen:
            for flag in flags:
                self._decide_one(request, flag, decision, form.cleaned_data["reason"])
            return None
        if form.is_valid():
            form.add_error(None, "More was found since you opened this page. Read it again, then confirm.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": f"{decision.capitalize()}?",
            "crumbs": [("Flags", reverse("admin:fitness_flag_changelist"))],
            "decision": decision,
            "effect": _EFFECTS[decision],
            "flags": flags,
            "selected": ACTION_CHECKBOX_NAME,
            "seen": seen,
            "form": form,
        }
        return TemplateResponse(request, "admin/fitness/decide.html", context)

    def _decide_one(self, request: HttpRequest, flag: Flag, decision: Decision, reason: str) -> None:
        assert isinstance(request.user, User)
        named = f"{flag.get_check_name_display().capitalize()} of {flag.user}, {flag.day}"
        try:
            decided = decide_flag(
                flag_id=flag.id, decision=decision, reason=reason, by=request.user, now=timezone.now()
            )
        except Refusal as refusal:
            messages.error(request, f"{named}: {refusal.message}")
        else:
            messages.success(request, f"{named}: {decided.state}.")
