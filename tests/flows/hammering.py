"""A process that takes tokens as a server does, in bursts with pauses: `python -m tests.flows.hammering WHOM SECONDS`.

Prints when each token was asked for and when it was given, on the clock that all processes of a machine share.
"""

import asyncio
import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings

from config.core.environment import Rate
from config.core.errors import TooMany
from config.core.limits import Blocks, Limit, take_token

LIMIT = Limit("hammered", Rate(per_second=40, burst=60))
BURST_SECONDS, PAUSE_SECONDS = 0.2, 0.7  # a pause shorter than a block is good for


async def hammer(subject: str, seconds: float) -> None:
    settings.RATE_LIMIT = Rate(1000, 1000)
    blocks, until = Blocks(), time.monotonic() + seconds
    while (now := time.monotonic()) < until:
        if now % (BURST_SECONDS + PAUSE_SECONDS) > BURST_SECONDS:
            await asyncio.sleep(0.01)
            continue
        for in_a_block in (True, False):
            asked = time.monotonic()
            try:
                if in_a_block:
                    await blocks.fetch(subject, (LIMIT,))
                else:
                    await asyncio.to_thread(take_token, LIMIT, subject)
            except TooMany:
                await asyncio.sleep(0.005)
            else:
                sys.stdout.write(f"{asked} {time.monotonic()}\n")


if __name__ == "__main__":
    asyncio.run(hammer(sys.argv[1], float(sys.argv[2])))
