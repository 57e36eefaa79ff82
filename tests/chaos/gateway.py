"""Stripe on this machine, slow and moody: of what it does, some is never heard of, because it answers too late or
not at all."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random

from tests.prizes import stripe_server
from tests.prizes.stripe_server import Fault, Object, Stripe

LONGER_THAN_THE_TIMEOUT = 11.0
SLOWEST_SECONDS = 0.25


class Moods(deque[Fault]):
    """Faults without end: of eight requests one is done without an answer, one is answered with an error after it was
    done."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self.timed_out = self.broken = 0
        self.calm = False

    def __bool__(self) -> bool:
        return True

    def popleft(self) -> Fault:
        drawn = 1.0 if self.calm else self._random.random()
        if drawn < 0.01:
            self.timed_out += 1
            return Fault("hang", done=True, seconds=LONGER_THAN_THE_TIMEOUT)
        if drawn < 0.08:
            self.broken += 1
            return Fault("close", done=True)
        if drawn < 0.12:
            self.broken += 1
            return Fault("answer", done=True, status=500)
        return None  # type: ignore[return-value]  # nothing goes wrong, though it is a deque of faults


class MoodyStripe(Stripe):
    def __init__(self, random: Random) -> None:
        super().__init__()
        self.moods = Moods(random)
        self.faults = self.moods
        self._slowness = Random(random.random())
        self.balance = {"usd": 1_000_000_000}

    def connect(self, prefix: str, people: int) -> None:
        for number in range(people):
            capable = {"capabilities": {"transfers": "active"}, "metadata": {}, "object": "account"}
            self.accounts[f"{prefix}_{number}"] = {"id": f"{prefix}_{number}", **capable}

    def answer(self, method: str, path: str, form: Object, headers: Mapping[str, str]) -> tuple[int, Object, bool]:
        """Slow before and after, so that somebody may die while it is at it."""
        time.sleep(self._slowness.uniform(0, SLOWEST_SECONDS))
        answer = super().answer(method, path, form, headers)
        time.sleep(self._slowness.uniform(0, SLOWEST_SECONDS))
        return answer

    def book(self) -> list[tuple[str, int]]:
        """What it has paid: the key and the amount of every transfer that stands."""
        paid = list(self.transfers.values())
        return [(one["transfer_group"], one["amount"]) for one in paid if not one["reversed"]]


@contextmanager
def running(random: Random) -> Iterator[MoodyStripe]:
    stripe = MoodyStripe(random)
    with stripe_server.running(stripe):
        yield stripe
