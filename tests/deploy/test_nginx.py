"""nginx.conf in the real nginx, as `make cluster` places it, before servers that say what they were asked."""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.core.middleware import common_headers
from config.devservices.certificate import ensure_certificate
from config.devservices.cluster import NGINX_CONF, nginx_binary, placed
from config.devservices.supervising import RunError
from tests.flows.servers import free_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
SECRET = "eyJhbGciOiJub25lIn0"
LINKS = ("unsubscribe", "reset-password", "verify-email", "join")
"""Pages whose address is what opens them."""

pytestmark = pytest.mark.slow  # an nginx each


class Mirror(BaseHTTPRequestHandler):
    """Answers with the headers that it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class Proxy:
    def __init__(self, folder: Path, servers: list[int], change: Callable[[str], str]) -> None:
        assert NGINX, "apt-get install nginx-light"
        self.folder, self.port, self.redirect = folder, free_port(), free_port()
        ensure_certificate(folder, ["127.0.0.1", "localhost"])
        ports = (self.port, self.redirect, free_port(), servers)
        (folder / "nginx.conf").write_text(change(placed(NGINX_CONF.read_text(), folder, *ports)))
        command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off; user root;"]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.context = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
        self.http = httpx.Client(base_url=f"https://127.0.0.1:{self.port}", verify=self.context)

    def raw(self, sent: bytes) -> bytes:
        plain = socket.create_connection(("127.0.0.1", self.port))
        with closing(self.context.wrap_socket(plain, server_hostname="127.0.0.1")) as tls:
            tls.sendall(sent)
            tls.settimeout(5)
            return tls.recv(65536)

    def stop(self) -> str:
        """Everything that it has written; it is gone then, as one of the tests has what no log may hold written."""
        self.http.close()
        self.process.terminate()
        self.process.wait(10)
        logs = list(self.folder.glob("*.log"))
        written = "".join(log.read_text() for log in logs)
        for log in logs:
            log.unlink()
        return written


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Proxy]]:
    if NGINX is None and not os.environ.get("CI"):
        pytest.skip("Debian's nginx is not installed")
    started: list[Proxy] = []

    def started_one(*servers: int, change: Callable[[str], str] = str) -> Proxy:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        both = [*servers, *(free_port() for _ in range(2 - len(servers)))]
        started.append(Proxy(folder, both, change))
        return started[-1]

    yield started_one
    for proxy in started:
        proxy.stop()


def ask_for_trouble(proxy: Proxy) -> None:
    """Every way to fail that has the query in the request's first line, or in a header."""
    query = f"?token={SECRET}"
    stream = "/api/v1/leaderboard/1/stream"
    for path in ("/", "/ws/leaderboard/1", stream, "/static/missing.css", *(f"/{door}/{SECRET}" for door in LINKS)):
        assert proxy.http.get(path + query, headers={"Referer": f"https://x/{query}"}).status_code == 503
    connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=proxy.context)
    connection.putrequest("POST", "/" + query)
    connection.putheader("Content-Length", str(10 * 1024 * 1024))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert proxy.http.get("/" + query, headers={"X-Long": "x" * 20_000}).status_code == 400
    assert b"400" in proxy.raw(f"GET /{query} HTTP/1.1\r\nno header\r\n\r\n".encode())
    assert b"400" in proxy.raw(f"GET /{query}{'x' * 20_000} HTTP/1.1\r\n\r\n".encode()), "a line that is too long"
    assert httpx.get(f"http://127.0.0.1:{proxy.redirect}/{query}").status_code == 308


def test_no_query_string_is_in_a_log_whatever_fails(start: Callable[..., Proxy]) -> None:
    proxy = start()
    ask_for_trouble(proxy)
    written = proxy.stop()
    for door in LINKS:
        assert f'"path":"/{door}/[cut]"' in written
    assert '"status":"503"' in written
    assert SECRET not in written


def test_an_error_log_of_the_usual_kind_would_hold_it(start: Callable[..., Proxy]) -> None:
    """What the test before looks for can be found."""
    proxy = start(change=lambda text: re.sub(r"error_log (\S+) emerg;", r"error_log \1 error;", text))
    ask_for_trouble(proxy)
    assert SECRET in proxy.stop()


def test_what_a_client_says_about_its_address_is_thrown_away(start: Callable[..., Proxy], mirror: int) -> None:
    proxy = start(mirror)
    forged = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "X-Real-IP": "203.0.113.9",
        "Forwarded": "for=203.0.113.9",
    }
    seen = proxy.http.get("/", headers=forged).json()
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("127.0.0.1", "https")
    assert not seen.keys() & {"x-real-ip", "forwarded", "x-forwarded-host"}
    assert seen["host"] == f"127.0.0.1:{proxy.port}", "as the client wrote it, with the port"
    believing = start(mirror, change=lambda text: text.replace("-For $remote_addr;", "-For $http_x_forwarded_for;"))
    assert believing.http.get("/", headers=forged).json()["x-forwarded-for"] == "203.0.113.9", "this test can fail"


def test_only_sockets_are_upgraded(start: Callable[..., Proxy], mirror: int) -> None:
    proxy = start(mirror)
    for asked, passed in (("websocket", "websocket"), ("h2c", None)):
        seen = proxy.http.get("/ws/x", headers={"Upgrade": asked, "Connection": "Upgrade"}).json()
        assert (seen.get("upgrade"), seen.get("connection")) == (passed, passed and "upgrade")


def own_headers() -> dict[str, str]:
    """As a server has them. HSTS comes with a PUBLIC_URL of https, which tests have not."""
    common = {name.decode(): value.decode() for name, value in common_headers(True, b"")}
    return {name: value for name, value in common.items() if name != "vary"}


