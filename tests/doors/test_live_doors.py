"""Sockets, event streams, and what the front answers, as the table of who may do what says it (matrix.txt): before the
whole application, on rows that are committed."""

from collections import defaultdict
from datetime import UTC, datetime

import pytest
from rest_framework_simplejwt.tokens import AccessToken

from config.core.front import Endpoint
from config.core.json import dump_json
from fitness.api.front import endpoints as fitness_endpoints
from leaderboards.api.front import endpoints as leaderboard_endpoints
from tests.asking import ask_server, in_thread, new_process
from tests.doors.matrix import SCOPES, TABLE, Line, read_table
from tests.doors.sockets import closing_code, first_status
from tests.doors.world import KEYS, WHO, World, build_world, make_keys

pytestmark = pytest.mark.slow

LINES = read_table(TABLE.read_text())
ENDPOINTS = [*leaderboard_endpoints, *fitness_endpoints]
LIVE = [line for line in LINES if line.method in ("WS", "SSE")]


@pytest.fixture
def committed_world(as_in_production: None, transactional_db: None) -> World:
    return build_world(datetime.now(UTC))


def _headers(who: str, line: Line, world: World) -> dict[str, str]:
    if who in KEYS:
        return {"X-API-Key": make_keys(SCOPES.get(line.name))[who]}
    return {} if who == "anon" else {"Authorization": f"Bearer {AccessToken.for_user(world.people[who])}"}


async def _told(line: Line, who: str, world: World) -> str:
    address = world.address(line.pattern)
    headers = await in_thread(_headers, who, line, world)
    if line.method == "WS":
        token = headers.get("Authorization", "")[7:]
        given = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        code = await closing_code(f"{address}?token={token}" if token else address, headers=given)
        return str(code or "open")
    return await first_status(address, headers)


async def test_sockets_and_streams_open_to_whom_the_table_says(committed_world: World) -> None:
    async with new_process():
        for line in LIVE:
            told = {who: await _told(line, who, committed_world) for who in WHO}
            assert told == line.expected, line.name


def endpoint_of(line: Line) -> Endpoint | None:
    """What in front of Django answers there."""
    path = line.pattern.format_map(defaultdict(lambda: "11111111-2222-4333-8444-555555555555"))
    method = "GET" if line.method == "SSE" else line.method
    return next((one for one in ENDPOINTS if one.method == method and one.path.fullmatch(path)), None)


def test_everything_that_is_answered_in_front_stands_in_the_table() -> None:
    assert {one.view for one in map(endpoint_of, LINES) if one} == {one.view for one in ENDPOINTS}


async def test_the_fast_path_tells_everybody_the_same(committed_world: World) -> None:
    async with new_process():
        for line in (line for line in LINES if endpoint_of(line) and not line.pattern.endswith("/stream")):
            for who, expected in line.expected.items():
                headers = await in_thread(_headers, who, line, committed_world)
                body = dump_json(line.body(committed_world.rows)) if line.method == "POST" else b""
                answer = await ask_server(
                    committed_world.address(line.pattern),
                    line.method,
                    headers={**headers, "Content-Type": "application/json"},
                    content=body,
                )
                assert str(answer.status_code) == expected, (line.name, who, answer.text)
