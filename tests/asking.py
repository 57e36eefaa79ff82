"""The same request to the whole server, and to Django alone: what the front answers must be what Django would."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from asgiref.sync import sync_to_async
from django.db import connections
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts import callers
from accounts.models import User
from config import asgi
from leaderboards.hub import hub


async def in_thread(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """Like another process: with a connection of its own, committed when it returns."""

    def run() -> Any:
        try:
            return function(*args, **named)
        finally:
            connections.close_all()

    return await sync_to_async(run, thread_sensitive=False)()


def bearer(person: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {AccessToken.for_user(person)}"}


async def ask_server(
    path: str, method: str = "GET", *, headers: Mapping[str, str], content: bytes = b""
) -> httpx.Response:
    transport = httpx.ASGITransport(app=asgi.application)  # type: ignore[arg-type]  # httpx and Channels describe ASGI each in its own words
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=30) as client:
        return await client.request(method, path, headers=dict(headers), content=content)


async def ask_django(
    path: str, method: str = "GET", *, headers: Mapping[str, str], content: bytes = b""
) -> httpx.Response:
    media_type = headers.get("Content-Type", "application/octet-stream")
    answer = await in_thread(
        APIClient().generic, method, path, data=content, content_type=media_type, headers=dict(headers)
    )
    return httpx.Response(answer.status_code, headers=list(answer.items()), content=answer.content)


def comparable(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    own = ("x-request-id", "date")
    headers = {name: value for name, value in answer.headers.items() if name not in own}
    return answer.status_code, answer.content, headers


@asynccontextmanager
async def new_process() -> AsyncIterator[None]:
    """Nothing is remembered when it begins; nothing runs when it ends."""
    callers._callers.clear()
    callers._services.clear()
    yield
    await hub().close()
