"""What arrives together is done together: one transaction for many callers, each answered once theirs is committed.

While groups are at work, what arrives meanwhile gathers for the next one, so groups grow with the load by themselves.
Two are at work at a time: while one waits for PostgreSQL, the other computes.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import structlog
from django.db import InterfaceError, OperationalError

from config.core import tracing

log = structlog.get_logger(__name__)

MOST = 128
AT_WORK = 2
_SERVES_NOBODY = ("08", "53", "57P", "58")
"""Classes of https://www.postgresql.org/docs/current/errcodes-appendix.html: connections; disk, memory or places used
up; shutting down or recovering; the system."""
COMPANY_SECONDS = 0.002
"""How long somebody who comes alone waits for others."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Made = TypeVar("Made")
_Waiting = tuple[Item, asyncio.Future[Answer], Any]
"""What to do, who waits for it, and where in which trace that is."""
Run = Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]]
"""Does a whole group, and says in its order what each is answered or which exception meets it alone. What it raises
itself is about the group, of which it has then done nothing."""


class Gatherer(Generic[Item, Answer]):
    """Lives on one event loop. ``run`` is called with at most ``most`` items, by ``AT_WORK`` calls at a time at most:
    what it does must bear company, as it must among several servers."""

    def __init__(self, run: Run[Item, Answer], *, most: int = MOST) -> None:
        self._run = run
        self._most = most
        self._waiting: deque[_Waiting[Item, Answer]] = deque()
        self._at_work: set[asyncio.Task[None]] = set()
        self._gathering = False  # somebody at work is about to take what is waiting

    async def put(self, item: Item) -> Answer:
        """The item's answer, or the exception that met it. A caller who is cancelled before the group begins takes the
        item along; one who is cancelled later only does not hear the answer."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer, tracing.here()))
        if not self._gathering and len(self._at_work) < AT_WORK:
            self._gathering = True
            # In a context of its own: the group's log lines are not those of the request that happened to come first.
            self._at_work.add(asyncio.create_task(self._work(), context=Context()))
        return await answer

    async def _work(self) -> None:
        work = asyncio.current_task()
        assert work is not None
        try:
            await asyncio.sleep(COMPANY_SECONDS)
            self._gathering = False
            while group := self._next_group():
                await self._answer(group)
        finally:
            self._at_work.discard(work)

    def _next_group(self) -> list[_Waiting[Item, Answer]]:
        group: list[_Waiting[Item, Answer]] = []
        while self._waiting and len(group) < self._most:
            waiting = self._waiting.popleft()
            if not waiting[1].done():  # whose caller has gone
                group.append(waiting)
        return group

    async def _answer(self, group: Sequence[_Waiting[Item, Answer]]) -> None:
        with tracing.shared_by(place for *_, place in group):
            outcomes = await self._outcomes([item for item, *_ in group])
        for (_, answer, _), outcome in zip(group, outcomes, strict=True):
            if answer.done():
                continue
            if isinstance(outcome, Exception):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

    async def _outcomes(self, items: Sequence[Item]) -> Sequence[Answer | Exception]:
        try:
            return await self._run(items)
        except Exception as error:
            if len(items) == 1:
                return [error]
            log.warning("group_taken_apart", error=type(error).__name__, items=len(items))
        return await self._one_by_one(items)

    async def _one_by_one(self, items: Sequence[Item]) -> Sequence[Answer | Exception]:
        """So that what harms the group meets only whoever brought it. When PostgreSQL does not answer at all, or its
        disk is full, the others are told at once: each attempt would take as long again."""
        outcomes: list[Answer | Exception] = []
        for item in items:
            outcomes += await self._outcomes([item])
            if isinstance(outcomes[-1], Exception) and _nobody_answered(outcomes[-1]):
                return [*outcomes, *[outcomes[-1]] * (len(items) - len(outcomes))]
        return outcomes


def _nobody_answered(error: Exception) -> bool:
    """Whether PostgreSQL cannot be reached, or says that it can serve nobody now: everything else that it says has a
    code of another kind, and may be about one item."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    code = getattr(error.__cause__, "sqlstate", None)
    return code is None or code.startswith(_SERVES_NOBODY)


def one_per_loop(make: Callable[[], Made]) -> Callable[[], Made]:
    """Asks for the one that lives on the running event loop, which is made when it is asked for first."""
    made: WeakKeyDictionary[asyncio.AbstractEventLoop, Made] = WeakKeyDictionary()

    def of_this_loop() -> Made:
        loop = asyncio.get_running_loop()
        if loop not in made:
            made[loop] = make()
        return made[loop]

    return of_this_loop
