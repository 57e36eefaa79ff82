"""Runs that were never made, with figures that one can work out by hand."""

from collections import Counter
from typing import Any

import pytest

from config.loadtest.plan import Action, Plan
from config.loadtest.report import report_of
from config.loadtest.samples import Memory, Sample, Sockets, Sync, Traffic, Watch


@pytest.fixture
def plan() -> Plan:
    return Plan(
        users=10,
        every=1.0,
        concurrency=2,
        ramp_up=1.0,
        duration=10.0,
        sockets=3,
        mix={Action.READS: 9, Action.SYNCS: 1},
    )


@pytest.fixture
def traffic() -> Traffic:
    """A hundred requests, ten a second from second 1 on: ninety reads of 10 ms, and syncs of 60 ms that waited 40 ms
    for a connection."""
    samples = []
    for number in range(100):
        due = 1 + number / 10
        if number % 10 == 9:
            samples.append(Sample(Action.SYNCS, due, due + 0.04, due + 0.06, ""))
        else:
            samples.append(Sample(Action.READS, due, due, due + 0.01, ""))
    return Traffic(samples, lags=[0.001] * 99)


@pytest.fixture
def sockets() -> Sockets:
    """Three that opened in a second, and two syncs of which one did not reach the last, as that had closed."""
    return Sockets(
        connects=[0.02, 0.03, 0.04],
        watches=[
            Watch(0.0, shown=[(0.0, 7), (2.1, 8), (3.1, 9)]),
            Watch(0.5, shown=[(0.5, 7), (2.2, 8), (3.2, 9)]),
            Watch(1.0, closed=3.05, shown=[(1.0, 7), (2.3, 8)]),
        ],
        frames=50,
        frame_bytes=5000,
        syncs=[Sync(8, sent=1.9, acknowledged=2.0), Sync(9, sent=2.9, acknowledged=3.0)],
        closes=Counter({"1006": 1}),
    )


@pytest.fixture
def document(plan: Plan, traffic: Traffic, sockets: Sockets) -> dict[str, Any]:
    memory = Memory(at_rest=100 * 2**20, under_load=150 * 2**20)
    return {
        "target": "https://steps.example.org",
        "targets_ms": {"p50": 10.0, "p95": 50.0, "p99": 100.0},
        **report_of(plan, traffic, sockets, memory),
    }
