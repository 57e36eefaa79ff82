"""Requests against small servers that behave badly on purpose."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from config.loadtest.plan import Action, Arrival, Plan
from config.loadtest.samples import Traffic
from config.loadtest.target import Account
from config.loadtest.traffic import NEVER_SENT, drive
from tests.flows.servers import free_port

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
pytestmark = pytest.mark.slow  # it takes seconds for seconds to pass

ONE_CONNECTION = Plan(
    users=1, every=1.0, concurrency=1, ramp_up=0.0, duration=1.0, sockets=0, mix={Action.READS: 1, Action.SYNCS: 1}
)


@asynccontextmanager
async def serving(behave: Behaviour) -> AsyncIterator[str]:
    async def behave_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await behave(reader, writer)
        writer.close()

    server = await asyncio.start_server(behave_and_close, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def driven(address: str, *actions: Action) -> Traffic:
    due = [Arrival(0.01 * number, 0, action) for number, action in enumerate(actions)]
    return await drive(address, "lake", ONE_CONNECTION, [Account("secret", steps=41)], due, time.monotonic())


async def test_a_request_waits_for_nobody_but_a_connection_and_is_missed_when_none_comes() -> None:
    over = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")  # what is unread would turn the end into a reset
        await over.wait()

    async with serving(say_nothing) as address:
        asyncio.get_running_loop().call_later(ONE_CONNECTION.seconds + 0.3, over.set)
        samples = (await driven(address, *[Action.READS] * 4)).samples
    assert sorted((sample.due, sample.sent is None, sample.error) for sample in samples) == [
        (0.0, False, "ServerDisconnectedError"),
        (0.01, True, NEVER_SENT),
        (0.02, True, NEVER_SENT),
        (0.03, True, NEVER_SENT),
    ]


async def test_a_refusal_is_an_error_by_its_status() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async with serving(refuse) as address:
        (sample,) = (await driven(address, Action.READS)).samples
    assert (sample.error, sample.sent is not None) == ("503", True)


async def test_half_an_answer_is_an_error() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    async with serving(break_off) as address:
        (sample,) = (await driven(address, Action.READS)).samples
    assert sample.error == "ClientPayloadError"


async def test_where_nobody_listens_every_request_is_an_error() -> None:
    samples = (await driven(f"http://127.0.0.1:{free_port()}", Action.READS, Action.READS)).samples
    assert [sample.error for sample in samples] == ["ClientConnectorError"] * 2


async def test_a_sync_is_a_step_more_and_carries_the_token() -> None:
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heard.append(head + await reader.readuntil(b"}"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    async with serving(listen) as address:
        samples = (await driven(address, Action.SYNCS, Action.SYNCS)).samples
    assert [sample.error for sample in samples] == ["", ""]
    assert all(text.startswith(b"POST /api/v1/fitness/sync ") for text in heard)
    assert all(b"Bearer secret" in text for text in heard)
    assert b'"steps": 42' in heard[0]
    assert b'"steps": 43' in heard[1]
