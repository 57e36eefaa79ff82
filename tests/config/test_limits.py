"""Token buckets: never more than was promised, and an honest word about when to return."""

import asyncio
import copy
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as settings_in_file
from django.core.cache import cache
from prometheus_client import REGISTRY
from psycopg_pool import ConnectionPool, PoolTimeout
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import Scope, User
from competitions.models import Competition
from config.core import limits
from config.core.environment import Rate
from config.core.errors import TooMany
from config.core.limits import REQUESTS, Blocks, Closed, Limit, take_token
from config.core.redis import LEFT_ALONE, RedisError, RedisLeftAlone, redis_client
from tests.asking import ask_server, bearer, new_process


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
    assert all(limits.take_locally(Limit("test", Rate(0.001, 1)), "a") for _ in range(3))
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


@pytest.mark.django_db
def test_addresses_below_the_api_that_are_none_are_counted_too(anonymous: APIClient, settings: Settings) -> None:
    settings.RATE_LIMIT = Rate(0.001, 2)
    statuses = [anonymous.post(f"/api/v1/{n}/nope", REMOTE_ADDR="192.0.2.1").status_code for n in range(3)]
    assert statuses == [404, 404, 429]


@pytest.mark.parametrize("path", ["/health", "/health/", "/health/live", "/health/live/"])
def test_a_probe_that_asks_nobody_does_not_ask_redis_either(redis_out: None, anonymous: APIClient, path: str) -> None:
    before = REGISTRY.get_sample_value("pacesetter_limiter_fallbacks_total")
    assert anonymous.get(path).status_code == 200
    assert REGISTRY.get_sample_value("pacesetter_limiter_fallbacks_total") == before


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


# --- What processes hold ----------------------------------------------------------------------------------------------


async def test_who_comes_at_the_moment_of_an_answer_does_not_ask_for_it_for_ever(settings: Settings) -> None:
    """The answer's task is over, nobody was told yet, and its one token goes to the first of two who come."""
    settings.RATE_LIMIT = Rate(1, 100)
    blocks, subject = Blocks(), uuid4().hex
    waiting = asyncio.create_task(blocks.fetch(subject, [REQUESTS]))
    await asyncio.sleep(0)
    asking = next(task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == "_ask")
    while not asking.done():
        await asyncio.sleep(0)
    first = await blocks.fetch(subject, [REQUESTS])
    second = await blocks.fetch(subject, [REQUESTS])
    assert first.left > second.left
    await waiting


@pytest.fixture
def as_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Blocks]:
    """What another server process has."""

    def begin(name: str) -> Blocks:
        monkeypatch.setattr(limits, "_HOLDER", f"held:{name}")
        return Blocks()

    return begin


async def test_what_a_process_holds_keeps_its_place_in_the_bucket(as_process: Callable[[str], Blocks]) -> None:
    """Else the bucket would be full again while somebody could still spend what was taken out of it."""
    limit, subject = Limit("test", Rate(0.01, 100)), uuid4().hex
    here = as_process("one")
    for _ in range(1 + 2 + 4 + 8 - 7):  # of the last block seven are left
        await here.fetch(subject, (limit,))
    shift(subject, 3_600_000_000)
    elsewhere = 0
    while taken(subject, limit.own or Rate(0, 0)):
        elsewhere += 1
    own = 0
    while here.take(subject, (limit,)):
        own += 1
    assert (own, own + elsewhere) == (7, 100)


async def test_two_processes_share_one_bucket(as_process: Callable[[str], Blocks]) -> None:
    limit, subject, admitted = Limit("test", Rate(0.001, 90)), uuid4().hex, 0
    processes = [(name, as_process(name)) for name in ("one", "two", "three")]
    for turn in range(200):
        name, blocks = processes[turn % 3]
        limits._HOLDER = f"held:{name}"
        try:
            await blocks.fetch(subject, (limit,))
        except TooMany:
            continue
        admitted += 1
    assert admitted == 90


async def test_who_asks_often_at_the_same_time_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, original = [], limits._taken

    def counted(*args: Any) -> list[Any]:
        asked.append(args[0])
        return original(*args)

    monkeypatch.setattr(limits, "_taken", counted)
    limit, tight, blocks, subject = Limit("test", Rate(1, 100)), Limit("tight", Rate(1, 50)), Blocks(), uuid4().hex
    standings = await asyncio.gather(*(blocks.fetch(subject, (limit, tight)) for _ in range(40)))
    assert len(asked) < 20
    assert min(standing.left for standing in standings) == 10
    assert {standing.limit for standing in standings} == {tight}, "the nearest one is told of"


# --- What the answers say ---------------------------------------------------------------------------------------------

