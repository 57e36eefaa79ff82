"""Bodies that are too large are refused while they arrive."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from config.asgi import application
from config.core.body_limit import BodyLimit
from config.core.json import MOST_DEPTH, UnreadableJSON, load_json

MAX = 8 * 1024 * 1024


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> Any:
        return json.loads(self.body)


async def post(
    app: Any, path: str, chunks: Iterable[bytes], headers: dict[str, str], *, sends_all: bool = True
) -> Answer:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "client": ("192.0.2.1", 1234),
        "server": ("testserver", 80),
        "headers": [(name.encode(), value.encode()) for name, value in {"host": "testserver", **headers}.items()],
    }
    talk: Any = ApplicationCommunicator(app, scope)  # type: ignore[no-untyped-call]  # asgiref has no types here
    parts = list(chunks)
    for number, part in enumerate(parts, 1):
        await talk.send_input({"type": "http.request", "body": part, "more_body": number < len(parts) or not sends_all})
    start = await talk.receive_output(timeout=5)
    body = b""
    while True:
        message = await talk.receive_output(timeout=5)
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return Answer(start["status"], {k.decode().lower(): v.decode() for k, v in start["headers"]}, body)


def assert_too_large(answer: Answer) -> None:
    assert answer.status == 413
    body = answer.json()
    assert (body["success"], body["code"], body["error"]) == (False, 413, "Request Entity Too Large")
    assert str(MAX) in body["message"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"


JSON = {"content-type": "application/json"}


async def test_a_length_that_is_announced_is_refused_before_anything_is_read() -> None:
    headers = JSON | {"content-length": str(MAX + 1), "x-request-id": "mine"}
    answer = await post(application, "/api/v1/auth/token", [b"x"], headers, sends_all=False)
    assert_too_large(answer)
    assert answer.headers["x-request-id"] == "mine"


async def test_a_body_in_chunks_is_refused_once_it_is_too_large() -> None:
    chunks = [b"x" * 65536] * (MAX // 65536 + 1)
    answer = await post(
        application, "/api/v1/auth/token", chunks, JSON | {"transfer-encoding": "chunked"}, sends_all=False
    )
    assert_too_large(answer)


async def test_a_length_that_lies_does_not_help() -> None:
    chunks = [b"x" * 65536] * (MAX // 65536 + 1)
    answer = await post(application, "/api/v1/auth/token", chunks, JSON | {"content-length": "10"}, sends_all=False)
    assert_too_large(answer)


async def test_the_refusal_carries_the_security_headers() -> None:
    answer = await post(application, "/any", [b""], JSON | {"content-length": str(MAX + 1)})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"


async def test_a_body_in_chunks_is_read_like_any_other() -> None:
    text = json.dumps({"email": "ada@example.org"}).encode()
    chunks = [text[:9], text[9:20], text[20:]]
    answer = await post(application, "/api/v1/auth/token", chunks, JSON | {"transfer-encoding": "chunked"})
    assert answer.status == 400
    assert answer.json()["details"].keys() == {"password"}, "the e-mail was there"


async def test_a_body_with_a_length_is_read() -> None:
    text = json.dumps({"email": "ada@example.org"}).encode()
    answer = await post(application, "/api/v1/auth/token", [text], JSON | {"content-length": str(len(text))})
    assert answer.json()["details"].keys() == {"password"}


@pytest.mark.parametrize(("size", "status"), [(0, 200), (99, 200), (100, 200), (101, 413)])
@pytest.mark.parametrize("announced", [True, False])
async def test_the_limit_is_the_largest_that_passes(size: int, status: int, announced: bool) -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        taken, more = 0, True
        while more:
            message = await receive()
            taken, more = taken + len(message["body"]), message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(taken).encode()})

    headers = {"content-length": str(size)} if announced else {}
    answer = await post(BodyLimit(echo, 100), "/", [b"x" * (size // 2), b"x" * (size - size // 2)], headers)
    assert answer.status == status
    if status == 200:
        assert answer.body == str(size).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"email": ' + b"[" * 33 + b"]" * 33 + b"}",
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b"[" * 900 + b"]" * 900,
        b"[" + b"[]," * 250_000 + b"[]]",
        b"[" + b"0," * 250_000 + b"0]",
        b'{"email": 1' + b"0" * 5_000 + b"}",
        b'{"email": 1e999999999999999999999}',
    ],
    ids=[
        "endless",
        "deep",
        "deep objects",
        "deep arrays",
        "many arrays",
        "many numbers",
        "a long number",
        "a large one",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/auth/token", "/api/v1/fitness/sync"])
async def test_json_that_costs_more_than_it_says_is_a_400(path: str, text: bytes) -> None:
    answer = await post(application, path, [text], JSON | {"content-length": str(len(text))})
    assert answer.status in (400, 401), "the second without a token"
    assert answer.json()["code"] == answer.status


def test_json_may_be_as_deep_and_as_long_as_ours_ever_is() -> None:
    deep: Any = "x"
    for _ in range(MOST_DEPTH):
        deep = [deep]
    assert load_json(json.dumps(deep).encode()) == deep
    with pytest.raises(UnreadableJSON, match="nested"):
        load_json(json.dumps([deep]).encode())
    sample = {
        "id": "x",
        "type": "steps",
        "start": "y",
        "end": "z",
        "value": 1,
        "source": "a",
        "device": "b",
        "zone": "c",
    }
    samples = {"samples": [sample] * 10_000}
    assert load_json(json.dumps(samples).encode()) == samples
