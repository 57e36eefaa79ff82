"""The faults of the services that came before this one: each has a test here that is called after it."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition
from config.core.environment import Rate
from config.core.redis import redis_client
from leaderboards.models import Standing
from tests.asking import bearer
from tests.doors.sockets import closing_code
from tests.flows.conftest import database_at_hand
from tests.flows.servers import FRAME_WITHIN, Server


@pytest.fixture
def board(person: User, make_competition: Any, join: Any) -> Competition:
    competition: Competition = make_competition(score_source="reported", visibility="private")
    join(competition, person)
    return competition


@pytest.mark.slow
@pytest.mark.parametrize("literal", ["valid-token", "test-token", "secret", "undefined", "null", "Bearer"])
async def test_sockets_compared_tokens_with_a_literal_string(
    literal: str, transactional_db: None, board: Competition, person: User
) -> None:
    """No word opens one; a person's own token does."""
    address = f"/ws/leaderboard/{board.id}"
    assert await closing_code(f"{address}?token={literal}") == 4401
    assert await closing_code(address, protocols=["bearer", literal]) == 4401
    assert await closing_code(address) == 4401
    assert await closing_code(f"{address}?token={bearer(person)['Authorization'].removeprefix('Bearer ')}") == 0


def test_anyone_could_post_anyones_score(board: Competition, person: User, other: User, signed_in: Any) -> None:
    score = {"user_id": str(person.id), "competition_id": str(board.id), "steps": 1_000_000}
    told = {
        "nobody": APIClient().post("/api/v1/leaderboard/update", score).status_code,
        "somebody else": signed_in(other).post("/api/v1/leaderboard/update", score).status_code,
    }
    assert told == {"nobody": 401, "somebody else": 403}
    assert signed_in(other).post("/api/v1/fitness/sync", {**score, "source": "fitbit"}).status_code == 403
    assert Standing.objects.get(user=person).score == 0
    assert signed_in(person).post("/api/v1/leaderboard/update", {**score, "steps": 1_000}).status_code == 200
    assert Standing.objects.get(user=person).score == 1_000


def test_anyone_could_read_anyones_transactions(person: User, other: User, signed_in: Any) -> None:
    for what in (f"users/{person.id}/transactions", f"prizes/history/{person.id}"):
        assert APIClient().get(f"/api/v1/{what}").status_code == 401
        assert signed_in(other).get(f"/api/v1/{what}").status_code == 403
        assert signed_in(person).get(f"/api/v1/{what}").status_code == 200


def test_cors_was_a_star_with_credentials(db: None, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    preflight = {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}
    for origin in ("https://evil.example", "null", "https://app.example.org"):
        for method in ("get", "options"):
            answer = getattr(Client(), method)("/api/v1/competitions", headers={"origin": origin, **preflight})
            allowed = answer.headers.get("Access-Control-Allow-Origin")
            assert allowed == (origin if origin == "https://app.example.org" else None)
            assert "Access-Control-Allow-Credentials" not in answer.headers


def test_the_limiter_gave_every_connection_a_bucket_of_its_own(
    person: User, other: User, signed_in: Any, settings: Any
) -> None:
    """A person has one, in Redis, whatever connections and addresses they come by."""
    settings.RATE_LIMIT = Rate(0.001, 3)
    phones = [signed_in(person) for _ in range(4)]
    told = [
        phone.get("/api/v1/competitions", REMOTE_ADDR=f"192.0.2.{place}").status_code
        for place, phone in enumerate(phones)
    ]
    assert told == [200, 200, 200, 429]
    assert list(redis_client().scan_iter("limit:*")) == [f"limit:request:caller:{person.id}".encode()]
    assert signed_in(other).get("/api/v1/competitions", REMOTE_ADDR="192.0.2.1").status_code == 200


# --- With a real server ---


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[Server]:
    running = Server({"DATABASE_URL": database_at_hand()}, log=tmp_path / "server.log")
    running.wait_until_ready()
    yield running
    if running.process.poll() is None:
        running.kill()


@pytest.mark.slow
def test_no_live_frame_was_ever_delivered(server: Server) -> None:
    """What is synced over HTTP stands in the next frame of whoever watches."""
    ada, ben = server.new_person("Ada"), server.new_person("Ben")
    board = ada.new_competition()
    ada.join(board)
    with ben.watching(board) as watch:
        assert watch.message()["type"] == "leaderboard_update"
        ada.sync(4_321)
        assert watch.ranks_when(4_321) == [(ada.user_id, 4_321, 1)]


@pytest.mark.slow
def test_shutdown_never_ran(server: Server) -> None:
    """On SIGTERM whoever watches is told to come again, what was asked is answered, and the process ends well."""
    ada = server.new_person("Ada")
    board = ada.new_competition()
    ada.join(board)
    answers: list[httpx.Response] = []
    asking = threading.Event()

    def ask() -> None:
        """A report whose body is still on its way when the signal comes."""

        def body() -> Iterator[bytes]:
            text = json.dumps({"steps": 777, "source": "health_connect"}).encode()
            yield text[:10]
            asking.set()
            gone.wait(FRAME_WITHIN)
            yield text[10:]

        headers = {"Content-Type": "application/json"}
        answers.append(ada.at(server).http.post("/fitness/sync", content=body(), headers=headers))

    gone = threading.Event()
    with ada.watching(board) as watch:
        watch.message()
        asker = threading.Thread(target=ask)
        asker.start()
        assert asking.wait(FRAME_WITHIN)
        server.process.send_signal(signal.SIGTERM)
        closing, code = watch.goodbye()
        gone.set()
        asker.join(FRAME_WITHIN)
    assert (closing["code"], code) == (1012, 1012)
    assert [answer.status_code for answer in answers] == [200]
    assert server.process.wait(30) == 0