FIELDS = ("RateLimit-Policy", "RateLimit", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def said(answer: Any) -> list[str]:
    return [answer.headers.get(field, "") for field in FIELDS]


@pytest.mark.django_db
def test_every_answer_says_how_its_caller_stands(
    person: User, signed_in: Callable[[User], APIClient], anonymous: APIClient, settings: Settings
) -> None:
    settings.RATE_LIMIT = Rate(0.5, 4)
    client = signed_in(person)
    assert said(client.get("/api/v1/users/me/profile")) == ['"request";q=4;w=8', '"request";r=3;t=2', "4", "3", "2"]
    assert said(client.get("/health"))[1] == "", "nothing was counted"
    for _ in range(3):
        client.get("/api/v1/users/me/profile")
    refused = client.get("/api/v1/users/me/profile")
    assert (refused.status_code, refused["Retry-After"]) == (429, "2")
    assert said(refused) == ['"request";q=4;w=8', '"request";r=0;t=2', "4", "0", "8"]
    assert said(anonymous.get("/health/ready"))[:2] == ['"page";q=4;w=8', '"page";r=3;t=2']
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    shown = client.get("/api/v1/users/me/profile", HTTP_ORIGIN="https://app.example.org")
    assert {field.lower() for field in FIELDS} <= set(shown["Access-Control-Expose-Headers"].split(", "))
    settings.RATE_LIMIT = Rate(0, 0)
    assert said(client.get("/api/v1/users/me/profile")) == [""] * 5


@pytest.fixture
def board(transactional_db: None, make_competition: Any) -> Competition:
    made: Competition = make_competition()
    return made


async def test_the_front_says_it_out_of_what_it_holds(
    person: User, board: Competition, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RATE_LIMIT = Rate(0.001, 100)
    asked, original = [], limits._taken

    def counted(*args: Any) -> list[Any]:
        asked.append(args[0])
        return original(*args)

    monkeypatch.setattr(limits, "_taken", counted)
    async with new_process():
        left = []
        for _ in range(14):
            answer = await ask_server(f"/api/v1/leaderboard/{board.id}", headers=bearer(person))
            left.append(int(answer.headers["RateLimit-Remaining"]))
        assert left == list(range(99, 85, -1)), "as if each had been counted by itself"
        assert len(asked) == 4, "blocks of one, two, four and eight"
        assert said(answer)[0] == '"request";q=100;w=100000'
        for media_type, status in (("application/json", 200), ("text/plain", 415)):
            sync = await ask_server(
                "/api/v1/fitness/sync",
                "POST",
                headers=bearer(person) | {"Content-Type": media_type},
                content=b'{"steps": 1, "source": "health_connect"}',
            )
            assert (sync.status_code, said(sync)[0]) == (status, '"sync";q=60;w=12')
        # What is left is no proof: a token comes back each 200 ms.
        blocks = [tokens for wanted in asked for limit, tokens in wanted if limit.name == "sync"]
        assert blocks == [1, 2], "both were counted, also the one that could not be read"


# --- Tighter ones -----------------------------------------------------------------------------------------------------

TIGHTER: list[tuple[str, str, str]] = [
    ("POST", "/api/v1/fitness/sync", "sync"),
    ("POST", "/api/v1/leaderboard/update", "sync"),
    ("POST", "/api/v1/auth/ticket", "ticket"),
    ("POST", "/api/v1/users/me/avatar", "picture"),
    ("POST", "/api/v1/fitness/imports", "import"),
    ("POST", "/api/v1/users/me/export", "export"),
    ("GET", "/api/v1/users/me/export/file", "export"),
    ("PUT", "/api/v1/notifications/phone", "code"),
    ("POST", "/api/v1/prizes/distribute/{id}", "money"),
    ("POST", "/api/v1/prizes/approve/{id}", "money"),
    ("POST", "/api/v1/prizes/funding/{id}", "money"),
    ("POST", "/api/v1/prizes/payout-account", "money"),
    ("POST", "/api/v1/auth/register", "register"),
    ("POST", "/api/v1/auth/token", "log_in"),
]
GUARDED = {"code", "money", "register", "log_in"}
ADDRESS = "192.0.2.1"


def send(client: APIClient, method: str, path: str) -> Any:
    return client.generic(
        method,
        path.replace("{id}", str(uuid4())),
        data='{"email": "ada@example.org", "password": "a-long-walk-home", "name": "Ada"}',
        content_type="application/json",
        REMOTE_ADDR=ADDRESS,
    )


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path", "name"), TIGHTER)
def test_what_costs_more_has_a_tighter_limit(
    person: User, signed_in: Callable[[User], APIClient], method: str, path: str, name: str
) -> None:
    subject = ADDRESS if name in ("register", "log_in") else f"caller:{person.id}"
    redis_client().hset(f"limit:{name}:{subject}", mapping={"tokens": 0, "at": int(time.time() * 1000)})
    refused = send(signed_in(person), method, path)
    assert refused.status_code == 429, refused.content
    assert said(refused)[1].startswith(f'"{name}";r=0;t={refused["Retry-After"]}')


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path", "name"), TIGHTER)
def test_without_redis_log_ins_and_money_are_closed_and_the_rest_goes_on(
    redis_out: None, person: User, signed_in: Callable[[User], APIClient], method: str, path: str, name: str
) -> None:
    answer = send(signed_in(person), method, path)
    assert (answer.status_code == 503) == (name in GUARDED), answer.content
    if name in GUARDED:
        assert (answer["Retry-After"], answer.json()["code"]) == ("1", 503)
        assert answer.json()["error"] == "Service Unavailable"


@pytest.mark.django_db
def test_without_redis_whoever_is_in_stays_in(redis_out: None, person: User, anonymous: APIClient) -> None:
    from accounts.services.log_ins import begin_log_in

    refresh = str(begin_log_in(person=person))
    assert anonymous.post("/api/v1/auth/token/refresh", {"refresh": refresh}).status_code == 200


@pytest.mark.django_db
def test_services_sync_for_many_people(with_key: Callable[..., APIClient]) -> None:
    assert "sync" not in said(send(with_key(Scope.ACTIVITY_WRITE), "POST", "/api/v1/fitness/sync"))[1]


# --- Who it is --------------------------------------------------------------------------------------------------------

ATTACKS: list[dict[str, str]] = [
    {"HTTP_X_FORWARDED_FOR": "198.51.100.%d"},
    {"HTTP_X_FORWARDED_FOR": "198.51.100.%d, 198.51.100.7"},
    {"HTTP_X_FORWARDED_FOR": "garbage %d, 198.51.100.7, "},
    {"HTTP_X_FORWARDED_FOR": "%d"},
    {"HTTP_X_FORWARDED_FOR": ",,%d,,"},
    {"HTTP_FORWARDED": "for=198.51.100.%d"},
    {"HTTP_X_REAL_IP": "198.51.100.%d"},
    {"HTTP_CLIENT_IP": "198.51.100.%d"},
    {"HTTP_TRUE_CLIENT_IP": "198.51.100.%d"},
    {"HTTP_CF_CONNECTING_IP": "198.51.100.%d"},
]


def addresses_limited(anonymous: APIClient, headers: dict[str, str], remote: str) -> list[int]:
    statuses = []
    for n in range(1, 4):
        sent: dict[str, Any] = {name: value % n if "%d" in value else value for name, value in headers.items()}
        statuses.append(anonymous.get("/health/ready", REMOTE_ADDR=remote, **sent).status_code)
    return statuses


@pytest.mark.django_db
@pytest.mark.parametrize("headers", ATTACKS, ids=str)
def test_no_header_makes_somebody_else_of_a_client(
    anonymous: APIClient, settings: Settings, headers: dict[str, str]
) -> None:
    settings.RATE_LIMIT, settings.PROXY_COUNT = Rate(0.001, 2), 0
    assert addresses_limited(anonymous, headers, "192.0.2.1") == [200, 200, 429]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("proxies", "forwarded"),
    [
        (1, "%d.1.1.1, 198.51.100.7"),
        (1, "garbage %d, 198.51.100.7:4000"),
        (1, "%d, [2001:db8::7]:443"),
        (2, "%d.1.1.1, 198.51.100.7, 10.0.0.1"),
        (2, "198.51.100.%d"),  # fewer than there are proxies: the connection's counts
        (1, "198.51.100.%d garbage"),
    ],
)
def test_what_stands_left_of_the_proxies_entries_proves_nothing(
    anonymous: APIClient, settings: Settings, proxies: int, forwarded: str
) -> None:
    settings.RATE_LIMIT, settings.PROXY_COUNT = Rate(0.001, 2), proxies
    settings.SECURE_PROXY_SSL_HEADER = None
    assert addresses_limited(anonymous, {"HTTP_X_FORWARDED_FOR": forwarded}, "10.0.0.2") == [200, 200, 429]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "::ffff:c000:201", True),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("::ffff:192.0.2.1%3", "192.0.2.1", True),
        ("192.0.2.1:1111", "192.0.2.1:2222", True),
        ("[2001:db8::1]:1111", "2001:db8::1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_an_address_is_one_however_it_is_written(
    anonymous: APIClient, settings: Settings, one: str, another: str, same: bool
) -> None:
    settings.RATE_LIMIT, settings.PROXY_COUNT = Rate(0.001, 1), 1
    settings.SECURE_PROXY_SSL_HEADER = None
    seen = [
        anonymous.get("/health/ready", REMOTE_ADDR="10.0.0.2", HTTP_X_FORWARDED_FOR=address).status_code
        for address in (one, another)
    ]
    assert seen == [200, 429 if same else 200]


