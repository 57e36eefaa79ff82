"""The sockets' client in C, against a server that is out to confuse it."""

import asyncio
import json
import shutil
import struct
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.stage import LOAD

pytestmark = [pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"), pytest.mark.slow]

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
WITHIN = 20.0  # seconds; a bound for a hanging test


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    built = tmp_path_factory.mktemp("c") / "sockets"
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-o", str(built), str(LOAD / "sockets.c")], check=True)
    return str(built)


def frame(payload: bytes, opcode: int = 1) -> bytes:
    head = bytes([0x80 | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return head + bytes([126]) + struct.pack(">H", len(payload)) + payload
    return head + bytes([127]) + struct.pack(">Q", len(payload)) + payload


def board(version: int, padding: int = 0) -> bytes:
    return b'{"rankings":"%s","version":%d,"totalCount":3}' % (b"x" * padding, version)


class Client:
    """The program, talked with."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        await self.process.stdin.drain()

    async def count_until(self, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        assert self.process.stdout is not None
        async with asyncio.timeout(WITHIN):
            while True:
                await self.tell("count")
                found: dict[str, Any] = json.loads(await self.process.stdout.readline())
                if done(found):
                    return found
                await asyncio.sleep(0.01)


async def talk(program: str, serve: Serve, test: Callable[[Client], Awaitable[None]], *options: str) -> None:
    """Runs the client against ``serve``, which gets each connection once it has been answered 101."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
        await serve(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(program, "-p", port, "-w", "/", *options, stdin=pipe, stdout=pipe)
    try:
        await test(Client(process))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        server.close()


async def test_frames_of_every_length_are_found_in_whatever_pieces_they_come(program: str, tmp_path: Path) -> None:
    arrivals = tmp_path / "arrivals"
    ready = asyncio.Event()
    sent = b"".join(frame(board(version, padding)) for version, padding in [(2, 0), (3, 500), (4, 80_000), (17, 9)])

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(board(1)))
        await ready.wait()
        for start in [*range(0, 700, 7), *range(700, len(sent), 9_973)]:
            end = start + 7 if start < 693 else 700 if start < 700 else start + 9_973
            writer.write(sent[start:end])
            await writer.drain()
            await asyncio.sleep(0)

    async def test(client: Client) -> None:
        await client.count_until(lambda found: found["watching"] == 3)
        await client.tell("record")
        await client.count_until(lambda found: True)  # commands are obeyed in turn
        ready.set()
        found = await client.count_until(lambda found: found["frames"] >= 15)
        assert (found["frames"], found["failed"], found["closed"]) == (15, 0, 0)

    await talk(program, serve, test, "-n", "3", "-o", str(arrivals))
    noted = list(struct.iter_unpack("=IIq", arrivals.read_bytes()))
    for socket in range(3):
        assert [version for number, version, _ in noted if number == socket] == [2, 3, 4, 17]
    assert [at for *_, at in noted] == sorted(at for *_, at in noted)


async def test_a_ping_is_answered_with_its_payload_and_a_close_is_counted_with_its_code(program: str) -> None:
    answers: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(b"are you there?", opcode=9))
        answers.append(await reader.readexactly(6 + len(b"are you there?")))
        writer.write(frame(struct.pack(">H", 4008), opcode=8))

    async def test(client: Client) -> None:
        found = await client.count_until(lambda found: found["closed"] == 1)
        assert (found["opened"], found["last_close"], found["frames"]) == (1, 4008, 0)

    await talk(program, serve, test, "-n", "1")
    assert answers == [bytes([0x8A, 0x80 | 14, 0, 0, 0, 0]) + b"are you there?"]


async def test_each_socket_sends_what_it_was_told_to_say_once_it_is_open(program: str) -> None:
    said: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.append(await reader.readexactly(2 * 6 + len("onetwo")))
        writer.write(frame(b"thanks"))

    async def test(client: Client) -> None:
        await client.count_until(lambda found: found["watching"] == 2)

    await talk(program, serve, test, "-n", "2", "-m", "one", "-m", "two")
    assert said == [bytes([0x81, 0x83, 0, 0, 0, 0]) + b"one" + bytes([0x81, 0x83, 0, 0, 0, 0]) + b"two"] * 2


async def test_no_more_than_256_wait_for_their_first_frame_at_a_time(program: str) -> None:
    here = 0
    most = 0
    enough = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal here, most
        here += 1
        most = max(most, here)
        if here == 256:
            asyncio.get_running_loop().call_later(0.2, enough.set)  # time for a 257th, if there is one
        await enough.wait()
        here -= 1
        writer.write(frame(board(1)))

    async def test(client: Client) -> None:
        await client.count_until(lambda found: found["watching"] == 300)

    await talk(program, serve, test, "-n", "300", "-f")
    assert most == 256


async def test_a_stalled_socket_reads_no_more_and_the_others_go_on(program: str, tmp_path: Path) -> None:
    arrivals = tmp_path / "arrivals"
    writers: list[asyncio.StreamWriter] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(frame(board(1)))

    async def test(client: Client) -> None:
        await client.count_until(lambda found: found["watching"] == 4)
        await client.tell("record")
        await client.tell("stall")
        await client.count_until(lambda found: True)  # commands are obeyed in turn
        for version in (2, 3):
            for writer in writers:
                writer.write(frame(board(version)))
        found = await client.count_until(lambda found: found["frames"] >= 4 + 3 * 2)
        assert (found["frames"], found["closed"]) == (4 + 3 * 2, 0)

    await talk(program, serve, test, "-n", "4", "-s", "1", "-o", str(arrivals))
    noted = {(socket, version) for socket, version, _ in struct.iter_unpack("=IIq", arrivals.read_bytes())}
    assert noted == {(socket, version) for socket in (1, 2, 3) for version in (2, 3)}


async def test_a_socket_that_is_refused_has_failed(program: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(program, "-p", port, "-n", "1", "-w", "/", stdin=pipe, stdout=pipe)
    found = await Client(process).count_until(lambda found: found["failed"] == 1)
    assert (found["opened"], found["closed"]) == (0, 0)
    await Client(process).tell("quit")
    assert await process.wait() == 0
    server.close()
