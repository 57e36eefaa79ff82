"""What a body can have done. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from fitness.rules import Recording, SampleType, Source
from leaderboards.scoring import Totals


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
    """What of one person is new, or other than it was: samples that stand now, and days of daily records."""

    user_id: UUID
    samples: Sequence[StoredSample] = ()
    days: Sequence[DayTotal] = ()


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
