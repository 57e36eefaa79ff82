"""GET /api/v1/leaderboard/{competition_id}, answered in front of Django: the same bytes, as new, as closed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from accounts.models import Scope, User
from accounts.services.keys import create_service_key
from competitions.models import Competition
from config import asgi
from config.core import front as fronts
from config.core import limits, middleware
from config.core.environment import Rate
from config.core.threads import in_thread as off_loop
from leaderboards import hub as hubs
from leaderboards import live
from leaderboards.hub import hub
from leaderboards.services import report_totals
from tests.asking import ask_django, ask_server, bearer, comparable, in_thread, new_process

pytestmark = pytest.mark.usefixtures("transactional_db")

Get = Callable[..., Coroutine[Any, Any, httpx.Response]]


@pytest.fixture(autouse=True)
async def process() -> AsyncIterator[None]:
    async with new_process():
        yield


@pytest.fixture
def front(person: User) -> Get:
    """A request by ``person`` to the whole server."""
    signed_in = bearer(person)

    async def get(
        path: str, method: str = "GET", as_whom: dict[str, str] = signed_in, **headers: str
    ) -> httpx.Response:
        return await ask_server(path, method, headers={**as_whom, **headers})

    return get


@pytest.fixture
def django(person: User) -> Get:
    """The same request to Django alone."""
    signed_in = bearer(person)

    async def get(path: str, method: str = "GET", **headers: str) -> httpx.Response:
        return await ask_django(path, method, headers={**signed_in, **headers})

    return get


@pytest.fixture
def board(person: User, make_competition: Any, make_person: Any, join: Any) -> Competition:
    competition: Competition = make_competition(score_source="reported", tie_rule="shared")
    people = [person, *(make_person(name) for name in ("Zoë", "李雷", '"quoted" \\ name', "Ben", "Cleo"))]
    join(competition, *people)
    for place, someone in enumerate(people[1:]):
        scored(competition, someone, 100 * (place // 2))
    return competition


def scored(competition: Competition, someone: User, steps: int) -> None:
    report_totals(competition=competition, user_id=someone.id, reported={"steps": steps}, now=datetime.now(UTC))


def url(competition: Competition, query: str = "") -> str:
    return f"/api/v1/leaderboard/{competition.id}{query}"


QUERIES: list[Any] = ["", "?limit=3", "?limit=2&offset=0", "?wait=0"]
QUERIES += [
    pytest.param(query, marks=pytest.mark.slow) for query in ("/", "?limit=1", "?limit=100", "?limit=1000", "?offset=0")
]


@pytest.fixture
def front_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django would answer the same; here it must not be asked."""
    monkeypatch.setattr(asgi.front, "_django", None)


@pytest.mark.slow
@pytest.mark.parametrize("query", QUERIES)
async def test_the_bytes_and_headers_are_those_of_the_view(
    board: Competition, front: Get, django: Get, front_only: None, query: str
) -> None:
    assert comparable(await front(url(board, query))) == comparable(await django(url(board, query)))


