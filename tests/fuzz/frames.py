"""Fuzzed frames to a real server's sockets, a few sockets at a time, and what must hold while it goes on and after."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.flows.servers import Phone
from tests.fuzz.installation import Watched
from tests.fuzz.sessions import MESSAGES, Session, make_sessions
from tests.fuzz.wire import CLOSE, TEXT, Connection, frame

SOCKETS = 16
"""At once."""
PART = 100
"""Sessions made at once, at most: while they are made nothing is sent."""
PATIENCE = 60.0  # seconds; a bound for a hanging server, not a promise about speed
_ASK = frame(TEXT, b'{"type": "ping"}')


@dataclass
class Sent:
    """``failures`` say what should have been, with what repeats it."""

    frames: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    memory_mib: tuple[float, float] = (0.0, 0.0)
    sockets_left: int = 0
    is_live_afterwards: bool = False


def send_frames(server: Watched, *, token: str, boards: Sequence[str], count: int, seed: int) -> Sent:
    """At least ``count`` frames. ``boards``: what subscriptions name, among what does not exist."""
    paths = [f"/ws/leaderboard/{board}?token={token}" for board in boards[:3]] + [f"/ws/fitness?token={token}"] * 2
    sent, part, began = Sent(), 0, time.monotonic()
    before = 0.0
    while sent.frames < count:
        number = seed * 100_000 + part
        wanted = min(PART, -(-(count - sent.frames) // MESSAGES))
        sessions = make_sessions(boards, paths=len(paths), count=wanted, number=number)
        asyncio.run(_send_all(server.port, paths, sessions, sent, number))
        if part == 0:
            before = server.memory_mib()  # what is loaded at first use is loaded
        part += 1
    sent.sockets_left = _settled(server)
    sent.memory_mib = before, server.memory_mib()
    sent.is_live_afterwards = _is_live(server)
    sent.seconds = time.monotonic() - began
    return sent


def _settled(server: Watched) -> int:
    """Open sockets, once those that were broken off have been noticed."""
    deadline = time.monotonic() + PATIENCE
    while (left := server.gauge("sockets")) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _is_live(server: Watched) -> bool:
    """Whether somebody who watches a board still sees a sync arrive."""
    walker = server.new_person("Ada")
    board = walker.new_competition(score_source="either")
    walker.join(board)
    with walker.watching(board) as watch:
        Phone(server.address, walker.token).sync(4321)
        return bool(watch.ranks_when(4321))


async def _send_all(port: int, paths: Sequence[str], sessions: Sequence[Session], sent: Sent, number: int) -> None:
    room = asyncio.Semaphore(SOCKETS)

    async def one(place: int, session: Session) -> None:
        async with room:
            try:
                async with asyncio.timeout(PATIENCE):
                    await _play(port, paths[session.path], session, sent)
            except (AssertionError, TimeoutError, EOFError, OSError) as error:
                shown = [part.hex() for message in session.messages for part in message.frames][:80]
                sent.failures.append(
                    f"{type(error).__name__}: {error} ({session.ending.name}); session {place} of"
                    f" make_sessions(number={number}) at {paths[session.path].partition('?')[0]}; frames {shown}"
                )

    await asyncio.gather(*(one(place, session) for place, session in enumerate(sessions)))


async def _play(port: int, path: str, session: Session, sent: Sent) -> None:
    connection = await Connection.open(port, path)
    try:
        for message in session.messages:
            for part in message.frames:
                await connection.send(part)
                sent.frames += 1
        await connection.send(_ASK)
        sent.frames += 1
        pings = sum(message.is_ping for message in session.messages)
        unreadable = await _answers(connection, pings + 1, sent)
        least = sum(message.unreadable is True for message in session.messages)
        most = least + sum(message.unreadable is None for message in session.messages)
        assert least <= unreadable <= most, f"{unreadable} complaints about {least} to {most} unreadable messages"
        await _end(connection, session, sent)
    finally:
        connection.abort()


async def _answers(connection: Connection, pongs: int, sent: Sent) -> int:
    """Reads until the last ping is answered. How many messages were called unreadable."""
    unreadable = 0
    while True:
        opcode, payload = await connection.receive()
        assert opcode != CLOSE, f"closed by {payload!r} in the middle"
        if opcode != TEXT:
            continue
        answer = json.loads(payload)
        sent.answers[answer["type"] if answer["type"] != "error" else f"error {answer['code']}"] += 1
        if answer["type"] == "error":
            assert answer.keys() == {"type", "code", "message"}, answer
            unreadable += answer["code"] == "unreadable"
        if answer["type"] == "pong":
            pongs -= 1
            if not pongs:
                return unreadable


async def _end(connection: Connection, session: Session, sent: Sent) -> None:
    ending = session.ending
    try:
        for part in ending.frames:
            sent.frames += 1
            await connection.send(part)
        if not ending.abrupt:
            code = await _close_code(connection)
            assert ending.code is None or code == ending.code, f"closed by {code}, not {ending.code}"
    except ConnectionError:
        assert ending.code != 1000, "broken off"  # whoever abuses it may be: its last frames were not read
    sent.closed[ending.name] += 1


async def _close_code(connection: Connection) -> int | None:
    while True:
        try:
            opcode, payload = await connection.receive()
        except EOFError:
            return None
        if opcode == CLOSE:
            return int.from_bytes(payload[:2], "big")
