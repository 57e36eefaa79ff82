"""What is asked and what goes wrong, by the seed. Pure, but for the generator of random numbers that is handed in."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import NamedTuple

SOURCES = ("health_connect", "garmin", "other")
DAYS = 3
PEOPLE = 80
"""Fewer than a frame has rows, so that every frame shows everybody."""


PATIENCE = float(os.environ.get("PATIENCE", "1"))
"""What every limit in seconds is multiplied by, for a machine that has other things to do; reports say so."""


class Action(StrEnum):
    SYNC = "sync"  # a day's steps so far; sometimes an older value once more
    REPORT = "report"  # totals so far, for the competition that takes reports
    BOARD = "board"
    RANK = "rank"
    PROFILE = "profile"
    JOIN = "join"
    LEAVE = "leave"
    CALCULATE = "calculate"


_MIX = {
    Action.SYNC: 80,
    Action.REPORT: 30,
    Action.BOARD: 40,
    Action.RANK: 20,
    Action.PROFILE: 10,
    Action.JOIN: 7,
    Action.LEAVE: 7,
    Action.CALCULATE: 6,
}


class Operation(NamedTuple):
    """``at``: seconds after the start. ``day``: how many days ago."""

    number: int
    at: float
    action: Action
    person: int
    source: str
    day: int
    steps: int


def operations(random: Random, *, per_second: float) -> Iterator[Operation]:
    """For ever, independently of each other: a Poisson process."""
    at = 0.0
    walked: dict[tuple[int, str, int], int] = {}
    actions, weights = list(_MIX), list(_MIX.values())
    number = 0
    while True:
        at += random.expovariate(per_second)
        (action,) = random.choices(actions, weights)
        person, source, day = random.randrange(PEOPLE), random.choice(SOURCES), random.randrange(DAYS)
        key = (person, "report" if action is Action.REPORT else source, day)
        so_far = walked.get(key, 0)
        stale = action is Action.SYNC and random.random() < 0.2
        steps = random.randint(1, max(1, so_far)) if stale else so_far + random.randint(1, 20)
        if action in (Action.SYNC, Action.REPORT):
            walked[key] = max(steps, so_far)
        number += 1
        yield Operation(number, at, action, person, source, day, steps)


class Kind(StrEnum):
    POSTGRESQL = "kill -9 of PostgreSQL"
    REDIS = "kill -9 of Redis"
    REDIS_EMPTY = "kill -9 of Redis, back empty"
    SERVER = "kill -9 of a server"
    WORKER = "kill -9 of a worker while paying"
    FLUSH = "FLUSHALL in mid-write"
    DISK_FULL = "disk full"
    REDIS_FULL = "Redis full"
    CONNECTIONS = "connections used up"
    CLOCK = "clock set forth and back"
    ROLLING = "rolling restart"


@dataclass(frozen=True)
class Length:
    """``faults``: how often each; ``operations``: at least so many before it is over."""

    faults: dict[Kind, int]
    operations: int
    per_second: float = 200.0


_EACH = dict.fromkeys(Kind, 1)
LENGTHS = {
    "short": Length(_EACH | {Kind.SERVER: 2, Kind.WORKER: 2}, 5_000),
    "full": Length(
        {
            Kind.POSTGRESQL: 20,
            Kind.REDIS: 10,
            Kind.REDIS_EMPTY: 10,
            Kind.SERVER: 50,
            Kind.WORKER: 50,
            Kind.FLUSH: 5,
            Kind.DISK_FULL: 3,
            Kind.REDIS_FULL: 3,
            Kind.CONNECTIONS: 3,
            Kind.CLOCK: 2,
            Kind.ROLLING: 3,
        },
        10_000,
    ),
    "sequence": Length(
        {Kind.POSTGRESQL: 4, Kind.REDIS: 4, Kind.REDIS_EMPTY: 4, Kind.SERVER: 4, Kind.WORKER: 4, Kind.FLUSH: 4}, 10_000
    ),
}


def schedule(random: Random, length: Length) -> list[Kind]:
    """In an order of the seed's own."""
    faults = [kind for kind, times in length.faults.items() for _ in range(times)]
    random.shuffle(faults)
    return faults
