"""What if: somebody supposes a change, reads what it would do, and only then saves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from competitions.admin.own import competition_in_panel
from competitions.models import Competition
from competitions.queries import participants_of
from competitions.rules import Status
from config.core.errors import Refusal
from config.panel.what_if.changes import Saving
from config.panel.what_if.comparison import work_out
from config.panel.what_if.forms import Kind, Question, SaveForm
from config.panel.what_if.saving import may_look, save_change, why_not_save
from config.panel.what_if.telling import Told
from leaderboards.models import Standing

_FOUND = 20

_TOO_EARLY = {
    Status.DRAFT: "This is a draft. There are no standings to look at before it starts.",
    Status.UPCOMING: "It has not started. There are no standings to look at before that.",
    Status.CANCELLED: "It was cancelled, so nothing is decided in it any more.",
}


def what_if_view(request: HttpRequest, competition_id: UUID) -> HttpResponse:
    """GET shows, POST saves."""
    competition = competition_in_panel(request, competition_id)
    if competition is None:
        raise Http404
    viewer = cast("User", request.user)
    if not may_look(viewer, competition):
        raise PermissionDenied
    question = Question(request.POST if request.method == "POST" else request.GET, competition)
    form = SaveForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and _saved(request, viewer, question, form):
        return HttpResponseRedirect(reverse("admin:competitions_competition_change", args=[competition.pk]))
    return _shown(request, viewer, question, form)


def _saved(request: HttpRequest, viewer: User, question: Question, form: SaveForm) -> bool:
    change = question.change
    if change is None or not form.is_valid():
        return False
    answers = form.cleaned_data
    saving = Saving(answers["form_id"], viewer, answers["reason"], timezone.now())
    try:
        fresh = save_change(competition_id=question.competition.id, change=change, seen=answers["seen"], saving=saving)
    except Refusal as refusal:
        _complain(form, refusal)
        return False
    if fresh:
        messages.success(request, f"Done: {change.title[0].lower()}{change.title[1:]}.")
    else:
        messages.info(request, f"Nothing has changed: it was done already ({change.title}).")
    return True


def _complain(form: SaveForm, refusal: Refusal) -> None:
    for field, complaints in (refusal.details or {"": [refusal.message]}).items():
        form.add_error("reason" if field in ("reason", "rules_reason") else None, complaints)


def _shown(request: HttpRequest, viewer: User, question: Question, form: SaveForm) -> HttpResponse:
    competition, now = question.competition, timezone.now()
    too_early = _TOO_EARLY.get(competition.status_at(now), "")
    told, hindrance = None, too_early
    if question.change is not None and not too_early:
        hindrance = question.change.hindrance(competition, viewer)
        told = None if hindrance else Told(work_out(competition.id, question.change, now), now)
    if told is not None:
        form = _with_seen(form, told.effect.basis)
    candidates = [] if too_early or question.participant else _candidates(question)
    here = reverse("admin:what_if", args=[competition.pk])
    context = {
        **site.each_context(request),
        "title": "What if",
        "subtitle": competition.name,
        "crumbs": _crumbs(competition),
        "competition": competition,
        "here": here,
        "kinds": [(kind, kind.label, f"{here}?{urlencode({'change': kind.value})}") for kind in Kind],
        "question": question,
        "too_early": too_early,
        "hindrance": hindrance,
        "candidates": candidates[:_FOUND],
        "more_candidates": len(candidates) > _FOUND,
        "told": told,
        "form": form,
        "refused": form.is_bound and not form.is_valid(),
        "why_not_save": why_not_save(viewer, competition, rules=question.kind is Kind.RULES),
    }
    return TemplateResponse(request, "panel/what_if.html", context)


def _with_seen(form: SaveForm, basis: str) -> SaveForm:
    """What is saved next is what is shown now; what was written stays, and so does the form's id."""
    if not form.is_bound:
        return SaveForm(initial={"seen": basis})
    written = {name: form.data.get(name, "") for name in form.fields}
    again = SaveForm({**written, "seen": basis})
    for field, complaints in form.errors.items():
        again.add_error(None if field in ("__all__", "seen", "form_id") else field, list(complaints))
    return again


def _crumbs(competition: Competition) -> list[tuple[str, str]]:
    return [
        ("Competitions", reverse("admin:competitions_competition_changelist")),
        (competition.name, reverse("admin:competitions_competition_change", args=[competition.pk])),
    ]


@dataclass(frozen=True)
class Candidate:
    name: str
    aside: str
    address: str


def _candidates(question: Question) -> Sequence[Candidate]:
    """The best of those whom the search names, as many as fit a page, and one more if there is."""
    if question.kind is Kind.RULES:
        return []
    found = Standing.objects.filter(competition=question.competition).select_related("user")
    if question.kind is Kind.REINSTATE:
        here = participants_of(question.competition.id).values("user_id")
        found = found.filter(user__in=here).exclude(disqualified_reason="")
    else:
        found = found.filter(on_board=True)
    if question.search:
        found = found.filter(user__name__icontains=question.search)
    ordered = found.order_by("-score", "reached_at", "joined_at", "user_id")[: _FOUND + 1]
    return [_candidate(standing, question.kind) for standing in ordered]


def _candidate(standing: Standing, kind: Kind) -> Candidate:
    asked: dict[str, Any] = {"change": kind.value, "person": standing.user_id}
    aside = f"{standing.score:,} points, joined {standing.joined_at:%-d %b %Y}"
    if standing.disqualified_reason:
        aside += f"; disqualified: {standing.disqualified_reason}"
    return Candidate(standing.user.name, aside, f"?{urlencode(asked)}")
