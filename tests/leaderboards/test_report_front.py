"""POST /api/v1/leaderboard/update, taken in groups in front of Django: answered as by the view."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.models import Scope, User
from accounts.services.keys import create_service_key, revoke_service_keys
from competitions.models import Competition
from config import asgi
from leaderboards.models import Standing
from tests.asking import ask_django, ask_server, bearer, comparable, in_thread, new_process

pytestmark = pytest.mark.usefixtures("transactional_db")
URL = "/api/v1/leaderboard/update"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
async def process() -> AsyncIterator[None]:
    async with new_process():
        yield


@pytest.fixture
def front_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django would answer the same; here it must not be asked."""
    monkeypatch.setattr(asgi.front, "_django", None)


@pytest.fixture
def boards(person: User, other: User, make_competition: Any, join: Any) -> dict[str, Competition]:
    made = {
        "open": make_competition(score_source="reported"),
        "synced": make_competition(score_source="synced"),
        "upcoming": make_competition(score_source="reported", starts=2, ends=4),
        "not theirs": make_competition(score_source="reported"),
    }
    for name, competition in made.items():
        if name != "not theirs":
            join(competition, person, other)
    made["hidden"] = make_competition(score_source="reported", visibility="private", owner=other)
    return made


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "a report": ("open", {"steps": 500, "distance": 12.5}),
    "nothing": ("open", {}),
    "a negative": ("open", {"steps": -1}),
    "not a number": ("open", {"steps": "many", "calories": "NaN"}),
    "only synced activity counts": ("synced", {"steps": 5}),
    "not started": ("upcoming", {"steps": 5}),
    "does not take part": ("not theirs", {"steps": 5}),
    "may not see it": ("hidden", {"steps": 5}),
    "somebody else": ("open", {"steps": 5, "user_id": "00000000-0000-0000-0000-000000000000"}),
    "no such competition": ("open", {"steps": 5, "competition_id": "nonsense"}),
}


async def test_it_is_answered_as_by_the_view(
    boards: dict[str, Competition], person: User, front_only: None, subtests: pytest.Subtests
) -> None:
    def scores() -> list[tuple[UUID, int]]:
        return sorted(Standing.objects.filter(user=person).values_list("competition_id", "score"))

    for name, (board, fields) in CASES.items():
        with subtests.test(name):
            body = json.dumps({"user_id": "me", "competition_id": str(boards[board].id), **fields}).encode()
            ours = await ask_server(URL, "POST", headers=bearer(person) | JSON, content=body)
            stored = await in_thread(scores)
            theirs = await ask_django(URL, "POST", headers=bearer(person) | JSON, content=body)
            assert await in_thread(scores) == stored
            assert _without_id(ours) == _without_id(theirs)


def _without_id(answer: Any) -> tuple[int, Any, dict[str, str]]:
    status, body, headers = comparable(answer)
    parsed = json.loads(body)
    parsed.pop("request_id", None)
    headers.pop("content-length")
    return status, parsed, headers


async def test_a_key_reports_for_anybody_until_it_is_revoked(
    boards: dict[str, Competition], person: User, front_only: None
) -> None:
    key, secret = await in_thread(create_service_key, name="scores", scopes=[Scope.SCORES_WRITE])
    _, other = await in_thread(create_service_key, name="activity", scopes=[Scope.ACTIVITY_WRITE])
    report = {"user_id": str(person.id), "competition_id": str(boards["open"].id), "steps": 77}

    async def status(secret: str, **fields: Any) -> int:
        body = json.dumps({**report, **fields}).encode()
        return (await ask_server(URL, "POST", headers={"X-API-Key": secret} | JSON, content=body)).status_code

    assert await status(secret) == 200
    assert await status(secret, user_id=str(uuid4())) == 404
    assert await status(other) == 403
    await in_thread(revoke_service_keys, key_ids=[key.id], now=datetime.now(UTC))
    assert await status(secret) == 401


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"user_id": "me", "competition_id": "x", "steps": 1}'])
async def test_a_key_without_the_scope_is_refused_as_by_the_view_whatever_it_sends(
    front_only: None, transactional_db: None, body: bytes
) -> None:
    _, secret = await in_thread(create_service_key, name="reader", scopes=[Scope.ACTIVITY_WRITE])
    headers = {"X-API-Key": secret} | JSON
    ours = await ask_server(URL, "POST", headers=headers, content=body)
    theirs = await ask_django(URL, "POST", headers=headers, content=body)
    assert _without_id(ours) == _without_id(theirs)
    assert ours.status_code == 403


async def test_an_empty_token_beside_a_key_is_an_empty_token(transactional_db: None) -> None:
    _, secret = await in_thread(create_service_key, name="scores", scopes=[Scope.SCORES_WRITE])
    headers = {"Authorization": "Bearer", "X-API-Key": secret} | JSON
    ours = await ask_server(URL, "POST", headers=headers, content=b"{}")
    theirs = await ask_django(URL, "POST", headers=headers, content=b"{}")
    assert ours.status_code == theirs.status_code == 401
