"""What a body can have done, and what is seen when it cannot. Pure.

Every check asks for what is certain, not for what is usual; its limit is beyond what people have been measured to do,
and a hit says what was seen, the limit, and one sentence. Where the limits come from:

``STEPS_PER_MINUTE``: over a whole 400 m, world-class men take 3.84 steps a second (289 races of 2015 to 2020, European
College of Sport Science 2024), and 4.12 in their fastest 50 m (Hanon and Gajer, Journal of Strength and Conditioning
Research 23, 2009): 247 a minute, and that not for a minute.
``ON_FOOT_M_PER_S``: the fastest ever seen for a moment is about 12.4 m/s, and 400 m at the world record of 43.03 s are
9.3 m/s.
``IN_A_WORKOUT_M_PER_S``: a workout may be a ride. An hour alone on a track is ridden at 15.8 m/s; what is beyond 25 m/s
for a whole minute, 90 km/h, has a motor.
``MEASURES``: 100,000 steps are some 75 km on foot; 200 km are a very long day on a bicycle, and on foot only a 24-hour
race goes further (319.6 km is the record); 15,000 kilocalories are far beyond a mountain stage of the Tour de France,
of some 8,000.

An outlier is found by the modified z-score, 0.6745 · (x − median) / MAD (Iglewicz and Hoaglin, How to Detect and Handle
Outliers, 1993), which they call remarkable from 3.5 on.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from statistics import median
from typing import Any, NamedTuple
from uuid import UUID

from competitions.policy import Check
from config.core.clock import day_in
from fitness.rules import Recording, SampleType, Source
from leaderboards.scoring import Totals

STEPS_PER_MINUTE = 260
ON_FOOT_M_PER_S = 12
IN_A_WORKOUT_M_PER_S = 25
ACTIVE_SLACK = timedelta(minutes=1)  # whole minutes are rounded up
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)

CLOCK_SLACK = timedelta(minutes=2)
"""So far apart the clocks of a device and of the server may be."""

MANUAL_ENTRIES, MANUAL_SPAN = 20, timedelta(hours=24)
MANUAL_DAYS = 7
"""So many entries in such a span, or days of daily records at once, somebody types in."""

WITNESSES = 5
"""So many samples that bear witness two accounts must share. Any one of them may be alike by chance."""
SHARED_PART = 4
"""Accounts that share less than such a part of what came now are alike by chance: many devices measure by the clock."""

HISTORY_DAYS, LEAST_HISTORY = 28, 7
REMARKABLE_SCORE = 6
LEAST_SPREAD = 10
"""The MAD of somebody whose days are nearly alike is taken for a tenth of their median."""

MOST_SPANS = 20
"""So many separate spans of one source's day are told apart; more than that are one."""


