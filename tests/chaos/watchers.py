"""Who watches boards, by sockets and event streams, and comes again when told to or cut off."""

import abc
import asyncio
import contextlib
from collections import Counter
from typing import Any, NamedTuple

import aiohttp
import orjson

AGAIN_SECONDS = 0.3


class Shown(NamedTuple):
    version: int
    rows: tuple[tuple[str, int, int], ...]


def shown_by_frame(data: dict[str, Any]) -> Shown:
    return Shown(data["version"], tuple((row["userId"], row["score"], row["rank"]) for row in data["rankings"]))


def shown_by_answer(data: dict[str, Any]) -> Shown:
    return Shown(data["version"], tuple((row["user_id"], row["score"], row["rank"]) for row in data["entries"]))


class Watcher(abc.ABC):
    """``shown``: the newest whole board that it has seen. Between two tries it asks the next server."""

    def __init__(self, session: aiohttp.ClientSession, addresses: list[str], board: str, token: str, at: int) -> None:
        self.session, self.addresses, self.board, self.token = session, addresses, board, token
        self.shown: Shown | None = None
        self.ends: Counter[str] = Counter()
        self._server = at

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            address = self.addresses[self._server % len(self.addresses)]
            try:
                self.ends[await self._follow(address)] += 1
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self.ends[type(error).__name__] += 1
            self._server += 1
            await asyncio.sleep(AGAIN_SECONDS)

    @abc.abstractmethod
    async def _follow(self, address: str) -> str:
        """How it ended."""

    def _see(self, raw: bytes | str) -> None:
        frame = orjson.loads(raw)
        if frame["type"] == "leaderboard_update":
            self.shown = shown_by_frame(frame["data"])


class SocketWatcher(Watcher):
    async def _follow(self, address: str) -> str:
        url = f"{address}/ws/leaderboard/{self.board}"
        async with self.session.ws_connect(url, protocols=("bearer", self.token), max_msg_size=0) as socket:
            async for message in socket:
                self._see(message.data)
            return str(socket.close_code)


class StreamWatcher(Watcher):
    async def _follow(self, address: str) -> str:
        url = f"{address}/api/v1/leaderboard/{self.board}/stream"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.get(url, headers=headers) as answer:
            if answer.status != 200:
                return str(answer.status)
            async for line in answer.content:
                if line.startswith(b"data: "):
                    self._see(line[6:])
        return "ended"


@contextlib.asynccontextmanager
async def watching(watchers: list[Watcher]) -> Any:
    tasks = [asyncio.create_task(watcher.watch()) for watcher in watchers]
    try:
        yield watchers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
