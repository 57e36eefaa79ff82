"""What a treasurer can do to a row: a page that says what will happen, asks why, and then does it once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import Form, Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.models import User
from accounts.reauthentication import confirmation_first, kept_answers
from config.core.admin import ReadOnly
from config.core.errors import Conflict, Refusal
from config.core.tables import Table
from prizes.actors import Actor
from prizes.api.permissions import TREASURER
from prizes.forms import ReasonForm

Answers = Mapping[str, Any]


class Readiness(StrEnum):
    READY = "ready"
    DONE = "done"  # nothing is left to do
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Verdict:
    """Whether a step can be taken now; ``why`` is a sentence for the treasurer."""

    readiness: Readiness
    why: str

    @property
    def ready(self) -> bool:
        return self.readiness is Readiness.READY


def ready(why: str) -> Verdict:
    return Verdict(Readiness.READY, why)


def done(why: str) -> Verdict:
    return Verdict(Readiness.DONE, why)


def blocked(why: str) -> Verdict:
    return Verdict(Readiness.BLOCKED, why)


@dataclass(frozen=True)
class Effect:
    """What will happen; empty sentences are left out. Until it is confirmed, only ``notes`` and ``background`` may
    change."""

    sentences: Sequence[str]
    table: Table | None = None
    notes: Sequence[str] = ()
    background: Table | None = None

    @property
    def fingerprint(self) -> str:
        """The same as long as the same will happen."""
        told = [*self.sentences, str(self.table) if self.table else ""]
        return sha256("\n".join(told).encode()).hexdigest()


def _never(facts: Any, answers: Answers) -> str:
    return ""


@dataclass(frozen=True)
class Step:
    """``effect`` may raise a Refusal: then the step cannot be taken. ``carry_out`` says what has happened, and
    ``repeats``, where the answers make the difference, that just this was done before."""

    name: str
    label: str
    verdict: Callable[[Any, User], Verdict]
    effect: Callable[[Any, User], Effect]
    carry_out: Callable[[Any, Actor, Answers], str]
    form: type[Form] = ReasonForm
    repeats: Callable[[Any, Answers], str] = _never


class _Repeated(Exception):
    """Somebody, perhaps the same person with a double click, did this a moment ago."""


class Book(ReadOnly):
    """A table of the treasury, with its style; it answers to questions only."""

    change_form_template = "admin/prizes/page.html"

    @property
    def media(self) -> Media:
        return super().media + Media(css={"all": ["prizes/treasury.css"]})

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)


class WithSteps(Book):
    """A row's page with what can be done to it, and for everything that cannot, why."""

    steps: Sequence[Step] = ()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_step"
        ours = path("<path:object_id>/step/<slug:step>/", self.admin_site.admin_view(self.step_view), name=name)
        return [ours, *super().get_urls()]

    def facts(self, row: Any) -> Any:
        """What the steps are told of a row."""
        return row

    def lock(self, row: Any) -> None:
        """Lets one person at a time take a step; in the order in which the services lock."""
        self.model.objects.select_for_update(no_key=True, of=("self",)).get(pk=row.pk)

    def named(self, row: Any) -> str:
        """A row as its treasurer calls it."""
        return str(row)

    def form_options(self, row: Any, step: Step) -> dict[str, Any]:
        return {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = context["original"]
        facts = self.facts(row)
        treasurer = _treasurer(request)
        offers = [(step, step.verdict(facts, treasurer)) for step in self.steps] if treasurer else []
        context |= {"offers": offers, "facts": facts, "subtitle": self.named(row)}
        return super().render_change_form(request, context, *args, **kwargs)

    def step_view(self, request: HttpRequest, object_id: str, step: str) -> HttpResponse:
        treasurer = _treasurer(request)
        if treasurer is None or not self.has_view_permission(request):
            raise PermissionDenied
        chosen = next((known for known in self.steps if known.name == step), None)
        row = self.get_object(request, object_id)
        if chosen is None or row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]  # Django's own, which its types leave out
        if elsewhere := confirmation_first(request, timezone.now()):
            return elsewhere
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])
        form = chosen.form(request.POST or kept_answers(request), **self.form_options(row, chosen))
        if request.method == "POST" and form.is_valid() and self._carried_out(request, chosen, treasurer, row, form):
            return HttpResponseRedirect(back)
        return self._shown(request, chosen, treasurer, row.pk, form, back)

    def _carried_out(self, request: HttpRequest, step: Step, treasurer: User, row: Any, form: Form) -> bool:
        try:
            with transaction.atomic():
                self.lock(row)
                facts = self.facts(self.model.objects.get(pk=row.pk))
                _refuse_unseen(request, step, treasurer, facts, form.cleaned_data)
                said = step.carry_out(facts, Actor(treasurer), form.cleaned_data)
        except _Repeated as repeated:
            messages.info(request, f"Nothing has changed. {repeated}")
        except Refusal as refusal:
            _complain(form, refusal)
            return False
        else:
            messages.success(request, said)
        return True

    def _shown(
        self, request: HttpRequest, step: Step, treasurer: User, key: Any, form: Form, back: str
    ) -> TemplateResponse:
        row = self.model.objects.get(pk=key)
        facts = self.facts(row)
        verdict, effect = step.verdict(facts, treasurer), None
        try:
            effect = step.effect(facts, treasurer) if verdict.ready else None
        except Refusal as refusal:
            verdict = blocked(refusal.message)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": step.label,
            "subtitle": self.named(row),
            "step": step,
            "row": row,
            "verdict": verdict,
            "effect": effect,
            "form": form,
            "back": back,
        }
        return TemplateResponse(request, "admin/prizes/step.html", context)


def _treasurer(request: HttpRequest) -> User | None:
    person = request.user
    return person if isinstance(person, User) and person.has_perm(TREASURER) else None


def _refuse_unseen(request: HttpRequest, step: Step, treasurer: User, facts: Any, answers: Answers) -> None:
    """What is carried out is what the treasurer has read, and once. Raises _Repeated, Refusal."""
    verdict = step.verdict(facts, treasurer)
    if repeated := step.repeats(facts, answers):
        raise _Repeated(repeated)
    if verdict.readiness is Readiness.DONE:
        raise _Repeated(verdict.why)
    if verdict.readiness is Readiness.BLOCKED:
        raise Conflict(verdict.why)
    if request.POST.get("seen") != step.effect(facts, treasurer).fingerprint:
        raise Conflict("Something has changed since you opened this page. Read again what will happen, then confirm.")


def _complain(form: Form, refusal: Refusal) -> None:
    for field, complaints in (refusal.details or {}).items():
        form.add_error(field if field in form.fields else None, complaints)
    if not refusal.details:
        form.add_error(None, refusal.message)
