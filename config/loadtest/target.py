"""The deployment under test, as its clients see it: accounts, a competition, and the memory that it tells of."""

import asyncio
import secrets
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp
import orjson

from config.core.console import progress
from config.loadtest.samples import Memory

AT_ONCE = 8
"""Preparing is not the load: so many requests at once."""

TIMEOUT_SECONDS = 10.0
PROBE_LEAD = 10_000
"""Steps that the probe is ahead of everybody, so that every frame shows its row."""

MOST_STEPS = 240_000
"""Servers refuse days of more than 250,000 steps, and the test adds some."""

Made = TypeVar("Made")


class CannotTest(Exception):
    """The test cannot begin; the text is one sentence for the operator."""


@dataclass
class Account:
    """Somebody whom requests are made for. ``steps``: what was last synced for today."""

    token: str
    steps: int = 0

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def walk(self) -> dict[str, Any]:
        """The body of a sync that moves the score by a step."""
        self.steps += 1
        return {
            "steps": self.steps,
            "distance": round(self.steps * 0.74, 1),
            "calories": round(self.steps * 0.04, 1),
            "source": "other",
        }


@dataclass
class Probe:
    """The account whose syncs are followed to the sockets. ``offset``: what its row shows beyond today's steps."""

    account: Account
    user_id: str
    offset: int


class Target:
    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address = address.rstrip("/")
        self.session = session
        self.gate = asyncio.Semaphore(AT_ONCE)

    async def register(self, number: int) -> list[Account]:
        """New accounts. The server's limit is waited out: one a second, after thirty, unless its limits are off."""
        return await _all((self._new_account() for _ in range(number)), doing="Registering accounts", total=number)

    async def account_of(self, token: str) -> Account:
        """An account that exists, with what it has walked today."""
        account = Account(token)
        days = await self.call("GET", "/users/me/activity?days=1", account)
        account.steps = int(days[-1]["steps"]) if days else 0
        return account

    async def accounts_of(self, tokens: list[str]) -> list[Account]:
        return await _all(map(self.account_of, tokens), doing="Reading accounts", total=len(tokens))

    async def make_competition(self, owner: Account) -> str:
        today = datetime.now(UTC).date().isoformat()
        body = {"name": f"Load test of {today}", "type": "weekly", "start_date": today}
        return str((await self.call("POST", "/competitions", owner, body))["id"])

    async def cancel_competition(self, owner: Account, competition_id: str) -> None:
        await self.call("POST", f"/competitions/{competition_id}/cancel", owner)

    async def join(self, accounts: list[Account], competition_id: str) -> None:
        joins = (self._join(account, competition_id) for account in accounts)
        await _all(joins, doing="Joining", total=len(accounts))

    async def make_probe(self, account: Account, competition_id: str, *, ahead_of: int) -> Probe:
        """Puts the account ahead and finds out what its row shows."""
        account.steps = min(MOST_STEPS, max(account.steps, ahead_of + PROBE_LEAD))
        await self.call("POST", "/fitness/sync", account, account.walk())
        shown = await self.call("GET", f"/leaderboard/{competition_id}/rank/me", account)
        return Probe(account, str(shown["user_id"]), int(shown["steps"]) - account.steps)

    async def resident_bytes(self) -> int:
        """Raises CannotTest with the reason why it cannot be known."""
        try:
            async with self.session.get(f"{self.address}/metrics") as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CannotTest(f"/metrics did not answer ({type(error).__name__})") from None
        if answer.status != 200:
            raise CannotTest(f"/metrics answered {answer.status}; it is for OPERATIONS_NETWORKS")
        for line in text.splitlines():
            if line.startswith("process_resident_memory_bytes "):
                return int(float(line.split()[1]))
        raise CannotTest("/metrics does not tell")

    async def watch_memory(self, memory: Memory) -> None:
        """Notes the most, once a second, until it is cancelled."""
        while memory.at_rest is not None:
            await asyncio.sleep(1)
            try:
                memory.under_load = max(memory.under_load or 0, await self.resident_bytes())
            except CannotTest:
                continue  # a server that is too busy for this scrape may answer the next

    async def call(self, method: str, path: str, account: Account | None, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's data. A 429 is waited out, as its Retry-After says; any other refusal raises CannotTest."""
        while True:
            try:
                async with (
                    self.gate,
                    self.session.request(
                        method,
                        f"{self.address}/api/v1{path}",
                        headers=account.headers if account else {},
                        json=body,
                    ) as answer,
                ):
                    raw = await answer.read()
                    if (
                        answer.status == 429
                    ):  # within the gate, so that all who wait ask no more often than it has places
                        await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
                        continue
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise CannotTest(f"{self.address} does not answer: {error or type(error).__name__}") from None
            if not answer.ok:
                raise Refused(method, path, answer.status, raw)
            return _data(raw)

    async def _new_account(self) -> Account:
        log_in = {"email": f"loadtest-{uuid4().hex}@example.org", "password": secrets.token_urlsafe(16)}
        await self.call("POST", "/auth/register", None, {**log_in, "name": "Load test"})
        return Account(str((await self.call("POST", "/auth/token", None, log_in))["access"]))

    async def _join(self, account: Account, competition_id: str) -> None:
        try:
            await self.call("POST", f"/competitions/{competition_id}/join", account)
        except Refused as refused:
            if refused.status != 409:  # has joined before
                raise


class Refused(CannotTest):
    def __init__(self, method: str, path: str, status: int, raw: bytes) -> None:
        self.status = status
        super().__init__(f"{method} {path} was answered {status}: {raw[:300].decode('utf-8', 'replace')}")


def _data(raw: bytes) -> Any:
    try:
        return orjson.loads(raw).get("data")
    except (orjson.JSONDecodeError, AttributeError):
        raise CannotTest("The address answers, but not as Pacesetter does.") from None


async def _all(making: Iterable[Awaitable[Made]], *, doing: str, total: int) -> list[Made]:
    tasks = [asyncio.ensure_future(one) for one in making]
    try:
        return [await task for task in progress(tasks, doing=doing, total=total)]
    finally:
        for task in tasks:
            task.cancel()


def read_tokens(text: str) -> list[str]:
    """One access token a line. Raises CannotTest where there is none."""
    tokens = [line.strip() for line in text.splitlines() if line.strip()]
    if not tokens:
        raise CannotTest("The file holds no token; write one access token a line.")
    return tokens


def client_session(connections: int) -> aiohttp.ClientSession:
    """``connections``: at most so many at once; 0 for any number."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "pacesetter-loadtest"},
    )
