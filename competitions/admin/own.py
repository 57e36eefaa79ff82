"""Organisers see what belongs to their own competitions, and nothing of the others."""

from typing import Any
from uuid import UUID

from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.http import HttpRequest

from accounts.models import User
from competitions.models import Competition, Participant, Seat
from config.core.admin import Page, ReadOnly

ORGANISE = "competitions.organise_own"


class OfCompetition(Page):
    """A table whose rows belong to competitions. Whoever may view the table sees all of it; an organiser those of
    their own competitions; what somebody does not see does not exist for them."""

    competition = "competition"
    """How a row names its competition; empty: it is one."""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_view_permission(request, obj) or request.user.has_perm(ORGANISE)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) or request.user.has_perm(ORGANISE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if super().has_view_permission(request):
            return rows
        owner = f"{self.competition}__owner" if self.competition else "owner"
        return rows.filter(Q(**{owner: request.user.pk}))

    def rows_to_find(self, request: HttpRequest, model: type[Model]) -> QuerySet[Any]:
        """Organisers find by their own competitions and the people in them: what of others there is does not even
        take a place among the first that are looked at."""
        rows = super().rows_to_find(request, model)
        if super().has_view_permission(request):
            return rows
        if issubclass(model, Competition):
            return rows.filter(owner=request.user.pk)
        mine = {"user": OuterRef("pk"), "competition__owner": request.user.pk}
        here = Exists(Participant.objects.filter(**mine)) | Exists(Seat.objects.filter(**mine))
        return rows.filter(here | Q(pk=request.user.pk)) if model is User else rows


class ReadOnlyOfCompetition(OfCompetition, ReadOnly):
    """Such a table to look at."""


def competition_in_panel(request: HttpRequest, competition_id: UUID) -> Competition | None:
    """The competition as far as this member of staff may see it in the panel; None for what is not theirs."""
    found = Competition.objects.select_related("owner")
    if not request.user.has_perm("competitions.view_competition"):
        if not request.user.has_perm(ORGANISE):
            return None
        found = found.filter(owner=request.user.pk)
    return found.filter(id=competition_id).first()
