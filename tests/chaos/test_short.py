"""The short form of `make chaos`, and of its operations one after another."""

import asyncio

import pytest

from tests.chaos import report
from tests.chaos.plan import LENGTHS, Kind
from tests.chaos.run import run

# Five minutes by itself, most of them until what was in doubt at the gateway has been looked up.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_every_fault_once_under_load_and_everything_holds(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("short")
    outcome = asyncio.run(run(1, "short", folder / "site"))
    assert report.wrong(outcome) == [], report.command(outcome)
    done = {fault.kind for fault in outcome.faults if not fault.left_out}
    assert done >= set(Kind) - {Kind.DISK_FULL, Kind.CLOCK}  # these take root and libfaketime
    assert outcome.operations >= LENGTHS["short"].operations
    assert outcome.transfers > 0
