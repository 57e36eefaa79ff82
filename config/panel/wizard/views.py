from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import ValidationError

from accounts.models import User
from competitions.admin.own import ORGANISE
from competitions.models import Competition
from config.core.errors import Refusal
from config.core.json import canonical_json
from config.panel.wizard.afterwards import next_steps
from config.panel.wizard.answers import complaints_in, rows_asked_for
from config.panel.wizard.drafts import draft, drafts, forget_draft, keep_answers
from config.panel.wizard.forms import StepForm, answers_in
from config.panel.wizard.making import Preview, make_competition, preview_of
from config.panel.wizard.questions import PREVIEW, Step, steps, zones
from prizes.plans import WrongPlan

TITLE = "New competition"
MORE_ROWS, MOST_ROWS = 5, 50

_Refused = (ValidationError, Refusal, WrongPlan)


def may_make(request: HttpRequest) -> bool:
    """Whether this member of staff may make competitions in the panel."""
    return request.user.has_perm(ORGANISE) or request.user.has_perm("competitions.add_competition")


@require_http_methods(["GET", "HEAD", "POST"])
def wizard_view(request: HttpRequest, step: str = "") -> HttpResponse:
    """Without a step: what was begun, and a new one. A step says with ``of`` which competition it is about."""
    if not may_make(request):
        raise PermissionDenied
    competition_id = _named(request)
    if not step or competition_id is None:
        return _start(request, competition_id)
    if made := Competition.objects.filter(id=competition_id).first():
        return _already_made(request, made)
    page = Wizard(request, competition_id)
    shown = page.step_called(step)
    if request.method == "POST":
        return page.answered(shown)
    if shown is not page.furthest(shown):
        return page.to(page.furthest(shown))
    return page.preview() if shown.name == PREVIEW else page.question(shown)


def _named(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("of", ""))
    except ValueError:
        return None


def _start(request: HttpRequest, competition_id: UUID | None) -> HttpResponse:
    if request.method == "POST":
        if competition_id is not None:
            forget_draft(request.session, competition_id)
        return HttpResponseRedirect(reverse("admin:new_competition"))
    first = steps(_person(request), timezone.now(), rows=0)[0]
    anew = _address(first.name, uuid4())
    begun = [
        (answers.get(first.name, {}).get("name") or "Without a name", _address(PREVIEW, UUID(of)), f"?of={of}")
        for of, answers in drafts(request.session).items()
    ]
    if not begun:
        return HttpResponseRedirect(anew)
    return _page(request, "panel/wizard/begun.html", begun=begun, anew=anew)


def _already_made(request: HttpRequest, made: Competition) -> HttpResponse:
    """A double click, or the browser's way back."""
    if made.owner_id != _person(request).pk:
        raise Http404
    forget_draft(request.session, made.id)
    messages.info(request, f"{made.name} is made already; nothing was made again.")
    return HttpResponseRedirect(_page_of(made))


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _address(step: str, competition_id: UUID) -> str:
    return f"{reverse('admin:new_competition_step', args=[step])}?{urlencode({'of': competition_id})}"


def _page_of(competition: Competition) -> str:
    return reverse("admin:competitions_competition_change", args=[competition.pk])


