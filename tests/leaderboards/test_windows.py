"""Watching one's own row and its neighbours: nobody keeps an old window, whatever happens while it is read"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connections

from accounts.models import User
from competitions.models import Competition
from leaderboards import live
from leaderboards.hub import Hub
from leaderboards.queries import BoardPage, board_windows
from leaderboards.services import report_totals
from leaderboards.watching import View, Watcher

Window = tuple[UUID, int]
WITHIN = 10.0


class Readings:
    """How windows are read: what one person's next reading has found may be held back, or the reading may fail."""

    def __init__(self) -> None:
        self.held: UUID | None = None
        self.failing = False
        self.has_read, self.go_on = threading.Event(), threading.Event()

    def __call__(self, competition: Competition, wanted: Collection[Window]) -> dict[Window, BoardPage]:
        if self.failing:
            raise OperationalError("PostgreSQL is away.")
        found = board_windows(competition, wanted)
        if self.held in {viewer_id for viewer_id, _ in wanted}:
            self.held = None
            self.has_read.set()
            assert self.go_on.wait(WITHIN)
        return found


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    readings = Readings()
    monkeypatch.setattr(live, "board_windows", readings)
    return readings


@pytest.fixture
async def hub(transactional_db: None) -> AsyncIterator[Hub]:
    hub = Hub()
    yield hub
    await hub.close()


@pytest.fixture
def board(transactional_db: None, person: User, other: User, make_competition: Any, join: Any) -> Competition:
    competition: Competition = make_competition(score_source="reported", tie_rule="shared")
    join(competition, person, other)
    return competition


async def report(board: Competition, person: User, steps: int) -> None:
    def store() -> None:
        report_totals(competition=board, user_id=person.id, reported={"steps": steps}, now=datetime.now(UTC))
        connections.close_all()

    await sync_to_async(store, thread_sensitive=False)()


async def next_data(watcher: Watcher) -> Any:
    return json.loads(await asyncio.wait_for(watcher.next_frame(), WITHIN))["data"]


def scores(data: Any) -> list[int]:
    return [row["score"] for row in data["rankings"]]


async def has_moved(hub: Hub, board: Competition, person: User, steps: int) -> None:
    """Once everybody who watches its top has been told."""
    watcher = Watcher(person.id)
    await hub.watch(board.id, watcher)
    await next_data(watcher)
    await report(board, person, steps)
    assert max(scores(await next_data(watcher))) == steps
    hub.leave(watcher)


async def test_who_comes_while_the_board_moves_does_not_undo_what_others_are_shown(
    hub: Hub, board: Competition, person: User, other: User, readings: Readings
) -> None:
    here, newcomer = Watcher(person.id), Watcher(other.id)
    await hub.watch(board.id, here, View(window=1))
    assert scores(await next_data(here)) == [0, 0]
    readings.held = other.id
    coming = asyncio.create_task(hub.watch(board.id, newcomer, View(window=1)))
    await asyncio.to_thread(readings.has_read.wait, WITHIN)
    await report(board, person, 70)
    sight = await asyncio.wait_for(here.next_sight(), WITHIN)
    readings.go_on.set()
    await coming
    frame = sight.scene.frame(sight)
    assert frame is not None
    assert scores(json.loads(frame)["data"]) == [70, 0]


async def test_who_comes_while_the_board_moves_is_shown_it_as_it_is(
    hub: Hub, board: Competition, person: User, other: User, readings: Readings
) -> None:
    newcomer = Watcher(other.id)
    readings.held = other.id
    coming = asyncio.create_task(hub.watch(board.id, newcomer, View(window=1)))
    await asyncio.to_thread(readings.has_read.wait, WITHIN)
    await has_moved(hub, board, person, 70)
    readings.go_on.set()
    await coming
    seen = scores(await next_data(newcomer))
    while seen != [70, 0]:
        seen = scores(await next_data(newcomer))


async def test_a_window_that_cannot_be_read_at_first_is_shown_as_soon_as_it_can(
    hub: Hub, board: Competition, person: User, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.05)
    watcher = Watcher(person.id)
    readings.failing = True
    await hub.watch(board.id, watcher, View(window=1))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watcher.next_frame(), 0.2)
    readings.failing = False
    assert scores(await next_data(watcher)) == [0, 0]


async def test_a_window_says_that_it_stands_higher_even_if_no_row_looks_different(
    hub: Hub, board: Competition, person: User, other: User, make_person: Any, join: Any
) -> None:
    def all_equal() -> list[User]:
        people = [make_person("First"), other, person, make_person("Last")]
        join(board, people[0], people[3])
        for somebody in people:
            report_totals(competition=board, user_id=somebody.id, reported={"steps": 9}, now=datetime.now(UTC))
        connections.close_all()
        return people

    first, *_ = await sync_to_async(all_equal, thread_sensitive=False)()
    watcher = Watcher(person.id)
    await hub.watch(board.id, watcher, View(window=1))
    data = await next_data(watcher)
    assert ([row["rank"] for row in data["rankings"]], data["offset"]) == ([1, 1, 1], 1)
    await report(board, first, 5)
    data = await next_data(watcher)
    assert ([row["rank"] for row in data["rankings"]], data["offset"]) == ([1, 1, 1], 0)
