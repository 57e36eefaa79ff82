"""A whole load test: prepare, press, tidy up, report."""

import asyncio
import math
import multiprocessing
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from config.core.console import progress
from config.loadtest.plan import Plan, arrivals
from config.loadtest.report import PROMISED_MS, report_of
from config.loadtest.samples import Memory, Sockets
from config.loadtest.sockets import SETTLE_SECONDS, Share, hold_sockets
from config.loadtest.target import Account, CannotTest, Probe, Target, client_session, read_tokens
from config.loadtest.traffic import drive

STARTS_WITHIN = 3.0
"""Seconds that the processes of the sockets get to start, before the first request is due."""

SOCKETS_OF_A_PROCESS = 2500
"""More than these get another process, where there is a core for it: one takes some 30,000 frames a second."""

SPARE_FILES = 100


@dataclass(frozen=True)
class People:
    """Who makes the requests: the accounts of a file of tokens, or new ones."""

    token_file: Path | None
    new_accounts: int


async def run_load_test(address: str, people: People, competition_id: str | None, plan: Plan) -> dict[str, Any]:
    """The report's document. Raises CannotTest."""
    _allow_open_files(plan.sockets + plan.concurrency + SPARE_FILES)
    async with client_session(0) as session:
        target = Target(address, session)
        accounts = await _accounts(target, people)
        if len(accounts) < 2:
            raise CannotTest("It takes two accounts at least: the syncs of one are followed to the sockets.")
        board = competition_id or await target.make_competition(accounts[0])
        try:
            await target.join(accounts, board)
            return await _press(target, board, accounts, plan)
        finally:
            if competition_id is None:
                with suppress(CannotTest):  # the server may be down; what was measured is worth more
                    await target.cancel_competition(accounts[0], board)


async def _accounts(target: Target, people: People) -> list[Account]:
    if people.token_file is None:
        return await target.register(people.new_accounts)
    try:
        tokens = read_tokens(people.token_file.read_text())
    except OSError as error:
        raise CannotTest(f"{people.token_file} cannot be read: {error.strerror}.") from None
    return await target.accounts_of(tokens)


async def _press(target: Target, board: str, accounts: list[Account], plan: Plan) -> dict[str, Any]:
    probing, *walking = accounts
    probe = await target.make_probe(probing, board, ahead_of=max(account.steps for account in walking))
    memory = await _memory_at_rest(target)
    started_at = datetime.now(UTC)
    began = time.monotonic() + (STARTS_WITHIN if plan.sockets else 0.0)
    watching = asyncio.create_task(target.watch_memory(memory))
    showing = asyncio.create_task(_show_progress(began, plan))
    try:
        sockets, traffic = await asyncio.gather(
            _sockets(target.address, board, accounts, probe, plan, began),
            drive(target.address, board, plan, walking, arrivals(plan, Random()), began),  # noqa: S311 - arrivals
        )
        await showing
    finally:
        watching.cancel()
        showing.cancel()
    return {
        "target": target.address,
        "started_at": started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "competition_id": board,
        "accounts": len(accounts),
        "targets_ms": {f"p{per_cent}": promised for per_cent, promised in PROMISED_MS.items()},
        **report_of(plan, traffic, sockets, memory),
    }


async def _sockets(
    address: str, board: str, accounts: list[Account], probe: Probe, plan: Plan, began: float
) -> Sockets | None:
    """In processes of their own; the clock of time.monotonic() is the machine's, so all count from one moment."""
    if not plan.sockets:
        return None
    spare_cores = max(1, (os.cpu_count() or 1) - 1)
    number = min(spare_cores, math.ceil(plan.sockets / SOCKETS_OF_A_PROCESS))
    # Spawned, because a copy of a running event loop is of no use to anybody.
    with ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("spawn")) as pool:
        hold = partial(hold_sockets, address, board, plan, accounts, probe, began)
        loop = asyncio.get_running_loop()
        seen = await asyncio.gather(
            *(loop.run_in_executor(pool, hold, Share(first, number)) for first in range(number))
        )
    return sum(seen, start=Sockets())


async def _memory_at_rest(target: Target) -> Memory:
    try:
        return Memory(at_rest=await target.resident_bytes())
    except CannotTest as reason:
        return Memory(unknown=str(reason))


async def _show_progress(began: float, plan: Plan) -> None:
    seconds = math.ceil(plan.seconds + (SETTLE_SECONDS if plan.sockets else 0))
    for second in progress(range(seconds), doing="Pressing (seconds)", total=seconds):
        await asyncio.sleep(max(0.0, began + second + 1 - time.monotonic()))


def _allow_open_files(needed: int) -> None:
    """A socket is a file to the kernel, and shells allow few of them. Raises CannotTest."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise CannotTest(f"This machine allows {hard} open files and the test needs {needed}; see ulimit -n.")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
