"""POST /api/v1/fitness/sync, taken in groups in front of Django: answered as by the view, and together."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Scope, User
from accounts.services.keys import create_service_key, revoke_service_keys
from config import asgi
from config.core.gathering import Gatherer, one_per_loop
from config.core.threads import in_thread as off_loop
from fitness.api import front
from fitness.models import Activity
from leaderboards.models import Board
from tests.asking import ask_django, ask_server, bearer, comparable, in_thread, new_process

pytestmark = pytest.mark.usefixtures("transactional_db")
URL = "/api/v1/fitness/sync"
JSON = {"Content-Type": "application/json"}
RECORD = {"steps": 1000, "distance": 700.5, "source": "fitbit"}
TOMORROW = (datetime.now(UTC).date() + timedelta(days=3)).isoformat()


@pytest.fixture(autouse=True)
async def process() -> AsyncIterator[None]:
    async with new_process():
        yield


@pytest.fixture
def front_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django would answer the same; here it must not be asked."""
    monkeypatch.setattr(asgi.front, "_django", None)


BODIES: dict[str, bytes] = {
    "a record": json.dumps(RECORD).encode(),
    "me": json.dumps({**RECORD, "user_id": "me"}).encode(),
    "a batch": json.dumps({"records": [RECORD, {**RECORD, "source": "garmin", "steps": 2}]}).encode(),
    "a bad neighbour": json.dumps({"records": [RECORD, {**RECORD, "date": TOMORROW}, 7]}).encode(),
    "nothing good": json.dumps({"records": [{**RECORD, "steps": -1}]}).encode(),
    "a bad record": json.dumps({**RECORD, "steps": "many", "date": "yesterday"}).encode(),
    "somebody else's": json.dumps({**RECORD, "user_id": "00000000-0000-0000-0000-000000000000"}).encode(),
    "no records": json.dumps({"records": []}).encode(),
    "a list": b"[]",
    "not JSON": b"{steps: 1000}",
    "not a number": b'{"steps": NaN, "source": "fitbit"}',
    "half a character": b'{"steps": 1, "source": "\\ud800"}',
    "nested without end": b"[" * 5000,
    "a NUL": b'{"steps": 1, "source": "\\u0000"}',
}


@pytest.mark.parametrize("name", BODIES)
async def test_it_is_answered_as_by_the_view(
    make_person: Any, make_competition: Any, join: Any, front_only: None, name: str
) -> None:
    ada, ben = await in_thread(lambda: (make_person("Ada"), make_person("Ben")))
    competition = await in_thread(make_competition)
    await in_thread(join, competition, ada, ben)
    ours = await ask_server(URL, "POST", headers=bearer(ada) | JSON, content=BODIES[name])
    theirs = await ask_django(URL, "POST", headers=bearer(ben) | JSON, content=BODIES[name])
    assert _without_id(ours) == _without_id(theirs)
    stored = await in_thread(lambda: [list(_activity(someone)) for someone in (ada, ben)])
    assert stored[0] == stored[1]


def _without_id(answer: Any) -> tuple[int, Any, dict[str, str]]:
    status, body, headers = comparable(answer)
    parsed = json.loads(body)
    parsed.pop("request_id", None)
    headers.pop("content-length")
    return status, parsed, headers


def _activity(person: User) -> Any:
    return Activity.objects.filter(user=person).order_by("source").values_list("source", "day", "steps", "distance_mm")


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"Content-Type": "text/plain"}, BODIES["a record"]),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"x"),
        ({"Content-Type": "application/json"}, b""),
        ({"Content-Type": "application/json"}, b" " * 70_000 + BODIES["a record"]),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"steps=1"),
    ],
)
async def test_odd_bodies_are_left_to_django(make_person: Any, headers: dict[str, str], content: bytes) -> None:
    ada = await in_thread(make_person, "Ada")
    ours = await ask_server(URL, "POST", headers=bearer(ada) | headers, content=content)
    theirs = await ask_django(URL, "POST", headers=bearer(ada) | headers, content=content)
    assert ours.status_code == theirs.status_code
    assert ours.json().get("message") == theirs.json().get("message")


async def test_a_key_syncs_for_anybody_until_it_is_revoked(person: User, front_only: None) -> None:
    key, secret = await in_thread(create_service_key, name="importer", scopes=[Scope.ACTIVITY_WRITE])
    _, other = await in_thread(create_service_key, name="reporter", scopes=[Scope.SCORES_WRITE])
    body = json.dumps({**RECORD, "user_id": str(person.id)}).encode()

    async def status(secret: str) -> int:
        return (await ask_server(URL, "POST", headers={"X-API-Key": secret} | JSON, content=body)).status_code

    assert [await status(secret), await status(other)] == [200, 403]
    await in_thread(revoke_service_keys, key_ids=[key.id], now=datetime.now(UTC))
    assert await status(secret) == 401


async def test_somebody_deactivated_is_refused_at_once(person: User, front_only: None) -> None:
    headers = bearer(person) | JSON
    assert (await ask_server(URL, "POST", headers=headers, content=BODIES["a record"])).status_code == 200
    await in_thread(User.objects.filter(id=person.id).update, is_active=False)
    assert (await ask_server(URL, "POST", headers=headers, content=BODIES["a record"])).status_code == 401


@pytest.mark.slow
async def test_what_arrives_together_is_one_commit_and_everybody_hears_of_their_own(
    make_person: Any, make_competition: Any, join: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = await in_thread(lambda: [make_person(f"P{number}") for number in range(30)])
    competition = await in_thread(make_competition)
    await in_thread(join, competition, *people)
    before = await in_thread(lambda: Board.objects.get(competition=competition).version)
    groups: list[int] = []
    take_syncs = front.take_syncs

    def counted(sent: Any) -> Any:
        groups.append(len(sent))
        return take_syncs(sent)

    monkeypatch.setattr(front, "_syncs", one_per_loop(lambda: Gatherer(off_loop(counted))))

    async def sync(number: int) -> Any:
        bad = number % 10 == 3
        body = json.dumps({"steps": -1 if bad else number, "source": "fitbit"}).encode()
        return await ask_server(URL, "POST", headers=bearer(people[number]) | JSON, content=body)

    answers = await asyncio.gather(*map(sync, range(30)))
    assert [answer.status_code for answer in answers] == [400 if n % 10 == 3 else 200 for n in range(30)]
    good = [answer.json()["data"] for answer in answers if answer.status_code == 200]
    assert all(data["counted_in"] == [str(competition.id)] for data in good)
    assert sum(groups) == 30
    assert len(groups) < 15
    after = await in_thread(lambda: Board.objects.get(competition=competition).version)
    assert after - before <= len(groups)


@pytest.mark.slow
async def test_nobody_is_answered_before_theirs_is_committed(
    person: User, front_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for steps in range(1, 20):
        body = json.dumps({"steps": steps, "source": "fitbit"}).encode()
        assert (await ask_server(URL, "POST", headers=bearer(person) | JSON, content=body)).status_code == 200
        assert await in_thread(lambda: Activity.objects.get(user=person).steps) == steps
