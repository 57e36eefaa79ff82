"""Reading the audit trail: what happened to one thing and to all that belongs to it, the newest first.

A page is one statement over all tables of events, by the index that each has for it, and for every table that has
something on the page one for its rows and one for those before them; how many there are in all does not matter.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db.models import ForeignKey, IntegerField, Model, OuterRef, Q, QuerySet, Subquery, Value

from accounts.models import (
    Authenticator,
    PermissionGiven,
    RecoveryCodes,
    Role,
    RoleGiven,
    RolePermission,
    ServiceKey,
    User,
)
from competitions.models import Competition, RulesVersion
from config.panel.audit_words import Change, Happening, Names, Row, changes, sentence
from fitness.models import Flag
from leaderboards.models import Correction, FinalStandings, Standing
from prizes.models import (
    AwardList,
    Distribution,
    Entry,
    Payment,
    PayoutAccount,
    PrizePlan,
    Transfer,
    TreasuryAction,
)


class Kind(StrEnum):
    """What an event is about."""

    COMPETITION = "competition"
    RULES = "rules"
    STANDINGS = "standings"
    FLAGS = "flags"
    MONEY = "money"
    PEOPLE = "people"


class Place(NamedTuple):
    """Where in a story an event stands: its moment, its table's number, its own number. Older ones are smaller."""

    at: datetime
    source: int
    id: int


@dataclass(frozen=True)
class Source:
    """The events of a model that belong to a story; ``where`` says which."""

    model: type[Model]
    kind: Kind
    where: Q

    @property
    def events(self) -> QuerySet[Any]:
        return events_of(self.model).filter(self.where)


Story = Sequence[Source]


@dataclass(frozen=True)
class Event:
    """``user_id``: who did it, if it was a person who is known; ``who`` says in words who it was otherwise. ``where``:
    address, path, request, command, as far as they are known."""

    at: datetime
    kind: Kind
    user_id: UUID | None
    who: str
    what: str
    changes: Sequence[Change]
    why: str
    where: Mapping[str, str]
    place: Place


