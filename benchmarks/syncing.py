"""Phones for where wrk is not enough: their syncs come at a given pace, or are remembered once acknowledged."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from benchmarks.stage import HOST

ANSWER_WITHIN = 30.0  # seconds


@dataclass(frozen=True)
class Sync:
    person: UUID
    token: str
    record: dict[str, Any]


@dataclass
class Outcome:
    """``acknowledged``: each sync that was answered 200, and when (ns of CLOCK_MONOTONIC); ``seconds``: how long each
    took; ``refused``: statuses of the others, 0 for a broken connection."""

    acknowledged: list[tuple[Sync, int]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)


async def send_all(
    port: int, syncs: Iterable[Sync], *, phones: int, per_second: float | None = None, until: Callable[[], bool]
) -> Outcome:
    """Sends them over so many connections, each as soon as one is free; with ``per_second`` at that pace at most.
    Goes on until ``until`` or the last one; a broken connection is opened anew."""
    outcome, turns = Outcome(), _paced(iter(syncs), per_second)

    async def phone() -> None:
        connection = None
        async for sync in turns():
            if until():
                break
            started = time.monotonic()
            try:
                connection = connection or await asyncio.open_connection(HOST, port)
                status = await asyncio.wait_for(_post(*connection, sync), ANSWER_WITHIN)
            except (OSError, EOFError, TimeoutError):
                status, connection = 0, None
                await asyncio.sleep(0.05)
            if status == 200:
                outcome.acknowledged.append((sync, time.monotonic_ns()))
                outcome.seconds.append(time.monotonic() - started)
            else:
                outcome.refused.append(status)
        if connection is not None:
            connection[1].close()
            with suppress(OSError):
                await connection[1].wait_closed()

    await asyncio.gather(*(phone() for _ in range(phones)))
    return outcome


def _paced(syncs: Iterator[Sync], per_second: float | None) -> Callable[[], AsyncIterator[Sync]]:
    begun = time.monotonic()
    sent = 0

    async def turns() -> AsyncIterator[Sync]:
        nonlocal sent
        for sync in syncs:  # one iterator for all phones: each takes the next
            due = begun + sent / per_second if per_second else 0.0
            sent += 1
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            yield sync

    return turns


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sync: Sync) -> int:
    """The answer's status. Raises EOFError, OSError."""
    body = json.dumps(sync.record).encode()
    head = (
        f"POST /api/v1/fitness/sync HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {sync.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = next(line for line in answer.splitlines() if line.startswith("content-length:"))
    await reader.readexactly(int(length.partition(":")[2]))
    return int(answer.split(" ", 2)[1])
