"""A whole run: the installation, its load, its faults, and what held."""

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.chaos import checks
from tests.chaos.faults import Hand, NotHere
from tests.chaos.gateway import MoodyStripe
from tests.chaos.gateway import running as running_gateway
from tests.chaos.plan import LENGTHS, PATIENCE, PEOPLE, Kind, Length, Operation, operations, schedule
from tests.chaos.site import Failed, Site
from tests.chaos.traffic import ANSWER_WITHIN, Traffic, World
from tests.chaos.watchers import SocketWatcher, StreamWatcher, Watcher, watching
from tests.chaos.world import WINNERS

ACCOUNT = "acct_chaos"
WATCHERS_OF_A_BOARD = 4
PEOPLE_LOOKED_AT = 20
WARM_SECONDS = 2.0
LOAD_AFTER = 1.0
SETTLE_WITHIN = 420.0 * PATIENCE
"""A transfer without an answer is looked up after 3, 9, 27 and 81 seconds, and each minute from the second on."""
VERIFIED_BY = ("verify_ledger", "verify_standings", "verify_leaderboards")


@dataclass
class Fault:
    """One of them, and what followed. Seconds; ``refused``: answers 503 and connections that broke off in its time."""

    number: int
    kind: Kind
    seconds: float = 0.0
    ready: float = 0.0
    consistent: float = 0.0
    refused: int = 0
    problems: list[str] = field(default_factory=list)
    left_out: str = ""


@dataclass
class Outcome:
    seed: int
    length: str
    faults: list[Fault] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    operations: int = 0
    load_seconds: float = 0.0
    seconds: float = 0.0
    settled: float = 0.0
    transfers: int = 0
    timed_out: int = 0
    broken: int = 0
    restarts: int = 0
    watchers_returned: int = 0
    load_average: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.problems and not any(fault.problems for fault in self.faults)


class Installation:
    """Everything of a run, up and under way."""

    def __init__(self, site: Site, stripe: MoodyStripe, traffic: Traffic, watchers: list[Watcher]) -> None:
        self.site, self.stripe, self.traffic, self.watchers = site, stripe, traffic, watchers

    @property
    def boards(self) -> list[str]:
        world = self.traffic.world
        return [world.walk, world.reported, world.doors]

    async def problems(self, people: list[int]) -> tuple[float, list[str]]:
        """With nothing under way: all of what must hold; and how long the watchers took."""
        seconds, problems = await checks.seconds_until_consistent(self.traffic, self.watchers, self.boards)
        problems += await checks.acknowledged_problems(self.traffic, people)
        return seconds, [*problems, *await self.inside_problems()]

    async def inside_problems(self) -> list[str]:
        """What is stored, the ledger, the boards against SQL, and the gateway's book against ours."""
        before = self.stripe.book()
        found = await self.site.verified()
        if "error" in found:
            return [f"the checks did not run: {found['error']}"]
        problems = [*found["ledger"], *found["boards"]]
        problems += checks.transfer_problems(before, found["transfers"], self.stripe.book())
        return [*problems, *checks.reading_problems(self.traffic.model, self.traffic.world, found["readings"])]

    async def seconds_until_settled(self, *, within: float = SETTLE_WITHIN) -> tuple[float, list[str]]:
        """Until everything that was distributed is paid, and no job counts as being done that nobody does."""
        self.stripe.moods.calm = True
        since = time.monotonic()
        while True:
            found = await self.site.verified()
            distributed = self.traffic.model.distributed
            left = checks.unsettled(found.get("transfers", []), distributed, WINNERS)
            left += [] if "doing" in found else ["the checks did not run"]
            left += [f"{count} {task} count as being done by somebody" for task, count in found.get("doing", [])]
            passed = time.monotonic() - since
            if not left or passed > within:
                return passed, left
            await asyncio.sleep(1)


