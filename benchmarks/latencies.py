"""Arithmetic over what was timed. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], per_cent: float) -> float:
    """The smallest value that so many per cent of them do not exceed (nearest rank). ``values`` need not be in order.
    Raises ValueError when there are none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * per_cent / 100) - 1)]


def percentile_of_counts(counts: Mapping[float, int], per_cent: float) -> float:
    """The same where each value is there so many times. Raises ValueError when there are none."""
    rank = max(1, math.ceil(sum(counts.values()) * per_cent / 100))
    for value in sorted(counts):
        rank -= counts[value]
        if rank <= 0:
            return value
    raise ValueError("no values")


@dataclass(frozen=True)
class Deliveries:
    """``every``: how often a change took so many ms (to a tenth) to reach a socket; ``last``: ms to each change's last
    socket; ``missing``: (change, socket) pairs that never came."""

    every: Mapping[float, int]
    last: Sequence[float]
    missing: int


def deliveries(acknowledged: Mapping[int, int], arrivals: Iterable[tuple[int, int, int]], sockets: int) -> Deliveries:
    """How long changes took to reach so many sockets.

    ``acknowledged``: when the HTTP answer to each version was read, in ns. ``arrivals``: (socket, version, ns), in
    their order. A version has reached a socket with the first frame of it or of a later one; a frame that was faster
    than the acknowledgement counts as 0 ms.
    """
    changes = sorted(acknowledged.items())
    last_at = [0] * len(changes)
    reached: dict[int, int] = {}  # by socket, how many of the changes
    tenths: Counter[int] = Counter()
    for socket, version, arrived_at in arrivals:
        index = reached.get(socket, 0)
        while index < len(changes) and changes[index][0] <= version:
            tenths[max(0, (arrived_at - changes[index][1]) // 100_000)] += 1
            last_at[index] = max(last_at[index], arrived_at)
            index += 1
        reached[socket] = index
    last = [max(0.0, (at - change[1]) / 1e6) for at, change in zip(last_at, changes, strict=True) if at]
    missing = sockets * len(changes) - tenths.total()
    return Deliveries({tenth / 10: count for tenth, count in tenths.items()}, last, missing)
