"""A board in a Redis Cluster: whatever is done with it falls into one slot, so it has one home."""

import copy
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from accounts.models import User
from competitions.models import Competition
from config.core.redis import redis_client
from config.devservices.valkey import server
from leaderboards import mirror
from leaderboards.queries import board_around, board_page
from leaderboards.services import report_totals
from leaderboards.verification import check_board
from tests.flows.servers import free_port

pytestmark = pytest.mark.slow  # a Valkey of its own


@pytest.fixture
def cluster_url(tmp_path: Path) -> Iterator[str]:
    """One node that has all slots. It refuses what reaches over two of them as any other cluster does."""
    port = free_port()
    told = {"port": port, "cluster-port": free_port(), "cluster-enabled": "yes", "dir": tmp_path, "save": ""}
    command = [str(server()), "--bind", "127.0.0.1"]
    command += [str(word) for name, value in told.items() for word in (f"--{name}", value)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client: Any = redis.Redis(port=port)
    try:
        until(lambda: answers(client))
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.django_db(transaction=True)
def test_everything_that_is_done_with_a_board_stays_in_its_slot(
    cluster_url: str,
    settings: Any,
    make_competition: Callable[..., Competition],
    join: Callable[..., None],
    person: User,
    other: User,
    now: datetime,
) -> None:
    caches = copy.deepcopy(settings.CACHES)
    for cache in caches.values():
        cache["LOCATION"] = cluster_url
    settings.CACHES = caches
    boards = [make_competition(score_source="either") for _ in range(3)]
    for board in boards:
        join(board, person, other)
        assert mirror.rebuild_mirror(board.id)
        for who, steps in ((person, 10), (other, 20), (person, 30)):
            report_totals(competition=board, user_id=who.id, reported={"steps": steps}, now=now)
        assert [entry["score"] for entry in board_page(board, offset=0, limit=10).entries] == [30, 20]
        assert board_around(board, person.id, limit=2)
        check = check_board(board)
        assert (check.copied, check.difference) == (True, ""), "it was read from that Redis, and it is right"
    client = redis_client()
    keys = list(client.scan_iter("board:*"))
    slots = {board.id: {key_slot(key) for key in keys if str(board.id).encode() in key} for board in boards}
    assert len(keys) >= 2 * len(boards)
    assert [len(of_board) for of_board in slots.values()] == [1, 1, 1]
    assert len(set.union(*slots.values())) == 3, "and boards are spread"
    with pytest.raises(redis.exceptions.ClusterCrossSlotError):
        client.mget("a", "b")  # this test can fail
    mirror.drop_mirror(boards[0].id)