@pytest.mark.parametrize("origin", ["https://app.example.org", "https://elsewhere.example.org"])
async def test_other_origins_hear_what_the_view_tells_them(
    board: Competition, front: Get, django: Get, front_only: None, settings: Any, origin: str
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    answer = await front(url(board), Origin=origin)
    assert ("access-control-allow-origin" in answer.headers) == (origin == "https://app.example.org")
    assert comparable(answer) == comparable(await django(url(board), Origin=origin))


@pytest.mark.slow
async def test_a_page_of_another_origin_may_ask_whether_a_board_has_changed(
    board: Competition, front: Get, settings: Any
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    asks = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,if-none-match"}
    allowed = await front(url(board), "OPTIONS", as_whom={}, Origin="https://app.example.org", **asks)
    assert "if-none-match" in allowed.headers["access-control-allow-headers"]
    answer = await front(url(board), Origin="https://app.example.org")
    assert "etag" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("phase", ["nobody", "ended", "completed", "draft"])
async def test_boards_of_every_phase_have_the_bytes_of_the_view(
    person: User, make_competition: Any, join: Any, front: Get, django: Get, front_only: None, phase: str
) -> None:
    def make() -> Competition:
        if phase == "nobody":
            return make_competition()  # type: ignore[no-any-return]  # it makes competitions, whatever it is declared as
        if phase == "draft":
            return make_competition(published=False)  # type: ignore[no-any-return]  # it makes competitions, whatever it is declared as
        ends, grace = (-1, 100) if phase == "ended" else (-3, 0)
        made_at = datetime.now(UTC) - timedelta(days=9)
        return make_competition(starts=-5, ends=ends, grace_hours=grace, created_at=made_at)  # type: ignore[no-any-return]  # it makes competitions, whatever it is declared as

    competition = await in_thread(make)
    answer = await front(url(competition))
    assert answer.json()["data"]["standings"] == {"ended": "provisional", "completed": "final"}.get(phase, "live")
    assert comparable(answer) == comparable(await django(url(competition)))


NOT_FOR_THE_FRONT = [
    ("GET", "?offset=1"),
    ("GET", "?around=me"),
    ("GET", "?limit=0"),
    ("GET", "?limit=1001"),
    ("GET", "?limit=٣"),
    ("GET", "?limit=1&limit=2"),
    ("GET", "?wait=61"),
    ("GET", "?limit="),
    ("HEAD", ""),
    ("POST", ""),
    ("DELETE", ""),
]


async def test_everything_else_is_left_to_django(
    board: Competition, front: Get, django: Get, subtests: pytest.Subtests
) -> None:
    for method, query in NOT_FOR_THE_FRONT:
        with subtests.test(method=method, query=query):
            ours, theirs = await front(url(board, query), method), await django(url(board, query), method)
            assert ours.status_code == theirs.status_code
            if method == "GET" and theirs.status_code == 200:
                assert ours.content == theirs.content


@pytest.mark.slow
async def test_who_is_not_known_or_may_not_see_it_hears_what_the_view_says(
    board: Competition, make_competition: Any, make_person: Any, front: Get
) -> None:
    private = await in_thread(lambda: make_competition(visibility="private", owner=make_person("Eve")))
    _, secret = await in_thread(create_service_key, name="reader", scopes=[Scope.SCORES_WRITE])
    answers = [
        (await front(url(board), as_whom={}), 401),
        (await front(url(board), as_whom={"Authorization": "Bearer nonsense"}), 401),
        (await front(url(board), as_whom={"X-API-Key": secret}), 403),
        (await front(url(private)), 404),
        (await front("/api/v1/leaderboard/00000000-0000-0000-0000-000000000000"), 404),
        (await front(url(board), Host="elsewhere.example.org"), 400),
    ]
    for answer, status in answers:
        assert answer.status_code == status
        assert answer.json().keys() >= {"success", "error", "message", "code", "request_id"}
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "ACCESS_INTERVAL", 0.02)
    monkeypatch.setattr(hubs, "ACCESS_SECONDS", 0.3)


async def refused_at_last(front: Get, path: str) -> int:
    """Asks until the answer is a refusal."""
    async with asyncio.timeout(10):
        while (answer := await front(path)).status_code == 200:
            await asyncio.sleep(0.02)
    return answer.status_code


@pytest.mark.slow
async def test_somebody_deactivated_is_not_served_any_more(
    board: Competition, person: User, front: Get, quick_checks: None
) -> None:
    assert (await front(url(board))).status_code == 200
    await in_thread(User.objects.filter(id=person.id).update, is_active=False)
    assert await refused_at_last(front, url(board)) in (401, 404)


async def test_a_board_made_private_is_not_served_to_outsiders_any_more(
    make_competition: Any, make_person: Any, front: Get, quick_checks: None
) -> None:
    theirs = await in_thread(lambda: make_competition(owner=make_person("Ben")))
    assert (await front(url(theirs))).status_code == 200
    await in_thread(Competition.objects.filter(id=theirs.id).update, visibility="private")
    assert await refused_at_last(front, url(theirs)) == 404


async def test_while_nobody_can_look_who_may_nobody_is_served_for_longer_than_that(
    board: Competition, front: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "ACCESS_INTERVAL", 3600.0)
    monkeypatch.setattr(hubs, "ACCESS_SECONDS", 0.0)
    looks = 0

    def count(asked: Sequence[Any]) -> list[None]:
        nonlocal looks
        looks += len(asked)
        return [None] * len(asked)

    monkeypatch.setattr(hub()._access, "_run", off_loop(count))
    for _ in range(3):
        await front(url(board))
    assert looks == 3


@pytest.mark.slow
async def test_a_read_after_an_acknowledged_write_shows_it(board: Competition, person: User, front: Get) -> None:
    for steps in range(1, 30):
        await in_thread(scored, board, person, steps)
        entries = (await front(url(board))).json()["data"]["entries"]
        assert {entry["user_id"]: entry["score"] for entry in entries}[str(person.id)] == steps


@pytest.mark.slow
async def test_no_reader_sees_less_than_was_acknowledged_before_they_asked(
    board: Competition, person: User, front: Get
) -> None:
    acknowledged = 0
    done = asyncio.Event()

    async def write() -> None:
        nonlocal acknowledged
        for steps in range(1, 60):
            await in_thread(scored, board, person, steps)
            acknowledged = steps
        done.set()

    async def read() -> None:
        while not done.is_set():
            known = acknowledged
            entries = (await front(url(board))).json()["data"]["entries"]
            assert {entry["user_id"]: entry["score"] for entry in entries}[str(person.id)] >= known

    await asyncio.gather(write(), *(read() for _ in range(6)))


@pytest.mark.slow
async def test_a_storm_of_writes_and_reads_reads_the_board_at_most_every_50_ms(
    board: Competition, person: User, front: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = 0
    read_board = live._read_board

    def counted(*args: Any) -> Any:
        nonlocal readings
        readings += 1
        return read_board(*args)

    monkeypatch.setattr(live, "_read_board", counted)

    async def write() -> None:
        for steps in range(1, 40):
            await in_thread(scored, board, person, steps)

    async def read() -> int:
        return sum([(await front(url(board))).status_code == 200 for _ in range(40)])

    began = time.monotonic()
    _, *answered = await asyncio.gather(write(), read(), read(), read())
    assert answered == [40, 40, 40]
    assert 1 < readings <= (time.monotonic() - began) / live.READ_INTERVAL + 2


async def test_dates_that_move_show_at_once_though_the_board_does_not(
    make_competition: Any, front: Get, django: Get
) -> None:
    competition = await in_thread(make_competition, starts=2, ends=4)
    before = (await front(url(competition))).json()["data"]
    await in_thread(Competition.objects.filter(id=competition.id).update, closes_at=datetime(2030, 1, 1, tzinfo=UTC))
    after = await front(url(competition))
    assert after.json()["data"] == before | {"final_at": "2030-01-01T00:00:00Z"}
    assert after.content == (await django(url(competition))).content


@pytest.mark.slow
async def test_what_has_not_changed_is_not_sent_again(
    board: Competition, person: User, front: Get, django: Get, front_only: None
) -> None:
    etag = (await front(url(board))).headers["etag"]
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        ours = await front(url(board), **{"If-None-Match": known})
        theirs = await django(url(board), **{"If-None-Match": known})
        assert (ours.status_code, ours.content) == (304, b"") == (theirs.status_code, theirs.content)
        assert ours.headers["etag"] == theirs.headers["etag"] == etag
        assert ours.headers["cache-control"] == theirs.headers["cache-control"] == "private"
    await in_thread(scored, board, person, 7)
    changed = await front(url(board), **{"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


@pytest.mark.parametrize("name", ["If-Match", "If-Unmodified-Since"])
async def test_conditions_of_other_kinds_are_held_as_the_view_holds_them(
    board: Competition, front: Get, django: Get, name: str
) -> None:
    condition = {name: {"If-Match": '"other"'}.get(name, "Wed, 21 Oct 2015 07:28:00 GMT")}
    ours, theirs = await front(url(board), **condition), await django(url(board), **condition)
    assert comparable(ours) == comparable(theirs)


async def test_what_is_long_is_not_remembered(board: Competition, front: Get) -> None:
    middleware.common_headers.cache_clear()
    fronts._is_our_host.cache_clear()
    remembered = asgi.front._asked.cache_info().currsize
    long = "x" * 10_000
    await front(url(board, f"/stream?token={long}"), as_whom={})
    assert asgi.front._asked.cache_info().currsize == remembered
    await front(url(board), Origin=f"https://{long}.example.org")
    await front(url(board), Host=f"{long}.example.org")
    assert middleware.common_headers.cache_info().currsize <= 1
    assert fronts._is_our_host.cache_info().currsize <= 1


async def until_it_waits() -> None:
    async with asyncio.timeout(10):
        while not hub().watchers():
            await asyncio.sleep(0.01)


async def test_who_waits_hears_of_the_change(board: Competition, person: User, front: Get) -> None:
    etag = (await front(url(board))).headers["etag"]
    waiting = asyncio.ensure_future(front(url(board, "?wait=30"), **{"If-None-Match": etag}))
    await until_it_waits()
    assert not waiting.done()
    await in_thread(scored, board, person, 4321)
    answer = await asyncio.wait_for(waiting, 10)
    assert answer.status_code == 200
    assert answer.json()["data"]["entries"][0]["score"] == 4321


@pytest.mark.slow
async def test_who_waits_in_vain_is_told_so(board: Competition, front: Get) -> None:
    etag = (await front(url(board))).headers["etag"]
    answer = await front(url(board, "?wait=1"), **{"If-None-Match": etag})
    assert (answer.status_code, answer.headers["etag"]) == (304, etag)
    assert not hub().watchers()


@pytest.mark.slow
async def test_who_waits_while_only_the_dates_move_is_not_told_that_nothing_has_changed(
    make_competition: Any, front: Get
) -> None:
    competition = await in_thread(make_competition, starts=2, ends=4)
    etag = (await front(url(competition))).headers["etag"]
    waiting = asyncio.ensure_future(front(url(competition, "?wait=1"), **{"If-None-Match": etag}))
    await until_it_waits()
    await in_thread(Competition.objects.filter(id=competition.id).update, closes_at=datetime(2030, 1, 1, tzinfo=UTC))
    answer = await asyncio.wait_for(waiting, 10)
    assert (answer.status_code, answer.headers["etag"] == etag) == (200, False)


async def test_who_waits_for_a_board_that_is_hidden_meanwhile_hears_404(
    make_competition: Any, make_person: Any, front: Get, quick_checks: None
) -> None:
    theirs = await in_thread(lambda: make_competition(owner=make_person("Ben")))
    etag = (await front(url(theirs))).headers["etag"]
    waiting = asyncio.ensure_future(front(url(theirs, "?wait=30"), **{"If-None-Match": etag}))
    await until_it_waits()
    await in_thread(Competition.objects.filter(id=theirs.id).update, visibility="private")
    assert (await asyncio.wait_for(waiting, 10)).status_code == 404


@pytest.fixture
def few_tokens(settings: Any) -> None:
    settings.RATE_LIMIT = Rate(0.01, 20)


@pytest.mark.slow
async def test_the_limit_is_the_one_that_django_counts_as_well(
    board: Competition, front: Get, django: Get, few_tokens: None
) -> None:
    statuses = [(await front(url(board))).status_code for _ in range(10)]
    statuses += [(await django(url(board))).status_code for _ in range(12)]
    statuses += [(await front(url(board))).status_code for _ in range(3)]
    assert statuses.count(200) in range(18, 21), "what is taken in advance may be lost, a tenth at most"
    refused = await front(url(board))
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["code"] == 429


@pytest.mark.slow
async def test_a_request_that_is_handed_on_is_counted_once(board: Competition, front: Get, few_tokens: None) -> None:
    statuses = [(await front(url(board, "?offset=1"))).status_code for _ in range(21)]
    assert statuses == [200] * 20 + [429]


@pytest.mark.slow
async def test_somebody_who_comes_often_is_not_counted_one_by_one(
    board: Competition, front: Get, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RATE_LIMIT = Rate(1000, 1000)
    asked = 0
    taken = limits._taken

    def counted(*args: Any) -> list[Any]:
        nonlocal asked
        asked += 1
        return taken(*args)

    monkeypatch.setattr(limits, "_taken", counted)
    for _ in range(100):
        assert (await front(url(board))).status_code == 200
    assert asked < 40


async def test_the_request_id_comes_back(board: Competition, front: Get) -> None:
    assert (await front(url(board), **{"X-Request-ID": "from-a-phone.1"})).headers["x-request-id"] == "from-a-phone.1"
    assert len((await front(url(board), **{"X-Request-ID": "not sane"})).headers["x-request-id"]) == 32


@pytest.mark.slow
async def test_it_counts_in_the_same_metrics_as_the_view(board: Competition, front: Get, django: Get) -> None:
    await front(url(board))
    tally = asgi.front._tally
    tally.flush()

    def counts() -> dict[tuple[str, ...], float]:
        return {
            (sample.name, *sorted(f"{k}={v}" for k, v in sample.labels.items())): sample.value
            for metric in REGISTRY.collect()
            if metric.name.startswith("django_http")
            for sample in metric.samples
            if not sample.name.endswith(("_created", "_sum")) and "latency" not in sample.name
        }

    def grown(before: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
        return {key: value - before.get(key, 0) for key, value in counts().items() if value != before.get(key, 0)}

    before = counts()
    await django(url(board))
    by_django = grown(before)
    before = counts()
    await front(url(board))
    tally.flush()
    assert by_django == grown(before) != {}