def test_nginx_itself_refuses_in_the_shape_of_every_error(start: Callable[..., Proxy], mirror: int) -> None:
    proxy, alone = start(mirror), start()
    (proxy.folder / "static").mkdir()
    (proxy.folder / "static/page.css").write_text("p {}")
    with httpx.Client(base_url=proxy.http.base_url, verify=proxy.context, http2=True) as http:
        long_ago = {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}
        refused = {
            alone.http.get("/"): 503,
            http.get("/refused/unavailable"): 404,
            http.request("TRACE", "/"): 405,
            http.post("/static/page.css"): 405,
            http.get("/static/page.css", headers=long_ago): 412,
            http.post("/", headers={"Content-Length": "10000000"}): 413,
            proxy.http.post("/", content=b"x" * 10_000_000): 413,
            proxy.http.get("/", headers={"X-Long": "x" * 20_000}): 400,
            httpx.get(f"http://127.0.0.1:{proxy.port}"): 400,
        }
    for answer, status in refused.items():
        said = answer.json()
        assert (answer.status_code, said["code"]) == (status, status), answer.request
        assert said.keys() == {"success", "error", "message", "code", "request_id"}
        assert said["request_id"] == answer.headers["x-request-id"]
        assert answer.headers["content-type"] == "application/json"
        assert own_headers().items() <= answer.headers.items()
        assert answer.headers.get("retry-after") == ("1" if status == 503 else None)
        assert answer.headers["server"] == "nginx"
    unheard_of = b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked"
    for line in (b"GET / HTTP/3.0", b"GET /" + b"x" * 20_000 + b" HTTP/1.1", unheard_of):
        answered = proxy.raw(line + b"\r\nHost: x\r\n\r\n")
        assert answered.startswith(b"HTTP/1.1 400 ")
        assert b'"code":400' in answered


def test_a_static_file_has_the_headers_of_every_answer(start: Callable[..., Proxy]) -> None:
    proxy = start()
    (proxy.folder / "static").mkdir()
    (proxy.folder / "static/page.css").write_text("p {}")
    answer = proxy.http.get(
        "/static/page.css", headers={"Origin": "https://elsewhere.example.org", "Range": "bytes=9-"}
    )
    assert (answer.status_code, answer.text) == (200, "p {}")
    assert own_headers().items() <= answer.headers.items()
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
    assert "access-control-allow-origin" not in answer.headers, "only what CORS_ALLOWED_ORIGINS names, at the servers"


def test_one_address_has_so_many_connections_and_no_more(start: Callable[..., Proxy]) -> None:
    """A /64 of IPv6 is one address; nginx is told by a header here where somebody comes from."""
    silent = socket.create_server(("127.0.0.1", 0))
    passed_on: list[socket.socket] = []

    def few(text: str) -> str:
        told = "set_real_ip_from 127.0.0.1; real_ip_header X-Told; client_header_timeout 10s;"
        return text.replace("addresses 4000;", "addresses 2;").replace("client_header_timeout 10s;", told)

    proxy = start(silent.getsockname()[1], silent.getsockname()[1], change=few)

    def opened(address: str) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=proxy.context, timeout=5)
        connection.request("GET", "/", headers={"X-Told": address})
        passed_on.append(silent.accept()[0])  # and there it waits
        return connection

    waiting = [opened("2001:db8:0:1::1"), opened("2001:db8:0:1:ffff::2")]
    refused = proxy.http.get("/", headers={"X-Told": "2001:db8:0:1::3"})
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, 429, "1")
    waiting += [opened("2001:db8:0:2::1"), opened("198.51.100.1"), opened("198.51.100.2")]
    for connection in waiting:
        connection.close()
    for held in (*passed_on, silent):
        held.close()


def test_the_configuration_as_compose_mounts_it_is_one_that_nginx_takes(tmp_path: Path) -> None:
    """With nothing changed but where the certificate lies."""
    if NGINX is None and not os.environ.get("CI"):
        pytest.skip("Debian's nginx is not installed")
    ensure_certificate(tmp_path, ["localhost"])
    conf = tmp_path / "nginx.conf"
    conf.write_text(re.sub(" /(tls|tmp)/", f" {tmp_path}/", NGINX_CONF.read_text()))
    shutil.copy(NGINX_CONF.parent / "own_headers.conf", tmp_path)
    checked = [str(NGINX), "-t", "-p", str(tmp_path), "-c", str(conf)]
    assert subprocess.run(checked, capture_output=True).returncode == 0
    conf.write_text(conf.read_text().replace("least_conn;", "least_con;"))
    assert subprocess.run(checked, capture_output=True).returncode != 0, "this test can fail"


def test_a_configuration_that_says_something_else_is_not_placed(tmp_path: Path) -> None:
    text = NGINX_CONF.read_text().replace("listen 8443 ", "listen 443 ")
    with pytest.raises(RunError, match="'listen 8443'"):
        placed(text, tmp_path, 1, 2, 3, [4, 5])


def test_without_nginx_the_cluster_says_so_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(RunError, match=r"^make cluster needs nginx \(on Debian: apt-get install nginx-light\)\.$"):
        nginx_binary()


def test_a_certificate_that_is_there_is_left_alone(tmp_path: Path) -> None:
    assert ensure_certificate(tmp_path, ["steps.example.org", "192.0.2.7", ".example.net"])
    made = (tmp_path / "fullchain.pem").read_bytes()
    assert (tmp_path / "privkey.pem").stat().st_mode & 0o777 == 0o600
    assert not ensure_certificate(tmp_path, ["other.example.org"])
    assert (tmp_path / "fullchain.pem").read_bytes() == made
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-ext", "subjectAltName"], input=made, capture_output=True, check=True
    )
    assert b"DNS:steps.example.org, IP Address:192.0.2.7, DNS:*.example.net" in shown.stdout
