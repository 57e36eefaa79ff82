"""What was measured, as numbers. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from config.loadtest.plan import Action


class Sample(NamedTuple):
    """One request. Moments are seconds since the start; ``error`` is empty where the answer was a good one.

    ``sent`` is None where no connection became free for it before the end.
    """

    action: Action
    due: float
    sent: float | None
    done: float
    error: str


@dataclass
class Traffic:
    samples: list[Sample] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)


@dataclass
class Delivery:
    """One sync of the probe on its way to the sockets that were open when it was sent."""

    steps: int
    acknowledged: float
    watching: int
    arrived: list[float] = field(default_factory=list)

    @property
    def delays(self) -> list[float]:
        """Seconds from the acknowledgement; a frame that overtook it took none."""
        return [max(0.0, moment - self.acknowledged) for moment in self.arrived]


@dataclass
class Sockets:
    """``connects``: seconds from the moment a socket was due to its first snapshot; ``opened``: the moments of those.

    ``closes`` counts codes of sockets that were open, ``refusals`` what kept others from opening.
    """

    connects: list[float] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)
    open_at_end: int = 0
    frames: int = 0
    frame_bytes: int = 0
    deliveries: list[Delivery] = field(default_factory=list)
    probe_seen: bool = False
    probe_errors: Counter[str] = field(default_factory=Counter)
    closes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    lags: list[float] = field(default_factory=list)


@dataclass
class Memory:
    """Bytes of the server process that answered ``/metrics``; ``unknown`` says why there are none."""

    at_rest: int | None = None
    under_load: int | None = None
    unknown: str = ""


def percentile(values: Sequence[float], per_cent: int) -> float | None:
    """The smallest of the values that so many per cent of them do not exceed; always one that was measured."""
    if not values:
        return None
    return sorted(values)[max(0, -(-per_cent * len(values) // 100) - 1)]
