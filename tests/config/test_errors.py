"""Every refusal of every layer in the one shape."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import User
from config.core.environment import Rate
from config.core.errors import flatten

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.config.raising_urls")]


@pytest.fixture
def client() -> APIClient:
    """As over the wire: what nobody foresaw is answered, not raised into the test."""
    return APIClient(raise_request_exception=False)


def assert_shape(answer: Any, status: int, *, details: bool = False) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"success", "error", "message", "code", "request_id"} | ({"details"} if details else set())
    assert body["success"] is False
    assert body["code"] == status
    assert body["error"] == HTTPStatus(status).phrase
    assert body["request_id"] == answer["X-Request-ID"]
    assert body["message"].endswith((".", "!", "?"))
    assert "secret of the inside" not in answer.content.decode()
    return body


@pytest.mark.parametrize("layer", ["plain", "rest"])
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("bug", 500),
        ("key", 500),
        ("database", 503),
        ("interface", 503),
        ("away", 503),
        ("forbidden", 403),
        ("missing", 404),
        ("strange", 400),
        ("conflict", 409),
    ],
)
def test_what_a_view_raises_has_the_shape(client: APIClient, layer: str, name: str, status: int) -> None:
    answer = client.get(f"/{layer}/{name}", HTTP_X_REQUEST_ID="asked-by-me")
    body = assert_shape(answer, status)
    assert body["request_id"] == "asked-by-me"
    assert "10.0.0.5" not in answer.content.decode()
    if status == 503:
        assert int(answer["Retry-After"]) >= 1


def test_an_unreadable_body_is_a_400(client: APIClient) -> None:
    answer = client.generic("POST", "/rest/any", "{", content_type="application/json")
    assert_shape(answer, 400)


def test_a_wrong_field_is_a_400_with_details(client: APIClient) -> None:
    body = assert_shape(client.post("/api/v1/auth/token", {}), 400, details=True)
    assert body["details"] == {"email": ["This field is required."], "password": ["This field is required."]}


def test_a_host_that_is_not_ours_is_a_400(client: APIClient) -> None:
    assert_shape(client.get("/api/v1/competitions", HTTP_HOST="evil.example.org"), 400)


def test_a_missing_token_is_a_401(client: APIClient) -> None:
    answer = client.get("/api/v1/competitions")
    assert_shape(answer, 401)
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_form_without_its_token_is_a_403() -> None:
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a", "password": "b"})
    assert_shape(answer, 403)


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/api/v2/competitions", "/admin2/", "/api/v1/%00"])
def test_an_address_with_nothing_is_a_404(client: APIClient, path: str) -> None:
    assert_shape(client.get(path), 404)
    assert_shape(client.post(path, {}), 404)


def test_a_wrong_verb_is_a_405_that_names_the_right_ones(client: APIClient) -> None:
    answer = client.delete("/rest/any")
    assert_shape(answer, 405)
    assert set(answer["Allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}


@pytest.mark.parametrize("accept", ["application/xml", "text/html", "nonsense"])
def test_every_answer_is_json_whatever_the_client_accepts(client: APIClient, accept: str) -> None:
    answer = client.post("/rest/any?format=xml", {}, HTTP_ACCEPT=accept)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"]
)
def test_a_body_of_another_kind_is_a_415(client: APIClient, content_type: str) -> None:
    assert_shape(client.generic("POST", "/api/v1/auth/token", "x", content_type=content_type), 415)


def test_too_many_requests_are_a_429_that_says_when(
    person: User, signed_in: Callable[[User], APIClient], settings: Settings
) -> None:
    settings.RATE_LIMIT = Rate(0.1, 3)
    client = signed_in(person)
    answers = [client.get("/api/v1/users/me/profile") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert_shape(answers[-1], 429)
    assert 1 <= int(answers[-1]["Retry-After"]) <= 10


def test_a_complaint_survives_text_that_is_no_unicode(person: User, signed_in: Callable[[User], APIClient]) -> None:
    answer = signed_in(person).generic(
        "POST", "/api/v1/competitions", '{"metric": "\\ud800"}', content_type="application/json"
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("detail", "flat"),
    [
        ({"name": ["Wrong."]}, {"name": ["Wrong."]}),
        ({"weights": {"steps": ["Wrong."]}}, {"weights.steps": ["Wrong."]}),
        ({"records": [{}, {"steps": ["Wrong."]}]}, {"records[1].steps": ["Wrong."]}),
        ({"records": {1: {"steps": ["Wrong."]}}}, {"records[1].steps": ["Wrong."]}),
        ({"weights": {"non_field_errors": ["Wrong."]}}, {"weights": ["Wrong."]}),
        (["Wrong."], {"body": ["Wrong."]}),
        ("Wrong.", {"body": ["Wrong."]}),
    ],
)
def test_nested_complaints_name_the_whole_path(detail: Any, flat: dict[str, list[str]]) -> None:
    assert flatten(detail) == flat
