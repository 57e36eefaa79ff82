"""What was measured, as numbers. Pure."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
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


class Sync(NamedTuple):
    """A sync of the probe that was acknowledged; ``steps``: what its row shows from then on."""

    steps: int
    sent: float
    acknowledged: float


@dataclass
class Watch:
    """A socket that was open from its first snapshot on; ``shown``: when it first showed so many steps of the probe."""

    opened: float
    closed: float = math.inf
    shown: list[tuple[float, int]] = field(default_factory=list)


@dataclass
class Sockets:
    """What the watchers saw. ``connects``: seconds from the moment a socket was due to its first snapshot.

    ``closes`` counts codes of sockets that were open, ``refusals`` what kept others from opening.
    """

    connects: list[float] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    frames: int = 0
    frame_bytes: int = 0
    syncs: list[Sync] = field(default_factory=list)
    probe_errors: Counter[str] = field(default_factory=Counter)
    closes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    lags: list[float] = field(default_factory=list)

    def __add__(self, other: "Sockets") -> "Sockets":
        """What two processes saw."""
        return Sockets(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


@dataclass
class Delivery:
    """One sync on its way: to how many sockets that were open when it was sent, and after how many seconds from the
    acknowledgement. A frame that overtook the acknowledgement took none."""

    watching: int
    delays: list[float]


def delivery_of(sync: Sync, watches: Iterable[Watch]) -> Delivery:
    watching = [watch for watch in watches if watch.opened <= sync.sent < watch.closed]
    arrived = [bisect_left(watch.shown, sync.steps, key=lambda seen: seen[1]) for watch in watching]
    moments = [watch.shown[at][0] for watch, at in zip(watching, arrived, strict=True) if at < len(watch.shown)]
    return Delivery(len(watching), [max(0.0, moment - sync.acknowledged) for moment in moments])


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