# --- A Redis that hangs, and a pool that is used up -------------------------------------------------------------------


class Hanging:
    """Takes connections and commands; answers +OK while it is ``awake``."""

    def __init__(self) -> None:
        self.awake, self.asked = False, 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                self.asked += 1
                if self.awake:
                    connection.sendall(b"+OK\r\n" * max(1, data.count(b"*")))

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def hanging(settings: Settings) -> Iterator[Hanging]:
    redis = Hanging()
    caches = copy.deepcopy(settings.CACHES)
    for options in caches.values():
        options["LOCATION"] = redis.url
    settings.CACHES = caches
    limits._local.clear()
    yield redis
    redis.close()
    limits._local.clear()
    cache.close()


@pytest.mark.slow
def test_a_redis_that_hangs_costs_one_caller_a_second_and_not_everybody(hanging: Hanging) -> None:
    def seconds_of(calls: int) -> list[float]:
        def one(_: int) -> float:
            began = time.monotonic()
            take_token(Limit("test", Rate(1000, 1000)), "a")
            return time.monotonic() - began

        with ThreadPoolExecutor(calls) as pool:
            return sorted(pool.map(one, range(calls)))

    assert seconds_of(1)[0] >= 1, "it takes a time-out to find out"
    assert seconds_of(8)[-1] < 0.5
    with pytest.raises(RedisLeftAlone):
        redis_client().get("x")
    with pytest.raises(Closed):
        take_token(Limit("test", Rate(1, 1), closed=True), "a")
    time.sleep(LEFT_ALONE.seconds)
    *others, tried = seconds_of(8)
    assert others[-1] < 0.5 <= tried, "one tries for all"
    hanging.awake = True
    deadline = time.monotonic() + 5
    while True:
        try:
            assert redis_client().execute_command("ECHO", "x")
            break
        except RedisError:
            assert time.monotonic() < deadline, "it is asked again by itself"
            time.sleep(0.05)


