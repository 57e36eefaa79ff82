"""Around every request: its id, where it comes from, the headers of its answer."""

import re
from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import User
from config.core.request import address_block, client_address, request_id_of, scope_headers

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.config.raising_urls")]


@pytest.fixture
def client() -> APIClient:
    return APIClient(raise_request_exception=False)


@pytest.mark.parametrize("sent", ["a", "7", "0123456789abcdef", "trace-1.2_3", "x" * 64])
def test_a_sane_request_id_is_kept(client: APIClient, sent: str) -> None:
    assert client.get("/health", HTTP_X_REQUEST_ID=sent)["X-Request-ID"] == sent


@pytest.mark.parametrize(
    "sent", ["", " ", "x" * 65, "a b", "-a", "a\n", "a\r\nSet-Cookie: x=1", "<script>", "é", "a;b", '"', "../etc"]
)
def test_any_other_is_replaced(client: APIClient, sent: str) -> None:
    given = client.get("/health", HTTP_X_REQUEST_ID=sent)["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", given)


def test_no_two_requests_are_called_alike() -> None:
    assert len({request_id_of(None) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/health/ready",
        "/metrics",
        "/api/schema",
        "/api/docs",
        "/boards/",
        "/admin/login/",
        "/nothing",
        "/api/v1/nothing",
        "/api/v1/competitions",
        "/plain/bug",
        "/rest/bug",
        "/plain/database",
        "/static/nothing.js",
    ],
)
def test_every_answer_carries_the_security_headers(client: APIClient, path: str) -> None:
    answer = client.get(path)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy or path.startswith("/admin/")
    assert ("unsafe-eval" in policy) == path.startswith("/admin/"), "its pages run Alpine"
    assert "script-src 'unsafe-inline'" not in policy
    assert answer["X-Request-ID"]
    assert "Server" not in answer
    assert "X-Powered-By" not in answer


def test_a_listed_origin_may_read_the_answer(client: APIClient, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    answer = client.get("/api/v1/competitions", HTTP_ORIGIN="https://app.example.org")
    assert answer.status_code == 401
    assert answer["Access-Control-Allow-Origin"] == "https://app.example.org"
    assert {"x-request-id", "retry-after"} <= set(answer["Access-Control-Expose-Headers"].split(", "))
    assert "Access-Control-Allow-Credentials" not in answer


def test_a_preflight_of_a_listed_origin_is_answered(client: APIClient, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    answer = client.options(
        "/api/v1/competitions",
        HTTP_ORIGIN="https://app.example.org",
        HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST",
        HTTP_ACCESS_CONTROL_REQUEST_HEADERS="authorization,content-type",
    )
    assert answer.status_code == 200
    assert {"authorization", "content-type", "x-api-key"} <= set(answer["Access-Control-Allow-Headers"].split(", "))


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", "https://app.example.org.evil.org"])
def test_any_other_origin_may_not(client: APIClient, settings: Settings, origin: str) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    assert "Access-Control-Allow-Origin" not in client.get("/health", HTTP_ORIGIN=origin)


@pytest.mark.parametrize(
    ("connection", "forwarded_for", "proxies", "address"),
    [
        ("192.0.2.1", None, 0, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", 0, "192.0.2.1"),
        ("10.0.0.2", "198.51.100.7", 1, "198.51.100.7"),
        ("10.0.0.2", "6.6.6.6, 198.51.100.7", 1, "198.51.100.7"),
        ("10.0.0.2", "6.6.6.6, 198.51.100.7, 10.0.0.1", 2, "198.51.100.7"),
        ("10.0.0.2", "198.51.100.7", 2, "10.0.0.2"),
        ("10.0.0.2", "not an address", 1, "10.0.0.2"),
        ("10.0.0.2", "", 1, "10.0.0.2"),
        ("10.0.0.2", None, 1, "10.0.0.2"),
        ("10.0.0.2", " 2001:db8::1 ,", 1, "2001:db8::1"),
        (None, None, 0, ""),
        ("", None, 1, ""),
        ("unix:", None, 0, ""),
    ],
)
def test_only_trusted_proxies_say_where_a_request_comes_from(
    connection: str | None, forwarded_for: str | None, proxies: int, address: str
) -> None:
    assert client_address(connection, forwarded_for, proxies) == address


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", "unknown"),
    ],
)
def test_a_limit_counts_an_ipv4_address_or_what_one_ipv6_customer_has(address: str, block: str) -> None:
    assert address_block(address) == block


def test_repeated_headers_are_joined() -> None:
    scope = {"headers": [(b"X-Forwarded-For", b"a"), (b"x-forwarded-for", b"b"), (b"Host", b"h")]}
    assert scope_headers(scope) == {"x-forwarded-for": "a, b", "host": "h"}


def test_signed_in_requests_have_the_headers_too(
    client: APIClient, person: User, signed_in: Callable[[User], APIClient]
) -> None:
    assert "Content-Security-Policy" in signed_in(person).get("/api/v1/users/me/profile")
