"""Who did what to one thing, and when, and why, and from where: one page for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse

from accounts.models import ServiceKey, User
from competitions.admin.own import competition_in_panel
from competitions.models import Competition, RulesVersion
from config.panel.audit_events import (
    Kind,
    Place,
    Story,
    events_in,
    newest_events,
    of_kinds,
    story_of_competition,
    story_of_person,
    story_of_role,
    story_of_row,
)
from fitness.models import Flag
from leaderboards.models import Correction, FinalStandings, Standing
from prizes.models import AwardList, Distribution, Entry, Payment, PayoutAccount, PrizePlan, Transfer, TreasuryAction

__all__ = ["audit_view", "kinds_for", "newest_events"]

AT_ONCE = 50
_READERS: Mapping[Kind, Sequence[str]] = {
    Kind.COMPETITION: ["competitions.view_competition"],
    Kind.RULES: ["competitions.view_rulesversion"],
    Kind.STANDINGS: ["leaderboards.view_standing"],
    Kind.FLAGS: ["fitness.view_flag", "fitness.decide_flag"],
    Kind.MONEY: ["prizes.view_settlement"],
}
_OF_COMPETITION: Sequence[tuple[type[Model], Kind]] = (
    (RulesVersion, Kind.RULES),
    (Standing, Kind.STANDINGS),
    (FinalStandings, Kind.STANDINGS),
    (Correction, Kind.STANDINGS),
    (Flag, Kind.FLAGS),
    (PrizePlan, Kind.MONEY),
    (AwardList, Kind.MONEY),
    (Distribution, Kind.MONEY),
    (Payment, Kind.MONEY),
    (Transfer, Kind.MONEY),
    (Entry, Kind.MONEY),
    (TreasuryAction, Kind.MONEY),
)
_AUDITED = {model._meta.label_lower: (model, kind) for model, kind in _OF_COMPETITION}


@dataclass(frozen=True)
class Subject:
    """What a page tells of. ``page``: the address of its own, if it has one."""

    title: str
    story: Story
    page: str = ""


def audit_view(request: HttpRequest, app: str, model: str, key: str) -> HttpResponse:
    """Whoever may see the thing in the panel may read what happened to it; for anybody else it does not exist."""
    subject = _subject(request, f"{app}.{model}", key)
    if subject is None:
        raise Http404
    kinds = list(dict.fromkeys(source.kind for source in subject.story))
    kind = request.GET.get("kind", "")
    shown = of_kinds(subject.story, [kind]) if kind in kinds else subject.story  # type: ignore[list-item]  # its value
    found = events_in(shown, limit=AT_ONCE + 1, before=_place(request.GET.get("before", "")))
    events, more = found[:AT_ONCE], len(found) > AT_ONCE
    context = {
        **admin.site.each_context(request),
        "title": f"Audit trail of {subject.title}",
        "crumbs": [(subject.title, subject.page)] if subject.page else [],
        "kinds": kinds if len(kinds) > 1 else [],
        "kind": kind if kind in kinds else "",
        "events": events,
        "older": _written(events[-1].place) if more else "",
        "is_newest": "before" not in request.GET,
        "links_people": request.user.has_perm("accounts.view_user"),
    }
    return TemplateResponse(request, "panel/audit.html", context)


def kinds_for(reader: User | AnonymousUser, competition: Competition) -> list[Kind]:
    """What of a competition's story somebody who sees the competition may read; its organiser all of it."""
    if competition.owner_id == reader.pk:
        return list(_READERS)
    may = reader.has_perm
    return [kind for kind, permissions in _READERS.items() if any(may(permission) for permission in permissions)]


def _subject(request: HttpRequest, label: str, key: str) -> Subject | None:
    may = request.user.has_perm
    match label:
        case "competitions.competition" | "prizes.settlement":
            return _competition(request, key)
        case "accounts.user" if may("accounts.view_user"):
            person = _row(User, key)
            return person and Subject(str(person), story_of_person(person.pk), _page(person))
        case "auth.group" if may("auth.view_group"):
            role = _row(Group, key)
            return role and Subject(f"the role {role}", story_of_role(role.pk), _page(role))
        case "accounts.servicekey" if may("accounts.view_servicekey"):
            found = _row(ServiceKey, key)
            return found and Subject(f"the key {found}", story_of_row(found))
        case "prizes.payoutaccount" if may("prizes.view_payoutaccount"):
            account = _row(PayoutAccount, key)
            return account and Subject("a payout account", story_of_row(account), _page(account))
    return _of_competition(request, *_AUDITED[label], key) if label in _AUDITED else None


def _competition(request: HttpRequest, key: str) -> Subject | None:
    competition_id = _id(key)
    competition = competition_in_panel(request, competition_id) if competition_id else None
    if competition is None:
        return None
    story = of_kinds(story_of_competition(competition.id), kinds_for(request.user, competition))
    return Subject(competition.name, story, _page(competition))


def _of_competition(request: HttpRequest, model: type[Model], kind: Kind, key: str) -> Subject | None:
    """A row that belongs to a competition."""
    row = _row(model, key)
    if row is None:
        return None
    belongs = row.award_list if isinstance(row, Distribution) else row
    competition_id = getattr(belongs, "competition_id", None)
    if competition_id is None:  # a ledger's entry of none
        if not request.user.has_perm("prizes.view_entry"):
            return None
        return Subject("a ledger entry", story_of_row(row), _page(row))
    competition = competition_in_panel(request, competition_id)
    if competition is None or kind not in kinds_for(request.user, competition):
        return None
    return Subject(f"{row._meta.verbose_name} in {competition.name}", story_of_row(row), _page(row))


def _row(model: type[Model], key: str) -> Any:
    try:
        return model._default_manager.get(pk=key)
    except (ObjectDoesNotExist, ValidationError, ValueError):
        return None


def _id(key: str) -> UUID | None:
    try:
        return UUID(key)
    except ValueError:
        return None


def _page(row: Model) -> str:
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""


# --- Where a page ends, in its address ---


def _written(place: Place) -> str:
    return f"{place.at.isoformat()}_{place.source}_{place.id}"


def _place(text: str) -> Place | None:
    """None for what was never one of ours."""
    try:
        at, source, number = text.split("_")
        moment = datetime.fromisoformat(at)
        return Place(moment, int(source), int(number)) if moment.tzinfo else None
    except ValueError:
        return None
