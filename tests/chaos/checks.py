"""What must hold after every fault, as functions that answer with what is wrong, in words."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import aiohttp

from tests.chaos.model import Model
from tests.chaos.plan import DAYS, PATIENCE
from tests.chaos.traffic import Answer, Traffic, World
from tests.chaos.watchers import Shown, Watcher, shown_by_answer

READY_WITHIN = 10.0 * PATIENCE
CONSISTENT_WITHIN = 5.0 * PATIENCE
POLL = 0.05  # seconds


# Ready again.


async def seconds_until_ready(
    session: aiohttp.ClientSession, addresses: Sequence[str], since: float, *, within: float = READY_WITHIN
) -> tuple[float, list[str]]:
    """From ``since`` until every server says that it is ready, and not degraded."""
    waiting, said = set(addresses), dict.fromkeys(addresses, "nothing")
    while waiting:
        for address in sorted(waiting):
            said[address] = await _readiness(session, address)
            if said[address] == "ready":
                waiting.discard(address)
        passed = time.monotonic() - since
        if waiting and passed > within:
            return passed, [f"{one} is not ready after {within:.0f} s: {said[one]}" for one in sorted(waiting)]
        if waiting:
            await asyncio.sleep(POLL)
    return time.monotonic() - since, []


async def _readiness(session: aiohttp.ClientSession, address: str) -> str:
    try:
        timeout = aiohttp.ClientTimeout(total=6 * PATIENCE)
        async with session.get(f"{address}/health/ready", timeout=timeout) as answer:
            return str((await answer.json())["status"])
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return type(error).__name__


# Whoever watches.


async def seconds_until_consistent(
    traffic: Traffic, watchers: Sequence[Watcher], boards: Iterable[str], *, within: float = CONSISTENT_WITHIN
) -> tuple[float, list[str]]:
    """From now, with nothing under way, until every watcher shows what a fresh read of each server shows."""
    since = time.monotonic()
    while True:
        problems = await _inconsistencies(traffic, watchers, boards)
        passed = time.monotonic() - since
        if not problems or passed > within:
            return passed, problems
        await asyncio.sleep(POLL)


async def _inconsistencies(traffic: Traffic, watchers: Sequence[Watcher], boards: Iterable[str]) -> list[str]:
    problems = []
    for board in boards:
        fresh = [await fresh_board(traffic, board, server) for server in range(len(traffic.addresses))]
        if any(one != fresh[0] for one in fresh):
            problems.append(f"board {board} is not the same at every server")
        if isinstance(fresh[0], Shown):
            here = [watcher for watcher in watchers if watcher.board == board]
            problems += [problem for watcher in here if (problem := watcher_problem(watcher, fresh[0]))]
        else:
            problems.append(f"board {board}: {fresh[0]}")
    return problems


async def fresh_board(traffic: Traffic, board: str, server: int | None = None) -> Shown | Answer:
    token = traffic.world.people[0]["token"]
    answer = await traffic.ask("GET", f"/leaderboard/{board}", token, server=server)
    return shown_by_answer(answer.body["data"]) if answer.status == 200 else answer


def watcher_problem(watcher: Watcher, fresh: Shown) -> str:
    if watcher.shown == fresh:
        return ""
    seen = f"version {watcher.shown.version}" if watcher.shown else "nothing"
    if watcher.shown and watcher.shown.version == fresh.version:
        seen = "other rows"
    return f"a {type(watcher).__name__} of {watcher.board} shows {seen} instead of version {fresh.version}"


# What was acknowledged.


async def acknowledged_problems(traffic: Traffic, people: Iterable[int]) -> list[str]:
    """With nothing under way: what these people have walked, and the boards of everybody, as HTTP shows them."""
    world, model = traffic.world, traffic.model
    problems: list[str] = []
    walked = dict(await asyncio.gather(*(_walked(traffic, person) for person in people)))
    for person, days in walked.items():
        problems += [days] if isinstance(days, str) else model.activity_problems(person, days)
    boards = [await fresh_board(traffic, board) for board in (world.walk, world.reported, world.doors)]
    for board in boards:
        if isinstance(board, Answer):
            return [*problems, f"a board was answered {board.status}"]
    walk, reported, doors = (_scores(board) for board in boards if isinstance(board, Shown))
    return [*problems, *board_problems(model, world, walked, walk, reported, doors)]


def _scores(shown: Shown) -> dict[str, int]:
    return {user_id: score for user_id, score, _ in shown.rows}


def reading_problems(model: Model, world: World, stored: Iterable[Sequence[Any]]) -> Iterator[str]:
    """``stored``: a person's id, a source, a day, and the steps. Of every source of every day the larger value stands,
    whether or not it counts beside the others."""
    found = {(user_id, source, day): steps for user_id, source, day, steps in stored}
    for person, source, ago in list(model.days):
        steps = found.get((world.people[person]["id"], source, world.day(ago)), 0)
        if problem := model.reading_problem(person, source, ago, steps):
            yield problem


def board_problems(
    model: Model,
    world: World,
    walked: Mapping[int, Any],
    walk: Mapping[str, int],
    reported: Mapping[str, int],
    doors: Mapping[str, int],
) -> Iterator[str]:
    """Scores are the sums of what was walked, and what was reported; who takes part is there and nobody else."""
    for person, known in enumerate(world.people):
        here = known["id"]
        days = walked.get(person)
        if isinstance(days, dict) and walk.get(here) != sum(days.values()):
            yield f"person {person} has {walk.get(here)} points for {sum(days.values())} steps"
        if problem := model.report_problem(person, reported.get(here, 0)):
            yield problem
        if problem := model.inside_problem(person, here in doors):
            yield problem


async def _walked(traffic: Traffic, person: int) -> tuple[int, dict[int, int] | str]:
    world = traffic.world
    path = f"/users/me/activity?from={world.day(DAYS - 1)}&to={world.day(0)}"
    answer = await traffic.ask("GET", path, world.people[person]["token"])
    if answer.status != 200:
        return person, f"the activity of person {person} was answered {answer.status}"
    ago = {world.day(day): day for day in range(DAYS)}
    return person, {ago[row["date"]]: int(row["steps"]) for row in answer.body["data"]}


# Money.

Row = Sequence[Any]
"""A transfer as we have it: its key, state, amount in minor units, competition, and why."""


def transfer_problems(before: list[tuple[str, int]], ours: Sequence[Row], after: list[tuple[str, int]]) -> list[str]:
    """``before`` and ``after``: the gateway's book as it was when ours was read. Nobody is paid twice, what we say is
    paid was paid, and nothing was paid that we know nothing of."""
    times = Counter(key for key, _ in after)
    amounts, states = {row[0]: row[2] for row in ours}, {row[0]: row[1] for row in ours}
    problems = [f"{key} was paid {number} times" for key, number in times.items() if number > 1]
    problems += [f"{key} was paid and is not known" for key, _ in before if key not in states]
    wrong = [key for key, amount in before if key in amounts and amounts[key] != amount]
    problems += [f"{key} was paid with another amount" for key in wrong]
    problems += [
        f"{key} counts as paid and was not" for key, state in states.items() if state == "paid" and not times[key]
    ]
    return problems


def unsettled(ours: Sequence[Row], distributed: Iterable[str], winners: int) -> list[str]:
    """Of what was distributed everything is paid once all is over."""
    problems = [f"{row[0]} is {row[1]} ({row[4]})" for row in ours if row[1] != "paid"]
    written = Counter(row[3] for row in ours)
    problems += [f"{one} has {written[one]} transfers" for one in sorted(distributed) if written[one] != winners]
    return problems
