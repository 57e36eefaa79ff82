"""A competition's page: everything about it in one place, what matters first."""

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.models import User
from accounts.reauthentication import confirmation_first, kept_answers
from competitions.admin.own import competition_in_panel
from competitions.admin.tables import CompetitionAdmin
from competitions.models import Competition
from config.core.errors import Refusal
from config.panel.cockpit.facts import Cockpit
from config.panel.cockpit.next_move import next_move
from config.panel.cockpit.steps import STEPS, ConfirmForm, Step, take_step
from leaderboards.models import Board


@admin.register(Competition)
class CockpitAdmin(CompetitionAdmin):
    """The list is the table's, the page the cockpit."""

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        ours = [
            path("<uuid:competition_id>/board/", guarded(self.board_view), name="competitions_competition_board"),
            path(
                "<uuid:competition_id>/step/<slug:step>/",
                guarded(self.step_view),
                name="competitions_competition_step",
            ),
        ]
        return [*ours, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """To be looked at only; what is done has a page of its own."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        competition = _seen(request, object_id)
        if competition is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]  # Django's own, which its types leave out
        cockpit = Cockpit(competition, cast("User", request.user), timezone.now())
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": competition.name,
            "crumbs": [("Competitions", reverse("admin:competitions_competition_changelist"))],
            "cockpit": cockpit,
            "competition": competition,
            "next_move": next_move(cockpit),
            "board_address": reverse("admin:competitions_competition_board", args=[competition.pk]),
        }
        return TemplateResponse(request, "panel/cockpit.html", context)

    def board_view(self, request: HttpRequest, competition_id: UUID) -> HttpResponse:
        """The live board alone, for `cockpit.js`; with the version that it has already, only that it is the same."""
        competition = competition_in_panel(request, competition_id)
        if competition is None:
            raise Http404
        board = Board.objects.get(competition=competition)
        tag = f'"{board.epoch}:{board.version}"'
        if request.headers.get("If-None-Match") == tag:
            return HttpResponse(status=304, headers={"ETag": tag})
        cockpit = Cockpit(competition, cast("User", request.user), timezone.now())
        answer = TemplateResponse(request, "panel/cockpit/board.html", {"cockpit": cockpit})
        answer.headers["ETag"] = tag
        answer.headers["Cache-Control"] = "private, no-cache"
        return answer

    def step_view(self, request: HttpRequest, competition_id: UUID, step: str) -> HttpResponse:
        """GET says what will happen, POST does it."""
        competition, chosen = competition_in_panel(request, competition_id), STEPS.get(step)
        if competition is None or chosen is None:
            raise Http404
        cockpit = Cockpit(competition, cast("User", request.user), timezone.now())
        if not cockpit.may_run:
            raise PermissionDenied
        if chosen.moves_money and (elsewhere := confirmation_first(request, cockpit.now)):
            return elsewhere
        form = ConfirmForm(request.POST if request.method == "POST" else kept_answers(request))
        if request.method == "POST" and form.is_valid() and self._took(request, chosen, cockpit, form):
            return HttpResponseRedirect(cockpit.address("competitions_competition_change"))
        done = chosen.done(cockpit) or chosen.blocked(cockpit)
        effect = None if done else chosen.effect(cockpit)
        context = {
            **self.admin_site.each_context(request),
            "title": chosen.label,
            "subtitle": competition.name,
            "crumbs": [
                ("Competitions", reverse("admin:competitions_competition_changelist")),
                (competition.name, cockpit.address("competitions_competition_change")),
            ],
            "competition": competition,
            "step": chosen,
            "done": done,
            "effect": effect,
            "form": form,
        }
        return TemplateResponse(request, "panel/cockpit/step.html", context)

    def _took(self, request: HttpRequest, step: Step, cockpit: Cockpit, form: ConfirmForm) -> bool:
        answers = form.cleaned_data
        try:
            said = take_step(
                step=step,
                competition_id=cockpit.competition.id,
                seen=answers["seen"],
                reason=answers["reason"],
                by=cockpit.viewer,
                now=cockpit.now,
            )
        except Refusal as refusal:
            form.add_error(None, refusal.message)
            return False
        messages.success(request, said)
        return True


def _seen(request: HttpRequest, key: str) -> Competition | None:
    try:
        return competition_in_panel(request, UUID(key))
    except ValueError:
        return None
