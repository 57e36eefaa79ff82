"""What stands in bodies, paths, queries and headers and should not: fields that are not theirs to write, texts that are
no texts, and addresses that somebody wants asked."""

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from psycopg import sql
from rest_framework import serializers

from accounts.api.serializers import ProfileChanges
from accounts.models import User
from accounts.unsubscribing import unsubscribe_link
from config.core.redis import redis_client
from tests.doors.asking import client_of, rows_written, send, taken_back
from tests.doors.matrix import TABLE, Line, read_table
from tests.doors.world import World

pytestmark = [pytest.mark.slow, pytest.mark.django_db]  # some thousands of requests

LINES = [line for line in read_table(TABLE.read_text()) if line.method not in ("WS", "SSE")]
ALLOWED = ("200", "201", "202", "302")


def writes() -> list[tuple[Line, str]]:
    """Each with somebody who may, the least of them."""
    found = []
    for line in LINES:
        may = [who for who in ("part", "owner", "treas", "review", "super") if line.expected[who] in ALLOWED]
        if line.method != "GET" and line.pattern.startswith("/api/v1") and may:
            found.append((line, may[0]))
    return found


def told(line: Line, who: str, world: World, body: Any, **extra: Any) -> int:
    redis_client().flushdb()
    return int(send(client_of(line, who, world), line, world.address(line.pattern), body, **extra).status_code)


# --- Fields that are not theirs to write ---

SMUGGLED = {"text": "smuggled-in", "number": 987_654_321, "id": "5abd1e2f-0000-4000-8000-00005abd1e2f", "yes": True}


def schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for path, methods in document["paths"].items():
        yield from ((f"{method} {path}", each) for method, each in methods.items())


def properties(part: Any, document: Any) -> set[str]:
    """The names that a schema has anywhere in it."""
    names: set[str] = set()
    match part:
        case {"$ref": str(ref)}:
            return properties(document["components"]["schemas"][ref.rsplit("/", 1)[-1]], document)
        case dict():
            names |= set(part.get("properties", {}))
            for value in part.values():
                names |= properties(value, document)
        case list():
            for value in part:
                names |= properties(value, document)
    return names


def all_names(document: Any) -> set[str]:
    """Of every property that an answer has, and of every column."""
    columns = {field.name for model in apps.get_models() for field in model._meta.get_fields()}
    attnames = {getattr(field, "attname", field.name) for model in apps.get_models() for field in model._meta.fields}
    return columns | attnames | properties(document["components"]["schemas"], document)


def declared(line: Line, document: Any) -> set[str]:
    """What the documentation says may be sent there."""
    path = "/" + "/".join(line.pattern.strip("/").split("/"))
    for documented, methods in document["paths"].items():
        parts, ours = documented.strip("/").split("/"), path.strip("/").split("/")
        if len(parts) == len(ours) and all(a == b or (a[0] == b[0] == "{") for a, b in zip(parts, ours, strict=True)):
            return properties(methods.get(line.method.lower(), {}).get("requestBody", {}), document)
    return set()


_TABLES = "SELECT relname FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd > 0"


def smuggled_rows() -> list[str]:
    """The tables that hold one of the marks, among those that were written to."""
    marks = [str(SMUGGLED["text"]), str(SMUGGLED["number"]), str(SMUGGLED["id"])]
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        tables = [name for (name,) in cursor.fetchall()]
        holds = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {} t WHERE t::text LIKE ANY (%(marks)s))").format(
                sql.Literal(name), sql.Identifier(name)
            )
            for name in tables
        )
        cursor.execute(holds, {"marks": [f"%{mark}%" for mark in marks]})
        return [name for (name,) in cursor.fetchall()]


def powers() -> list[Any]:
    flags = ("id", "is_staff", "is_superuser", "is_active", "identity_provider", "email")
    return list(User.objects.order_by("id").exclude(name="New").values_list(*flags))


def landed(line: Line, who: str, world: World, names: Sequence[str]) -> Iterator[str]:
    with taken_back():
        clean, after = told(line, who, world, line.body(world.rows)), powers()
    for kind, mark in SMUGGLED.items():
        with taken_back():
            body = line.body(world.rows)
            status = told(line, who, world, {**dict.fromkeys(names, mark), **body})
            if status != clean:
                yield f"{line.name}: {kind}: {status} instead of {clean}"
            if found := smuggled_rows():
                yield f"{line.name}: {kind} stands in {found}"
            if powers() != after and kind == "yes":
                yield f"{line.name}: somebody is more than they were"


