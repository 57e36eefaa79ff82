"""One request of one person to one door, taken back afterwards: what came of it, and whether it wrote anything."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db import connection, transaction
from django.test import Client
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from config.core.redis import redis_client
from tests.doors.matrix import SCOPES, Line
from tests.doors.world import KEYS, World, make_keys

_BACKEND = "accounts.backends.LimitedModelBackend"
_WRITTEN = """
    SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_xact_user_tables
     WHERE relname <> ALL (%s)
"""
_SESSIONS = ["django_session"]


class Found(NamedTuple):
    cell: str
    """The status; ``in`` for a page that sends to the sign-in first."""
    wrote: int
    """Rows touched in any table, also by what was taken back."""
    answer: Any


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def rows_written() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_WRITTEN, [_SESSIONS])
        return int(cursor.fetchone()[0])


@cache
def _handler(kind: type[Client]) -> Any:
    """Made once: each loads all of the middleware."""
    return kind(raise_request_exception=False).handler


def client_of(line: Line, who: str, world: World) -> Client:
    """As they would come: to the API with a token or a key, to a page with a session. A service has no session."""
    if line.is_page:
        client = Client(raise_request_exception=False, headers={"accept": "text/html"})
        client.handler = _handler(Client)
        if who in KEYS:
            client.defaults["HTTP_X_API_KEY"] = make_keys(SCOPES.get(line.name))[who]
        elif who != "anon":
            client.force_login(world.people[who], backend=_BACKEND)
        return client
    api = APIClient(raise_request_exception=False)
    api.handler = _handler(APIClient)
    if who in KEYS:
        api.credentials(HTTP_X_API_KEY=make_keys(SCOPES.get(line.name))[who])
    elif who != "anon":
        api.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(world.people[who])}")
    return api


def ask(line: Line, who: str, world: World, **extra: Any) -> Found:
    """A request from nowhere that is trusted: not from this machine."""
    redis_client().flushdb()
    with taken_back():
        client, body = client_of(line, who, world), line.body(world.rows)
        before = rows_written()
        answer = send(client, line, world.address(line.pattern), body, **extra)
        return Found(cell_of(answer), rows_written() - before, answer)


def send(client: Client, line: Line, path: str, body: Any, **extra: Any) -> Any:
    options: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.1", **extra}
    if line.method == "GET":
        return client.get(path, **options)
    if any(hasattr(value, "read") for value in body.values()):
        named = {"format": "multipart"} if isinstance(client, APIClient) else {}
        return getattr(client, line.method.lower())(path, body, **named, **options)
    if isinstance(client, APIClient):
        return client.generic(line.method, path, json.dumps(body), content_type="application/json", **options)
    form = urlencode(body, errors="surrogatepass")
    return client.generic(line.method, path, form, content_type="application/x-www-form-urlencoded", **options)


def cell_of(answer: Any) -> str:
    to = answer.headers.get("Location", "")
    return "in" if answer.status_code == 302 and to.startswith("/sign-in?next=") else str(answer.status_code)