@contextlib.asynccontextmanager
async def installation(folder: Path, random: Random, *, finished: int, servers: int = 2) -> AsyncIterator[Installation]:
    with running_gateway(_another(random)) as stripe:
        stripe.connect(ACCOUNT, PEOPLE)
        site = Site(folder, stripe.url, stripe.secret_key, servers=servers)
        try:
            await asyncio.to_thread(site.start_engines)
            made = await asyncio.to_thread(site.run, "-m", "tests.chaos.world", str(PEOPLE), str(finished), ACCOUNT)
            await asyncio.to_thread(site.start)
            async with _under_way(site, stripe, World(**json.loads(made)), random) as running:
                yield running
        finally:
            site.discard()


def _another(random: Random) -> Random:
    """What draws at moments of its own leaves the others' numbers as they are."""
    return Random(random.random())


@contextlib.asynccontextmanager
async def _under_way(site: Site, stripe: MoodyStripe, world: World, random: Random) -> AsyncIterator[Installation]:
    addresses = [server.address for server in site.servers]
    timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN)
    endless = aiohttp.ClientTimeout(total=None, sock_connect=5)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2), timeout=timeout) as session,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=endless) as watching_session,
    ):
        watchers: list[Watcher] = [
            kind(watching_session, addresses, board, world.people[number]["token"], number)
            for board in (world.walk, world.reported, world.doors)
            for number in range(WATCHERS_OF_A_BOARD)
            for kind in (SocketWatcher, StreamWatcher)
        ]
        supervisor = asyncio.create_task(site.supervise())
        try:
            async with watching(watchers):
                yield Installation(site, stripe, Traffic(session, addresses, world, _another(random)), watchers)
        finally:
            supervisor.cancel()


async def run(seed: int, name: str, folder: Path) -> Outcome:
    """``name``: of the length."""
    random, length = Random(seed), LENGTHS[name]
    faults = schedule(random, length)
    paying = {number for number, kind in enumerate(faults) if kind is Kind.WORKER or random.random() < 0.3}
    outcome, began = Outcome(seed, name), time.monotonic()
    one_by_one = name == "sequence"
    servers = 1 if one_by_one else 2
    async with installation(folder, random, finished=len(paying) + 1, servers=servers) as running:
        hand = Hand(running.site, running.traffic, running.stripe, random, list(running.traffic.world.finished[1:]))
        stream = operations(Random(seed), per_second=length.per_second)
        if one_by_one:
            await _sequence(running, hand, stream, faults, length, outcome)
        else:
            await _under_load(running, hand, stream, faults, length, outcome, paying)
        await _end(running, outcome)
    outcome.seconds, outcome.load_average = time.monotonic() - began, os.getloadavg()[0]
    return outcome


# Under load.


async def _under_load(
    running: Installation,
    hand: Hand,
    stream: Iterator[Operation],
    faults: list[Kind],
    length: Length,
    outcome: Outcome,
    paying: set[int],
) -> None:
    traffic = running.traffic
    driving = asyncio.create_task(traffic.drive(stream))
    with _bar() as bar:
        task = bar.add_task("Faults", total=len(faults))
        for number, kind in enumerate(faults):
            await asyncio.sleep(WARM_SECONDS)
            fault = Fault(number + 1, kind)
            outcome.faults.append(fault)
            distributing = kind is not Kind.WORKER and number in paying
            paid = asyncio.create_task(hand.distribute()) if distributing else None
            await _one(running, hand, fault)
            if paid is not None:
                await paid
            traffic.go_on()
            bar.update(task, advance=1, description=kind.value)
            if not bar.console.is_terminal:
                bar.console.print(_line(fault, len(faults)), soft_wrap=True, highlight=False)
        while traffic.done < length.operations:
            await asyncio.sleep(0.1)
    await traffic.pause()
    driving.cancel()
    outcome.load_seconds = traffic.load_seconds


