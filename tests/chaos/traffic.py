"""The requests, each sent when it is due, and what their answers say about the model."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import aiohttp
import orjson

from tests.chaos.model import Model
from tests.chaos.plan import PATIENCE, Action, Operation

MOST_AT_ONCE = 200
"""As many connections as a proxy keeps to two servers; who comes then waits in front of it."""
ANSWER_WITHIN = 15.0 * PATIENCE
BROKEN, SILENT = 0, -1


@dataclass(frozen=True)
class Answer:
    """``status``: that of HTTP, or BROKEN for a connection that could not be had or broke off, or SILENT."""

    status: int
    body: Any = None
    server: int = 0


@dataclass
class World:
    people: list[dict[str, str]]
    treasurer: str
    walk: str
    reported: str
    doors: str
    finished: list[str]
    today: date = field(default_factory=lambda: datetime.now(UTC).date())

    def day(self, ago: int) -> str:
        return (self.today - timedelta(days=ago)).isoformat()


class Calm:
    """When refusals are excused: from the beginning of a fault until everything is ready again. What was asked in that
    time may be refused a little later."""

    def __init__(self) -> None:
        self.disturbed = False
        self._over_at = 0.0

    def disturb(self) -> None:
        self.disturbed = True

    def is_over(self) -> None:
        self.disturbed, self._over_at = False, time.monotonic()

    def excuses(self, asked_at: float) -> bool:
        return self.disturbed or asked_at <= self._over_at


class Traffic:
    """``problems``: what must not be, in words. ``counts``: answers by what they were."""

    def __init__(self, session: aiohttp.ClientSession, addresses: list[str], world: World, random: Random) -> None:
        self.session, self.addresses, self.world = session, addresses, world
        self.model, self.calm = Model(), Calm()
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.done = 0
        self._random = random
        self._turns = [asyncio.Lock() for _ in world.people]
        self._under_way: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.load_seconds = 0.0

    # The open loop.

    async def drive(self, operations: Iterator[Operation]) -> None:
        """Sends what is due until it is cancelled; a pause moves everything behind it."""
        first = began = time.monotonic()
        paused = 0.0
        for operation in operations:
            late = time.monotonic() - began - operation.at
            if late < 0:
                await asyncio.sleep(-late)
            elif late > 1:
                began += late  # it cannot keep up, and what was missed is not made up for
            while len(self._under_way) >= MOST_AT_ONCE:
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            held_up_at = time.monotonic()
            await self._open.wait()
            held_up = time.monotonic() - held_up_at
            began, paused = began + held_up, paused + held_up
            self.load_seconds = time.monotonic() - first - paused
            task = asyncio.create_task(self.perform(operation))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def pause(self) -> None:
        """Returns when nothing is under way."""
        self._open.clear()
        while self._under_way:
            await asyncio.wait(self._under_way)

    def go_on(self) -> None:
        self._open.set()

    # One operation.

    async def perform(self, operation: Operation) -> None:
        match operation.action:
            case Action.SYNC:
                await self._sync(operation)
            case Action.REPORT:
                async with self._turns[operation.person]:
                    await self._report(operation)
            case Action.JOIN | Action.LEAVE:
                async with self._turns[operation.person]:
                    await self._pass_the_door(operation)
            case Action.CALCULATE:
                which = self.world.finished[operation.number % len(self.world.finished)]
                self._judge(await self.ask("POST", f"/prizes/calculate/{which}", self.world.treasurer, {}), "calculate")
            case _:
                await self._read(operation)
        self.done += 1

    async def _read(self, operation: Operation) -> None:
        paths = {
            Action.BOARD: f"/leaderboard/{self.world.walk}",
            Action.RANK: f"/leaderboard/{self.world.walk}/rank/me",
            Action.PROFILE: "/users/me/profile",
        }
        token = self.world.people[operation.person]["token"]
        self._judge(await self.ask("GET", paths[operation.action], token), operation.action)

    async def _sync(self, operation: Operation) -> None:
        value = self.model.days[operation.person, operation.source, operation.day]
        if operation.steps > value.acknowledged:
            value.sent.add(operation.steps)
        day = self.world.day(operation.day)
        body = {"steps": operation.steps, "source": operation.source, "date": day}
        answer = await self.ask("POST", "/fitness/sync", self._token(operation), body)
        if self._judge(answer, "sync"):
            value.acknowledge(operation.steps)

    async def _report(self, operation: Operation) -> None:
        value = self.model.reports[operation.person]
        value.may_be.add(operation.steps)
        person = self.world.people[operation.person]["id"]
        body = {"user_id": person, "competition_id": self.world.reported, "steps": operation.steps}
        body |= {"distance": 0, "calories": 0}
        if self._judge(await self.ask("POST", "/leaderboard/update", self._token(operation), body), "report"):
            value.may_be = {operation.steps}

    async def _pass_the_door(self, operation: Operation) -> None:
        value, wanted = self.model.inside[operation.person], int(operation.action is Action.JOIN)
        before = set(value.may_be)
        value.may_be.add(wanted)
        path = f"/competitions/{self.world.doors}/{operation.action}"
        answer = await self.ask("POST", path, self._token(operation), {})
        if answer.status == 409:
            if wanted not in before:
                self.problems.append(f"person {operation.person} could not {operation.action}: {answer.body}")
            value.may_be = {wanted}
            self.counts["in vain (409)"] += 1
        elif self._judge(answer, operation.action):
            value.may_be = {wanted}

    async def distribute(self, competition: str) -> bool:
        """Whether it was acknowledged."""
        self.model.asked_to_distribute.add(competition)
        answer = await self.ask("POST", f"/prizes/distribute/{competition}", self.world.treasurer, {})
        if self._judge(answer, "distribute"):
            self.model.distributed.add(competition)
        return competition in self.model.distributed

    def _token(self, operation: Operation) -> str:
        return self.world.people[operation.person]["token"]

    async def ask(self, method: str, path: str, token: str, body: Any = None, *, server: int | None = None) -> Answer:
        asked_at = time.monotonic()
        which = self._random.randrange(len(self.addresses)) if server is None else server
        url = f"{self.addresses[which]}/api/v1{path}"
        try:
            async with self.session.request(
                method, url, json=body, headers={"Authorization": f"Bearer {token}"}
            ) as answer:
                raw = await answer.read()
                return self._noted(Answer(answer.status, _parsed(raw), which), path, asked_at)
        except TimeoutError:
            return self._noted(Answer(SILENT, None, which), path, asked_at)
        except (aiohttp.ClientError, OSError):
            return self._noted(Answer(BROKEN, None, which), path, asked_at)

    def _noted(self, answer: Answer, path: str, asked_at: float) -> Answer:
        if problem := refusal_problem(answer, excused=self.calm.excuses(asked_at)):
            self.problems.append(f"{path.partition('?')[0]}: {problem}")
        return answer

    def _judge(self, answer: Answer, what: str) -> bool:
        """Counts it; whether it was carried out."""
        if 200 <= answer.status < 300:
            self.counts["carried out"] += 1
            return True
        name = {BROKEN: "broken off", SILENT: "no answer"}.get(answer.status, str(answer.status))
        self.counts[name] += 1
        if 400 <= answer.status < 500:
            self.problems.append(f"{what} was answered {answer.status}: {answer.body}")
        return False


def refusal_problem(answer: Answer, *, excused: bool) -> str:
    """Only a 503 or a broken connection, and only while something is out."""
    if answer.status == SILENT:
        return f"no answer within {ANSWER_WITHIN:.0f} s"
    if answer.status >= 500 and answer.status != 503:
        return f"answered {answer.status}: {answer.body}"
    if answer.status in (BROKEN, 503) and not excused:
        return "the connection broke off" if answer.status == BROKEN else f"answered 503 in calm: {answer.body}"
    return ""


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw[:200].decode("utf-8", "replace")
