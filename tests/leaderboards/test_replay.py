"""Old snapshot + frames = fresh snapshot, for every service that can move a board, over networks that lose, repeat and
reorder what is sent."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from accounts.models import User
from accounts.services.people import change_profile, erase_person
from competitions.models import Competition
from competitions.rules import Kind, Metric, TieRule, span_of
from competitions.services.enrolment import AlreadyJoined, join_competition, leave_competition
from competitions.services.lifecycle import cancel_competition, change_competition, move_status
from fitness.rules import Reading, Source
from fitness.services.syncing import sync_activities
from leaderboards import live
from leaderboards.hub import Hub
from leaderboards.models import Board
from leaderboards.queries import standings_in_board_order
from leaderboards.ranking import ranks_of
from leaderboards.scoring import Totals
from leaderboards.services import report_totals
from leaderboards.settling import correct_standings
from leaderboards.watching import At, Ended, View, Watcher
from tests.leaderboards.histories import Delivery, client

VIEWS = [
    View(),
    View(delta=True),
    View(limit=2),
    View(limit=2, delta=True),
    View(window=1),
    View(window=1, delta=True),
    View(window=2, delta=True),
]
WITHIN = 10.0  # seconds; a bound for a hanging test, not a promise about speed


# --- Who moves boards ---


@dataclass
class World:
    """Two boards of the same people, the moment it is, and which services have moved a board."""

    chance: random.Random
    board: Competition
    other: Competition
    people: list[User]
    now: datetime
    erased: set[UUID] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)

    def somebody(self, taking_part: bool = True) -> UUID | None:
        on_board = set(standings_in_board_order(self.board.id).values_list("user_id", flat=True))
        here = [person.id for person in self.people if person.id not in self.erased]
        fitting = [user_id for user_id in here if (user_id in on_board) == taking_part]
        return self.chance.choice(fitting) if fitting else None

    def few(self) -> int:
        """Few different ones, so that equals and overtaking are common."""
        return self.chance.randrange(0, 5) * 100

    # Each is one service; what it refuses is refused to clients as well and moves nothing.

    def join(self) -> None:
        if user_id := self.somebody(taking_part=False):
            for competition in (self.board, self.other):
                join_competition(competition=competition, user_id=user_id, join_code=None, now=self.now)

    def leave(self) -> None:
        if user_id := self.somebody():
            for competition in (self.board, self.other):
                leave_competition(competition=competition, user_id=user_id, now=self.now)

    def sync(self) -> None:
        people = self.chance.sample(self.people, 2)
        day = self.now.date() - timedelta(days=self.chance.randrange(0, 3))
        readings = [
            Reading(person.id, Source.FITBIT, day, Totals(steps=self.few(), distance_mm=self.few()))
            for person in people
        ]
        sync_activities(readings=[one for one in readings if one.user_id not in self.erased], now=self.now)

    def report(self) -> None:
        if user_id := self.somebody():
            totals = {"steps": self.few(), "distance_mm": self.few()}
            report_totals(competition=self.board, user_id=user_id, reported=totals, now=self.now)

    def rename(self) -> None:
        if user_id := self.somebody():
            change_profile(user_id=user_id, changes={"name": self.chance.choice(["Ada", "Ben", "Zoë ☃", "x" * 40])})

    def erase(self) -> None:
        """The last one, who does not watch: nobody who is erased is served any more."""
        user_id = self.people[-1].id
        with suppress(AlreadyJoined):
            join_competition(competition=self.board, user_id=user_id, join_code=None, now=self.now)
        erase_person(user_id=user_id, now=self.now)
        self.erased.add(user_id)

    def change_rules(self) -> None:
        metric = Metric.STEPS if self.board.metric == Metric.DISTANCE else Metric.DISTANCE
        self._change(self.board, {"metric": metric, "tie_rule": self.chance.choice(list(TieRule))}, None)
        self.board.refresh_from_db()

    def begin(self) -> None:
        """Another span is another rule: what people did on days that did not count counts now."""
        today = self.now.date()
        for competition in (self.board, self.other):
            self._change(competition, {}, (today - timedelta(days=3), today + timedelta(days=3)))

    def _change(self, competition: Competition, fields: dict[str, Any], days: tuple[date, date] | None) -> None:
        span = span_of(*days, "UTC", Kind.CUSTOM) if days else None
        change_competition(
            competition_id=competition.id, merge=lambda _: (fields, span), by=self.people[0], now=self.now
        )

    def complete(self) -> None:
        self.board = move_status(competition_id=self.board.id, now=self.board.closes_at)
        assert self.board.status == "completed"
        self.now = self.board.closes_at

    def disqualify(self) -> None:
        if user_id := self.somebody():
            self._correct(disqualify={user_id})

    def reinstate(self) -> None:
        out = self.board.standings.exclude(disqualified_reason="").values_list("user_id", flat=True)
        if out:
            self._correct(reinstate={self.chance.choice(sorted(out))})

    def adjust(self) -> None:
        if user_id := self.somebody():
            self._correct(adjust={user_id: self.few() - 200})

    def _correct(self, **what: Any) -> None:
        correct_standings(
            competition_id=self.board.id, by=self.people[0], reason="A second look.", now=self.now, **what
        )

    def cancel(self) -> None:
        cancel_competition(competition_id=self.other.id, by=self.people[0], now=self.now)

    def history(self) -> list[Callable[[], None]]:
        before = [self.join] * 6 + [self.leave, self.rename, self.change_rules, self.change_rules] + [self.sync] * 3
        during = [self.sync] * 6 + [self.report] * 8 + [self.join, self.leave] * 2 + [self.rename] * 2 + [self.erase]
        after = [self.disqualify, self.adjust] * 3 + [self.rename, self.reinstate, self.sync, self.disqualify]
        for steps in (before, during, after):
            self.chance.shuffle(steps)
        return [*[self.join] * 3, *before, self.begin, *during, self.cancel, self.complete, *after, self.reinstate]

    def take(self, step: Callable[[], None]) -> None:
        before = self._versions()
        step()
        self.now += timedelta(seconds=self.chance.randrange(0, 2))
        if self._versions() != before:
            self.moved.add(step.__name__)

    def _versions(self) -> list[tuple[UUID, int]]:
        return sorted(Board.objects.values_list("competition_id", "version"))


async def in_another_thread(do: Callable[[], Any]) -> Any:
    def committed() -> Any:
        try:
            return do()
        finally:
            connections.close_all()

    return await sync_to_async(committed, thread_sensitive=False)()


# --- Who watches ---


@dataclass
class Far:
    """A client at the far end of a bad network."""

    hub: Hub
    board_id: UUID
    viewer_id: UUID
    view: View
    chance: random.Random
    delivery: Delivery = field(default_factory=Delivery)
    on_the_way: list[str] = field(default_factory=list)

    async def connect(self) -> None:
        """Anew, with what it has."""
        self.watcher = Watcher(self.viewer_id)
        kept = self.delivery.board
        since = At(kept["epoch"], kept["version"]) if kept and self.chance.random() < 0.8 else None
        await self.hub.watch(self.board_id, self.watcher, self.view, since)
        self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        with suppress(Ended):
            while True:
                self.on_the_way.append(await self.watcher.next_frame())

    def hang_up(self) -> None:
        self._writing.cancel()
        self.hub.leave(self.watcher)
        self.on_the_way.clear()

    def receive_badly(self) -> None:
        """Some of what is on the way is lost, comes twice, or late and out of order."""
        for text in self.chance.sample(self.on_the_way, self.chance.randint(0, len(self.on_the_way))):
            if self.chance.random() < 0.8:
                self.on_the_way.remove(text)
            if self.chance.random() < 0.75:
                self._take(text)

    def receive(self) -> None:
        while self.on_the_way:
            self._take(self.on_the_way.pop(0))

    def _take(self, text: str) -> None:
        if self.delivery.send(text) == client.RESUME:
            self.resume()

    def resume(self) -> None:
        asked = client.resume(self.delivery.board)
        assert self.hub.resume(self.board_id, self.watcher, At(asked["epoch"], asked["version"]))

    def shown(self) -> Any:
        """All but the version: a window stays at the one that last changed it."""
        kept = self.delivery.board
        return kept and {name: kept[name] for name in ("rankings", "offset", "totalCount", "tieRule", "epoch")}


@pytest.fixture
async def hub(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    """One that shows what moves at once."""
    for name, value in {"SHOW_INTERVAL": 0.005, "READ_INTERVAL": 0.0, "WINDOWS_SHARE": 1}.items():
        monkeypatch.setattr(live, name, value)
    hub = Hub()
    yield hub
    await hub.close()


@pytest.fixture
async def elsewhere(hub: Hub) -> AsyncIterator[Hub]:
    """That of another server."""
    hub = Hub()
    yield hub
    await hub.close()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
async def test_whatever_moves_a_board_whoever_watches_ends_up_with_the_board(
    hub: Hub, elsewhere: Hub, seed: int, make_competition: Any, make_person: Any
) -> None:
    chance = random.Random(seed)

    def begin() -> World:
        people = [make_person(f"Walker {number}") for number in range(8)]
        board, other = (make_competition(starts=2, ends=5, tie_rule=rule) for rule in TieRule)
        return World(chance, board, other, people, datetime.now(UTC))

    world = await in_another_thread(begin)
    clients = [
        Far(hub, board.id, person.id, view, chance)
        for board in (world.board, world.other)
        for person in world.people[:2]
        for view in VIEWS
    ]
    for far in clients:
        await far.connect()
    for step in world.history():
        await in_another_thread(partial(world.take, step))
        await asyncio.sleep(chance.choice([0, 0, 0.02, 0.05]))
        for far in clients:
            far.receive_badly()
            if chance.random() < 0.05:
                far.hang_up()
                await far.connect()
    for far in clients:  # the network is good again
        far.receive()
        if far.delivery.board:
            far.resume()
        else:  # the only snapshot was lost, and a delta says nothing to whoever has none
            far.hang_up()
            await far.connect()
    for far in clients:
        await same_as_a_fresh_snapshot(far, elsewhere)
        assert_nothing_was_shown_that_never_was(far, clients)
    for far in clients:
        far.hang_up()
    assert await in_another_thread(partial(ranks, world.board)) == rows_of(clients[0])
    assert await in_another_thread(partial(ranks, world.other)) == rows_of(clients[-len(VIEWS)])
    moving = {"join", "leave", "sync", "report", "rename", "erase", "change_rules", "begin"}
    assert world.moved >= moving | {"disqualify", "reinstate", "adjust"}
    deltas = {outcome for far in clients if far.view.delta for outcome in far.delivery.outcomes}
    assert deltas == {client.APPLIED, client.IGNORED, client.RESUME}


async def same_as_a_fresh_snapshot(far: Far, elsewhere: Hub) -> None:
    """Of somebody who begins to watch now."""
    newcomer, watcher = Delivery(), Watcher(far.viewer_id)
    await elsewhere.watch(far.board_id, watcher, View(far.view.limit, far.view.window))
    newcomer.send(await asyncio.wait_for(watcher.next_frame(), WITHIN))
    elsewhere.leave(watcher)
    expected = Far(elsewhere, far.board_id, far.viewer_id, far.view, far.chance, newcomer).shown()
    with suppress(TimeoutError):
        async with asyncio.timeout(WITHIN):
            while far.shown() != expected:
                await asyncio.sleep(0.005)
                far.receive()
    assert far.shown() == expected


def assert_nothing_was_shown_that_never_was(far: Far, clients: list[Far]) -> None:
    """Whoever kept a board by deltas had at each version what the snapshots of that version say."""
    whole: dict[tuple[str, int], Any] = {}
    for other in clients:
        same = (other.board_id, other.view.limit, other.view.window) == (far.board_id, far.view.limit, far.view.window)
        if same and (far.view.window is None or other.viewer_id == far.viewer_id):
            snapshots = [frame["data"] for frame in other.delivery.frames if frame["type"] == "leaderboard_update"]
            whole |= {(data["epoch"], data["version"]): data["rankings"] for data in snapshots}
    for board in filter(None, far.delivery.boards):
        assert whole.get((board["epoch"], board["version"]), board["rankings"]) == board["rankings"]


def ranks(competition: Competition) -> list[tuple[str, int, int]]:
    """As SQL has them."""
    standings = list(standings_in_board_order(competition.id))
    competition.refresh_from_db()
    scores = [standing.score for standing in standings]
    placed = zip(standings, ranks_of(scores, competition.tie_rule, offset=0, above_first=0), strict=True)
    return [(str(standing.user_id), standing.score, rank) for standing, rank in placed]


def rows_of(far: Far) -> list[tuple[str, int, int]]:
    return [(row["userId"], row["score"], row["rank"]) for row in far.delivery.board["rankings"]]
