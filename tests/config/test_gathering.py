"""config.core.gathering"""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest
import structlog
from django.db import DataError, OperationalError

from config.core.gathering import Gatherer, one_per_loop


class Doubler:
    """Doubles numbers in groups, and remembers them. ``gate`` holds every group up; negative numbers are refused, zero
    harms the group it is in."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.at_once = self.most_at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append(list(numbers))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        if 0 in numbers:
            raise DataError("zero")
        return [ValueError(str(number)) if number < 0 else 2 * number for number in numbers]


async def begun(double: Doubler, groups: int) -> None:
    while len(double.groups) < groups:
        await asyncio.sleep(0)


async def test_what_arrives_together_is_done_together_and_each_hears_their_own() -> None:
    double = Doubler()
    gatherer = Gatherer(double)
    assert await asyncio.gather(*map(gatherer.put, range(1, 6))) == [2, 4, 6, 8, 10]
    assert double.groups == [[1, 2, 3, 4, 5]]


async def test_somebody_alone_is_not_kept_waiting_for_ever() -> None:
    double = Doubler()
    gatherer = Gatherer(double)
    assert [await gatherer.put(number) for number in (1, 2)] == [2, 4]
    assert double.groups == [[1], [2]]


async def test_what_arrives_meanwhile_is_the_next_group_and_never_more_than_two_are_at_work() -> None:
    double = Doubler()
    gatherer = Gatherer(double)
    double.gate.clear()
    puts = [asyncio.create_task(gatherer.put(1))]
    await begun(double, 1)
    puts.append(asyncio.create_task(gatherer.put(2)))
    await begun(double, 2)
    puts += [asyncio.create_task(gatherer.put(number)) for number in (3, 4, 5)]
    await asyncio.sleep(0.01)
    assert double.groups == [[1], [2]]
    double.gate.set()
    assert await asyncio.gather(*puts) == [2, 4, 6, 8, 10]
    assert double.groups == [[1], [2], [3, 4, 5]]
    assert double.most_at_once == 2


async def test_nobody_is_forgotten_however_groups_begin_and_end() -> None:
    double = Doubler()
    gatherer = Gatherer(double, most=2)

    async def come_and_go(number: int) -> None:
        for _ in range(20):
            assert await gatherer.put(number) == 2 * number
            await asyncio.sleep(0.001 * (number % 3))

    async with asyncio.timeout(20):
        await asyncio.gather(*map(come_and_go, range(1, 8)))


async def test_a_group_has_an_upper_limit_and_nobody_is_overtaken() -> None:
    double = Doubler()
    gatherer = Gatherer(double, most=3)
    assert await asyncio.gather(*map(gatherer.put, range(1, 9))) == list(range(2, 17, 2))
    assert double.groups == [[1, 2, 3], [4, 5, 6], [7, 8]]


async def test_nobody_hears_an_answer_before_their_group_is_done() -> None:
    double = Doubler()
    gatherer = Gatherer(double)
    double.gate.clear()
    callers = [asyncio.create_task(gatherer.put(number)) for number in (1, -2)]
    await begun(double, 1)
    done, _ = await asyncio.wait(callers, timeout=0.05)
    assert not done
    double.gate.set()
    assert await callers[0] == 2


async def test_who_is_refused_hears_it_alone() -> None:
    gatherer = Gatherer(Doubler())
    answers = await asyncio.gather(*map(gatherer.put, (1, -2, 3)), return_exceptions=True)
    assert (answers[0], answers[2]) == (2, 6)
    assert isinstance(answers[1], ValueError)


async def test_what_harms_a_whole_group_meets_only_whoever_brought_it() -> None:
    double = Doubler()
    gatherer = Gatherer(double)
    answers = await asyncio.gather(*map(gatherer.put, (1, 0, -3, 4)), return_exceptions=True)
    assert (answers[0], answers[3]) == (2, 8)
    assert isinstance(answers[1], DataError)
    assert isinstance(answers[2], ValueError)
    assert double.groups == [[1, 0, -3, 4], [1], [0], [-3], [4]]
    assert await gatherer.put(5) == 10


async def test_somebody_alone_who_fails_is_not_tried_again() -> None:
    double = Doubler()
    with pytest.raises(DataError):
        await Gatherer(double).put(0)
    assert double.groups == [[0]]


@pytest.mark.parametrize(
    "cause", [psycopg.OperationalError("no connection"), psycopg.errors.DiskFull(), psycopg.errors.CannotConnectNow()]
)
async def test_when_nobody_is_served_only_one_more_attempt_is_waited_for(cause: psycopg.OperationalError) -> None:
    groups: list[int] = []

    async def unreachable(numbers: Sequence[int]) -> Sequence[int | Exception]:
        groups.append(len(numbers))
        raise OperationalError from cause

    gatherer = Gatherer(unreachable)
    answers = await asyncio.gather(*map(gatherer.put, range(50)), return_exceptions=True)
    assert all(isinstance(answer, OperationalError) for answer in answers)
    assert groups == [50, 1]


async def test_a_deadlock_of_the_group_is_none_of_each_alone() -> None:
    async def entangled(numbers: Sequence[int]) -> Sequence[int | Exception]:
        if len(numbers) > 1 or numbers == [2]:
            raise OperationalError("deadlock detected") from psycopg.errors.DeadlockDetected()
        return numbers

    gatherer = Gatherer(entangled)
    answers = await asyncio.gather(*map(gatherer.put, (1, 2, 3)), return_exceptions=True)
    assert (answers[0], answers[2]) == (1, 3)
    assert isinstance(answers[1], OperationalError)


async def test_who_goes_away_before_the_group_begins_takes_their_item_along() -> None:
    double = Doubler()
    gatherer = Gatherer(double)
    callers = [asyncio.create_task(gatherer.put(number)) for number in (1, 2, 3)]
    await asyncio.sleep(0)
    callers[1].cancel()
    assert [await callers[0], await callers[2]] == [2, 6]
    assert double.groups == [[1, 3]]


async def test_who_goes_away_while_the_group_is_at_work_harms_nobody() -> None:
    double = Doubler()
    gatherer = Gatherer(double)
    double.gate.clear()
    callers = [asyncio.create_task(gatherer.put(number)) for number in (1, 0, 2)]
    await begun(double, 1)
    callers[0].cancel()
    callers[1].cancel()
    double.gate.set()
    assert await callers[2] == 4
    assert await gatherer.put(5) == 10


async def test_a_group_does_not_log_as_the_request_that_came_first() -> None:
    seen: list[dict[str, object]] = []

    async def note_context(numbers: Sequence[int]) -> Sequence[int | Exception]:
        seen.append(structlog.contextvars.get_contextvars())
        return numbers

    with structlog.contextvars.bound_contextvars(request_id="mine"):
        await Gatherer(note_context).put(1)
    assert seen == [{}]


def test_every_event_loop_has_its_own() -> None:
    gatherer = one_per_loop(lambda: Gatherer(Doubler()))

    async def twice() -> tuple[object, object]:
        return gatherer(), gatherer()

    (first, again), (other, _) = asyncio.run(twice()), asyncio.run(twice())
    assert first is again
    assert other is not first
