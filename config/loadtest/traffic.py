"""The requests: each is sent when it is due, in an open loop, whether or not those before it were answered."""

import asyncio
import time
from collections.abc import Iterable

import aiohttp

from config.loadtest.plan import Action, Arrival, Plan
from config.loadtest.samples import Sample, Traffic
from config.loadtest.target import Account, client_session

NEVER_SENT = "never sent"
TIMED_OUT = "timed out"
LAG_SECONDS = 0.05


async def drive(
    address: str, competition_id: str, plan: Plan, accounts: list[Account], due: Iterable[Arrival], began: float
) -> Traffic:
    """Sends what is due over at most ``plan.concurrency`` connections. ``began``: the start on time.monotonic()."""
    traffic, waiting = Traffic(), asyncio.Queue[Arrival]()
    lagging = asyncio.create_task(note_lag(traffic.lags))
    async with client_session(plan.concurrency) as session:
        board = f"{address}/api/v1/leaderboard/{competition_id}"
        urls = {
            Action.READS: f"{board}?limit=100",
            Action.RANKS: f"{board}/rank/me",
            Action.SYNCS: f"{address}/api/v1/fitness/sync",
        }

        async def send_for_ever() -> None:
            while True:
                arrival = await waiting.get()
                account = accounts[arrival.user % len(accounts)]
                sent = time.monotonic() - began
                error = await error_of(session, urls[arrival.action], account, arrival.action)
                done = time.monotonic() - began
                traffic.samples.append(Sample(arrival.action, arrival.at, sent, done, error))
                waiting.task_done()

        senders = [asyncio.create_task(send_for_ever()) for _ in range(plan.concurrency)]
        for arrival in due:
            delay = began + arrival.at - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            waiting.put_nowait(arrival)
        await asyncio.sleep(began + plan.seconds - time.monotonic())
        while not waiting.empty():
            arrival = waiting.get_nowait()
            traffic.samples.append(Sample(arrival.action, arrival.at, None, plan.seconds, NEVER_SENT))
            waiting.task_done()
        await waiting.join()  # those under way; each has its time-out
        for task in (lagging, *senders):
            task.cancel()
    return traffic


async def error_of(session: aiohttp.ClientSession, url: str, account: Account, action: Action) -> str:
    """Sends it and reads the whole answer; what was wrong, or nothing."""
    syncs = action is Action.SYNCS
    try:
        async with session.request(
            "POST" if syncs else "GET", url, headers=account.headers, json=account.walk() if syncs else None
        ) as answer:
            await answer.read()
            return "" if answer.status == 200 else str(answer.status)
    except TimeoutError:
        return TIMED_OUT
    except (aiohttp.ClientError, OSError) as error:
        return type(error).__name__


async def note_lag(lags: list[float]) -> None:
    """How late this process itself wakes up, until it is cancelled: figures are worth little where it is much."""
    while True:
        asked = time.monotonic() + LAG_SECONDS
        await asyncio.sleep(LAG_SECONDS)
        lags.append(time.monotonic() - asked)
