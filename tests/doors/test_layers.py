"""The headers of what answers outside of Django, or before it: the whole server is asked."""

from typing import Any

import httpx

from accounts.models import User
from config import asgi
from config.core.environment import Rate
from config.core.middleware import common_headers
from tests.asking import bearer, in_thread, new_process
from tests.doors.test_headers import ORIGIN, found_wrong


async def over_the_whole_server(method: str, path: str, **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=asgi.application, client=("192.0.2.1", 1))  # type: ignore[arg-type]  # httpx and Channels describe ASGI each in its own words
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.request(method, path, **options)


async def test_every_layer_gives_them(
    transactional_db: None,
    person: User,
    make_competition: Any,
    settings: Any,
) -> None:
    board = await in_thread(make_competition, visibility="private")
    signed_in = await in_thread(bearer, person)
    page = f"/api/v1/leaderboard/{board.id}"
    answers: dict[str, httpx.Response] = {}
    async with new_process():
        for name, method, path, options in (
            ("the front, allowed", "GET", page, {"headers": signed_in}),
            ("the front, refused", "GET", f"{page[:-4]}0000", {"headers": signed_in}),
            ("the front, a stream refused", "GET", f"{page}/stream", {}),
            ("the front, a report refused", "POST", "/api/v1/leaderboard/update", {"headers": signed_in, "json": {}}),
            ("the body limit", "POST", "/api/v1/auth/token", {"content": b"x" * (settings.MAX_BODY_BYTES + 1)}),
            ("the body limit, by its door", "POST", "/api/v1/fitness/imports", {"content": b"x" * (2 * 1024 * 1024)}),
            ("a type that is none", "GET", "/health", {"headers": {"Content-Type": "text/plain; x*=nonsense''%41"}}),
            ("a wrong host", "GET", "/health/nothing", {"headers": {"Host": "evil.example"}}),
            ("a file that is not there", "GET", "/static/nothing.js", {}),
            ("a picture that is not there", "GET", "/media/nothing.webp", {}),
            ("nothing", "GET", "/nothing", {}),
            ("no method", "BREW", "/nothing", {}),
            ("a form without its token", "POST", "/sign-in", {"data": {"email": "x"}}),
            ("an odd path", "GET", "/%00/%ff/..%2f", {}),
        ):
            answers[name] = await over_the_whole_server(method, path, **options)
        settings.RATE_LIMIT = Rate(0.001, 1)
        for _ in range(3):
            answers["the general limit"] = await over_the_whole_server("GET", "/boards")
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "the front, allowed": 200,
        "the front, refused": 404,
        "the front, a stream refused": 401,
        "the front, a report refused": 400,
        "the body limit": 413,
        "the body limit, by its door": 401,
        "a type that is none": 400,
        "a wrong host": 400,
        "a file that is not there": 404,
        "a picture that is not there": 404,
        "nothing": 404,
        "no method": 404,
        "a form without its token": 403,
        "an odd path": 404,
        "the general limit": 429,
    }
    assert [wrong for name, answer in answers.items() for wrong in found_wrong(answer, name)] == []


async def test_a_listed_origin_may_read_why_its_body_is_too_large(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    common_headers.cache_clear()
    too_large = {"content": b"x" * (settings.MAX_BODY_BYTES + 1), "headers": {"Origin": ORIGIN}}
    answer = await over_the_whole_server("POST", "/api/v1/auth/token", **too_large)
    common_headers.cache_clear()
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (413, ORIGIN)
    assert "Access-Control-Allow-Credentials" not in answer.headers
