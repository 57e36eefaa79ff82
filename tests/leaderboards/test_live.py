"""A live board among those who look at it, ask for it and go, while it is being read."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError

from accounts.models import User
from competitions.models import Competition
from config.core.threads import in_thread as off_loop
from leaderboards import hub as hubs
from leaderboards import live, queries, versions
from leaderboards.hub import Hub
from leaderboards.live import LiveBoard
from leaderboards.models import Board
from leaderboards.services import report_totals
from leaderboards.versions import BoardStates
from leaderboards.watching import View, Watcher
from tests.asking import in_thread

WITHIN = 10.0


@pytest.fixture
def board(person: User, other: User, transactional_db: None, make_competition: Any, join: Any) -> Competition:
    competition: Competition = make_competition(score_source="reported")
    join(competition, person, other)
    return competition


def scored(board: Competition, person: User, steps: int) -> None:
    report_totals(competition=board, user_id=person.id, reported={"steps": steps}, now=datetime.now(UTC))


async def frame_of(watcher: Watcher) -> Any:
    return json.loads(await asyncio.wait_for(watcher.next_frame(), WITHIN))


async def until_it_shows(watcher: Watcher, score: int) -> None:
    async with asyncio.timeout(WITHIN):
        while all(row["score"] != score for row in json.loads(await watcher.next_frame())["data"]["rankings"]):
            pass


def wait_until(holds: Callable[[], bool]) -> None:
    """In a thread."""
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_whoever_wants_more_rows_than_the_reading_on_its_way_brings_waits_for_the_next(
    board: Competition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FRAME_ROWS", 1)
    begun, go_on = threading.Event(), threading.Event()
    read_board = live._read_board

    def held(*args: Any) -> Any:
        begun.set()
        assert go_on.wait(WITHIN)
        return read_board(*args)

    monkeypatch.setattr(live, "_read_board", held)
    shown, both_came_at = LiveBoard(board.id), time.monotonic()
    few = asyncio.create_task(shown.read_since(both_came_at, limit=1))
    await off_loop(begun.wait)(WITHIN)
    many = asyncio.create_task(shown.read_since(both_came_at, limit=2))
    await asyncio.sleep(0)
    go_on.set()
    assert [len((await asyncio.wait_for(task, WITHIN)).page.entries) for task in (few, many)] == [1, 2]
    shown.stop()


async def test_whoever_began_to_watch_while_nothing_could_be_read_sees_as_many_rows_as_they_asked_for(
    board: Competition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FRAME_ROWS", 1)
    hub, watcher = Hub(), Watcher()

    async def out(board_id: UUID) -> None:
        raise OperationalError

    monkeypatch.setattr(hub._states, "of", out)
    await hub.watch(board.id, watcher, View(limit=2))
    assert len((await frame_of(watcher))["data"]["rankings"]) == 2
    await hub.close()


async def test_whoever_could_not_be_shown_all_their_rows_at_once_is_shown_them_when_they_are_read(
    board: Competition, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FRAME_ROWS", 1)
    hub, first, second = Hub(), Watcher(), Watcher()
    await hub.watch(board.id, first, View(limit=1))
    await frame_of(first)

    async def out(board_id: UUID) -> None:
        raise OperationalError

    monkeypatch.setattr(hub._states, "of", out)
    await hub.watch(board.id, second, View(limit=2))
    assert len((await frame_of(second))["data"]["rankings"]) == 2
    await hub.close()


async def test_after_a_new_epoch_nobody_is_given_a_difference_to_the_old_one(board: Competition, person: User) -> None:
    hub, watcher = Hub(), Watcher()
    await hub.watch(board.id, watcher, View(delta=True))
    await frame_of(watcher)
    await in_thread(Board.objects.filter(competition=board).update, epoch=uuid4(), version=1000)
    await in_thread(scored, board, person, 5)
    assert (await frame_of(watcher))["type"] == "leaderboard_update"
    await hub.close()


async def test_a_change_during_the_first_look_at_ones_own_window_is_not_missed(
    board: Competition, person: User, other: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, top, mine = Hub(), Watcher(person.id), Watcher(other.id)
    await hub.watch(board.id, top)
    await frame_of(top)
    shown, board_windows, looks = hub._places[board.id].board, queries.board_windows, 0

    def late(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        pages = board_windows(*args)
        if looks == 1:
            known, showed_at = shown.version, shown._showed_at
            scored(board, person, 77)
            wait_until(lambda: shown.version > known and shown._showed_at > showed_at)
        return pages

    monkeypatch.setattr(live, "board_windows", late)
    await hub.watch(board.id, mine, View(window=1))
    await until_it_shows(mine, 77)
    await hub.close()


async def test_somebodys_first_look_takes_nothing_back_from_other_windows(
    board: Competition, person: User, other: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, ada, ben = Hub(), Watcher(person.id), Watcher(other.id)
    await hub.watch(board.id, ada, View(window=1))
    await frame_of(ada)
    pages_of, board_windows = hub._places[board.id].board, queries.board_windows

    def late(competition: Competition, wanted: set[tuple[UUID, int]]) -> Any:
        pages = board_windows(competition, wanted)
        if wanted == {(other.id, 1)}:
            known = pages_of._pages[person.id, 1].version
            scored(board, person, 77)
            wait_until(lambda: pages_of._pages[person.id, 1].version > known)
        return pages

    monkeypatch.setattr(live, "board_windows", late)
    await hub.watch(board.id, ben, View(window=1))
    await until_it_shows(ada, 77)
    await hub.close()


@pytest.mark.slow
async def test_many_windows_that_go_at_once_are_each_looked_at_a_few_times(
    board: Competition, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, watchers = Hub(), [Watcher(uuid4()) for _ in range(60)]
    for watcher in watchers:
        await hub.watch(board.id, watcher, View(window=1))
    window_of, looks = live._window_of, 0

    def counted(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        return window_of(*args)

    monkeypatch.setattr(live, "_window_of", counted)
    for watcher in watchers:
        hub.leave(watcher)
    assert looks <= 3 * len(watchers)
    await hub.close()


async def test_a_board_is_not_let_go_while_somebody_waits_for_it(
    board: Competition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(hubs, "CHECK_INTERVAL", 0.01)
    hub, read_board, checked = Hub(), live._read_board, threading.Event()
    let_go = hub._let_idle_boards_go

    def counted() -> None:
        let_go()
        checked.set()

    def slow(*args: Any) -> Any:
        for _ in range(2):
            checked.clear()
            assert checked.wait(WITHIN)
        return read_board(*args)

    monkeypatch.setattr(hub, "_let_idle_boards_go", counted)
    monkeypatch.setattr(live, "_read_board", slow)
    asking = asyncio.create_task(hub.fresh(board.id, limit=1))
    await asyncio.wait([asking], timeout=WITHIN)
    assert not asking.cancelled()
    assert len(asking.result().page.entries) == 2
    await hub.close()


async def test_whatever_goes_wrong_with_a_question_those_who_wait_hear_of_it_and_the_next_is_asked(
    board: Competition, monkeypatch: pytest.MonkeyPatch
) -> None:
    states, asked = BoardStates(), versions._asked

    async def broken(*args: Any) -> Any:
        raise LookupError

    monkeypatch.setattr(versions, "_asked", broken)
    with pytest.raises(LookupError):
        await asyncio.wait_for(states.of(board.id), WITHIN)
    monkeypatch.setattr(versions, "_asked", asked)
    assert await asyncio.wait_for(states.of(board.id), WITHIN) is not None
    await states.close()
