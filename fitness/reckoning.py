"""What of somebody's readings counts in a competition, day by day, and why the rest does not. Pure, exact.

A sample is divided at the midnights that the competition goes by and at the moments where it begins and ends to count;
each part gets its share of the amount in whole base units, so that the parts add up to the sample. The parts of each
day are merged (`merging`). A day total says nothing about when: it stands for its whole day, and counts where it is
larger than what all samples of the day come to.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from competitions.policy import Policy
from competitions.rules import BASE_UNITS, DeviceKind
from config.core.clock import zone_named
from fitness.merging import Microseconds, Piece, counted_shares, whole
from fitness.plausibility import Hold
from fitness.rules import Recording, SampleType, Source
from fitness.samples import SourceKey
from leaderboards.scoring import Totals

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
DAY = 86_400 * SECOND
_ONE_DAY = timedelta(days=1)
_TYPES = {type_.value: type_ for type_ in SampleType}
AMOUNTS: Mapping[SampleType, str] = {type_: BASE_UNITS[type_][0] for type_ in SampleType}
"""What of Totals a sample adds to."""
_LATEST_ZONE = "-12:00"  # no place on Earth has an earlier date


class Reason(StrEnum):
    """Why a part of a reading counts for less than it says."""

    SUPERSEDED = "superseded"  # another version of it stands
    LATE = "late"
    OUTSIDE = "outside"
    BEFORE_JOINING = "before_joining"
    MANUAL = "manual"
    SOURCE_NOT_ALLOWED = "source_not_allowed"
    OWNER_ONLY = "owner_only"
    HELD = "held"
    EXCLUDED = "excluded"
    OVERLAPPED = "overlapped"  # another source counts for that time


class KnownSample(NamedTuple):
    """Moments in microseconds since 1970. It was what is known from ``known_from`` until ``known_until``, which is
    exclusive and None for what stands."""

    id: int
    source_id: int
    type: str
    start: Microseconds
    end: Microseconds
    amount: int
    recording: str
    zone: str
    channel: str
    known_from: Microseconds
    known_until: Microseconds | None


class KnownDay(NamedTuple):
    """A day total, in the same terms."""

    source: str
    day: date
    totals: Totals
    known_from: Microseconds
    known_until: Microseconds | None


@dataclass(frozen=True)
class Readings:
    """What one person's sources say, ever. ``sources``: those of the samples, by id."""

    days: Sequence[KnownDay] = ()
    samples: Sequence[KnownSample] = ()
    sources: Mapping[int, SourceKey] = field(default_factory=dict)


@dataclass(frozen=True)
class Frame:
    """How somebody's readings are looked at: by a competition, or without any limit for the person themselves.

    ``zone``: whose midnights divide the days; None for those of where each sample was measured. ``opens`` and ``ends``:
    moments where it begins and ends to count within a day. ``closes``: what arrived from then on does not count.
    ``preference``: kinds of devices, best first; None for the largest reading.
    """

    first_day: date = date.min
    last_day: date = date.max
    zone: str | None = None
    opens: Microseconds | None = None
    ends: Microseconds | None = None
    closes: Microseconds | None = None
    joined: Microseconds | None = None
    preference: Sequence[DeviceKind] | None = None
    policy: Policy = field(default_factory=Policy)
    owner_only: frozenset[str] = frozenset()
    holds: Sequence[Hold] = ()


@dataclass(slots=True)
class Part:
    """What one reading says of one day, and how much of it counts: ``share``, exact. ``reason``: why not all of it."""

    day: date
    type: SampleType
    source: SourceKey
    reading: KnownSample | KnownDay
    start: Microseconds
    end: Microseconds
    amount: int
    share: Fraction | int = 0
    reason: Reason | None = None


def reckon(frame: Frame, readings: Readings) -> list[Part]:
    """Every part of every reading that falls into the frame's days, with what of it counts."""
    parts = [part for day in readings.days for part in _parts_of_day(frame, day)]
    for sample in readings.samples:
        parts += _parts_of_sample(frame, sample, readings.sources[sample.source_id])
    for type_ in {part.type for part in parts}:
        _merge([part for part in parts if part.reason is None and part.type is type_], frame)
    return parts


def counted_days(frame: Frame, parts: Iterable[Part]) -> dict[date, Totals]:
    """What counts on each day, nothing being left out where nothing counts; whole, and not above the daily cap."""
    shares: dict[date, dict[SampleType, list[Fraction | int]]] = {}
    for part in parts:
        if part.share:
            shares.setdefault(part.day, {}).setdefault(part.type, []).append(part.share)
    return {day: _totals(by_type, frame.policy.daily_cap) for day, by_type in shares.items()}


