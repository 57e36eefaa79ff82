"""The watchers: sockets that stay open, and a probe whose syncs are followed to each of them.

They have processes of their own, so that receiving frames does not delay requests.
"""

import asyncio
import contextlib
import time
from functools import lru_cache
from typing import NamedTuple

import aiohttp
import orjson
import uvloop

from config.loadtest.plan import Action, Plan
from config.loadtest.samples import Sockets, Sync, Watch
from config.loadtest.target import TIMEOUT_SECONDS, Account, Probe, client_session
from config.loadtest.traffic import TIMED_OUT, error_of, note_lag

PROBE_SECONDS = 0.5
SETTLE_SECONDS = 5.0
"""What the last syncs of the probe get to arrive everywhere, after the end."""


class Share(NamedTuple):
    """Which of all sockets a process holds: every ``of``-th from ``first`` on. The first process has the probe, too."""

    first: int
    of: int


def hold_sockets(
    address: str, competition_id: str, plan: Plan, accounts: list[Account], probe: Probe, began: float, share: Share
) -> Sockets:
    """Opens sockets evenly during the ramp-up and holds them to the end. Blocks; meant for a process of its own."""
    return uvloop.run(_Hall(address, competition_id, plan, accounts, probe, began).run(share))


class _Hall:
    """The watchers of one process, and what they saw."""

    def __init__(
        self, address: str, competition_id: str, plan: Plan, accounts: list[Account], probe: Probe, began: float
    ) -> None:
        self.address, self.plan, self.accounts, self.probe, self.began = address, plan, accounts, probe, began
        self.board_url = f"{address}/ws/leaderboard/{competition_id}"
        self.seen = Sockets()
        self.ending = False

    async def run(self, share: Share) -> Sockets:
        lagging = asyncio.create_task(note_lag(self.seen.lags))
        async with client_session(0) as session:
            numbers = range(share.first, self.plan.sockets, share.of)
            watchers = [asyncio.create_task(self._watch(session, number)) for number in numbers]
            if share.first == 0:
                await self._send_probes(session)
            await asyncio.sleep(self._until(self.plan.seconds + SETTLE_SECONDS))
            self.ending = True
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
        watch = Watch(self._now())
        self.seen.watches.append(watch)
        self.seen.connects.append(watch.opened - due)
        self._note(watch, watch.opened, first.data)
        try:
            async for message in socket:
                now = self._now()
                if now > self.plan.ramp_up:
                    self.seen.frames += 1
                    self.seen.frame_bytes += len(message.data)
                self._note(watch, now, message.data)
        finally:
            if not self.ending:
                watch.closed = self._now()
                self.seen.closes[str(socket.close_code)] += 1
            with contextlib.suppress(TimeoutError, aiohttp.ClientError):
                await socket.close()

    def _note(self, watch: Watch, moment: float, frame: bytes) -> None:
        steps = _steps_shown(frame, self.probe.user_id)
        if steps is not None and (not watch.shown or steps > watch.shown[-1][1]):
            watch.shown.append((moment, steps))

    async def _send_probes(self, session: aiohttp.ClientSession) -> None:
        """A sync every half second from the end of the ramp-up on, each followed on its own."""
        account, due = self.probe.account, self.plan.ramp_up
        while due < self.plan.seconds:
            await asyncio.sleep(self._until(due))
            due = max(due + PROBE_SECONDS, self._now())
            sent = self._now()
            error = await error_of(session, f"{self.address}/api/v1/fitness/sync", account, Action.SYNCS)
            if error:
                self.seen.probe_errors[error] += 1
            else:
                self.seen.syncs.append(Sync(account.steps + self.probe.offset, sent, self._now()))

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