async def _one(running: Installation, hand: Hand, fault: Fault) -> None:
    """One fault, and everything that must hold after it. Leaves the traffic paused."""
    traffic, began = running.traffic, time.monotonic()
    refused, known = _refused(traffic), len(traffic.problems)
    try:
        healed_at = await hand.do(fault.kind)
    except NotHere as reason:
        fault.left_out, healed_at = str(reason), time.monotonic()
    except TimeoutError:
        fault.problems.append("an engine did not start again")
        healed_at = time.monotonic()
    fault.ready, late = await checks.seconds_until_ready(traffic.session, traffic.addresses, healed_at)
    traffic.calm.is_over()
    await asyncio.sleep(LOAD_AFTER)
    await traffic.pause()
    people = hand.random.sample(range(PEOPLE), PEOPLE_LOOKED_AT)
    fault.consistent, wrong = await running.problems(people)
    fault.problems += [*late, *wrong, *traffic.problems[known:]]
    fault.refused = _refused(traffic) - refused
    fault.seconds = time.monotonic() - began


def _refused(traffic: Traffic) -> int:
    return traffic.counts["503"] + traffic.counts["broken off"]


# One after another.


async def _sequence(
    running: Installation,
    hand: Hand,
    stream: Iterator[Operation],
    faults: list[Kind],
    length: Length,
    outcome: Outcome,
) -> None:
    """Every operation waits for the one before, and faults happen between two of them: the same in every run."""
    traffic, began = running.traffic, time.monotonic()
    every = length.operations // (len(faults) + 1)
    left = list(faults)
    with _bar() as bar:
        task = bar.add_task("Operations", total=length.operations)
        for operation in stream:
            await traffic.perform(operation)
            bar.update(task, advance=1)
            if operation.number % every == 0 and left:
                fault = Fault(len(outcome.faults) + 1, left.pop(0))
                outcome.faults.append(fault)
                await _one(running, hand, fault)
                traffic.go_on()
                if not bar.console.is_terminal:
                    bar.console.print(_line(fault, len(faults)), soft_wrap=True, highlight=False)
            if operation.number >= length.operations:
                break
    outcome.load_seconds = time.monotonic() - began


# The end.


async def _end(running: Installation, outcome: Outcome) -> None:
    traffic = running.traffic
    known = {problem for fault in outcome.faults for problem in fault.problems}
    _, problems = await running.problems(list(range(PEOPLE)))
    outcome.settled, left = await running.seconds_until_settled()
    problems += [*left, *await running.inside_problems(), *await asyncio.to_thread(command_problems, running.site)]
    problems += [problem for problem in traffic.problems if problem not in known]
    outcome.answers, outcome.operations = dict(traffic.counts.most_common()), traffic.done
    outcome.transfers = len(running.stripe.book())
    outcome.timed_out, outcome.broken = running.stripe.moods.timed_out, running.stripe.moods.broken
    outcome.problems = list(dict.fromkeys(problems)) + (missing(outcome) if outcome.length == "full" else [])
    outcome.restarts = running.site.restarts
    outcome.watchers_returned = sum(sum(watcher.ends.values()) for watcher in running.watchers)


def missing(outcome: Outcome) -> list[str]:
    """What a full run is for and this one did not do."""
    left_out = {f"{fault.kind} was left out: {fault.left_out}" for fault in outcome.faults if fault.left_out}
    return sorted(left_out) + ([] if outcome.timed_out else ["the gateway never answered too late"])


def command_problems(site: Site) -> list[str]:
    """Of the commands that an operator runs."""
    problems = []
    for command in VERIFIED_BY:
        try:
            site.run("manage.py", command)
        except Failed as failed:
            problems.append(str(failed))
    return problems


def _bar() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _line(fault: Fault, of: int) -> str:
    said = f"{fault.number}/{of} {fault.kind}: {fault.seconds:.1f} s, ready after {fault.ready:.1f} s"
    said += f", watchers after {fault.consistent:.1f} s, {fault.refused} refused"
    return (
        said
        + (f" · left out: {fault.left_out}" if fault.left_out else "")
        + "".join(f"\n    {problem}" for problem in fault.problems[:10])
    )


def run_in_a_folder(seed: int, name: str) -> Outcome:
    """In a folder that is gone afterwards, unless something did not hold: then its logs stay, and it is said where."""
    folder = Path(tempfile.mkdtemp(prefix="pacesetter-chaos-"))
    outcome = asyncio.run(run(seed, name, folder / "site"))
    if outcome.passed:
        shutil.rmtree(folder)
    else:
        Console(stderr=True).print(f"Logs: {folder}")
    return outcome
