"""What is known of what rules cut off, and whether it should be worked out anew."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from competitions.models import Competition
from competitions.rules import ScoreSource
from fitness.left_out import LeftOut, left_out_of
from fitness.models import LeftOut as StoredLeftOut
from leaderboards.models import Board

GOOD_FOR = timedelta(seconds=60)
"""Held readings, and those that count for nothing, move no board: so it is not good for ever, either."""


@dataclass(frozen=True)
class KnownLeftOut:
    """``read_at``: as of when; None while nothing is known. ``people_done``: how far a new one is that is being worked
    out; None while none is."""

    left_out: LeftOut
    read_at: datetime | None
    people_done: int | None


def left_out_in(competition_id: UUID) -> KnownLeftOut:
    stored = StoredLeftOut.objects.filter(competition_id=competition_id).first()
    if stored is None:
        return KnownLeftOut(LeftOut(), None, None)
    known = left_out_of(stored.document) if stored.document else LeftOut()
    return KnownLeftOut(known, stored.read_at, stored.people_done)


def left_out_in_all(competition_ids: Collection[UUID]) -> tuple[LeftOut, int, datetime | None]:
    """Added up, of how many competitions it is known, and as of when the oldest of it."""
    stored: Sequence[StoredLeftOut] = list(
        StoredLeftOut.objects.filter(competition_id__in=list(competition_ids), document__isnull=False)
    )
    added = LeftOut()
    for each in stored:
        added.add(left_out_of(each.document or {}))
    return added, len(stored), min((each.read_at for each in stored if each.read_at), default=None)


def is_current(competition_id: UUID, now: datetime) -> bool:
    """Whether what is known is good enough to be shown as it is."""
    stored = StoredLeftOut.objects.filter(competition_id=competition_id).first()
    if stored is None or stored.version is None or stored.read_at is None:
        return False
    version = Board.objects.filter(competition_id=competition_id).values_list("version", flat=True).first()
    return stored.version == (version or 0) and now - stored.read_at < GOOD_FOR


def competitions_to_work_out(now: datetime) -> QuerySet[Competition]:
    """Those that activity counts in, whose board has moved since it was worked out, or that it never was for; without
    those that were over long ago, which nobody's readings reach any more."""
    of_it = StoredLeftOut.objects.filter(competition=OuterRef("pk"))
    begun = Competition.objects.filter(cancelled_at=None, published_at__isnull=False, start_at__lte=now)
    counting = begun.exclude(score_source=ScoreSource.REPORTED)
    known = counting.annotate(worked_out=Subquery(of_it.values("version")))
    lately = Q(closes_at__gt=now - timedelta(days=30))
    return known.filter(Q(worked_out=None) | ~Q(worked_out=F("board__version"))).filter(lately)
