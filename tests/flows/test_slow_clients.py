"""Clients that send a byte now and then, or take one: a real server lets them go, its patience cut short."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn

from config.core import connections
from config.core.connections import (
    MOST_HEAD_BYTES,
    MOST_HEADERS,
    MOST_URL_BYTES,
    Connection,
    Socket,
    bound_what_lies,
)
from config.core.environment import Rate
from config.core.middleware import common_headers

pytestmark = pytest.mark.slow  # they wait for the server's patience to end

HEAD = b"Host: testserver\r\n"
LARGE = 4 * 1024 * 1024


class Hasty(Connection):
    HEAD_SECONDS = 0.4
    BODY_SECONDS = 0.4
    LEAST_BODY_BYTES_PER_SECOND = 1000
    ANSWER_SECONDS = 0.3
    LEAST_ANSWER_BYTES_PER_SECOND = 20_000


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body, and answers how long it was; at /large with megabytes, at /late after a while."""
    if scope["type"] != "http":
        return
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length, more = length + len(message["body"]), message["more_body"]
    if scope["path"] == "/late":
        await asyncio.sleep(0.8)
    body = b"x" * LARGE if scope["path"] == "/large" else str(length).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=Hasty,
        ws=Socket,
        lifespan="off",
        log_config=None,
        server_header=False,
        port=0,
    )
    listening = config.bind_socket()
    bound_what_lies(listening)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def call(port: int) -> Iterator[Callable[[], socket.socket]]:
    opened = []

    def connect(**options: Any) -> socket.socket:
        made = socket.socket()
        if "receive_bytes" in options:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["receive_bytes"])
        made.settimeout(10)
        made.connect(("127.0.0.1", port))
        opened.append(made)
        return made

    yield connect
    for each in opened:
        each.close()


def heard(connection: socket.socket) -> bytes:
    """All until the server closes."""
    answer = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            answer += part
    return answer


def refused(connection: socket.socket) -> int:
    """The status of a refusal in the contract's shape, after which the connection is closed."""
    head, _, body = heard(connection).partition(b"\r\n\r\n")
    said = json.loads(body)
    assert said["success"] is False
    assert said["message"]
    assert f"x-request-id: {said['request_id']}".encode() in head
    for header in common_headers(False, b""):
        assert b"%s: %s" % header in head
    assert head.split()[1] == str(said["code"]).encode()
    return int(said["code"])


def drip(connection: socket.socket, data: bytes, *, pause: float = 0.05) -> float:
    """Sends byte by byte until all is sent or the server has closed. The seconds that it took."""
    began = time.monotonic()
    with suppress(OSError):
        for place in range(len(data)):
            connection.sendall(data[place : place + 1])
            time.sleep(pause)
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.recv(1, socket.MSG_PEEK)
                break
            connection.settimeout(10)
    connection.settimeout(10)
    return time.monotonic() - began


def test_headers_that_come_a_byte_at_a_time_are_not_waited_for(call: Any) -> None:
    slow = call()
    assert drip(slow, b"GET / HTTP/1.1\r\n" + HEAD * 20) < 5
    assert refused(slow) == 408


def test_a_body_that_comes_a_byte_at_a_time_is_not_waited_for(call: Any) -> None:
    slow = call()
    slow.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n" + HEAD + b"\r\n")
    assert drip(slow, b"x" * 1000) < 5
    assert refused(slow) == 408


def test_who_says_nothing_is_let_go_without_a_word(call: Any) -> None:
    assert heard(call()) == b""


