"""A provider's server on this machine: real sockets, and faults that a test switches on."""

import json
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

Object = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(status: int, body: Object) -> Answer:
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json; charset=utf-8"})


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next request to an address that holds ``at``, after it was ``done`` or before: another
    ``answer``, none in time (``hang``), none at all (``close``), half of one (``cut``)."""

    how: Literal["answer", "hang", "close", "cut"]
    done: bool = False
    answer: Answer = field(default_factory=lambda: Answer(500))
    at: str = ""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Provider(ABC):
    """``taken``: what it will send, in its own shape. ``asked``: every request that reached it."""

    def __init__(self) -> None:
        self.url = ""
        self.faults: deque[Fault] = deque()
        self.asked: list[Asked] = []
        self.taken: list[Object] = []
        self.let_go = threading.Event()
        self.lock = threading.Lock()
        self.numbers = count(1)

    @abstractmethod
    def answer(self, asked: Asked) -> Answer: ...

    @property
    @abstractmethod
    def secrets(self) -> list[str]:
        """What must never be in a log."""


def handler_of(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet, or each answer waits 40 ms for an acknowledgement

        def do_GET(self) -> None:
            self.serve()

        def do_POST(self) -> None:
            self.serve()

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            asked = Asked(self.command, parts.path, parts.query, dict(self.headers), body)
            with provider.lock:
                provider.asked.append(asked)
                fault = None
                if provider.faults and provider.faults[0].at in parts.path:
                    fault = provider.faults.popleft()
                answer = provider.answer(asked) if fault is None or fault.done else Answer(500)
            if fault is None:
                self.reply(answer)
            else:
                self.fail(fault, answer)

        def fail(self, fault: Fault, answer: Answer) -> None:
            self.close_connection = True
            if fault.how == "hang":
                provider.let_go.wait(5)
            elif fault.how == "answer":
                self.reply(fault.answer)
            elif fault.how == "cut":
                self.reply(answer, missing=7)

        def reply(self, answer: Answer, *, missing: int = 0) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if self.close_connection:  # said, or the next request might go into it
                self.send_header("Connection", "close")
            self.send_header("Content-Length", str(len(answer.body) + missing))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: Any) -> None:
            pass

    return Endpoint


AnyProvider = TypeVar("AnyProvider", bound=Provider)


@contextmanager
def running(provider: AnyProvider) -> Iterator[AnyProvider]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(provider)) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        provider.url = f"http://127.0.0.1:{server.server_port}"
        yield provider
        provider.let_go.set()
        server.shutdown()
        thread.join()