def test_nothing_lands_that_is_not_theirs_to_write(world: World) -> None:
    document = schema()
    names = all_names(document)
    assert {"is_staff", "owner_id", "prize_pool_funded", "competitions_won", "email_verified_at"} <= names
    asked = writes()
    assert len(asked) > 35
    wrong: list[str] = []
    for line, who in asked:
        others = sorted(names - declared(line, document) - set(line.body(world.rows)) - FILES)
        wrong += landed(line, who, world, others)
    assert wrong == []


FORMS: Mapping[str, set[str]] = {
    "POST /profile": {"bio", "country", "timezone", "language"},
    "POST /notifications/settings": {"quiet_from", "quiet_until", "digest_at"},
    "POST /competitions/{running}/join": {"code"},
    "POST /competitions/{public}/join": {"code"},
}
"""What a page's form has besides what is sent in these tests."""


def test_nothing_lands_by_way_of_a_page_either(world: World) -> None:
    names = all_names(schema())
    wrong: list[str] = []
    for line in LINES:
        may = [who for who in ("part", "owner", "super") if line.expected[who] in ALLOWED]
        if line.is_page and line.method == "POST" and may:
            others = sorted(names - set(line.body(world.rows)) - FORMS.get(line.name, set()) - FILES)
            wrong += landed(line, may[0], world, others)
    assert wrong == []


FILES = {"file", "avatar", "places", "records", "samples", "deleted", "complete_from", "complete_to"}
"""What a body with these means is read otherwise as a whole."""


def test_a_field_that_lands_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    line = next(line for line in LINES if line.name == "PATCH /api/v1/users/{part}/profile")
    assert list(landed(line, "part", world, ["email", "is_staff"])) == []
    for name, complaint in (("email", "stands in ['accounts_user'"), ("is_staff", "more than they were")):
        monkeypatch.setitem(ProfileChanges._declared_fields, name, serializers.JSONField(required=False))
        assert complaint in " ".join(landed(line, "part", world, [name]))


# --- Texts that are no texts, and addresses to be asked ---

ODD_TEXTS = ("\0", "a\0b", "\ud800", "\udfff\ud800", "a\r\nSet-Cookie: x=1", "\u202e", "x" * 70_000)


class Canary:
    """An address that nobody should ask."""

    def __init__(self) -> None:
        asked = self.asked = []  # type: list[str]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            do_POST = do_HEAD = do_GET  # noqa: N815 - the library's names

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/canary"


@pytest.fixture
def canary() -> Iterator[Canary]:
    made = Canary()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def with_each_text(body: Any, text: str) -> Iterator[Any]:
    """The body with one of its texts replaced, for each of them; numbers count as texts."""
    match body:
        case dict():
            for name, value in body.items():
                yield from ({**body, name: changed} for changed in with_each_text(value, text))
        case list():
            for place, value in enumerate(body):
                yield from ([*body[:place], changed, *body[place + 1 :]] for changed in with_each_text(value, text))
        case str() | int() | None:
            yield text


def _is_json(line: Line, body: Any) -> bool:
    return line.pattern.startswith("/api/v1") and not any(hasattr(value, "read") for value in body.values())


def test_no_text_in_a_body_is_a_server_error_and_no_address_in_one_is_asked(world: World, canary: Canary) -> None:
    wrong: list[str] = []
    asked = [*writes(), *((line, "part") for line in LINES if line.is_page and line.method == "POST")]
    for line, who in asked:
        for text in (*ODD_TEXTS, canary.url):
            for body in with_each_text(line.body(world.rows), text):
                with taken_back():
                    status = told(line, who, world, body)
                # Pages pass over what they do not know.
                stored = "\0" in text and str(status) in ALLOWED and not line.is_page
                if status >= 500 or stored:
                    wrong.append(f"{line.name}: {status} for {str(body)[:80]!r}")
    assert wrong == []
    assert canary.asked == []


