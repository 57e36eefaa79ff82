"""The watchers: sockets that stay open, and a probe whose syncs are followed to each of them.

They have a process of their own, so that receiving frames does not delay requests.
"""

import asyncio
import contextlib
import time
from functools import lru_cache

import aiohttp
import orjson
import uvloop

from config.loadtest.plan import Action, Plan
from config.loadtest.samples import Delivery, Sockets
from config.loadtest.target import TIMEOUT_SECONDS, Account, Probe, client_session
from config.loadtest.traffic import TIMED_OUT, error_of, note_lag

PROBE_SECONDS = 0.5
SETTLE_SECONDS = 5.0
"""What the last syncs of the probe get to arrive everywhere."""


def hold_sockets(
    address: str, competition_id: str, plan: Plan, accounts: list[Account], probe: Probe, began: float
) -> Sockets:
    """Opens ``plan.sockets`` during the ramp-up and holds them to the end. Blocks; meant for a process of its own."""
    return uvloop.run(_Hall(address, competition_id, plan, accounts, probe, began).run())


class _Hall:
    """All watchers of one test, and what they saw."""

    def __init__(
        self, address: str, competition_id: str, plan: Plan, accounts: list[Account], probe: Probe, began: float
    ) -> None:
        self.address, self.plan, self.accounts, self.probe, self.began = address, plan, accounts, probe, began
        self.board_url = f"{address}/ws/leaderboard/{competition_id}"
        self.seen = Sockets()
        self.watching = 0
        self.ending = False

    async def run(self) -> Sockets:
        lagging = asyncio.create_task(note_lag(self.seen.lags))
        async with client_session(0) as session:
            watchers = [asyncio.create_task(self._watch(session, number)) for number in range(self.plan.sockets)]
            await self._send_probes(session)
            await self._settle()
            self.seen.open_at_end, self.ending = self.watching, True
            lagging.cancel()
            for task in watchers:
                task.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
        return self.seen

    async def _watch(self, session: aiohttp.ClientSession, number: int) -> None:
        due = self.plan.ramp_up * number / self.plan.sockets
        await asyncio.sleep(self._until(due))
        token = self.accounts[number % len(self.accounts)].token
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                socket = await session.ws_connect(
                    self.board_url, protocols=("bearer", token), max_msg_size=0, decode_text=False
                )
                first = await socket.receive()
        except TimeoutError:
            self.seen.refusals[TIMED_OUT] += 1
            return
        except aiohttp.WSServerHandshakeError as error:
            self.seen.refusals[str(error.status)] += 1
            return
        except (aiohttp.ClientError, OSError) as error:
            self.seen.refusals[type(error).__name__] += 1
            return
        if first.type is not aiohttp.WSMsgType.TEXT:
            self.seen.refusals[str(socket.close_code)] += 1
            return
        now = self._now()
        self.seen.opened.append(now)
        self.seen.connects.append(now - due)
        self.watching += 1
        try:
            await self._receive(socket, first.data)
        finally:
            self.watching -= 1
            if not self.ending:
                self.seen.closes[str(socket.close_code)] += 1
            with contextlib.suppress(TimeoutError, aiohttp.ClientError):
                await socket.close()

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse[bool], first: bytes) -> None:
        user_id, deliveries = self.probe.user_id, self.seen.deliveries
        shown = _steps_shown(first, user_id)
        arrived = len(deliveries)  # what it shows is older than this socket
        self.seen.probe_seen |= shown is not None
        async for message in socket:
            now = self._now()
            if now > self.plan.ramp_up:
                self.seen.frames += 1
                self.seen.frame_bytes += len(message.data)
            shown = _steps_shown(message.data, user_id)
            while shown is not None and arrived < len(deliveries) and deliveries[arrived].steps <= shown:
                deliveries[arrived].arrived.append(now)
                arrived += 1

    async def _send_probes(self, session: aiohttp.ClientSession) -> None:
        """A sync every half second from the end of the ramp-up on, each followed on its own."""
        account, due = self.probe.account, self.plan.ramp_up
        while due < self.plan.seconds:
            await asyncio.sleep(self._until(due))
            due = max(due + PROBE_SECONDS, self._now())
            delivery = Delivery(account.steps + 1 + self.probe.offset, float("inf"), self.watching)
            self.seen.deliveries.append(delivery)
            error = await error_of(session, f"{self.address}/api/v1/fitness/sync", account, Action.SYNCS)
            delivery.acknowledged = self._now()
            if error:
                self.seen.probe_errors[error] += 1
                delivery.watching = 0

    async def _settle(self) -> None:
        await asyncio.sleep(self._until(self.plan.seconds))
        last = self._now() + SETTLE_SECONDS
        while self._now() < last and any(len(sync.arrived) < sync.watching for sync in self.seen.deliveries):
            await asyncio.sleep(0.1)

    def _now(self) -> float:
        return time.monotonic() - self.began

    def _until(self, moment: float) -> float:
        return max(0.0, moment - self._now())


@lru_cache(maxsize=64)
def _steps_shown(frame: bytes, user_id: str) -> int | None:
    """What a frame shows of somebody; None where it does not. All sockets get the same bytes, so few are parsed."""
    try:
        rankings = orjson.loads(frame)["data"]["rankings"]
        return next((int(row["steps"]) for row in rankings if row["userId"] == user_id), None)
    except (ValueError, KeyError, TypeError):
        return None