def test_empty_lines_are_nothing_said(call: Any) -> None:
    """They would keep a connection for ever that has had its answer."""
    slow = call()
    slow.sendall(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert slow.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert drip(slow, b"\r\n" * 200) < 5


def test_a_body_that_keeps_coming_may_take_its_time(call: Any) -> None:
    steady = call()
    steady.sendall(b"POST / HTTP/1.1\r\nContent-Length: 4000\r\nConnection: close\r\n" + HEAD + b"\r\n")
    for _ in range(8):
        time.sleep(0.1)
        steady.sendall(b"x" * 500)
    assert heard(steady).endswith(b"\r\n\r\n4000")


def test_most_of_a_body_is_no_reason_to_wait_for_the_rest(call: Any) -> None:
    """A phone that has lost its network halfway through a large file never says so."""
    silent = call()
    silent.sendall(b"POST / HTTP/1.1\r\nContent-Length: 50001\r\n" + HEAD + b"\r\n")
    time.sleep(0.1)  # as a client that sends its body after its head, not with it
    silent.sendall(b"x" * 50_000)
    silent.settimeout(5)
    assert refused(silent) == 408


def test_who_waits_for_a_late_answer_is_not_the_slow_one(call: Any) -> None:
    patient = call()
    patient.sendall(b"GET /late HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"\r\n")
    assert heard(patient).startswith(b"HTTP/1.1 200 ")


def test_who_takes_an_answer_a_byte_at_a_time_is_let_go(call: Any) -> None:
    slow = call(receive_bytes=4096)
    slow.sendall(b"GET /large HTTP/1.1\r\n" + HEAD + b"\r\n")
    deadline, taken = time.monotonic() + 8, 0
    with suppress(ConnectionResetError):
        while piece := slow.recv(200):
            taken += len(piece)
            time.sleep(0.02)
            assert time.monotonic() < deadline, "the server still waits"
    assert taken < LARGE


def test_who_takes_a_large_answer_steadily_gets_it_all(call: Any) -> None:
    steady = call(receive_bytes=65536)
    steady.sendall(b"GET /large HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"\r\n")
    answer = b""
    while part := steady.recv(100_000):
        answer += part
        time.sleep(0.02)
    assert len(answer.partition(b"\r\n\r\n")[2]) == LARGE


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * MOST_URL_BYTES + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 414),
        (b"GET /" + b"a" * (MOST_HEAD_BYTES + 1), 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * (MOST_HEAD_BYTES + 1), 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (MOST_HEADERS + 1) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, 431),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"GET http://[ HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ],
    ids=["url", "endless url", "endless header", "headers", "endless headers", "no header", "TLS", "no url"],
)
def test_a_head_has_bounds(call: Any, request_: bytes, status: int) -> None:
    large = call()
    large.sendall(request_)
    assert refused(large) == status


@pytest.mark.parametrize(
    "fields",
    [
        b"X: " + b"a" * 9_000,
        b"X: \x01",
        b"Sec-WebSocket-Key: short",
        b"Sec-WebSocket-Version: 12",
    ],
    ids=["long field", "odd field", "key", "version"],
)
def test_a_handshake_that_cannot_be_read_is_refused_and_not_kept_open(call: Any, fields: bytes) -> None:
    newcomer = call()
    upgrade = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    newcomer.sendall(upgrade + HEAD + fields + b"\r\n\r\n")
    assert refused(newcomer) == 400


def test_what_follows_a_body_has_bounds_too(call: Any) -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"\r\n1\r\nx\r\n0\r\n"
    for trailers in (b"X: y\r\n" * (MOST_HEADERS + 1) + b"\r\n", b"X: " + b"y" * (2 * MOST_HEAD_BYTES)):
        large = call()
        large.sendall(head + trailers)
        assert refused(large) == 431


def test_the_largest_head_and_many_requests_at_once_are_taken(call: Any) -> None:
    largest = b"GET / HTTP/1.1\r\nX: " + b"a" * (MOST_HEAD_BYTES - 100) + b"\r\nConnection: close\r\n" + HEAD + b"\r\n"
    for request in (largest, (b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n") * 3000 + largest):
        client = call()
        threading.Thread(target=client.sendall, args=(request,)).start()
        assert heard(client).count(b"HTTP/1.1 200 ") == request.count(b"GET / ")


def test_one_address_has_so_many_connections(call: Any, settings: Any) -> None:
    settings.RATE_LIMIT, settings.SOCKETS_PER_ADDRESS = Rate(100, 200), 2
    inside = [call(), call()]
    while connections._open["127.0.0.1"] < 2:
        time.sleep(0.01)
    assert refused(call()) == 429
    inside[0].close()
    while connections._open["127.0.0.1"] > 1:
        time.sleep(0.01)
    again = call()
    again.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"\r\n")
    assert heard(again).startswith(b"HTTP/1.1 200 ")