def _page(request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
    crumbs = [("Competitions", reverse("admin:competitions_competition_changelist"))]
    return TemplateResponse(
        request, template, {**admin.site.each_context(request), "title": TITLE, "crumbs": crumbs, **context}
    )


@dataclass(frozen=True)
class Mark:
    """A step in the list of steps."""

    step: Step
    is_current: bool
    is_done: bool
    is_reachable: bool


class Wizard:
    """One competition to be, on the way through its steps."""

    def __init__(self, request: HttpRequest, competition_id: UUID) -> None:
        self.request = request
        self.competition_id = competition_id
        self.person = _person(request)
        self.now: datetime = timezone.now()
        self.answered_steps = draft(request.session, competition_id)
        rows = rows_asked_for({**self.answered_steps.get("money", {}), **request.POST.dict()})
        self.steps: Sequence[Step] = steps(self.person, self.now, rows=min(rows, MOST_ROWS))

    @cached_property
    def answers(self) -> dict[str, Any]:
        """Of all steps; where nothing was said, what is usual."""
        return {
            question.name: self.answered_steps.get(step.name, {}).get(question.name, question.usual)
            for step in self.steps
            for question in step.questions
        }

    @cached_property
    def unfinished(self) -> list[Step]:
        """Those that nobody has answered, or not rightly, in their order."""
        return [step for step in self.steps if not self.is_done(step)]

    def is_done(self, step: Step) -> bool:
        told = self.answered_steps.get(step.name)
        return told is not None and StepForm(step, told).is_valid()

    def step_called(self, name: str) -> Step:
        found = next((step for step in self.steps if step.name == name), None)
        if found is None:
            raise Http404
        return found

    def furthest(self, wanted: Step) -> Step:
        """The step itself if everything before it is answered, else the first that is not."""
        first = self.unfinished[0]
        return min(wanted, first, key=self.steps.index)

    def to(self, step: Step) -> HttpResponse:
        return HttpResponseRedirect(_address(step.name, self.competition_id))

    # --- Asking ---

    def question(self, step: Step) -> HttpResponse:
        form = StepForm(step, self.answered_steps.get(step.name))
        context = {"form": form, "zones": zones() if step is self.steps[0] else (), "first": step is self.steps[0]}
        return _page(self.request, "panel/wizard/step.html", **self._frame(step), **context)

    def answered(self, step: Step) -> HttpResponse:
        """Keeps what was said, right or wrong, and goes where the button says."""
        go, place = self.request.POST.get("go", ""), self.steps.index(step)
        if step.name == PREVIEW:
            if go in ("publish", "draft"):
                return self.make(published=go == "publish")
        else:
            answers = answers_in(step, self.request.POST)
            if go == "again":
                row = rows_asked_for(answers)
                answers |= {f"places[{row + more}].first": "" for more in range(MORE_ROWS)}
            keep_answers(self.request.session, self.competition_id, step.name, answers)
            if go == "again" or (go == "next" and not StepForm(step, answers).is_valid()):
                return self.to(step)
        if go in ("next", "back"):
            return self.to(self.steps[max(0, place + (1 if go == "next" else -1))])
        return self.to(next((known for known in self.steps if known.name == go), step))

    def _frame(self, step: Step) -> dict[str, Any]:
        reachable = self.unfinished[0]
        marks = [
            Mark(known, known is step, self.is_done(known), self.steps.index(known) <= self.steps.index(reachable))
            for known in self.steps
        ]
        return {"step": step, "marks": marks, "number": self.steps.index(step) + 1, "count": len(self.steps)}

    # --- Reading and making ---

    @property
    def fingerprint(self) -> str:
        """The same as long as the same answers stand."""
        return sha256(canonical_json(self.answers).encode()).hexdigest()

    def preview(self, refused: Mapping[str, list[str]] | None = None) -> HttpResponse:
        shown: Preview | None = None
        try:
            shown = preview_of(
                competition_id=self.competition_id, owner=self.person, answers=self.answers, now=self.now
            )
        except _Refused as error:
            refused = refused or complaints_in(error, self.answers, list(self.answers))
        context = {
            "preview": shown,
            "complaints": [self._complaint(name, sentences) for name, sentences in (refused or {}).items()],
            "fingerprint": self.fingerprint,
        }
        return _page(self.request, "panel/wizard/preview.html", **self._frame(self.steps[-1]), **context)

    def _complaint(self, name: str, sentences: Sequence[str]) -> tuple[str, str, Sequence[str]]:
        """What it is about, where that was asked, and what is said of it."""
        for step in self.steps:
            for question in step.questions:
                if question.name == name:
                    return question.label, f"{_address(step.name, self.competition_id)}#id_{name}", sentences
        return "", "", sentences

    def make(self, *, published: bool) -> HttpResponse:
        if self.furthest(self.steps[-1]) is not self.steps[-1]:
            return self.to(self.furthest(self.steps[-1]))
        if self.request.POST.get("seen") != self.fingerprint:
            return self.preview({"": ["The answers have changed since you opened this page. Read them again."]})
        try:
            made = make_competition(
                competition_id=self.competition_id,
                owner=self.person,
                answers=self.answers,
                published=published,
                now=self.now,
            )
        except _Refused as error:
            return self.preview(complaints_in(error, self.answers, list(self.answers)))
        except IntegrityError:  # the other click of two at once
            found = Competition.objects.filter(id=self.competition_id).first()
            if found is None:
                raise
            return _already_made(self.request, found)
        forget_draft(self.request.session, self.competition_id)
        for sentence in next_steps(made, self.request):
            messages.success(self.request, sentence)
        return HttpResponseRedirect(_page_of(made))
