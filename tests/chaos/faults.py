"""What goes wrong. Each answers with the moment from which on the installation is left to itself."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from random import Random

import psycopg
import redis

from tests.chaos.checks import READY_WITHIN, seconds_until_ready
from tests.chaos.gateway import MoodyStripe
from tests.chaos.plan import Kind
from tests.chaos.site import Site, faketime
from tests.chaos.traffic import Traffic
from tests.flows.servers import Server

HELD_SECONDS = 4.0
CLOCK_STEPS = ("+2400", "-2400", "+0")  # seconds; tokens live for an hour, and are not to be the only thing that fails
PAID_WITHIN = 5.0
MOST_TRIES = 60


class NotHere(Exception):
    """This machine does not let us do it; the text says why."""


class Hand:
    """What the faults take hold of. ``to_distribute``: competitions that nobody has had paid yet."""

    def __init__(
        self, site: Site, traffic: Traffic, stripe: MoodyStripe, random: Random, to_distribute: list[str]
    ) -> None:
        self.site, self.traffic, self.stripe, self.random = site, traffic, stripe, random
        self.to_distribute = to_distribute

    async def do(self, kind: Kind) -> float:
        if kind is not Kind.WORKER:  # nobody who asks notices that one
            self.traffic.calm.disturb()
        return await _FAULTS[kind](self)

    async def distribute(self) -> None:
        """Until it is acknowledged, as a treasurer would."""
        competition = self.to_distribute.pop()
        for _ in range(MOST_TRIES):
            if await self.traffic.distribute(competition):
                return
            await asyncio.sleep(0.5)
        self.traffic.problems.append(f"{competition} could not be distributed in {MOST_TRIES} tries")


async def _postgresql(hand: Hand) -> float:
    await asyncio.to_thread(hand.site.postgres.kill)
    await asyncio.sleep(hand.random.uniform(0.2, 2))
    healed_at = time.monotonic()
    await hand.site.start_engine_again(hand.site.postgres)
    return healed_at


async def _redis(hand: Hand, *, empty: bool = False) -> float:
    await asyncio.to_thread(hand.site.valkey.kill)
    await asyncio.sleep(hand.random.uniform(0.2, 2))
    if empty:
        shutil.rmtree(hand.site.valkey.home / "appendonlydir")
    healed_at = time.monotonic()
    await hand.site.start_engine_again(hand.site.valkey)
    return healed_at


async def _redis_empty(hand: Hand) -> float:
    return await _redis(hand, empty=True)


async def _server(hand: Hand) -> float:
    server = hand.random.choice(hand.site.servers)
    killed_at = time.monotonic()
    await asyncio.to_thread(server.kill)
    return killed_at


async def _worker(hand: Hand) -> float:
    """While money is on its way."""
    await hand.distribute()
    paid = len(hand.stripe.transfers) + hand.random.randint(0, 5)
    deadline = time.monotonic() + PAID_WITHIN
    while len(hand.stripe.transfers) < paid and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    await asyncio.sleep(hand.random.uniform(0, 0.3))
    assert hand.site.worker
    await asyncio.to_thread(hand.site.worker.kill)
    return time.monotonic()


async def _flush(hand: Hand) -> float:
    with _client(hand.site) as client:
        for _ in range(3):
            await asyncio.to_thread(client.flushall)
            await asyncio.sleep(hand.random.uniform(0.05, 0.5))
    return time.monotonic()


@contextlib.contextmanager
def _client(site: Site) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(site.valkey.url)
    try:
        yield client
    finally:
        client.close()


async def _disk_full(hand: Hand) -> float:
    if not hand.site.disk.mounted:
        raise NotHere("a small disk cannot be mounted (it takes root)")
    await asyncio.to_thread(hand.site.disk.fill)
    await asyncio.sleep(HELD_SECONDS)
    hand.site.disk.clear()
    healed_at = time.monotonic()
    await hand.site.start_engine_again(hand.site.postgres)
    await hand.site.start_engine_again(hand.site.valkey)
    return healed_at


async def _redis_full(hand: Hand) -> float:
    with _client(hand.site) as client:
        await asyncio.to_thread(client.config_set, "maxmemory", "1mb")
        await asyncio.sleep(HELD_SECONDS)
        await asyncio.to_thread(client.config_set, "maxmemory", "0")
    return time.monotonic()


async def _connections(hand: Hand) -> float:
    """Everybody's are cut, and ours take all places before anybody comes back."""
    held: list[psycopg.Connection] = []
    try:
        await asyncio.to_thread(_take_all, hand.site.postgres.url, held)
        await asyncio.sleep(HELD_SECONDS)
    finally:
        for one in held:
            one.close()
    return time.monotonic()


def _take_all(url: str, held: list[psycopg.Connection]) -> None:
    deadline = time.monotonic() + HELD_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                held.append(psycopg.connect(url, autocommit=True))
        ours = [one.info.backend_pid for one in held]
        cut = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> ALL(%s)"
        )
        found = held[0].execute(cut, [ours]).fetchone()
        if found == (0,):
            return


async def _clock(hand: Hand) -> float:
    """Of one server and of the worker, not of PostgreSQL: so they disagree with it and with the other server, as on
    machines of their own."""
    library = faketime()
    if not library:
        raise NotHere("libfaketime is not installed (Debian's package faketime)")
    fake = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(hand.site.clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # with it, threads that wait for the interpreter spin instead
    }
    await _start_with(hand, fake)
    hand.traffic.calm.is_over()
    for step in CLOCK_STEPS:
        hand.site.clock.write_text(step)
        await asyncio.sleep(HELD_SECONDS)
    hand.traffic.calm.disturb()
    await _start_with(hand, dict.fromkeys(fake, ""))
    return time.monotonic()


async def _start_with(hand: Hand, environ: dict[str, str]) -> None:
    server, worker = hand.site.servers[-1], hand.site.worker
    assert worker
    for one in (server, worker):
        one.environ.update(environ)
        await asyncio.to_thread(one.stop)  # whoever supervises starts it again
    await asyncio.sleep(0.2)
    await _until_ready(hand, server)


async def _until_ready(hand: Hand, server: Server) -> None:
    session = hand.traffic.session
    _, problems = await seconds_until_ready(session, [server.address], time.monotonic(), within=READY_WITHIN)
    hand.traffic.problems += problems


async def _rolling(hand: Hand) -> float:
    for server in hand.site.servers:
        with hand.site.held(server):
            await asyncio.to_thread(server.stop)
            server.start()
        await _until_ready(hand, server)
    return time.monotonic()


_FAULTS: dict[Kind, Callable[[Hand], Awaitable[float]]] = {
    Kind.POSTGRESQL: _postgresql,
    Kind.REDIS: _redis,
    Kind.REDIS_EMPTY: _redis_empty,
    Kind.SERVER: _server,
    Kind.WORKER: _worker,
    Kind.FLUSH: _flush,
    Kind.DISK_FULL: _disk_full,
    Kind.REDIS_FULL: _redis_full,
    Kind.CONNECTIONS: _connections,
    Kind.CLOCK: _clock,
    Kind.ROLLING: _rolling,
}
