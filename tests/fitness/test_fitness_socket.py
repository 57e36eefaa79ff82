"""WS /ws/fitness: a person's own syncs as they land. Between two server processes: tests/flows/test_following.py."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from competitions.models import Competition
from config import asgi
from config.core.redis import redis_client
from fitness import following
from fitness.announce import GROUP, announce_activity, note_followed
from fitness.following import followers
from fitness.queries.pictures import marks_of, pictures_of
from fitness.rules import Reading, Source
from fitness.services.syncing import sync_activities
from leaderboards.announce import channel_layer
from leaderboards.scoring import Totals
from leaderboards.tickets import board_ticket, one_time_ticket
from tests.asking import in_thread
from tests.docs.asyncapi import said_at

WITHIN = 10.0  # seconds; a bound for a hanging test, not a promise about speed


class Socket:
    """An open one."""

    def __init__(self, communicator: Any) -> None:
        self._communicator = communicator

    async def message(self) -> Any:
        event = await self._communicator.receive_output(WITHIN)
        assert event["type"] == "websocket.send", event
        return said_at("fitness", json.loads(event["text"]))

    async def update(self) -> Any:
        message = await self.message()
        assert message["type"] == "fitness_update"
        return message["data"]

    async def send(self, **event: Any) -> None:
        await self._communicator.send_input({"type": "websocket.receive", **event})

    async def ask(self, message: Any) -> Any:
        await self.send(text=json.dumps(message))
        return await self.message()

    async def goodbye(self) -> tuple[Any, int]:
        """Reads on until the server closes it: the last message, and the code."""
        last = None
        while (event := await self._communicator.receive_output(WITHIN))["type"] == "websocket.send":
            last = json.loads(event["text"])
        return last, event["code"]


@asynccontextmanager
async def a_socket(query: str = "", subprotocols: Sequence[str] = ()) -> AsyncIterator[Socket]:
    scope = {
        "type": "websocket",
        "path": "/ws/fitness",
        "query_string": query.encode(),
        "subprotocols": list(subprotocols),
        "headers": [],
        "client": ("127.0.0.1", 1),
    }
    communicator: Any = ApplicationCommunicator(asgi.application, scope)  # type: ignore[no-untyped-call]  # asgiref has no types here
    await communicator.send_input({"type": "websocket.connect"})
    accepted = await communicator.receive_output(WITHIN)
    assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", "bearer" if subprotocols else None)
    try:
        yield Socket(communicator)
    finally:
        await communicator.send_input({"type": "websocket.disconnect", "code": 1000})
        await communicator.wait(WITHIN)


@asynccontextmanager
async def follow(person: User) -> AsyncIterator[Socket]:
    """A socket whose first update has been read."""
    async with a_socket(f"token={await token_of(person)}") as socket:
        assert (await socket.update())["snapshot"] is True
        yield socket


async def token_of(person: User) -> str:
    return str(await in_thread(AccessToken.for_user, person))


async def sync(person: User, steps: int, *, ago: int = 0, source: Source = Source.FITBIT) -> None:
    now = datetime.now(UTC)
    reading = Reading(person.id, source, now.date() - timedelta(days=ago), Totals(steps=steps))
    await in_thread(sync_activities, readings=[reading], now=now)


@pytest.fixture(autouse=True)
async def nobody_stays(transactional_db: None) -> AsyncIterator[None]:
    yield
    await followers().close()


@pytest.fixture
def board(person: User, other: User, make_competition: Any, join: Any) -> Competition:
    competition: Competition = make_competition()
    join(competition, person, other)
    return competition


# --- Who gets in ---


async def test_without_a_good_token_or_ticket_it_closes_with_4401(person: User, board: Competition) -> None:
    now = datetime.now(UTC)
    boards = board_ticket(person, board.id, now + timedelta(hours=1), now)
    for query in ("", "token=", "token=nonsense", "ticket=forged", f"ticket={boards.text}"):
        async with a_socket(query) as socket:
            closing, code = await socket.goodbye()
            assert (closing["type"], closing["code"], code) == ("closing", 4401, 4401)


async def test_a_one_time_ticket_opens_one_socket(person: User) -> None:
    now = datetime.now(UTC)
    query = f"ticket={one_time_ticket(person, now + timedelta(hours=1), now).text}"
    async with a_socket(query) as socket:
        assert (await socket.update())["userId"] == str(person.id)
    async with a_socket(query) as socket:
        assert (await socket.goodbye())[1] == 4401


async def test_the_token_may_come_as_a_subprotocol(person: User) -> None:
    async with a_socket(subprotocols=["bearer", await token_of(person)]) as socket:
        assert (await socket.update())["userId"] == str(person.id)


@pytest.mark.slow
async def test_it_ends_with_its_token(person: User) -> None:
    token = await in_thread(AccessToken.for_user, person)
    token.set_exp(lifetime=timedelta(seconds=2))
    async with a_socket(f"token={token}") as socket:
        assert (await socket.goodbye())[1] == 4401


async def test_somebody_who_is_not_active_any_more_loses_it_and_gets_no_other(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "CHECK_INTERVAL", 0.05)
    async with follow(person) as socket:
        await in_thread(User.objects.filter(id=person.id).update, is_active=False)
        assert (await socket.goodbye())[1] == 4401
    async with a_socket(f"token={await token_of(person)}") as socket:
        assert (await socket.goodbye())[1] == 4401


async def test_nobody_has_more_than_the_limit(person: User, settings: Any) -> None:
    settings.RATE_LIMIT = replace(settings.RATE_LIMIT, per_second=1000, burst=2000)
    settings.SOCKETS_PER_USER = 1
    async with follow(person), a_socket(f"token={await token_of(person)}") as second:
        closing, code = await second.goodbye()
        assert (code, closing["retryAfterMs"] >= 500) == (4429, True)
    async with follow(person):
        pass


async def test_who_comes_while_postgresql_is_out_is_told_to_come_again(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def out(asked: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(followers()._access, "_run", out)
    async with a_socket(f"token={await token_of(person)}") as socket:
        assert (await socket.goodbye())[1] == 1012


# --- What is understood ---


async def test_what_is_not_understood_is_said_and_the_socket_stays_open(person: User) -> None:
    async with follow(person) as socket:
        for event, code in (
            ({"text": "not json"}, "unreadable"),
            ({"text": "[" * 5000}, "unreadable"),
            ({"bytes": b"\x00\xff"}, "unreadable"),
            ({"text": '{"type": "subscribe", "competitionId": "x"}'}, "unknown_type"),
            ({"text": '{"type": 7}'}, "unknown_type"),
        ):
            await socket.send(**event)
            answer = await socket.message()
            assert (answer["type"], answer["code"]) == ("error", code)
        assert await socket.ask({"type": "ping"}) == {"type": "pong"}


async def test_a_flood_closes_it_with_4429(person: User, settings: Any) -> None:
    settings.RATE_LIMIT = replace(settings.RATE_LIMIT, per_second=1000, burst=2000)
    async with follow(person) as socket:
        for _ in range(60):
            await socket.send(text='{"type": "ping"}')
        closing, code = await socket.goodbye()
        assert (closing["code"], code) == (4429, 4429)


async def test_a_server_that_goes_sends_everybody_away(person: User) -> None:
    async with follow(person) as socket:
        dismissing = asyncio.create_task(followers().dismiss(seconds=WITHIN))
        closing, code = await socket.goodbye()
        assert (code, closing["retryAfterMs"] >= 500) == (1012, True)
        await dismissing
    followers()._dismissing = False


# --- What is told ---


async def test_the_first_update_is_the_present_state(person: User, board: Competition) -> None:
    await sync(person, 12_000)
    await sync(person, 500, ago=60)
    today = datetime.now(UTC).date().isoformat()
    async with a_socket(f"token={await token_of(person)}") as socket:
        data = await socket.update()
    assert data["snapshot"] is True
    assert data["totals"] == {"steps": 12_500, "distance": 0, "calories": 0, "activeMinutes": 0}
    assert data["days"] == [{"date": today, "steps": 12_000, "distance": 0, "calories": 0, "activeMinutes": 0}]
    [place] = data["competitions"]
    assert place == {
        "competitionId": str(board.id), "score": 12_000, "rank": 1, "previousScore": None, "previousRank": None
    }  # fmt: skip
    assert data["streak"] == {"goal": 10_000, "current": 1, "longest": 1}


async def test_a_sync_is_told_with_what_it_changed(person: User, other: User, board: Competition) -> None:
    await sync(other, 7000)
    await sync(person, 100)
    await sync(person, 11_000, ago=20)
    async with follow(person) as socket:
        await sync(person, 10_000)
        data = await socket.update()
    assert (data["snapshot"], data["totals"]["steps"]) == (False, 21_000)
    assert [day["steps"] for day in data["days"]] == [10_000]
    [place] = data["competitions"]
    assert (place["previousScore"], place["score"], place["previousRank"], place["rank"]) == (100, 10_000, 2, 1)
    assert data["streak"]["current"] == 1


async def test_every_socket_of_the_person_hears_it_and_nobody_elses_does(person: User, other: User) -> None:
    async with follow(person) as phone, follow(person) as watch, follow(other) as elsewhere:
        await sync(person, 5)
        for socket in (phone, watch):
            assert (await socket.update())["totals"]["steps"] == 5
        assert await elsewhere.ask({"type": "ping"}) == {"type": "pong"}
        await sync(other, 6)
        assert (await elsewhere.update())["totals"]["steps"] == 6


async def test_a_sync_that_is_repeated_is_not_told_and_one_that_moves_no_total_is(person: User) -> None:
    await sync(person, 900)
    async with follow(person) as socket:
        await sync(person, 900)
        await sync(person, 800, source=Source.GARMIN)
        data = await socket.update()
        assert (data["days"], data["competitions"], data["totals"]["steps"]) == ([], [], 900)
        assert await socket.ask({"type": "ping"}) == {"type": "pong"}


async def test_an_announcement_is_enough(person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "CHECK_INTERVAL", 3600.0)
    async with follow(person) as socket, asyncio.timeout(WITHIN):
        while not redis_client().exists(f"asgi:group:{GROUP}"):
            await asyncio.sleep(0.01)
        await sync(person, 77)
        assert (await socket.update())["totals"]["steps"] == 77


async def test_only_people_who_are_followed_are_announced(person: User, other: User) -> None:
    layer = channel_layer()
    heard = await layer.new_channel()
    await layer.group_add(GROUP, heard)
    await in_thread(announce_activity, [person.id, other.id])
    await in_thread(note_followed, [other.id])
    await in_thread(announce_activity, [person.id])
    await in_thread(announce_activity, [person.id, other.id])
    async with asyncio.timeout(WITHIN):
        assert (await layer.receive(heard))["people"] == [other.id.hex]


async def test_a_sync_whose_announcement_is_lost_is_told_by_the_next_check(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "CHECK_INTERVAL", 0.05)
    async with follow(person) as socket:
        groups = redis_client().keys("asgi*group*")
        assert groups
        redis_client().delete(*groups)
        await sync(person, 77)
        assert (await socket.update())["totals"]["steps"] == 77


async def test_samples_and_their_deletion_are_told_like_records(
    person: User, signed_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "CHECK_INTERVAL", 0.05)
    start = datetime.now(UTC) - timedelta(days=2)
    walk = {
        "id": "walk", "type": "steps", "start": start.isoformat(), "end": (start + timedelta(minutes=9)).isoformat(),
        "value": 900, "unit": "count", "source": {"app": "apple_health", "device": "Watch", "kind": "watch"},
        "recording": "automatic", "zone": "UTC",
    }  # fmt: skip
    client = signed_in(person)
    async with follow(person) as socket:
        for change, steps in (({"samples": [walk]}, 900), ({"deleted": ["walk"]}, 0)):
            redis_client().flushdb()  # and with it every announcement
            assert (await in_thread(client.post, "/api/v1/fitness/sync", change)).status_code == 200
            data = await socket.update()
            assert (data["totals"]["steps"], [day["steps"] for day in data["days"]]) == (steps, [steps])


async def test_what_no_mark_shows_is_found_by_looking_again(person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "CHECK_INTERVAL", 0.05)
    monkeypatch.setattr(following, "LOOK_AGAIN", timedelta())
    await sync(person, 77)
    async with follow(person) as socket:
        await in_thread(person.counted_days.update, steps=70)
        assert (await socket.update())["totals"]["steps"] == 70


async def test_a_reading_that_fails_is_tried_again(person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaderboards.listening.RETRY_SECONDS", 0.01)
    failures = iter([OperationalError, OperationalError])

    def at_first_out(*args: Any) -> Any:
        for failure in failures:
            raise failure
        return pictures_of(*args)

    monkeypatch.setattr("fitness.following.pictures_of", at_first_out)
    async with follow(person):
        pass


async def test_a_sync_is_stored_while_the_channel_layer_is_out(person: User, settings: Any) -> None:
    nobody = {"hosts": [{"address": "unix:///nonexistent/valkey.sock", "socket_connect_timeout": 0.1}]}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": nobody}}
    await sync(person, 5)
    assert await in_thread(person.activities.get, steps=5)


def test_a_check_is_one_statement_and_a_reading_three_however_many_are_here(make_person: Callable[..., User]) -> None:
    people = [make_person() for _ in range(5)]
    ids = {person.id for person in people}
    with CaptureQueriesContext(connection) as captured:
        assert marks_of(ids).keys() == ids
    assert len(captured) == 1
    with CaptureQueriesContext(connection) as captured:
        assert pictures_of(ids, datetime.now(UTC)).keys() == ids
    assert len(captured) == 3
