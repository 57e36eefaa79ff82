"""Token buckets: never more than was promised, and an honest word about when to return."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from django.core.cache import cache
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import User
from config.core import limits
from config.core.environment import Rate
from config.core.errors import TooMany
from config.core.limits import Blocks, Limit, take_token
from config.core.redis import redis_client


@pytest.fixture(autouse=True)
def limits_on(settings: Settings) -> None:
    settings.RATE_LIMIT = Rate(100, 200)


@pytest.fixture
def redis_out(settings: Settings) -> Iterator[None]:
    caches = dict(settings.CACHES)
    caches["default"] = caches["default"] | {"LOCATION": "redis://127.0.0.1:1"}
    settings.CACHES = caches
    limits._local.clear()
    yield
    limits._local.clear()
    cache.close()


def taken(subject: str, rate: Rate) -> bool:
    try:
        take_token(Limit("test", rate), subject)
    except TooMany:
        return False
    return True


def at_once(subject: str, rate: Rate, *, threads: int = 8, attempts: int = 20) -> int:
    """How many of so many attempts from many threads go through."""
    start = Barrier(threads)

    def attempt(_: int) -> int:
        start.wait()
        return sum(taken(subject, rate) for _ in range(attempts))

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(attempt, range(threads)))


def shift(subject: str, milliseconds: int) -> None:
    """As if the last request of this bucket had been so much longer ago."""
    redis_client().hincrby(f"limit:test:{subject}", "at", -milliseconds)


def test_many_threads_together_get_the_burst_and_no_more() -> None:
    assert at_once("a", Rate(0.001, 50)) == 50


def test_without_redis_one_process_counts_for_itself(redis_out: None) -> None:
    assert at_once("a", Rate(0.001, 10), threads=4, attempts=5) == 10


def test_one_caller_does_not_pay_for_another() -> None:
    rate = Rate(0.001, 1)
    assert [taken("a", rate), taken("a", rate), taken("b", rate)] == [True, False, True]


@pytest.mark.parametrize("rate", [Rate(0.1, 2), Rate(3, 5), Rate(0.007, 1)])
def test_the_moment_to_return_is_true(rate: Rate) -> None:
    subject = uuid4().hex
    for _ in range(rate.burst):
        take_token(Limit("test", rate), subject)
    with pytest.raises(TooMany) as refused:
        take_token(Limit("test", rate), subject)
    seconds = refused.value.retry_after
    assert seconds is not None
    assert seconds >= 1
    assert seconds - 1 <= 1 / rate.per_second <= seconds
    if seconds > 2:
        shift(subject, (seconds - 2) * 1000)
        assert not taken(subject, rate)
        shift(subject, 2000)
    else:
        shift(subject, seconds * 1000)
    assert taken(subject, rate)


def test_a_bucket_fills_up_to_the_burst_and_no_further() -> None:
    rate = Rate(1, 3)
    assert taken("a", rate)
    shift("a", 3_600_000)
    assert [taken("a", rate) for _ in range(4)] == [True, True, True, False]


def test_a_full_bucket_is_forgotten() -> None:
    take_token(Limit("test", Rate(2, 4)), "a")
    assert 0 < redis_client().pttl("limit:test:a") <= 1500


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    rate = Rate(1, 2)
    take_token(Limit("test", rate), "a")
    shift("a", -60_000)
    assert [taken("a", rate), taken("a", rate)] == [True, False]


def test_zero_switches_every_limit_off(settings: Settings) -> None:
    settings.RATE_LIMIT = Rate(0, 0)
    assert at_once("a", Rate(0.001, 1)) == 160
    assert redis_client().keys("limit:*") == []


def test_buckets_of_strangers_do_not_fill_the_memory(redis_out: None) -> None:
    for n in range(limits._LOCAL_BUCKETS + 10):
        limits._take_locally(str(n), Rate(1, 1), 0.0)
    assert len(limits._local) <= limits._LOCAL_BUCKETS


@pytest.mark.django_db
def test_people_are_counted_as_themselves_wherever_they_come_from(
    person: User, other: User, signed_in: Callable[[User], APIClient], settings: Settings
) -> None:
    settings.RATE_LIMIT = Rate(0.001, 2)
    ada, ben = signed_in(person), signed_in(other)
    statuses = [
        client.get("/api/v1/users/me/profile", REMOTE_ADDR=address).status_code
        for client, address in ((ada, "192.0.2.1"), (ada, "192.0.2.2"), (ada, "192.0.2.3"), (ben, "192.0.2.1"))
    ]
    assert statuses == [200, 200, 429, 200]


@pytest.mark.django_db
def test_a_refused_caller_pays_for_the_attempt_too(anonymous: APIClient, settings: Settings) -> None:
    settings.RATE_LIMIT = Rate(0.001, 2)
    statuses = [
        anonymous.get("/api/v1/competitions", HTTP_AUTHORIZATION=f"Bearer {n}", REMOTE_ADDR="192.0.2.1").status_code
        for n in range(3)
    ]
    assert statuses == [401, 401, 429]


@pytest.mark.django_db
def test_requests_go_on_while_redis_is_out(
    redis_out: None, person: User, signed_in: Callable[[User], APIClient], settings: Settings
) -> None:
    settings.RATE_LIMIT = Rate(0.001, 2)
    statuses = [signed_in(person).get("/api/v1/users/me/profile").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


async def test_nobody_is_refused_while_tokens_that_were_taken_for_them_lie_unused(settings: Settings) -> None:
    limit = Limit("test", Rate(0.001, 40))
    blocks, subject = Blocks(), uuid4().hex

    async def come() -> bool:
        try:
            await blocks.fetch(subject, (limit,))
        except TooMany:
            return False
        return True

    for _ in range(7):  # as somebody who comes often: the blocks grow to four tokens
        assert await come()
    assert all(await asyncio.gather(*(come() for _ in range(20))))
