"""What needs a person today: of everything for those who look after it, of their own competitions for organisers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob

from competitions.admin.own import ORGANISE
from competitions.models import Competition
from fitness.clouds.base import ConnectionState
from fitness.models import Connection, Flag
from fitness.plausibility import FlagState
from fitness.queries.flags import DECIDE
from prizes import waiting
from prizes.models import Transfer, TransferState

NAMED = 5
"""Competitions that an organiser is shown by name."""


@dataclass(frozen=True)
class Kind:
    """One kind of thing that may wait. ``permissions``: any of them shows all of it. ``rows`` says which wait, asked
    with the moment, and ``since`` their field that says since when. ``competition``: how a row names its competition,
    empty if it is one, None if it has none. ``page`` and ``query``: the list that shows the same rows."""

    one: str
    many: str
    permissions: Sequence[str]
    rows: Callable[[datetime], QuerySet[Any]]
    since: str
    competition: str | None
    page: str
    query: str


@dataclass(frozen=True)
class Waiting:
    """``links``: where to see to it; text and address."""

    count: int
    what: str
    since: datetime | None
    waited: str
    links: Sequence[tuple[str, str]]


def _failed_jobs(now: datetime) -> QuerySet[Any]:
    failures = ProcrastinateEvent.objects.filter(job=OuterRef("pk"), type="failed").order_by("-at")
    jobs: QuerySet[Any] = ProcrastinateJob.objects.annotate(failed_at=Subquery(failures.values("at")[:1]))
    return jobs.filter(status="failed")


def _flags(**which: Any) -> Callable[[datetime], QuerySet[Any]]:
    return lambda now: Flag.objects.filter(**which)


def _transfers(state: TransferState) -> Callable[[datetime], QuerySet[Any]]:
    return lambda now: Transfer.objects.filter(state=state)


_SEES_FLAGS = ("fitness.view_flag", DECIDE)
_SEES_TRANSFERS = ("prizes.view_transfer",)
_SEES_MONEY = ("prizes.view_settlement",)
_FLAGS, _TRANSFERS, _SETTLEMENTS = "fitness_flag", "prizes_transfer", "prizes_settlement"

KINDS: Sequence[Kind] = (
    Kind(
        "flag waits for a decision",
        "flags wait for a decision",
        _SEES_FLAGS,
        _flags(state=FlagState.OPEN.value),
        since="opened_at",
        competition="competition",
        page=_FLAGS,
        query="state__exact=open",
    ),
    Kind(
        "appeal waits for an answer",
        "appeals wait for an answer",
        _SEES_FLAGS,
        _flags(appeal_waits=True),
        since="appealed_at",
        competition="competition",
        page=_FLAGS,
        query="appeal_waits__exact=1",
    ),
    Kind(
        "transfer failed",
        "transfers failed",
        _SEES_TRANSFERS,
        _transfers(TransferState.FAILED),
        since="updated_at",
        competition="competition",
        page=_TRANSFERS,
        query="state__exact=failed",
    ),
    Kind(
        "transfer has no known end",
        "transfers have no known end",
        _SEES_TRANSFERS,
        _transfers(TransferState.UNKNOWN),
        since="updated_at",
        competition="competition",
        page=_TRANSFERS,
        query="state__exact=unknown",
    ),
    Kind(
        "transfer waits for something, such as its winner’s account",
        "transfers wait for something, such as their winners’ accounts",
        _SEES_TRANSFERS,
        lambda now: waiting.held_up(),
        since="created_at",
        competition="competition",
        page=_TRANSFERS,
        query="state__exact=pending&lacks=something",
    ),
    Kind(
        "distribution waits for a second treasurer",
        "distributions wait for a second treasurer",
        _SEES_MONEY,
        lambda now: waiting.to_approve(Competition.objects.all()),
        since="asked_at",
        competition="",
        page=_SETTLEMENTS,
        query="waits_for=approval",
    ),
    Kind(
        "competition is over and its prizes are not distributed",
        "competitions are over and their prizes are not distributed",
        _SEES_MONEY,
        lambda now: waiting.to_settle(Competition.objects.all(), now),
        since="closes_at",
        competition="",
        page=_SETTLEMENTS,
        query="waits_for=distribution",
    ),
    Kind(
        "promised pool is not funded",
        "promised pools are not funded",
        _SEES_MONEY,
        lambda now: waiting.to_fund(Competition.objects.all()),
        since="published_at",
        competition="",
        page=_SETTLEMENTS,
        query="waits_for=funding",
    ),
    Kind(
        "job failed",
        "jobs failed",
        ("procrastinate.view_procrastinatejob",),
        _failed_jobs,
        since="failed_at",
        competition=None,
        page="procrastinate_procrastinatejob",
        query="status__exact=failed",
    ),
    Kind(
        "cloud needs its person’s consent again",
        "clouds need their people’s consent again",
        ("fitness.view_connection",),
        lambda now: Connection.objects.filter(state=ConnectionState.NEEDS_CONSENT.value),
        since="last_fetched_at",
        competition=None,
        page="fitness_connection",
        query="state__exact=needs_consent",
    ),
)


def what_waits(request: HttpRequest, now: datetime) -> list[Waiting]:
    """One statement for each kind that this person may see, however much there is; what does not wait is left out."""
    found = []
    for kind in KINDS:
        rows = kind.rows(now)
        if rows.model is Flag:
            rows = rows.exclude(user_id=request.user.pk)  # one's own are for somebody else
        if any(request.user.has_perm(permission) for permission in kind.permissions):
            found.append(_of_all(kind, rows, now))
        elif kind.competition is not None and request.user.has_perm(ORGANISE):
            found.append(_of_own(kind, rows, request.user.pk, now))
    return [waits for waits in found if waits is not None]


def _of_all(kind: Kind, rows: QuerySet[Any], now: datetime) -> Waiting | None:
    told = rows.order_by().aggregate(count=Count("pk"), since=Min(kind.since))
    address = f"{reverse(f'admin:{kind.page}_changelist')}?{kind.query}"
    return _waiting(
        kind, told["count"], told["since"], [("See to it" if told["count"] == 1 else "See to them", address)], now
    )


def _of_own(kind: Kind, rows: QuerySet[Any], owner_id: object, now: datetime) -> Waiting | None:
    """The competition that has waited longest comes first."""
    prefix = f"{kind.competition}__" if kind.competition else ""
    theirs = rows.filter(**{f"{prefix}owner_id": owner_id}).order_by()
    grouped = theirs.values(f"{prefix}id", f"{prefix}name").annotate(count=Count("pk"), oldest=Min(kind.since))
    groups = list(grouped.order_by("oldest"))
    links = [
        (group[f"{prefix}name"], reverse("admin:competitions_competition_change", args=[group[f"{prefix}id"]]))
        for group in groups[:NAMED]
    ]
    count = sum(group["count"] for group in groups)
    return _waiting(kind, count, groups[0]["oldest"] if groups else None, links, now)


def _waiting(
    kind: Kind, count: int, since: datetime | None, links: Sequence[tuple[str, str]], now: datetime
) -> Waiting | None:
    if not count:
        return None
    waited = span_text(now - since) if since else ""
    return Waiting(count, kind.one if count == 1 else kind.many, since, waited, links)


def span_text(span: timedelta) -> str:
    """In the largest unit that it fills once: ``3 days``."""
    seconds = max(0, int(span.total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if count := seconds // length:
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"
