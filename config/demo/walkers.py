"""`python -m config.demo.walkers`: the demo's phones.

Ordinary clients: they know the address and their password, and sync once a second over HTTP.
"""

import asyncio
import os
import random
import sys
from typing import Any

import httpx

from config.demo.people import PASSWORD, WALKERS, Walker

SYNC_EVERY_SECONDS = 1.0
DEMO_SPEED = 12
"""A demo second is worth twelve seconds of walking, so that ranks change while one watches."""


async def walk(walker: Walker, address: str) -> None:
    """Logs in, asks where today's count stands, and goes on from there."""
    async with httpx.AsyncClient(base_url=f"{address}/api/v1", timeout=10) as client:
        while True:
            try:
                await _log_in(client, walker)
                await _sync_for_ever(client, walker)
            except httpx.HTTPError as error:
                _say(f"{walker.name} tries again: {type(error).__name__}")
                await asyncio.sleep(2)


async def _log_in(client: httpx.AsyncClient, walker: Walker) -> None:
    client.headers.pop("Authorization", None)
    answer = await _settled(lambda: client.post("/auth/token", json={"email": walker.email, "password": PASSWORD}))
    client.headers["Authorization"] = f"Bearer {answer['data']['access']}"


async def _sync_for_ever(client: httpx.AsyncClient, walker: Walker) -> None:
    today = await _settled(lambda: client.get("/users/me/activity", params={"days": 1}))
    steps = today["data"][-1]["steps"]
    await asyncio.sleep(random.random())  # noqa: S311 - spreads the walkers over the second
    while True:
        pace = walker.steps_a_minute / 60 * DEMO_SPEED
        steps = min(200_000, steps + max(0, round(random.gauss(pace, pace / 2))))
        record = {"steps": steps, "distance": round(steps * 0.74, 1), "calories": round(steps * 0.04, 1)}
        # B023 warns of a lambda that outlives its loop's turn; this one is awaited within it.
        await _settled(lambda: client.post("/fitness/sync", json={**record, "source": "health_connect"}))  # noqa: B023 - as said above
        await asyncio.sleep(SYNC_EVERY_SECONDS)


async def _settled(send: Any) -> Any:
    """The answer's JSON. A 429 is waited out, as its Retry-After says; any other refusal raises."""
    while True:
        response = await send()
        if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
            response.raise_for_status()
            return response.json()
        await asyncio.sleep(float(response.headers.get("Retry-After", "1")))


async def main(address: str) -> None:
    _say(f"{len(WALKERS)} walkers are on their way")
    await asyncio.gather(*(walk(walker, address) for walker in WALKERS))


def _say(line: str) -> None:
    sys.stdout.write(f"walkers: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        asyncio.run(main(f"http://127.0.0.1:{os.environ.get('PORT', '8080')}"))
    except KeyboardInterrupt:
        sys.exit(0)
