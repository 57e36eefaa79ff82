"""The first page: what needs a person today, and how the server's world is going."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.growth import joined_in, people_by_day
from competitions.admin.own import ORGANISE
from competitions.models import Competition
from competitions.participation import participation_by_day
from competitions.running import pools_under_way, running_by_day
from config.core.ageing import Aged, Ageing
from config.core.charts import Chart, Shape
from config.core.money import decimals_of, money_text, to_decimal
from config.core.redis import RedisError
from config.core.sql import one_moment
from config.core.tables import counted
from config.panel.today import what_waits
from fitness.queries.syncs import syncs_by_hour
from leaderboards.headcount import headcount
from prizes.turnover import paid_by_day

DAYS = 30
_charts = Ageing("home", seconds=60, moved_seconds=60)


def home_context(request: HttpRequest) -> dict[str, Any]:
    """What the first page shows beside what every page does."""
    now = timezone.now()
    drawn = home_charts(request, now)
    shown = drawn.value if drawn else []
    return {"waiting": what_waits(request, now), "charts": shown, "read_at": drawn.read_at if drawn else None}


def home_charts(request: HttpRequest, now: datetime) -> Aged | None:
    """Of everything, or for an organiser of their own competitions; None for whoever may see neither."""
    sees_all = request.user.has_perm("competitions.view_competition")
    if not sees_all and not request.user.has_perm(ORGANISE):
        return None
    owner_id = None if sees_all else request.user.pk
    sees_payouts = owner_id is not None or request.user.has_perm("prizes.view_transfer")
    key = f"{owner_id or 'all'}:{'money' if sees_payouts else ''}"
    found = _charts.get(key, lambda: _drawn(owner_id, sees_payouts, now), now=now)
    return Aged([with_address(chart_of(stored)) for stored in found.value], found.read_at)


def chart_of(stored: Mapping[str, Any]) -> Chart:
    """Out of what `asdict` made of one."""
    return Chart(**{**stored, "shape": Shape(stored["shape"])})


def with_address(chart: Chart) -> Chart:
    return replace(chart, csv=reverse("admin:insights_csv", args=[chart.key]))


def _drawn(owner_id: UUID | None, sees_payouts: bool, now: datetime) -> list[dict[str, Any]]:
    world = [_people, _syncs, _running, _sockets, _pools] if owner_id is None else [_participants, _running, _pools]
    drawers: Sequence[Callable[[UUID | None, datetime], Iterator[Chart]]] = [
        *world,
        *([_payouts] if sees_payouts else []),
    ]
    with one_moment():
        return [asdict(chart) for draw in drawers for chart in draw(owner_id, now)]


def _span(now: datetime) -> tuple[Any, Any, list[str]]:
    """The last days in UTC: the first, the last, and all of them."""
    last = now.date()
    first = last - timedelta(days=DAYS - 1)
    return first, last, [(first + timedelta(days=ahead)).isoformat() for ahead in range(DAYS)]


def _people(owner_id: UUID | None, now: datetime) -> Iterator[Chart]:
    first, last, _ = _span(now)
    days = people_by_day(first, last)
    says = (
        f"{counted(days[-1].total, 'person has', 'people have')} joined, {joined_in(days):,} in the last {DAYS} days."
    )
    labels = [day.day.isoformat() for day in days]
    yield Chart("people", "People who joined", labels, {"joined": [day.joined for day in days]}, says=says)
    yield Chart(
        *("people-total", "People in all", labels, {"people": [day.total for day in days]}),
        shape=Shape.LINE,
        says="Everybody who had joined by the end of the day.",
    )


def _participants(owner_id: UUID | None, now: datetime) -> Iterator[Chart]:
    first, last, labels = _span(now)
    ids = list(Competition.objects.filter(owner=owner_id).values_list("id", flat=True))
    days = participation_by_day(ids, zone="UTC", first=first, last=last)
    series = {"joined": [day.joined for day in days], "left": [day.left for day in days]}
    who = counted(days[-1].here, "person takes", "people take")
    says = f"{who} part in your competitions; somebody in two of them counts twice."
    yield Chart("participants", "Who came and went", labels, series, says=says)


def _syncs(owner_id: UUID | None, now: datetime) -> Iterator[Chart]:
    hours = syncs_by_hour(now)
    series = {"syncs": [count for _, count in hours]}
    yield Chart(
        *("syncs", "Syncs an hour", [f"{begins:%H:%M}" for begins, _ in hours], series, "hour from (UTC)"),
        says=f"{sum(series['syncs']):,} in the last 24 hours; this hour is not over.",
    )


def _running(owner_id: UUID | None, now: datetime) -> Iterator[Chart]:
    first, last, labels = _span(now)
    counts = running_by_day(owner_id, first, last, now)
    says = f"{counts[-1]:,} {'competition runs' if counts[-1] == 1 else 'competitions run'} today."
    yield Chart("running", "Active competitions", labels, {"competitions": counts}, says=says)


def _sockets(owner_id: UUID | None, now: datetime) -> Iterator[Chart]:
    title, label = "Open sockets and streams", "hour from (UTC)"
    try:
        heads = headcount(now)
    except RedisError:
        yield Chart("sockets", title, [], {}, label, says="Not known: Redis does not answer.")
        return
    known = [peak for _, peak in heads.peaks if peak is not None]
    if not known:
        yield Chart("sockets", title, [], {}, label, says="Nobody was connected in the last 24 hours.")
        return
    says = f"{heads.now:,} now, {max(known):,} at most in the last 24 hours."
    yield Chart(
        *("sockets", title, [f"{begins:%H:%M}" for begins, _ in heads.peaks]),
        *({"most at once": [peak for _, peak in heads.peaks]}, label),
        says=says,
        note="Each server is asked every ten seconds. An hour in which none said anything is left open.",
    )


def _pools(owner_id: UUID | None, now: datetime) -> Iterator[Chart]:
    """In units of its currency: amounts of different currencies are beside each other, not to be compared."""
    mine = Competition.objects.all() if owner_id is None else Competition.objects.filter(owner=owner_id)
    pools = pools_under_way(mine, now)
    told = ", ".join(money_text(promised, currency) for currency, _, promised, _ in pools)
    count = sum(count for _, count, _, _ in pools)
    says = (
        f"{told} promised by {count:,} of the competitions that run."
        if pools
        else "No running competition promises a pool."
    )
    series = {
        "promised": [_units(promised, currency) for currency, _, promised, _ in pools],
        "confirmed": [_units(confirmed, currency) for currency, _, _, confirmed in pools],
    }
    labels = [currency for currency, *_ in pools]
    yield Chart("pools", "Pool under way", labels, series, "currency", says=says, places=2)


def _payouts(owner_id: UUID | None, now: datetime) -> Iterator[Chart]:
    """A chart for each currency: their amounts share no axis."""
    first, last, labels = _span(now)
    paid = paid_by_day(owner_id, first, last)
    if not paid:
        yield Chart("payouts", "Paid out", [], {}, says=f"Nothing was paid out in the last {DAYS} days.")
    for currency, days in paid.items():
        series = {"paid": [_units(minor, currency) for minor in days]}
        says = f"{money_text(sum(days), currency)} in the last {DAYS} days, prizes and refunds."
        yield Chart(
            *(f"payouts-{currency.lower()}", f"Paid out in {currency}", labels, series),
            unit=currency,
            says=says,
            places=decimals_of(currency),
        )


def _units(minor: int, currency: str) -> float:
    amount: Decimal = to_decimal(minor, currency)
    return float(amount)
