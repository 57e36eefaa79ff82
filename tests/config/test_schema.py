"""GET /api/schema and /api/docs: the interface as the code has it, and as the contract says."""

import io
import subprocess
import sys
import warnings
from typing import Any

import pytest
from django.core.management import call_command
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.config.test_layout import ROOT

CONTRACT = """
POST /auth/register
POST /auth/token
POST /auth/token/refresh
POST /auth/logout
POST /auth/ticket
GET /users/{user_id}/profile
PUT /users/{user_id}/profile
PATCH /users/{user_id}/profile
POST /users/{user_id}/avatar
DELETE /users/{user_id}/avatar
GET /users/{user_id}/dashboard
GET /users/{user_id}/insights
GET /users/{user_id}/activity
GET /users/{user_id}/competitions
GET /competitions
POST /competitions
GET /competitions/{competition_id}
PATCH /competitions/{competition_id}
DELETE /competitions/{competition_id}
POST /competitions/{competition_id}/cancel
POST /competitions/{competition_id}/join
POST /competitions/{competition_id}/leave
GET /competitions/{competition_id}/participants
GET /leaderboard/{competition_id}
GET /leaderboard/{competition_id}/rank/{user_id}
POST /leaderboard/update
GET /leaderboard/{competition_id}/explain/{user_id}
GET /leaderboard/{competition_id}/corrections
POST /leaderboard/{competition_id}/corrections
GET /competitions/{competition_id}/rules
POST /fitness/sync
GET /fitness/sources
PUT /fitness/sources
GET /fitness/stats/{user_id}
GET /fitness/flags
GET /fitness/flags/{flag_id}
POST /fitness/flags/{flag_id}/appeal
POST /fitness/flags/{flag_id}/decide
GET /fitness/imports
POST /fitness/imports
GET /fitness/imports/{import_id}
GET /fitness/connections
POST /fitness/connections/{provider}
DELETE /fitness/connections/{provider}
GET /users/{user_id}/transactions
GET /prizes/plan/{competition_id}
PUT /prizes/plan/{competition_id}
POST /prizes/calculate/{competition_id}
POST /prizes/distribute/{competition_id}
POST /prizes/approve/{competition_id}
POST /prizes/funding/{competition_id}
POST /prizes/payout-account
GET /prizes/history/{user_id}
GET /prizes/statement/{competition_id}
"""
OPEN = {"/auth/register", "/auth/token", "/auth/token/refresh", "/auth/logout"} | {
    "/auth/password/reset",
    "/auth/password/reset/confirm",
    "/auth/email/verify",
}
WITH_OR_WITHOUT = {"/auth/ticket", "/prizes/statement/{competition_id}", "/leaderboard/{competition_id}/stream"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
    return made


def operations(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{verb.upper()} {path.removeprefix('/api/v1').rstrip('/')}": operation
        for path, verbs in schema["paths"].items()
        for verb, operation in verbs.items()
    }


@pytest.mark.slow
def test_it_is_openapi_3_1_without_a_single_warning() -> None:
    GENERATOR_STATS.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
    assert made["openapi"].startswith("3.1")
    validate_schema(made)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
    assert not GENERATOR_STATS


@pytest.mark.slow
def test_the_command_is_content_too() -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=None, stdout=io.StringIO())


@pytest.mark.parametrize("endpoint", CONTRACT.split("\n")[1:-1])
def test_what_the_contract_names_is_there(schema: dict[str, Any], endpoint: str) -> None:
    assert endpoint in operations(schema)


def refusals_of(operation: dict[str, Any]) -> set[int]:
    return {int(code) for code in operation["responses"] if code >= "4"}


def test_every_operation_names_each_refusal_that_can_come(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema).items():
        refused, path = refusals_of(operation), name.split(" ")[1]
        assert "default" not in operation["responses"], f"{name}: whatever came would be as documented"
        assert {429, 503} <= refused, name
        assert ("{" not in path) or 404 in refused, name
        assert ({413, 415} <= refused) == ("requestBody" in operation), name
        assert (path in OPEN) or {401, 403} <= refused, name