def _totals(by_type: Mapping[SampleType, Sequence[Fraction | int]], daily_cap: Mapping[str, int]) -> Totals:
    amounts = {AMOUNTS[type_]: whole(shares) for type_, shares in by_type.items()}
    return Totals(**{name: min(amount, daily_cap.get(name, amount)) for name, amount in amounts.items()})


def days_touched(start: Microseconds, end: Microseconds, zone: str | None) -> tuple[date, date]:
    """The first and the last day that a span may count on; without a zone wherever its person may be."""
    first = day_at(zone or _LATEST_ZONE, start)
    return first, day_at(zone or "+14:00", end - 1)


def day_at(zone: str, moment: Microseconds) -> date:
    """The day whose first midnight came last: where the clocks go back over midnight, a day does not come again."""
    day = datetime.fromtimestamp(moment // SECOND, zone_named(zone)).date()
    return day + _ONE_DAY if start_of(zone, day + _ONE_DAY) <= moment else day


@lru_cache(65536)
def start_of(zone: str, day: date) -> Microseconds:
    """The first moment of a day there, also where the clocks leave midnight out."""
    return microseconds(datetime.combine(day, time_of_day(), zone_named(zone)))


def microseconds(moment: datetime) -> Microseconds:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _parts_of_day(frame: Frame, stored: KnownDay) -> Iterator[Part]:
    if not frame.first_day <= stored.day <= frame.last_day:
        return
    source = SourceKey(stored.source, "", DeviceKind.OTHER)
    start, end = start_of(frame.zone or "UTC", stored.day), start_of(frame.zone or "UTC", stored.day + _ONE_DAY)
    reason = _reason_by_time(frame, stored.known_from, stored.known_until, stored.day)
    if reason is Reason.SUPERSEDED:
        return
    if reason is None and frame.joined is not None and stored.day < day_at(frame.zone or "UTC", frame.joined):
        reason = Reason.BEFORE_JOINING
    reason = reason or _reason_by_source(frame, source, "", manual=stored.source == Source.MANUAL)
    for type_, name in AMOUNTS.items():
        if amount := getattr(stored.totals, name):
            held = reason or _reason_by_hold(frame.holds, stored, type_)
            yield Part(stored.day, type_, source, stored, start, end, amount, 0, held)


def _parts_of_sample(frame: Frame, sample: KnownSample, source: SourceKey) -> Iterator[Part]:
    limited = frame.policy.backfill_days is not None
    began_on = day_at(sample.zone, sample.start) if limited else None
    reason = _reason_by_time(frame, sample.known_from, sample.known_until, began_on)
    if reason is Reason.SUPERSEDED:
        return
    reason = reason or _reason_by_source(frame, source, sample.channel, manual=sample.recording == Recording.MANUAL)
    reason = reason or (_reason_by_hold(frame.holds, sample, sample.type) if frame.holds else None)
    type_ = _TYPES[sample.type]
    for day, start, end, amount in _divided(sample, frame.zone or sample.zone, frame):
        if frame.first_day <= day <= frame.last_day:
            yield Part(day, type_, source, sample, start, end, amount, 0, reason or _reason_by_span(frame, start))


def _divided(sample: KnownSample, zone: str, frame: Frame) -> Iterator[tuple[date, Microseconds, Microseconds, int]]:
    """A sample by days, and by the moments where it begins and ends to count."""
    day = day_at(zone, sample.start)
    midnight = start_of(zone, day + _ONE_DAY)
    cuts = [cut for cut in (frame.opens, frame.ends, frame.joined) if cut and sample.start < cut < sample.end]
    if sample.end <= midnight and not cuts:
        yield day, sample.start, sample.end, sample.amount
        return
    while midnight < sample.end:
        cuts.append(midnight)
        midnight = start_of(zone, day_at(zone, midnight) + _ONE_DAY)
    start, given = sample.start, 0
    for end in [*sorted(set(cuts)), sample.end]:
        amount = sample.amount * (end - sample.start) // (sample.end - sample.start) - given
        yield day_at(zone, start), start, end, amount
        start, given = end, given + amount


def _reason_by_time(
    frame: Frame, known_from: Microseconds, known_until: Microseconds | None, measured_on: date | None
) -> Reason | None:
    """What stands is what was known when the competition closed, or as late after it was measured as things may
    arrive; of a reading that was replaced since, the earlier version. The days are counted from the end of the one on
    which a reading began, wherever that was: so the versions of a sample that grows have one limit, and one stands."""
    limits = [frame.closes] if frame.closes is not None else []
    if frame.policy.backfill_days is not None and measured_on is not None:
        limits.append(start_of(_LATEST_ZONE, measured_on) + (1 + frame.policy.backfill_days) * DAY)
    limit = min(limits) if limits else None
    if known_until is not None and (limit is None or known_until < limit):
        return Reason.SUPERSEDED
    if limit is not None and known_from >= limit:
        return Reason.LATE if known_until is None else Reason.SUPERSEDED
    return None


def _reason_by_span(frame: Frame, start: Microseconds) -> Reason | None:
    """Of a part that is divided at these moments, so that it lies on one side of each."""
    if (frame.opens is not None and start < frame.opens) or (frame.ends is not None and start >= frame.ends):
        return Reason.OUTSIDE
    if frame.joined is not None and start < frame.joined:
        return Reason.BEFORE_JOINING
    return None


def _reason_by_source(frame: Frame, source: SourceKey, channel: str, *, manual: bool) -> Reason | None:
    if manual and not frame.policy.manual_entries:
        return Reason.MANUAL
    allowed = frame.policy.allowed_sources
    if allowed and not allowed & {source.app, source.kind}:
        return Reason.SOURCE_NOT_ALLOWED
    return Reason.OWNER_ONLY if _is_for_owner_only(frame, source, channel) else None


def is_for_owner_only(frame: Frame, part: Part) -> bool:
    """Whatever else there is to say of it."""
    channel = part.reading.channel if isinstance(part.reading, KnownSample) else ""
    return _is_for_owner_only(frame, part.source, channel)


def _is_for_owner_only(frame: Frame, source: SourceKey, channel: str) -> bool:
    return bool(frame.owner_only and frame.owner_only & {source.app.lower(), channel})


def _reason_by_hold(holds: Iterable[Hold], reading: KnownSample | KnownDay, type_: str) -> Reason | None:
    """The hardest of those that match."""
    decided = {hold.decided for hold in holds if hold.type in (None, type_) and _matches(hold, reading)}
    if not decided:
        return None
    return Reason.EXCLUDED if True in decided else Reason.HELD


def _matches(hold: Hold, reading: KnownSample | KnownDay) -> bool:
    of_any_source = hold.source_id is None and hold.source_name is None
    if isinstance(reading, KnownDay):
        if hold.first_day is None or hold.last_day is None:
            return False
        return (of_any_source or hold.source_name == reading.source) and hold.first_day <= reading.day <= hold.last_day
    if hold.start_at is None or hold.end_at is None:
        return False
    overlaps = reading.start < microseconds(hold.end_at) and microseconds(hold.start_at) < reading.end
    return overlaps and (of_any_source or hold.source_id == reading.source_id)


def _merge(parts: Sequence[Part], frame: Frame) -> None:
    """Sets the shares of parts of one type."""
    largest_days = _largest_day_totals(parts, frame)
    samples = []
    for part in parts:
        if isinstance(part.reading, KnownDay):
            continue
        best = largest_days.get(part.day)
        if best is None or _rank(part, frame) <= _rank(best, frame):
            samples.append(part)
    pieces = [Piece(part.source, part.start, part.end, part.amount, _rank(part, frame)) for part in samples]
    for part, share in zip(samples, counted_shares(pieces), strict=True):
        part.share = share
    by_day: dict[date, list[Part]] = {}
    for part in samples:
        by_day.setdefault(part.day, []).append(part)
    for day, best in largest_days.items():
        finer = by_day.get(day, [])
        preferred = [part for part in finer if _rank(part, frame) < _rank(best, frame)]
        if best.amount > whole(part.share for part in finer) and not _cover(preferred, best):
            best.share = best.amount
            for part in finer:
                part.share = 0
    for part in parts:
        if isinstance(part.share, Fraction) or part.share != part.amount:
            part.reason = Reason.OVERLAPPED


def _cover(parts: Iterable[Part], day: Part) -> bool:
    """Whether they leave nothing of the day to its total."""
    reached = day.start
    for part in sorted(parts, key=lambda part: part.start):
        if part.start > reached:
            return False
        reached = max(reached, part.end)
    return reached >= day.end


def _largest_day_totals(parts: Iterable[Part], frame: Frame) -> dict[date, Part]:
    """The day total that may count on each day."""
    largest: dict[date, Part] = {}
    for part in parts:
        if isinstance(part.reading, KnownDay):
            known = largest.get(part.day)
            if known is None or _precedence(part, frame) < _precedence(known, frame):
                largest[part.day] = part
    return largest


def _precedence(part: Part, frame: Frame) -> tuple[int, int, SourceKey]:
    return _rank(part, frame), -part.amount, part.source


def _rank(part: Part, frame: Frame) -> int:
    if frame.preference is None:
        return 0
    kind = part.source.kind
    return frame.preference.index(kind) if kind in frame.preference else len(frame.preference)


def in_whole_units(shares: Sequence[Fraction | int], total: int) -> list[int]:
    """Shares rounded so that they add up to ``total``, their sum rounded down: up where most would be cut off."""
    floors = [int(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda place: (floors[place] - shares[place], place))
    for place in by_remainder[: total - sum(floors)]:
        floors[place] += 1
    return floors
