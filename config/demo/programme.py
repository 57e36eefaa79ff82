"""What the seeded demo's competitions are: worked out beforehand, the same for the same seed and day. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any
from uuid import UUID

from competitions.policy import Check, OnHit
from competitions.rules import Kind, Metric, Span, TieRule, Visibility, span_of


class Phase(StrEnum):
    DRAFT = "draft"
    UPCOMING = "upcoming"
    ACTIVE = "active"
    IN_GRACE = "in grace"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Money(StrEnum):
    """How far the prizes of a competition have come."""

    NONE = "none"
    PROMISED = "promised"  # not all of it is confirmed
    FUNDED = "funded"
    CALCULATED = "calculated"
    WAITING = "waits for approval"
    PENDING = "pending"  # winners without an account
    PAID = "paid"
    FAILED = "some transfers failed"
    UNKNOWN = "some transfers unknown"


_ROUND: tuple[tuple[Phase, Money, bool], ...] = (
    (Phase.COMPLETED, Money.PAID, False),
    (Phase.ACTIVE, Money.NONE, False),
    (Phase.UPCOMING, Money.PROMISED, True),
    (Phase.COMPLETED, Money.FAILED, True),
    (Phase.IN_GRACE, Money.FUNDED, False),
    (Phase.DRAFT, Money.NONE, False),
    (Phase.ACTIVE, Money.FUNDED, True),
    (Phase.COMPLETED, Money.WAITING, False),
    (Phase.CANCELLED, Money.NONE, True),
    (Phase.COMPLETED, Money.CALCULATED, False),
    (Phase.ACTIVE, Money.PROMISED, False),
    (Phase.COMPLETED, Money.UNKNOWN, False),
)
"""Phases, how far the money is, and whether taking part costs something, over and over: a dozen has something of
everything. Of later rounds only every fourth has money in it, which takes a service call for each payment."""

_PLACES = "Lagos Oslo Turin Puebla Kyoto Fez Malmö Brno Accra Busan Kochi Galway Porto Graz Lyon Leeds Cork Bergen"
_WALKS = "river walk,hill walk,lunch walk,harbour walk,night walk,school run,park loop,bridge walk,market walk"
_SEASONS = "Early Late Long Short Grand Little Quiet Windy Sunny Misty"


@dataclass(frozen=True)
class Planned:
    """A competition to be: ``people`` are numbers of the crowd, ``fields`` columns of Competition."""

    number: int
    phase: Phase
    money: Money
    fields: Mapping[str, Any]
    span: Span
    created_at: datetime
    people: tuple[int, ...]
    of_the_organiser: bool
    plan: Mapping[str, Any] | None = None

    @property
    def has_fee(self) -> bool:
        return bool(self.fields["entry_fee_minor"])


def programme(*, competitions: int, people: int, seed: int, now: datetime) -> Iterator[Planned]:
    """One after the other, because the people of all of them at once would fill the memory."""
    for number in range(competitions):
        yield _planned(number, people, Random(f"{seed}/{number}"), now)  # noqa: S311 - a demo


def _planned(number: int, people: int, chance: Random, now: datetime) -> Planned:
    phase, money, has_fee = _ROUND[number % len(_ROUND)]
    if number >= len(_ROUND) and (number // len(_ROUND)) % 4:
        money, has_fee = Money.NONE, False
    kind = chance.choices([Kind.DAILY, Kind.WEEKLY, Kind.CUSTOM, Kind.MONTHLY], [2, 5, 4, 1])[0]
    span = _span(phase, kind, chance, now.date())
    pool = _pool(money, chance)
    size = 0 if phase is Phase.DRAFT else _size(number, people, chance, small=has_fee)
    return Planned(
        number=number,
        phase=phase,
        money=money,
        fields={
            "id": UUID(int=chance.getrandbits(128), version=4),
            "name": _name(number, chance),
            "description": "Made up, as everybody in it.",
            "kind": Kind.CUSTOM.value,
            "visibility": chance.choices(list(Visibility), [6, 3, 1])[0].value,
            "metric": chance.choices([Metric.STEPS, Metric.DISTANCE, Metric.ACTIVE_MINUTES], [7, 2, 1])[0].value,
            "tie_rule": chance.choice(list(TieRule)).value,
            "stored_policy": _policy(chance),
            "grace_hours": 48 if phase is Phase.IN_GRACE else chance.choice([6, 12, 24]),
            "score_source": "synced",
            "currency": "EUR" if number % 5 == 4 else "USD",
            "entry_fee_minor": chance.choice([300, 500, 1_000]) if has_fee else 0,
            "prize_pool_minor": pool,
            "max_participants": None if number % 3 else max(10, size + size // 10),
        },
        span=span,
        created_at=min(span.start_at, now) - timedelta(days=chance.randint(3, 12), minutes=chance.randint(0, 1_000)),
        people=tuple(chance.sample(range(1, people + 1), size)),
        of_the_organiser=number % 3 == 0 if number < len(_ROUND) else number % 25 == 0,
        plan=_plan(pool, chance) if pool else None,
    )


def _span(phase: Phase, kind: Kind, chance: Random, today: date) -> Span:
    days = {Kind.DAILY: 1, Kind.WEEKLY: 7, Kind.MONTHLY: 28, Kind.CUSTOM: chance.randint(3, 12)}[kind]
    match phase:
        case Phase.ACTIVE:
            days = max(days, 3)
            first = today - timedelta(days=chance.randint(1, days - 2))
        case Phase.IN_GRACE:
            first = today - timedelta(days=days)  # it ended last midnight
        case Phase.COMPLETED:
            first = today - timedelta(days=days + chance.randint(3, 40))
        case _:
            first = today + timedelta(days=chance.randint(2, 30))
    return span_of(first, first + timedelta(days=days - 1), "UTC", Kind.CUSTOM)


def _size(number: int, people: int, chance: Random, *, small: bool) -> int:
    """A few thousands, a few hundreds, and most between 20 and 300; no more than half of everybody."""
    most = max(people // 2, 2)
    if small:
        return min(chance.randint(8, 20), most)
    if number % 200 == 1:
        return min(max(people // 20, 20), most)
    if number % 50 == 10:
        return min(max(people // 100, 20), most)
    return min(round(20 * 15 ** chance.random()), most)


def _pool(money: Money, chance: Random) -> int:
    if money is Money.NONE:
        return 0
    if money is Money.WAITING:
        return 250_000  # more than one treasurer may send out alone
    return chance.choice([30_000, 50_000, 75_000])


def _plan(pool_minor: int, chance: Random) -> Mapping[str, Any]:
    """In the form that `prizes.plans` describes."""
    if chance.random() < 0.4:
        each = pool_minor // 10
        places: list[dict[str, Any]] = [
            {"first": 1, "last": 1, "amount_minor": 4 * each},
            {"first": 2, "last": 4, "amount_minor": 2 * each},
        ]
    else:
        places = [
            {"first": place, "last": place, "percent": str(percent)}
            for place, percent in enumerate(chance.choice([(60, 30, 10), (50, 25, 15, 10), (40, 30, 20, 10)]), start=1)
        ]
    return {"places": places, "fee_share_percent": chance.choice(["100", "80"])}


def _policy(chance: Random) -> dict[str, Any]:
    """What differs from the usual, in three of ten."""
    policies: list[dict[str, Any]] = [
        {},
        {"daily_cap": {"steps": 20_000}},
        {"manual_entries": False},
        {"checks": {Check.DAILY_MAXIMUM.value: OnHit.HOLD.value}},
    ]
    return chance.choices(policies, [7, 1, 1, 1])[0]


def _name(number: int, chance: Random) -> str:
    season, place = chance.choice(_SEASONS.split()), chance.choice(_PLACES.split())
    return f"{season} {place} {chance.choice(_WALKS.split(','))} {number + 1}"
