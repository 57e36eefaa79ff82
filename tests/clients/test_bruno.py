"""docs/bruno, request by request."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import bruno
from tests.flows.servers import ROOT, Server

COLLECTION = ROOT / "docs/bruno"

pytestmark = pytest.mark.slow


def test_every_request_is_answered_as_it_says(transactional_db: None, run_server: Callable[..., Server]) -> None:
    assert bruno.run(COLLECTION, run_server("uvicorn").address) == []


def test_a_request_that_expects_something_else_is_noticed(
    transactional_db: None, run_server: Callable[..., Server], tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    shutil.copytree(COLLECTION / "environments", planted / "environments")
    for path in sorted(COLLECTION.glob("0[1-4]*.bru")):
        shutil.copy(path, planted)
    board = planted / "04 Ada logs in.bru"
    board.write_text(board.read_text().replace("eq 200", "eq 201"))
    [said] = bruno.run(planted, run_server("uvicorn").address)
    assert said.startswith("Ada logs in: res.status is 200 and not 201")
