"""A competition's rules in sentences, for the people who walk in it. Pure.

What goes without saying is not said; but two competitions that differ in a rule read differently.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from competitions.policy import DEFAULT_PREFERENCE, Check, DayBoundary, MergeRule, OnHit, Policy
from competitions.rules import (
    BASE_UNITS,
    DeviceKind,
    Kind,
    Metric,
    ScoreSource,
    TieRule,
    Visibility,
    runs_over_whole_days,
)
from config.core.money import money_text


class Ruled(Protocol):
    """What of a models.Competition the sentences are about."""

    @property
    def kind(self) -> str: ...
    @property
    def timezone(self) -> str: ...
    @property
    def start_at(self) -> datetime: ...
    @property
    def end_at(self) -> datetime: ...
    @property
    def starts_on(self) -> date: ...
    @property
    def last_on(self) -> date: ...
    @property
    def closes_at(self) -> datetime: ...
    @property
    def metric(self) -> str: ...
    @property
    def weights(self) -> Any: ...
    @property
    def score_source(self) -> str: ...
    @property
    def tie_rule(self) -> str: ...
    @property
    def policy(self) -> Policy: ...
    @property
    def visibility(self) -> str: ...
    @property
    def max_participants(self) -> int | None: ...
    @property
    def currency(self) -> str: ...
    @property
    def entry_fee_minor(self) -> int: ...
    @property
    def prize_pool_minor(self) -> int: ...


UNITS: Mapping[str, tuple[str, str]] = {
    "steps": ("step", "steps"),
    "distance": ("metre", "metres"),
    "calories": ("kilocalorie", "kilocalories"),
    "active_minutes": ("active minute", "active minutes"),
}
"""Of each amount of the wire: one, and several."""

_KINDS = {
    Kind.DAILY: "It is a daily competition.",
    Kind.WEEKLY: "It is a weekly competition.",
    Kind.MONTHLY: "It is a monthly competition.",
    Kind.CUSTOM: "",
}

_SOURCES = {
    ScoreSource.SYNCED: "Only what phones, watches and connected apps have recorded counts; a total that an app just"
    " reports does not.",
    ScoreSource.REPORTED: "Only the totals that apps report count; what phones and watches have recorded does not.",
    ScoreSource.EITHER: "What phones, watches and connected apps have recorded counts, and so do totals that apps"
    " report: the larger of the two.",
}

_TIES = {
    TieRule.FIRST_TO_REACH: "Among equals, whoever got there first stands higher.",
    TieRule.SHARED: "Equals share a place: 1, 1, 3.",
}

_VISIBILITIES = {
    Visibility.OPEN: "Everybody with an account can see it and join.",
    Visibility.PUBLIC: "Everybody with an account can join, and the board is a web page that anybody can read.",
    Visibility.PRIVATE: "Only those who have the join code can join, and only those who take part can see it.",
}

DEVICES = {
    DeviceKind.WATCH: "watch",
    DeviceKind.BAND: "fitness band",
    DeviceKind.RING: "ring",
    DeviceKind.PHONE: "phone",
    DeviceKind.OTHER: "other devices",
}

CHECKS = {
    Check.CADENCE: "more steps in a minute than anybody can take",
    Check.SPEED: "a distance covered faster than anybody can",
    Check.DAILY_MAXIMUM: "more in a day than a body can do",
    Check.ACTIVE_MINUTES: "more active minutes than there is time for",
    Check.SHARED_SAMPLES: "the same readings from two accounts",
    Check.DEVICE_CLOCK: "readings from a device whose clock is wrong",
    Check.MANUAL_BURST: "very much typed in at once",
    Check.OUTLIER: "a day far beyond the person's usual ones",
}

_ON_HIT = {
    OnHit.HOLD: "Held back until a person has looked at it",
    OnHit.COUNT: "Counted, and looked at by a person",
    OnHit.OFF: "Not looked for",
}


def rules_in_words(competition: Ruled) -> list[str]:
    """In the order in which people ask: what counts, when, from where, who wins, who may join, what it costs."""
    policy = competition.policy
    said = [
        _what_and_when(competition),
        _KINDS[Kind(competition.kind)],
        *_weighing(competition),
        _SOURCES[ScoreSource(competition.score_source)],
        *_days(policy),
        *_counting(policy),
        _overlaps(policy),
        *_late(competition),
        *_checking(policy),
        _TIES[TieRule(competition.tie_rule)],
        *_joining(competition),
        *_money(competition),
    ]
    return [sentence for sentence in said if sentence]


def listed(words: Sequence[str], last: str = "and") -> str:
    """``["a", "b", "c"]`` → ``a, b and c``."""
    return f" {last} ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def points_are(metric: str) -> str:
    """What a score of this metric is a number of: ``steps``, or ``points``."""
    return "points" if metric == Metric.WEIGHTED else UNITS[metric][1]


def amount_text(amount: int | Decimal, wire: str) -> str:
    """``20000, "steps"`` → ``20,000 steps``."""
    one, several = UNITS[wire]
    return f"{amount:,} {one if amount == 1 else several}"


def _what_and_when(competition: Ruled) -> str:
    metric = Metric(competition.metric)
    counts = "Points count" if metric is Metric.WEIGHTED else f"Every {UNITS[metric][0]} counts"
    return f"{counts}, {_when(competition)}, in {_place(competition.timezone)}."


def _when(competition: Ruled) -> str:
    if not runs_over_whole_days(competition.start_at, competition.end_at, competition.timezone):
        zone = ZoneInfo(competition.timezone)
        start, end = competition.start_at.astimezone(zone), competition.end_at.astimezone(zone)
        return f"from {_moment(start)} to {_moment(end)}"
    first, last = competition.starts_on, competition.last_on
    if first == last:
        return f"on {_day(first)}"
    return f"from {_day(first) if first.year != last.year else f'{first:%A %-d %B}'} to {_day(last)}"


def _day(day: date) -> str:
    return f"{day:%A %-d %B %Y}"


def _moment(at: datetime) -> str:
    return f"{_day(at.date())}, {at:%H:%M}"


def _place(zone: str) -> str:
    return zone.replace("_", " ")


def _weighing(competition: Ruled) -> list[str]:
    if competition.metric != Metric.WEIGHTED:
        return []
    weights = [(Decimal(weight), UNITS[name][0]) for name, weight in competition.weights.items() if Decimal(weight)]
    return [f"A person's points: {listed([f'{weight:f} for every {unit}' for weight, unit in weights])}, rounded down."]


def _days(policy: Policy) -> list[str]:
    match policy.day_boundary:
        case DayBoundary.COMPETITION:
            return []
        case DayBoundary.PARTICIPANT:
            return ["A day lasts from midnight to midnight where each person is at the time."]
        case DayBoundary.UTC:
            return ["A day lasts from midnight to midnight by UTC, wherever people are."]


def _counting(policy: Policy) -> list[str]:
    caps = [
        amount_text(Decimal(policy.daily_cap[name]) / per_unit, wire)
        for wire, (name, per_unit) in BASE_UNITS.items()
        if name in policy.daily_cap
    ]
    kinds = [name for kind, name in DEVICES.items() if kind in policy.allowed_sources]
    apps = sorted(policy.allowed_sources - set(DEVICES))
    return [
        f"At most {listed(caps)} count on one day." if caps else "",
        "Only what was done after joining counts."
        if policy.since_joining
        else "Who joins late brings along everything since the first day.",
        "What was typed in by hand counts too."
        if policy.manual_entries
        else "What was typed in by hand does not count.",
        f"Only these sources count: {listed([*kinds, *apps])}." if policy.allowed_sources else "",
    ]


def _overlaps(policy: Policy) -> str:
    if policy.merge is MergeRule.LARGEST:
        return "Where several devices recorded the same time, only the largest reading counts."
    if not policy.preference:
        usual = listed([DEVICES[kind] for kind in DEFAULT_PREFERENCE])
        return (
            "Where several devices recorded the same time, the one that the person prefers counts; who has not chosen:"
            f" {usual}, in this order."
        )
    order = listed([DEVICES[kind] for kind in policy.preference])
    return f"Where several devices recorded the same time, the first of these counts: {order}."


def _late(competition: Ruled) -> list[str]:
    days, closes = competition.policy.backfill_days, _until(competition.closes_at, competition.timezone)
    limit = "" if days is None else "What arrives later than on the day after it was measured does not count."
    if days is not None and days != 1:
        limit = f"What arrives more than {days} days after the day it was measured on does not count."
    if days == 0:
        limit = "What does not arrive on the very day it was measured on does not count."
    return [f"Phones may send what was measured in time until {closes}, {_place(competition.timezone)} time.", limit]


def _until(at: datetime, zone: str) -> str:
    """``at`` is exclusive: midnight is the end of the day before."""
    local = at.astimezone(ZoneInfo(zone))
    if local.time() == time():
        return f"the end of {_day(local.date() - timedelta(days=1))}"
    return _moment(local)


def _checking(policy: Policy) -> list[str]:
    return [
        f"{says}: {'; '.join(found)}."
        for on_hit, says in _ON_HIT.items()
        if (found := [CHECKS[check] for check in Check if policy.on_hit(check) is on_hit])
    ]


def _joining(competition: Ruled) -> list[str]:
    places = competition.max_participants
    people = "" if places is None else f"There {'is one place' if places == 1 else f'are {places:,} places'}."
    return [_VISIBILITIES[Visibility(competition.visibility)], people]


def _money(competition: Ruled) -> list[str]:
    fee, pool = competition.entry_fee_minor, competition.prize_pool_minor
    return [
        f"Taking part costs {money_text(fee, competition.currency)}." if fee else "Taking part is free.",
        f"The organiser promises {money_text(pool, competition.currency)} for the prizes." if pool else "",
    ]