def test_a_redis_that_refuses_writes_is_not_told_of_for_each_request(caplog: pytest.LogCaptureFixture) -> None:
    """It answers, so it is asked each time, and the fast ways of reading come thousands of times a second."""
    limits._local.clear()
    redis_client().config_set("maxmemory", 1)
    try:
        assert at_once("a", Rate(0.001, 10), threads=4, attempts=10) == 10
    finally:
        redis_client().config_set("maxmemory", 0)
        limits._local.clear()
    said = [record for record in caplog.records if "limit_counted_locally" in record.getMessage()]
    assert 1 <= len(said) <= 2


@pytest.mark.slow
def test_a_pool_that_is_used_up_is_no_reason_to_leave_redis_alone() -> None:
    pool = redis_client().connection_pool
    busy = [pool.get_connection() for _ in range(pool.max_connections)]
    before = REGISTRY.get_sample_value("pacesetter_limiter_fallbacks_total") or 0
    try:
        assert taken("a", Rate(1, 5))
        with pytest.raises(Closed):
            take_token(Limit("test", Rate(1, 1), closed=True), "b")
    finally:
        for connection in busy:
            pool.release(connection)
    assert REGISTRY.get_sample_value("pacesetter_limiter_fallbacks_total") == before + 2
    assert redis_client().ping(), "at once"


@pytest.mark.slow
@pytest.mark.parametrize(("is_silent", "longest_pause"), [(False, 3), (True, 7)], ids=["refuses", "says nothing"])
def test_a_postgresql_that_is_away_is_asked_again_and_again_for_as_long_as_somebody_waits(
    is_silent: bool, longest_pause: float
) -> None:
    """And not after ever longer pauses, in the last of which it would have been back for long."""
    asked: list[float] = []
    held: list[socket.socket] = []

    def answer(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                caller, _ = server.accept()
                asked.append(time.monotonic())
                held.append(caller)
                if not is_silent:
                    caller.close()

    options = dict(settings_in_file.DATABASES["default"]["OPTIONS"])
    pool_options = options.pop("pool")
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        here = {"host": "127.0.0.1", "port": server.getsockname()[1], "dbname": "nothing", "user": "nobody"}
        ours = {name: value for name, value in options.items() if name == "connect_timeout"}
        with ConnectionPool(kwargs=ours | here, open=True, **pool_options) as pool:
            until = time.monotonic() + longest_pause + 4
            while time.monotonic() < until:
                with pytest.raises(PoolTimeout):
                    pool.getconn(timeout=0.25)
            asked.append(time.monotonic())
        for caller in held:
            caller.close()
    assert max(later - earlier for earlier, later in pairwise(asked)) < longest_pause
