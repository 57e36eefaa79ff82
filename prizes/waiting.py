"""Money that waits for a person."""

from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from competitions.models import Competition
from competitions.rules import Status
from competitions.running import short_of_money
from leaderboards.models import FinalStandings
from prizes.models import AwardList, Transfer, TransferState


def held_up() -> QuerySet[Transfer]:
    """Those that lack something: mostly their person has not said where the money goes."""
    return Transfer.objects.filter(state=TransferState.PENDING).exclude(waits_for="")


def with_prizes(competitions: QuerySet[Competition]) -> QuerySet[Any]:
    """Each with how far its prizes are: ``final``, the number of its newest standings, ``calculated``, that of the
    standings that were calculated last, and of those ``asked_at`` and ``released_at``."""
    newest = AwardList.objects.filter(competition=OuterRef("pk")).order_by("-version")
    standings = FinalStandings.objects.filter(competition=OuterRef("pk")).order_by("-number")
    return competitions.annotate(
        final=Subquery(standings.values("number")[:1]),
        calculated=Subquery(newest.values("version")[:1]),
        asked_at=Subquery(newest.values("distribution__requested_at")[:1]),
        released_at=Subquery(newest.values("distribution__released_at")[:1]),
    )


def to_approve(competitions: QuerySet[Competition]) -> QuerySet[Competition]:
    """Those whose distribution somebody has asked for, and nobody else has approved."""
    asked = AwardList.objects.filter(distribution__isnull=False, distribution__released_at=None).values("competition")
    return with_prizes(competitions.filter(id__in=asked)).filter(asked_at__isnull=False, released_at=None)


def to_settle(competitions: QuerySet[Competition], now: datetime) -> QuerySet[Competition]:
    """Those that are over, have money in them, and whose prizes nobody has asked to be paid, or that were corrected
    since."""
    over = competitions.with_status(Status.COMPLETED, now)  # type: ignore[attr-defined]  # of our own QuerySet
    return with_prizes(_with_money(over)).filter(Q(asked_at=None) | Q(calculated__lt=F("final")))


def unsettled(competitions: QuerySet[Competition], now: datetime) -> QuerySet[Any]:
    """Those that are over, have money in them, and whose prizes are not all on their way."""
    over = competitions.filter(end_at__lte=now, cancelled_at=None, published_at__isnull=False)
    return with_prizes(_with_money(over)).filter(Q(released_at=None) | Q(calculated__lt=F("final")))


def _with_money(competitions: QuerySet[Competition]) -> QuerySet[Competition]:
    return competitions.filter(Q(prize_pool_minor__gt=0) | Q(entry_fee_minor__gt=0))


def to_fund(competitions: QuerySet[Competition]) -> QuerySet[Competition]:
    """Those whose pool is promised, and not there in full."""
    return competitions.filter(short_of_money())