_OF_COMPETITION: Mapping[type[Model], Kind] = {
    RulesVersion: Kind.RULES,
    Standing: Kind.STANDINGS,
    FinalStandings: Kind.STANDINGS,
    Correction: Kind.STANDINGS,
    Flag: Kind.FLAGS,
    PrizePlan: Kind.MONEY,
    AwardList: Kind.MONEY,
    Payment: Kind.MONEY,
    Transfer: Kind.MONEY,
    Entry: Kind.MONEY,
    TreasuryAction: Kind.MONEY,
}
_KINDS: Mapping[type[Model], Kind] = {
    **_OF_COMPETITION,
    Competition: Kind.COMPETITION,
    Distribution: Kind.MONEY,
    PayoutAccount: Kind.MONEY,
    User: Kind.PEOPLE,
    ServiceKey: Kind.PEOPLE,
}
_AUTHORS = (
    "made_by_id",
    "frozen_by_id",
    "decided_by_id",
    "approved_by_id",
    "requested_by_id",
    "updated_by_id",
    "created_by_id",
    "by_id",
)
_REASONS = ("reason", "note", "disqualified_reason")
_UNTOUCHED: Mapping[type[Model], Row] = {Standing: {"adjustment_points": 0, "disqualified_reason": ""}}
"""What rows were like before the first event, of tables whose making is no event."""
_OF_EVENTS = ("pgh_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "pgh_context", "pgh_context_id")


def events_of(model: type[Model]) -> QuerySet[Any]:
    audit: type[Any] = apps.get_model(model._meta.app_label, f"{model.__name__}Audit")
    found: QuerySet[Any] = audit.objects.all()
    return found


# --- Stories ---


def story_of_competition(competition_id: UUID) -> Story:
    """All that ever happened to it, also after it was deleted."""
    lists = AwardList.objects.filter(competition=competition_id).values("id")
    own = Source(Competition, Kind.COMPETITION, Q(pgh_obj=competition_id))
    theirs = [Source(model, kind, Q(competition=competition_id)) for model, kind in _OF_COMPETITION.items()]
    return [own, *theirs, Source(Distribution, Kind.MONEY, Q(pgh_obj__in=lists))]


def story_of_person(user_id: UUID) -> Story:
    """What they may do and whether they may come in; not what they did."""
    return [
        Source(User, Kind.PEOPLE, Q(pgh_obj=user_id)),
        Source(RoleGiven, Kind.PEOPLE, Q(user=user_id)),
        Source(PermissionGiven, Kind.PEOPLE, Q(user=user_id)),
        Source(Authenticator, Kind.PEOPLE, Q(user=user_id)),
        Source(RecoveryCodes, Kind.PEOPLE, Q(user=user_id)),
    ]


def story_of_role(group_id: int) -> Story:
    return [
        Source(Role, Kind.PEOPLE, Q(id=group_id)),
        Source(RolePermission, Kind.PEOPLE, Q(group=group_id)),
        Source(RoleGiven, Kind.PEOPLE, Q(group=group_id)),
    ]


def story_of_row(row: Model) -> Story:
    """Of a row of an audited table, itself and nothing else."""
    return [Source(type(row), _KINDS[type(row)], Q(pgh_obj=row.pk))]


def newest_events(competition_id: UUID, limit: int, *, kinds: Iterable[Kind] = tuple(Kind)) -> list[Event]:
    """Of a competition's story; ``kinds``: what whoever looks at it may read."""
    return events_in(of_kinds(story_of_competition(competition_id), kinds), limit=limit)


def of_kinds(story: Story, kinds: Iterable[Kind]) -> Story:
    wanted = set(kinds)
    return [source for source in story if source.kind in wanted]


# --- Events ---


def events_in(story: Story, *, limit: int, before: Place | None = None) -> list[Event]:
    """The newest, or the newest of those that are older than ``before``."""
    places = _places(story, limit, before)
    happenings = _happenings(story, places)
    names = _names(happenings.values())
    return [_event(place, story[place.source].kind, *happenings[place], names) for place in places]


def _places(story: Story, limit: int, before: Place | None) -> list[Place]:
    if not story:
        return []
    newest = [_newest(source, number, limit, before) for number, source in enumerate(story)]
    rows, *others = newest
    if others:
        rows = rows.union(*others, all=True).order_by("-pgh_created_at", "-source", "-pgh_id")[:limit]
    return [Place(row["pgh_created_at"], row["source"], row["pgh_id"]) for row in rows]


def _newest(source: Source, number: int, limit: int, before: Place | None) -> QuerySet[Any, dict[str, Any]]:
    events = source.events
    if before is not None:
        older = Q(pgh_created_at__lt=before.at)
        if number < before.source:
            older = Q(pgh_created_at__lte=before.at)
        elif number == before.source:
            older |= Q(pgh_created_at=before.at, pgh_id__lt=before.id)
        events = events.filter(older, pgh_created_at__lte=before.at)
    numbered = events.annotate(source=Value(number, output_field=IntegerField()))
    in_order = numbered.order_by("-pgh_created_at", "-pgh_id")
    found: QuerySet[Any, dict[str, Any]] = in_order.values("pgh_created_at", "source", "pgh_id")[:limit]
    return found


def _happenings(story: Story, places: Sequence[Place]) -> dict[Place, tuple[Happening, Row]]:
    """Each with its event's row, which also says by whom."""
    found: dict[Place, tuple[Happening, Row]] = {}
    for number in {place.source for place in places}:
        model, theirs = story[number].model, [place for place in places if place.source == number]
        rows = {row["pgh_id"]: row for row in _with_the_one_before(model, [place.id for place in theirs])}
        earlier = [row["earlier"] for row in rows.values() if row["earlier"] and row["pgh_label"] == "update"]
        befores = (
            {row["pgh_id"]: row for row in events_of(model).filter(pgh_id__in=earlier).values()} if earlier else {}
        )
        for place in theirs:
            row = rows[place.id]
            before = befores.get(row["earlier"], _UNTOUCHED.get(model, {}))
            found[place] = Happening(model, row["pgh_label"], _columns(row), _columns(before)), row
    return found


def _with_the_one_before(model: type[Model], ids: Sequence[int]) -> QuerySet[Any, dict[str, Any]]:
    """``earlier``: the event that the same row had before."""
    events = events_of(model)
    before: Value | Subquery = Value(None, output_field=IntegerField())
    if hasattr(events.model, "pgh_obj"):
        same = events.filter(pgh_obj=OuterRef("pgh_obj"), pgh_id__lt=OuterRef("pgh_id")).order_by("-pgh_id")
        before = Subquery(same.values("pgh_id")[:1])
    rows: QuerySet[Any, dict[str, Any]] = events.filter(pgh_id__in=ids).annotate(earlier=before).values()
    return rows


def _columns(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in _OF_EVENTS and name != "earlier"}


def _event(place: Place, kind: Kind, happening: Happening, row: Row, names: Names) -> Event:
    context: Mapping[str, Any] = row["pgh_context"] or {}
    user_id = _uuid(context.get("user")) or _author(happening)
    where = {"from": "address", "at": "path", "request": "request_id", "command": "command", "run by": "by"}
    return Event(
        at=place.at,
        kind=kind,
        user_id=user_id if user_id in names.people else None,
        who=_who(user_id, context, happening, names),
        what=sentence(happening, names),
        changes=changes(happening, names),
        why=_reason(context, happening),
        where={word: str(context[name]) for word, name in where.items() if context.get(name)},
        place=place,
    )


def _who(user_id: UUID | None, context: Mapping[str, Any], it: Happening, names: Names) -> str:
    if user_id is not None:
        return names.person(user_id)
    key = context.get("service_key") or _new(it, "service_key") or _new(it, "requested_with")
    if key:
        return f"the service key “{key}”"
    if context.get("command"):
        return f"the command {context['command']}"
    return "somebody who did not sign in" if context.get("path") else "the server"


def _author(it: Happening) -> UUID | None:
    """Whom the row itself names, if it does so since this event."""
    return next((author for column in _AUTHORS if (author := _new(it, column))), None)


def _reason(context: Mapping[str, Any], it: Happening) -> str:
    own = (_new(it, column) for column in _REASONS)
    return str(context.get("reason") or next((reason for reason in own if reason), ""))


def _new(it: Happening, column: str) -> Any:
    return it.row.get(column) if it.label == "insert" or it.became(column) else None


def _names(happenings: Iterable[tuple[Happening, Row]]) -> Names:
    people, roles, permissions = set[UUID](), set[int](), set[int]()
    for it, event in happenings:
        people |= {*_people_in(it), *filter(None, [_uuid((event["pgh_context"] or {}).get("user"))])}
        roles |= {it.row["group_id"]} if it.row.get("group_id") else set()
        permissions |= {it.row["permission_id"]} if it.row.get("permission_id") else set()
    return Names(
        dict(User.objects.filter(id__in=people).values_list("id", "name")) if people else {},
        dict(Group.objects.filter(id__in=roles).values_list("id", "name")) if roles else {},
        dict(Permission.objects.filter(id__in=permissions).values_list("id", "name")) if permissions else {},
    )


def _people_in(it: Happening) -> Iterator[UUID]:
    for field in it.model._meta.concrete_fields:
        if isinstance(field, ForeignKey) and field.related_model is User:
            yield from (row[field.attname] for row in (it.row, it.before) if row.get(field.attname))


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