def test_every_refusal_has_the_error_shape_and_the_headers_of_its_kind(schema: dict[str, Any]) -> None:
    required = {"success", "error", "message", "code", "request_id"}
    assert set(schema["components"]["schemas"]["Error"]["required"]) == required
    for name, refusal in schema["components"]["responses"].items():
        assert refusal["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}, name
        assert "X-Request-ID" in refusal["headers"], name
        assert ("Retry-After" in refusal["headers"]) == (name in {"TooManyRequests", "ServiceUnavailable"}), name


def test_ids_in_paths_are_ids(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema).items():
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path" and parameter["name"].endswith("_id"):
                shapes = parameter["schema"].get("anyOf", [parameter["schema"]])
                assert {"type": "string", "format": "uuid"} in shapes, name


def test_every_success_is_in_its_envelope(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema).items():
        for code, answer in operation["responses"].items():
            content = answer.get("content", {}).get("application/json")
            if code.startswith("2") and content and "/schema" not in name:
                required = set(content["schema"]["required"])
                assert "success" in required, name
                assert required & {"data", "message"} or "message" in content["schema"]["properties"], name


def test_everything_but_logging_in_asks_who_is_calling(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema).items():
        path = name.split(" ")[1]
        if path not in OPEN and "/schema" not in path:
            assert {"bearer": []} in operation["security"], name
            assert ({} in operation["security"]) == (path in WITH_OR_WITHOUT), name


def test_amounts_of_money_are_numbers(schema: dict[str, Any]) -> None:
    """Not strings, as decimals become elsewhere."""
    for name, component in schema["components"]["schemas"].items():
        for field, described in component.get("properties", {}).items():
            if field in ("amount", "prize_pool", "funded", "remainder", "entry_fee"):
                assert described["type"] == "number", f"{name}.{field}"


def test_paths_never_end_in_a_slash_or_hold_a_pattern(schema: dict[str, Any]) -> None:
    for path in schema["paths"]:
        assert not path.endswith(("/", "?")), path
        assert "^" not in path


@pytest.mark.django_db
def test_the_schema_is_served_to_anyone(anonymous: APIClient) -> None:
    answer = anonymous.get("/api/schema")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("application/")
    assert answer.json()["openapi"].startswith("3.1")


@pytest.mark.django_db
def test_the_docs_are_a_page_that_loads_nothing_from_elsewhere(anonymous: APIClient, settings: Settings) -> None:
    for path in ("/api/docs", "/api/docs?script="):
        answer = anonymous.get(path)
        assert answer.status_code == 200
        text = answer.content.decode()
        assert "http://" not in text.replace("http://testserver", "").replace("http://www.w3.org", "")
        assert "cdn" not in text
    page = anonymous.get("/api/docs").content.decode()
    assert "<script>" not in page, "the content security policy would not run it"
    assert "swagger-ui" in page


def test_what_the_query_says_does_not_get_into_its_headers(anonymous: APIClient, db: None) -> None:
    answer = anonymous.get("/api/schema?version=%0d%0aSet-Cookie:%20x=1&lang=%0d%0ax&format=yaml")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert "Set-Cookie" not in str(answer.headers)


@pytest.mark.slow
def test_many_may_ask_for_the_schema_at_once_as_the_first_ones() -> None:
    """drf-spectacular would answer some of them with a 500."""
    code = (
        "from concurrent.futures import ThreadPoolExecutor; from django.test import Client\n"
        "import django; django.setup(); import config.urls\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    asked = [pool.submit(Client().get, '/api/schema') for _ in range(8)]\n"
        "print({answer.result().status_code for answer in asked})"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert asked.stdout.splitlines()[-1] == "{200}"
