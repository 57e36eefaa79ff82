"""Whatever leaves this server is on one list, with a time-out and a circuit; nothing leaves beside it."""

import ast
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.files.base import ContentFile

from accounts import tokens
from config.core.breaker import Breaker
from config.core.circuit import CircuitState, Limits
from config.core.outgoing import answer_to, breaker
from config.core.storage import StoreOut, circuits, reaching_store
from prizes import gateways
from prizes.gateways.base import GatewayBusy, OutcomeUnknown
from prizes.gateways.stripe import StripeGateway

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "competitions", "config", "fitness", "leaderboards", "prizes")

NETWORK = {"httpx", "requests", "urllib3", "aiohttp", "boto3", "botocore", "stripe", "smtplib", "http.client"}
NETWORK |= {"urllib.request", "socket", "ftplib", "twilio", "google.auth.transport.requests", "websockets", "anymail"}
NETWORK |= {"storages", "asyncio.open_connection"}
MAY: dict[str, str] = {
    "accounts/channels/attempts.py": "circuits sendgrid, fcm and twilio",
    "accounts/channels/fcm.py": "by attempts",
    "accounts/channels/mail.py": "by attempts",
    "accounts/channels/twilio.py": "by attempts",
    "accounts/tokens.py": "circuit supabase",
    "config/core/buckets.py": "circuit files",
    "config/core/outgoing.py": "the one client of httpx",
    "config/core/storage.py": "errors of the buckets",
    "config/settings.py": "options of the buckets",
    "fitness/clouds/web.py": "circuits google_health and google_fit",
    "prizes/gateways/stripe.py": "circuit stripe",
    "config/core/connections.py": "listens",
    "config/serve.py": "listens",
    "leaderboards/headcount.py": "the name of this machine",
}
NOT_SERVED = ("config/demo/", "config/devservices/", "config/loadtest/")  # tools: they ask this server itself


def imported(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def reaches_out(source: str) -> bool:
    return any(name == known or name.startswith(f"{known}.") for name in imported(source) for known in NETWORK)


def calls(source: str) -> set[str]:
    """Functions of httpx that send by themselves, past the client that has a time-out."""
    asked = {"get", "post", "put", "patch", "delete", "head", "request", "stream", "Client", "AsyncClient"}
    return {
        node.func.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("httpx", "requests")
        and node.func.attr in asked
    }


def sources() -> dict[str, str]:
    files = (path for app in APPS for path in (ROOT / app).rglob("*.py"))
    named = {path.relative_to(ROOT).as_posix(): path.read_text() for path in files}
    return {name: text for name, text in named.items() if not name.startswith(NOT_SERVED)}


@pytest.mark.slow
def test_no_module_reaches_out_that_is_not_on_the_list() -> None:
    found = {name for name, source in sources().items() if reaches_out(source)}
    assert found <= MAY.keys(), "give it a time-out and a circuit, and put it on the list"
    assert {name for name, source in sources().items() if calls(source)} == {"config/core/outgoing.py"}


def test_the_list_that_people_read_has_the_same_circuits_and_files() -> None:
    _, leaving = (ROOT / "docs/decisions/0031-limits.md").read_text().split("## What leaves this server")
    rows = "".join(re.findall(r"^\|.+\|$", leaving, re.MULTILINE))
    words = " ".join(how for how in MAY.values() if how.startswith("circuit")).replace(",", "").split()
    assert set(re.findall(r"`(\w+)`", rows)) == set(words) - {"circuit", "circuits", "and"}
    named = set(re.findall(r"`([\w/]+\.py)`", leaving)) - {"tests/config/test_outgoing.py"}
    assert len(named) == 7
    assert not [name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in MAY)]


@pytest.mark.parametrize(
    "planted", ["import httpx", "from urllib.request import urlopen", "from urllib import request", "import boto3.s3"]
)
def test_one_that_does_is_found(planted: str) -> None:
    assert reaches_out(f"def fetch():\n    {planted}")
    assert not reaches_out("from django.http import HttpRequest\nimport json")
    assert calls("import httpx\nhttpx.get('https://example.org', timeout=None)") == {"get"}


class Elsewhere:
    """A server that counts who comes, and answers ``status``."""

    def __init__(self) -> None:
        self.asked, self.status = 0, 500
        self.url = ""


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    place = Elsewhere()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            place.asked += 1
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b'{"keys": []}'
            self.send_response(place.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = answer  # noqa: N815 - http.server's name
        do_POST = answer  # noqa: N815 - http.server's name
        do_PUT = answer  # noqa: N815 - http.server's name
        do_HEAD = answer  # noqa: N815 - http.server's name

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        place.url = f"http://127.0.0.1:{server.server_port}"
        yield place
        server.shutdown()
        thread.join()


def of_stripe(settings: Any, url: str) -> Callable[[], object]:
    settings.GATEWAYS = {"stripe"}
    gateway = StripeGateway(secret_key="sk_test_1", webhook_secrets=[], base_url=url, timeout_seconds=2)

    def call() -> None:
        with suppress(OutcomeUnknown):
            gateway.account_ready("acct_1")

    return call


def of_supabase(settings: Any, url: str) -> Callable[[], object]:
    settings.AUTH_PROVIDERS, settings.SUPABASE_URL = ("supabase",), url
    return lambda: tokens._SigningKeys()._fetch()


def of_bucket(settings: Any, url: str) -> Callable[[], object]:
    from config.core.buckets import Bucket

    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "config.core.buckets.Bucket"}}
    store = Bucket(bucket_name="b", endpoint_url=url, access_key="a", secret_key="s", region_name="eu-central-1")

    def call() -> None:
        with suppress(StoreOut), reaching_store():
            store.save("a", ContentFile(b"x"))

    return call


@pytest.mark.slow  # botocore repeats with pauses of its own
@pytest.mark.parametrize(
    ("name", "calling", "states"),
    [
        ("stripe", of_stripe, gateways.circuits),
        ("supabase", of_supabase, tokens.circuits),
        ("files", of_bucket, circuits),
    ],
)
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_who_fails_five_times_is_left_alone(
    elsewhere: Elsewhere, settings: Any, name: str, calling: Any, states: Callable[[], Any]
) -> None:
    """Clouds and the providers of messages have theirs in tests of their own."""
    settings.BREAKER_SECONDS = 0.3
    call = calling(settings, elsewhere.url)
    while states()[name] == CircuitState.CLOSED:
        before = elsewhere.asked
        call()
        assert elsewhere.asked > before
    asked = elsewhere.asked
    assert asked >= settings.BREAKER_FAILURES
    if name == "stripe":
        with pytest.raises(GatewayBusy):
            call()
    else:
        call()
    assert elsewhere.asked == asked, "it was not asked"
    elsewhere.status = 404 if name == "files" else 200
    deadline = time.monotonic() + 10
    while elsewhere.asked == asked:
        assert time.monotonic() < deadline
        with suppress(GatewayBusy):
            call()
    assert states()[name] == CircuitState.CLOSED


def test_an_answer_that_drips_in_ends_some_time() -> None:
    def drip(server: Any) -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while True:
                connection.sendall(b"x")
                time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        began = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            answer_to(httpx.Request("GET", f"http://127.0.0.1:{server.getsockname()[1]}/"), timeout_seconds=0.1)
        assert time.monotonic() - began < 5
        thread.join()


def test_every_circuit_has_the_settings_of_all(settings: Any) -> None:
    assert (settings.BREAKER_FAILURES, settings.BREAKER_SECONDS) == (5, 30)
    settings.BREAKER_FAILURES = 2
    assert vars(breaker("x")) == vars(Breaker("x", Limits(2, 30)))