def test_no_text_in_a_path_a_query_or_a_header_is_a_server_error(world: World, canary: Canary) -> None:
    wrong, parameters = [], [one for _, each in operations(schema()) for one in each.get("parameters", ())]
    queries = {one["name"] for one in parameters if one["in"] == "query"}
    assert {"limit", "around", "status", "from"} <= queries
    for line in LINES:
        who = next(who for who in ("part", "owner", "super") if line.expected[who] != "in" or who == "super")
        for text in ODD_ADDRESSES:
            filled = line.pattern.format_map(_Everywhere(text))
            query = "&".join(f"{name}={text}" for name in [*queries, "next", "code", "search", "q", "page"])
            for path in {filled, f"{world.address(line.pattern).partition('?')[0]}?{query}"} - {line.pattern}:
                with taken_back():
                    redis_client().flushdb()
                    status = send(client_of(line, who, world), line, path, line.body(world.rows)).status_code
                if status >= 500:
                    wrong.append(f"{line.method} {path[:90]}: {status}")
    assert wrong == []
    assert canary.asked == []


ODD_ADDRESSES = ("%00", "%ED%A0%80", "%FF", "%0d%0aSet-Cookie:%20x=1", "..%2f..%2fetc%2fpasswd", "x" * 3000)


class _Everywhere(dict[str, str]):
    def __init__(self, text: str) -> None:
        self._text = text

    def __missing__(self, name: str) -> str:
        return self._text


HEADERS = ("X_REQUEST_ID", "USER_AGENT", "ACCEPT", "ACCEPT_LANGUAGE", "AUTHORIZATION", "X_API_KEY", "COOKIE", "ORIGIN",
           "REFERER", "X_FORWARDED_FOR", "X_FORWARDED_PROTO", "IF_NONE_MATCH", "LAST_EVENT_ID", "HOST")  # fmt: skip


ODD_HEADERS = (
    "\0",
    "text/html; x*=nonsense''%41",
    "a\r\nSet-Cookie: smuggled=1",
    "\xff\xfe",
    "x" * 9000,
    "Bearer \0",
    "Bearer \xff.\xff.\xff",
)


@pytest.mark.usefixtures("as_in_production")
@pytest.mark.parametrize(
    "path", ["/api/v1/users/me/profile", "/boards", "/boards/x", "/admin/login/", "/sign-in", "/metrics"]
)
def test_no_header_is_a_server_error_or_comes_back(path: str, canary: Canary) -> None:
    client = Client(raise_request_exception=False)
    for header in HEADERS:
        for text in (*ODD_HEADERS, canary.url):
            extra: dict[str, Any] = {f"HTTP_{header}": text, "REMOTE_ADDR": "192.0.2.1"}
            answer: Any = client.get(path, **extra)
            assert answer.status_code < 500, (header, text[:40])
            assert "smuggled" not in str(answer.headers), header
            assert "smuggled" not in answer.cookies
    assert canary.asked == []


FORM = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="x"\r\n\r\nx\r\n--b--\r\n'


@pytest.mark.parametrize("charset", ["rot13", "zlib", "utf-16", "latin-1", "nonsense"])
def test_no_charset_of_a_form_is_a_server_error(charset: str, person: User, signed_in: Any) -> None:
    """A browser whose token is asked for, a mail program, and a phone."""
    browser = Client(raise_request_exception=False, enforce_csrf_checks=True)
    browser.get("/sign-in")
    leave = urlsplit(unsubscribe_link(person.id, None)).path
    phone = signed_in(person)
    phone.raise_request_exception = False
    for client, path in ((browser, "/sign-in"), (browser, leave), (phone, "/api/v1/users/me/avatar")):
        plain = client.generic("POST", path, b"again=1", f"application/x-www-form-urlencoded; charset={charset}")
        in_parts = client.generic("POST", path, FORM % b"avatar", f"multipart/form-data; boundary=b; charset={charset}")
        assert max(plain.status_code, in_parts.status_code) < 500, path


def test_no_field_is_an_address_to_ask() -> None:
    """Nobody can give one: there are no webhooks, feeds or pictures by address."""
    document = schema()
    bodies: Mapping[str, Any] = {name: each.get("requestBody", {}) for name, each in operations(document)}
    assert len(bodies) > 50
    for where, body in bodies.items():
        named = [name for name in properties(body, document) if re.search("url|uri|link|hook", name)]
        assert not named, f"{where}: {named}"
    assert '"format": "uri"' not in json.dumps([*bodies.values()])


def test_what_is_written_is_counted(world: World) -> None:
    before = rows_written()
    with taken_back():
        User.objects.filter(id=world.people["other"].id).update(bio="x")
    assert rows_written() == before + 1
