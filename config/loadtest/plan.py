"""What a load test does and when. Pure, but for the generator of random numbers that is handed in."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import NamedTuple


class Action(StrEnum):
    READS = "reads"  # the first hundred rows of the board
    SYNCS = "syncs"  # one step more than before
    RANKS = "ranks"  # one's own rank


class WrongPlan(ValueError):
    """The text is one sentence for whoever typed it."""


@dataclass(frozen=True)
class Plan:
    """``every``, ``ramp_up`` and ``duration`` are seconds; ``duration`` begins when the ramp-up is over."""

    users: int
    every: float
    concurrency: int
    ramp_up: float
    duration: float
    sockets: int
    mix: Mapping[Action, int]

    def __post_init__(self) -> None:
        if self.users < 1 or self.concurrency < 1 or self.sockets < 0:
            raise WrongPlan("It takes a user and a connection at least, and no fewer than 0 sockets.")
        if not (self.every > 0 and self.ramp_up >= 0 and self.duration >= 1):
            raise WrongPlan("--every must be above 0, --ramp-up not below it, and --duration 1 second at least.")

    @property
    def seconds(self) -> float:
        return self.ramp_up + self.duration

    @property
    def per_second(self) -> float:
        """Requests that are due each second once everybody is there."""
        return self.users / self.every


class Arrival(NamedTuple):
    """A request that is due ``at`` so many seconds after the start, whatever became of those before it."""

    at: float
    user: int
    action: Action


def arrivals(plan: Plan, random: Random) -> Iterator[Arrival]:
    """Everybody's requests in the order in which they are due.

    People act independently of each other, so requests arrive as a Poisson process; while the users come, one after
    the other, its rate grows in proportion.
    """
    actions, weights = list(plan.mix), list(plan.mix.values())
    expected = 0.0
    while True:
        expected += random.expovariate(1.0)
        at = _moment_of(expected, plan)
        if at >= plan.seconds:
            return
        there = math.ceil(plan.users * min(1.0, at / plan.ramp_up)) if plan.ramp_up else plan.users
        (action,) = random.choices(actions, weights)
        yield Arrival(at, random.randrange(max(1, there)), action)


def _moment_of(expected: float, plan: Plan) -> float:
    """When so many requests are to be expected: the inverse of the rate's integral."""
    in_ramp_up = plan.per_second * plan.ramp_up / 2
    if expected < in_ramp_up:
        return math.sqrt(2 * plan.ramp_up * expected / plan.per_second)
    return expected / plan.per_second + plan.ramp_up / 2


def mix_of(text: str) -> dict[Action, int]:
    """``reads=8,syncs=1,ranks=1`` as weights. Raises WrongPlan."""
    try:
        parts = [part.split("=") for part in text.split(",")]
        mix = {Action(name.strip()): int(weight) for name, weight in parts}
    except ValueError:
        mix = {}
    if len(mix) != text.count(",") + 1 or min(mix.values()) < 0 or not any(mix.values()):
        raise WrongPlan(f"Write a mix such as reads=8,syncs=1,ranks=1 instead of {text}.")
    return mix
