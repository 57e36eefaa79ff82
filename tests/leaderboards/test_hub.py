"""The hub and its watchers: one pending frame per board, the newest, and no patience without end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connections
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from competitions.models import Competition
from config.core.redis import redis_client
from leaderboards import hub as hubs
from leaderboards import watching
from leaderboards.admission import admission
from leaderboards.consumers import LeaderboardConsumer
from leaderboards.hub import Hub
from leaderboards.hub import hub as hub_of_this_process
from leaderboards.services import report_totals
from leaderboards.watching import At, Close, Ended, Sight, View, Watcher


class Screen:
    """A scene that shows its newest version once."""

    def __init__(self) -> None:
        self.version = 0

    def frame(self, sight: Sight) -> str | None:
        at = At("epoch", self.version)
        if sight.at == at:
            return None
        sight.at = at
        return f"frame {self.version}"


def looking_at(watcher: Watcher, screen: Screen) -> Sight:
    return Sight(uuid4(), screen, watcher, View())


async def test_of_many_changes_a_watcher_takes_the_newest() -> None:
    watcher, screen = Watcher(), Screen()
    sight = looking_at(watcher, screen)
    for version in range(1, 6):
        screen.version = version
        watcher.stir(sight)
    assert await watcher.next_frame() == "frame 5"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watcher.next_frame(), 0.05)


async def test_boards_wait_beside_each_other() -> None:
    watcher, first, second = Watcher(), Screen(), Screen()
    first.version, second.version = 1, 2
    for screen in (first, second):
        watcher.stir(looking_at(watcher, screen))
    assert {await watcher.next_frame(), await watcher.next_frame()} == {"frame 1", "frame 2"}


async def test_a_watcher_who_has_to_go_hears_why_and_nothing_more() -> None:
    watcher, screen = Watcher(), Screen()
    waiting = asyncio.create_task(watcher.next_frame())
    await asyncio.sleep(0)
    watcher.end(Close.NOT_FOUND)
    watcher.end(Close.RESTARTING)
    watcher.stir(looking_at(watcher, screen))
    for hearing in (waiting, watcher.next_frame()):
        with pytest.raises(Ended) as ended:
            await hearing
        assert ended.value.reason == Close.NOT_FOUND


@pytest.fixture
def board(person: User, transactional_db: None, make_competition: Any, join: Any) -> Competition:
    competition: Competition = make_competition(score_source="reported")
    join(competition, person)
    return competition


async def report(board: Competition, person: User, steps: int) -> None:
    def store() -> None:
        report_totals(competition=board, user_id=person.id, reported={"steps": steps}, now=datetime.now(UTC))
        connections.close_all()

    await sync_to_async(store, thread_sensitive=False)()


@pytest.mark.slow
async def test_a_change_whose_announcement_is_lost_is_shown_within_the_next_check(
    board: Competition, person: User
) -> None:
    hub, watcher = Hub(), Watcher()
    await hub.watch(board.id, watcher)
    assert '"score":0' in await asyncio.wait_for(watcher.next_frame(), 10)
    groups = await sync_to_async(lambda: redis_client().keys("asgi*group*"))()
    assert groups
    await sync_to_async(lambda: redis_client().delete(*groups))()
    await report(board, person, 77)
    assert '"score":77' in await asyncio.wait_for(watcher.next_frame(), 10)
    hub.unwatch(board.id, watcher)
    await hub.close()


@pytest.mark.slow
async def test_a_board_that_nobody_looks_at_is_let_go(board: Competition, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, watcher = Hub(), Watcher()
    await hub.watch(board.id, watcher)
    await asyncio.wait_for(watcher.next_frame(), 10)
    assert hub.boards() == {board.id}
    hub.unwatch(board.id, watcher)
    monkeypatch.setattr(hubs, "IDLE_SECONDS", 0.0)
    async with asyncio.timeout(10):
        while hub.boards():
            await asyncio.sleep(0.05)
    await hub.close()


class StuckSocket:
    """An ASGI server whose client has stopped reading: what is sent is never taken."""

    def __init__(self, board: Competition, token: str) -> None:
        self.scope = {
            "type": "websocket",
            "path": f"/ws/leaderboard/{board.id}",
            "url_route": {"args": (), "kwargs": {"competition_id": str(board.id)}},
            "query_string": f"token={token}".encode(),
            "subprotocols": [],
            "headers": [],
            "client": ("127.0.0.1", 1),
        }
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})

    async def receive(self) -> dict[str, Any]:
        return await self._incoming.get()

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            await asyncio.Event().wait()
        if message["type"] == "websocket.close":
            self.closed.set_result(message["code"])
            self._incoming.put_nowait({"type": "websocket.disconnect", "code": message["code"]})


@pytest.fixture
async def little_patience(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(watching, "SLOW_SECONDS", 0.1)
    yield
    await hub_of_this_process().close()


@pytest.mark.slow
async def test_a_socket_that_takes_nothing_is_closed_with_4008(
    board: Competition, person: User, little_patience: None
) -> None:
    socket = StuckSocket(board, str(await sync_to_async(AccessToken.for_user)(person)))
    consumer: Any = LeaderboardConsumer.as_asgi()
    running = asyncio.create_task(consumer(socket.scope, socket.receive, socket.send))
    assert await asyncio.wait_for(socket.closed, 10) == 4008
    await asyncio.wait_for(running, 10)
    assert not hub_of_this_process().watchers()


class GoneClient(StuckSocket):
    """One that asked something and went before the answer."""

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            raise OSError


async def test_whoever_goes_before_they_are_answered_is_counted_no_longer_and_not_shown_the_board(
    board: Competition, person: User, little_patience: None
) -> None:
    socket = GoneClient(board, str(await sync_to_async(AccessToken.for_user)(person)))
    socket._incoming.put_nowait({"type": "websocket.receive", "text": '{"type": "ping"}'})
    consumer: Any = LeaderboardConsumer.as_asgi()
    with suppress(OSError):
        await asyncio.wait_for(consumer(socket.scope, socket.receive, socket.send), 10)
    counted, watchers = admission.count(), hub_of_this_process().watchers()
    admission._inside.clear()
    assert (counted, watchers) == (0, set())


class TalkingSocket(StuckSocket):
    """One whose client takes what it is sent."""

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] != "websocket.send":
            await super().send(message)


async def test_who_comes_while_postgresql_is_out_is_told_to_come_again(
    board: Competition, person: User, little_patience: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def out(asked: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(hub_of_this_process()._access, "_run", out)
    socket = TalkingSocket(board, str(await sync_to_async(AccessToken.for_user)(person)))
    consumer: Any = LeaderboardConsumer.as_asgi()
    await asyncio.wait_for(consumer(socket.scope, socket.receive, socket.send), 10)
    assert socket.closed.result() == 1012


async def test_a_socket_that_asks_for_a_board_more_while_postgresql_is_out_is_told_to_come_again(
    board: Competition, person: User, little_patience: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = TalkingSocket(board, str(await sync_to_async(AccessToken.for_user)(person)))
    consumer: Any = LeaderboardConsumer.as_asgi()
    running = asyncio.create_task(consumer(socket.scope, socket.receive, socket.send))
    async with asyncio.timeout(10):
        while not hub_of_this_process().watchers():
            await asyncio.sleep(0.01)

    async def out(asked: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(hub_of_this_process()._access, "_run", out)
    subscribe = json.dumps({"type": "subscribe", "competitionId": str(uuid4())})
    socket._incoming.put_nowait({"type": "websocket.receive", "text": subscribe})
    await asyncio.wait_for(running, 10)
    assert socket.closed.result() == 1012


async def test_whoever_comes_while_everybody_is_sent_away_is_sent_away_too(board: Competition) -> None:
    hub, early, late = Hub(), Watcher(), Watcher()
    await hub.watch(board.id, early)
    dismissing = asyncio.create_task(hub.dismiss(seconds=10))
    await hub.watch(board.id, late)
    for watcher in (early, late):
        with pytest.raises(Ended) as ended:
            await asyncio.wait_for(watcher.next_frame(), 5)
        assert ended.value.reason == Close.RESTARTING
        hub.leave(watcher)
    await asyncio.wait_for(dismissing, 5)
    await hub.watch(board.id, late := Watcher())
    with pytest.raises(Ended):
        await asyncio.wait_for(late.next_frame(), 5)
    await hub.close()
