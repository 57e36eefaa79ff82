"""What a believable sample is: an amount that one source measured between two moments. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from competitions.rules import DeviceKind
from fitness.rules import Recording, SampleType


class SourceKey(NamedTuple):
    """One app on one device, of one person."""

    app: str
    device: str
    kind: DeviceKind


@dataclass(frozen=True, slots=True)
class SampleReading:
    """``amount`` in the base units of scoring.Totals; ``end_at`` is exclusive and after ``start_at``; ``zone`` is where
    the person was, an IANA name or an offset such as ``+13:00``."""

    external_id: str
    version: int
    source: SourceKey
    type: SampleType
    start_at: datetime
    end_at: datetime
    amount: int
    recording: Recording
    zone: str


def read_sample(raw: Any, *, zone: str, now: datetime) -> SampleReading:
    """A sample of the wire, ``{"id", "version"?, "type", "start", "end", "value", "unit", "source": {"app", "device"?,
    "kind"?}, "recording"?, "zone"?}``. ``zone`` stands in for a missing one. Raises UnbelievableRecord with every
    complaint at once."""
    raise NotImplementedError