class FlagState(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    EXCLUDED = "excluded"
    DISQUALIFIED = "disqualified"


class Decision(StrEnum):
    ACCEPT = "accept"  # it counts
    EXCLUDE = "exclude"  # it does not
    DISQUALIFY = "disqualify"  # nor does its person

    @property
    def state(self) -> FlagState:
        return _STATES[self]


_STATES = {
    Decision.ACCEPT: FlagState.ACCEPTED,
    Decision.EXCLUDE: FlagState.EXCLUDED,
    Decision.DISQUALIFY: FlagState.DISQUALIFIED,
}


class Measure(NamedTuple):
    """How a metric is said. ``base``: how many base units are one of ``unit``. In base units: ``day_maximum``, and
    ``outlier_floor``, from which on a day may be remarkable at all."""

    unit: str
    base: int
    day_maximum: int
    outlier_floor: int


MEASURES: Mapping[SampleType, Measure] = {
    SampleType.STEPS: Measure("steps", 1, 100_000, 20_000),
    SampleType.DISTANCE: Measure("metres", 1_000, 200_000_000, 20_000_000),
    SampleType.CALORIES: Measure("kilocalories", 1_000, 15_000_000, 5_000_000),
    SampleType.ACTIVE_MINUTES: Measure("active minutes", 60, 24 * 3600, 4 * 3600),
}
PORTION = 4
"""A day's sum is worth asking for when what came at once is such a part of what would be remarkable."""


class StoredSample(NamedTuple):
    """A sample as it stands now. ``source_id``: of its DataSource; ``amount`` in the base units of scoring.Totals;
    ``end_at`` is exclusive."""

    id: int
    source_id: int
    type: SampleType
    start_at: datetime
    end_at: datetime
    amount: int
    recording: Recording


class DayTotal(NamedTuple):
    """What a source that sends whole days says of one, as it stands now."""

    source: Source
    day: date
    totals: Totals


@dataclass(frozen=True)
class Change:
    """What of one person is new, or other than it was: samples that stand now, and days of daily records. ``at_once``:
    it came together."""

    user_id: UUID
    samples: Sequence[StoredSample] = ()
    days: Sequence[DayTotal] = ()
    at_once: bool = True


@dataclass(frozen=True)
class Hold:
    """What of a participant's data is set aside. A sample is when its source (by id) and type are these and it overlaps
    ``start_at`` (included) to ``end_at`` (excluded); a day of daily records is, when its source has this name and the
    day lies in ``first_day`` to ``last_day``, both included. Either the times or the days are None. Without a type it
    is every type. ``decided``: somebody has excluded it; otherwise it waits for a decision."""

    flag_id: UUID
    source_id: int | None
    source_name: str | None
    type: SampleType | None
    start_at: datetime | None
    end_at: datetime | None
    first_day: date | None
    last_day: date | None
    decided: bool
    reason: str


@dataclass(frozen=True)
class Hit:
    """What a check has seen, and in which data: samples of a source between two moments, or a day of daily records.
    ``seen`` and ``limit`` are in ``unit``; ``more`` explains them further."""

    check: Check
    text: str
    seen: float
    limit: float
    unit: str
    source_id: int | None = None
    source_name: str = ""
    type: SampleType | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    day: date | None = None
    other_user_id: UUID | None = None
    more: Mapping[str, float] | None = None

    @property
    def numbers(self) -> dict[str, Any]:
        return {"seen": self.seen, "limit": self.limit, "unit": self.unit, **(self.more or {})}

    def days_in(self, zone: str) -> tuple[date, date]:
        """The first and the last day that it is about: those of the zone, or the one of its daily record."""
        if self.start_at is not None and self.end_at is not None:
            return day_in(zone, self.start_at), day_in(zone, self.end_at - timedelta(microseconds=1))
        assert self.day is not None
        return self.day, self.day


class DayAmount(NamedTuple):
    """What one source says of one metric on one day: UTC's for samples (``source_id``), the person's for daily records
    (``source_name``)."""

    day: date
    type: SampleType
    amount: int
    source_id: int | None = None
    source_name: str = ""


# --- What samples show by themselves ---


@dataclass(frozen=True, eq=False)
class _Rate:
    check: Check
    per_second: float  # in base units
    unit: str
    base: float  # so many base units a second are one of ``unit``


_CADENCE = _Rate(Check.CADENCE, STEPS_PER_MINUTE / 60, "steps per minute", 1 / 60)
_ON_FOOT = _Rate(Check.SPEED, ON_FOOT_M_PER_S * 1_000, "metres per second", 1_000)
_IN_A_WORKOUT = _Rate(Check.SPEED, IN_A_WORKOUT_M_PER_S * 1_000, "metres per second", 1_000)


def _rate_of(sample: StoredSample) -> _Rate | None:
    """None for what was typed in: people write down the amount, and hardly ever the right times."""
    if sample.recording == Recording.MANUAL:
        return None
    if sample.type == SampleType.STEPS:
        return _CADENCE
    if sample.type == SampleType.DISTANCE:
        return _IN_A_WORKOUT if sample.recording == Recording.ACTIVE else _ON_FOOT
    return None


def sample_hits(samples: Iterable[StoredSample], now: datetime) -> list[Hit]:
    """Cadence, speed, active minutes and the device's clock. A rate is one of a whole minute at least: shorter samples
    that begin in the same minute are taken together."""
    hits: list[Hit] = []
    short: dict[tuple[int, _Rate, int], list[StoredSample]] = {}
    latest = now + CLOCK_SLACK
    for sample in samples:
        span = sample.end_at - sample.start_at
        if sample.end_at > latest:
            hits.append(_clock_hit(sample, now))
        rate = _rate_of(sample)
        if rate is not None and span < MINUTE:
            short.setdefault((sample.source_id, rate, int(sample.start_at.timestamp()) // 60), []).append(sample)
        elif rate is not None and sample.amount > rate.per_second * span.total_seconds():
            hits.append(_rate_hit(rate, [sample]))
        elif _too_active(sample, span):
            hits.append(_active_hit(sample, span))
    for (_, rate, _), together in short.items():
        if sum(sample.amount for sample in together) > rate.per_second * _seconds_of(together):
            hits.append(_rate_hit(rate, together))
    return hits


def _seconds_of(samples: Collection[StoredSample]) -> float:
    span = max(sample.end_at for sample in samples) - min(sample.start_at for sample in samples)
    return max(span, MINUTE).total_seconds()


def _rate_hit(rate: _Rate, samples: Sequence[StoredSample]) -> Hit:
    seen = round(sum(sample.amount for sample in samples) / _seconds_of(samples) / rate.base, 1)
    limit = round(rate.per_second / rate.base, 1)
    text = f"{_said(seen)} {rate.unit} were measured for a minute or longer; {_said(limit)} is more than people do."
    return _hit_of(rate.check, text, seen, limit, rate.unit, samples)


def _too_active(sample: StoredSample, span: timedelta) -> bool:
    timed = sample.type == SampleType.ACTIVE_MINUTES and sample.recording != Recording.MANUAL
    return timed and sample.amount > (span + ACTIVE_SLACK).total_seconds()


def _active_hit(sample: StoredSample, span: timedelta) -> Hit:
    seen, limit = round(sample.amount / 60, 1), round(span.total_seconds() / 60, 1)
    text = f"{_said(seen)} active minutes were measured within {_said(limit)} minutes."
    return _hit_of(Check.ACTIVE_MINUTES, text, seen, limit, "minutes", [sample])


def _clock_hit(sample: StoredSample, now: datetime) -> Hit:
    ahead = round((sample.end_at - now).total_seconds() / 60, 1)
    text = f"The measurement ended {_said(ahead)} minutes after it arrived here: the clock of the device is wrong."
    return _hit_of(Check.DEVICE_CLOCK, text, ahead, CLOCK_SLACK.total_seconds() / 60, "minutes ahead", [sample])


def _said(number: float) -> str:
    return f"{number:,.1f}".removesuffix(".0")


def _hit_of(
    check: Check,
    text: str,
    seen: float,
    limit: float,
    unit: str,
    samples: Sequence[StoredSample],
    other_user_id: UUID | None = None,
) -> Hit:
    """Of samples of one source and type."""
    return Hit(
        check=check,
        text=text,
        seen=seen,
        limit=limit,
        unit=unit,
        source_id=samples[0].source_id,
        type=SampleType(samples[0].type),
        start_at=min(sample.start_at for sample in samples),
        end_at=max(sample.end_at for sample in samples),
        other_user_id=other_user_id,
    )


# --- What a day shows ---


def amounts_of_days(days: Iterable[DayTotal]) -> list[DayAmount]:
    return [
        DayAmount(day, type_, amount, source_name=source.value)
        for source, day, totals in days
        for type_, amount in zip(MEASURES, amounts_in(totals), strict=True)
        if amount
    ]


def amounts_in(totals: Totals) -> tuple[int, int, int, int]:
    """In the order of ``MEASURES``."""
    return totals.steps, totals.distance_mm, totals.energy_cal, totals.active_seconds


def days_of(samples: Iterable[StoredSample]) -> list[DayAmount]:
    """Of each source; ``amount`` is what came now."""
    sums: dict[tuple[int, SampleType, int], int] = {}
    for sample in samples:
        key = sample.source_id, sample.type, int(sample.start_at.timestamp()) // 86_400
        sums[key] = sums.get(key, 0) + sample.amount
    return [
        DayAmount(_EPOCH + timedelta(days=number), SampleType(type_), amount, source_id=source_id)
        for (source_id, type_, number), amount in sums.items()
    ]


def is_worth_asking(came: DayAmount) -> bool:
    """Whether so much came now of a source's day that its sum may be remarkable."""
    return came.amount * PORTION >= MEASURES[came.type].outlier_floor


def counted_of(came: DayAmount, counted: Mapping[date, Totals]) -> DayAmount:
    """The same with what counts by now, from all sources, of the metric: ``counted`` are the person's own days, whose
    midnight may be any zone's, so it is the largest that the day may reach into."""
    place = list(MEASURES).index(came.type)
    days = (came.day + timedelta(days=ahead) for ahead in (-1, 0, 1))
    return came._replace(amount=max((amounts_in(counted[day])[place] for day in days if day in counted), default=0))


_EPOCH = date(1970, 1, 1)


def is_remarkable(amount: DayAmount) -> bool:
    """Whether the person's history decides."""
    return amount.amount > MEASURES[amount.type].outlier_floor


def day_hits(amounts: Iterable[DayAmount]) -> list[Hit]:
    """More than a day can believably hold; of active minutes, more than a day has."""
    return [_maximum_hit(amount) for amount in amounts if amount.amount > MEASURES[amount.type].day_maximum]


def together_hit(counts: DayAmount) -> Hit | None:
    """``counts``: as `counted_of` says. What no source alone can have seen, several that take turns cannot either."""
    measure = MEASURES[counts.type]
    if counts.amount <= measure.day_maximum or counts.type == SampleType.ACTIVE_MINUTES:
        return None
    seen, limit = counts.amount / measure.base, measure.day_maximum / measure.base
    text = f"{seen:,.0f} {measure.unit} in one day from all sources; hardly anybody gets beyond {limit:,.0f}."
    return _hit_of_day(Check.DAILY_MAXIMUM, text, seen, limit, counts)


def _maximum_hit(amount: DayAmount) -> Hit:
    measure = MEASURES[amount.type]
    seen, limit = amount.amount / measure.base, measure.day_maximum / measure.base
    timed = amount.type == SampleType.ACTIVE_MINUTES
    why = "a day has no more than" if timed else "hardly anybody gets beyond"
    text = f"{seen:,.0f} {measure.unit} in one day from one source; {why} {limit:,.0f}."
    return _hit_of_day(Check.ACTIVE_MINUTES if timed else Check.DAILY_MAXIMUM, text, seen, limit, amount)


def outlier_hit(amount: DayAmount, history: Collection[int]) -> Hit | None:
    """``history``: the same metric on the days before that have any, in base units."""
    if len(history) < LEAST_HISTORY or not is_remarkable(amount):
        return None
    usual = median(history)
    spread = max(median(abs(value - usual) for value in history), usual / LEAST_SPREAD)
    limit = usual + REMARKABLE_SCORE * spread / 0.6745
    if amount.amount <= limit:
        return None
    base, unit = MEASURES[amount.type].base, MEASURES[amount.type].unit
    seen, limit, usual = amount.amount / base, limit / base, usual / base
    text = (
        f"{seen:,.0f} {unit} in one day; the median of {len(history)} days before was {usual:,.0f}, and beyond "
        f"{limit:,.0f} it is out of the ordinary."
    )
    more = {"median": usual, "mad": spread / base, "days": len(history)}
    return replace(_hit_of_day(Check.OUTLIER, text, seen, limit, amount), more=more)


def _hit_of_day(check: Check, text: str, seen: float, limit: float, amount: DayAmount) -> Hit:
    """What daily records say of a day is held whole: if its steps are wrong, so is what was worked out of them."""
    unit = MEASURES[amount.type].unit
    hit = Hit(check=check, text=text, seen=seen, limit=limit, unit=unit)
    if amount.source_id is None:
        return replace(hit, source_name=amount.source_name, day=amount.day)
    start_at = datetime(amount.day.year, amount.day.month, amount.day.day, tzinfo=UTC)
    return replace(hit, source_id=amount.source_id, type=amount.type, start_at=start_at, end_at=start_at + DAY)


# --- What others, and many entries, show ---


def bears_witness(sample: StoredSample) -> bool:
    """Whether a sample is one of the eighth that is compared between accounts. Small and round amounts never are: two
    people have the former by chance, and the latter by rounding or typing."""
    return sample.amount >= 100 and sample.amount % 8 == 5


def shared_hits(other_user_id: UUID, samples: Sequence[StoredSample]) -> list[Hit]:
    """``samples``: of one person, all bearing witness, that another account has with the same type, times and amount.
    One hit for each source and metric on each day: of what lies between the witnesses, most is shared as well."""
    seen = len(samples)
    if seen < WITNESSES:
        return []
    text = (
        f"{seen} of the samples that were compared are the same as another account's, to the moment and the last unit."
    )
    return [
        _hit_of(Check.SHARED_SAMPLES, text, seen, WITNESSES, "shared samples", together, other_user_id)
        for together in _by_source_and_day(samples)
    ]


def _by_source_and_day(samples: Iterable[StoredSample]) -> list[list[StoredSample]]:
    groups: dict[tuple[int, SampleType, date], list[StoredSample]] = {}
    for sample in samples:
        groups.setdefault((sample.source_id, sample.type, sample.start_at.astimezone(UTC).date()), []).append(sample)
    return list(groups.values())


def manual_hits(entries: Sequence[StoredSample]) -> list[Hit]:
    """``entries``: what one person typed in within ``MANUAL_SPAN``."""
    seen = len(entries)
    if seen <= MANUAL_ENTRIES:
        return []
    text = f"{seen} entries were typed in within 24 hours; up to {MANUAL_ENTRIES} are usual."
    return [_hit_of(Check.MANUAL_BURST, text, seen, MANUAL_ENTRIES, "entries", [entry]) for entry in entries]


def manual_day_hits(days: Iterable[DayTotal]) -> list[Hit]:
    typed_in = [day for day in days if day.source == Source.MANUAL]
    seen = len(typed_in)
    if seen <= MANUAL_DAYS:
        return []
    text = f"{seen} days were typed in at once; up to {MANUAL_DAYS} are usual."
    found = Hit(Check.MANUAL_BURST, text, seen, MANUAL_DAYS, "days", source_name=Source.MANUAL.value)
    return [replace(found, day=day.day) for day in typed_in]


# --- What becomes one piece of evidence ---


def merged(hits: Iterable[Hit]) -> list[Hit]:
    """The same with hits of one check, source and type that touch in time made one, which says the worst of them."""
    by_day = [hit for hit in hits if hit.start_at is None]
    timed = sorted((hit for hit in hits if hit.start_at is not None), key=_order)
    for _, group in groupby(timed, key=lambda hit: _order(hit)[:-1]):
        by_day += _touching(list(group))
    return by_day


def _order(hit: Hit) -> tuple[str, int, str, str, date, datetime]:
    assert hit.start_at is not None
    day = hit.start_at.astimezone(UTC).date()
    return hit.check, hit.source_id or 0, hit.type or "", str(hit.other_user_id), day, hit.start_at


def _touching(hits: Sequence[Hit]) -> list[Hit]:
    """Of one source, type and day, in their order."""
    spans: list[Hit] = []
    for hit in hits:
        assert hit.start_at is not None
        if spans and spans[-1].end_at is not None and hit.start_at <= spans[-1].end_at:
            spans[-1] = _worst([spans[-1], hit])
        else:
            spans.append(hit)
    return spans if len(spans) <= MOST_SPANS else [_worst(spans)]


def _worst(hits: Sequence[Hit]) -> Hit:
    """What the worst of them says, about the time of all."""
    end_at = max(hit.end_at for hit in hits if hit.end_at is not None)
    return replace(max(hits, key=lambda hit: hit.seen - hit.limit), start_at=hits[0].start_at, end_at=end_at)
