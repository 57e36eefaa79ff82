"""POST /api/v1/auth/register"""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import User
from config import settings as in_production

URL = "/api/v1/auth/register"
PASSWORD = "plenty-of-walking-today"
pytestmark = pytest.mark.django_db


def body(**changes: Any) -> dict[str, Any]:
    return {"email": "ada@example.org", "password": PASSWORD, "name": "Ada"} | changes


def test_a_newcomer_gets_an_account_and_sees_the_whole_profile(anonymous: APIClient) -> None:
    answer = anonymous.post(URL, body())
    assert answer.status_code == 201
    data = answer.json()["data"]
    assert answer.json()["success"] is True
    assert (data["email"], data["name"], data["total_steps"]) == ("ada@example.org", "Ada", 0)
    assert "password" not in data
    assert str(User.objects.get(email="ada@example.org").id) == data["id"]


@pytest.mark.slow
def test_the_password_is_kept_as_an_argon2_hash_only(anonymous: APIClient, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = in_production.PASSWORD_HASHERS
    anonymous.post(URL, body())
    stored = User.objects.get(email="ada@example.org").password
    assert stored.startswith("argon2$")
    assert PASSWORD not in stored


def test_an_email_is_taken_however_it_is_written(anonymous: APIClient) -> None:
    assert anonymous.post(URL, body(email="Ada@Example.org")).status_code == 201
    answer = anonymous.post(URL, body(email="aDA@eXAMPLE.org"))
    assert answer.status_code == 409
    assert "already" in answer.json()["message"]
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_register_one_email_at_once_one_gets_it() -> None:
    start = Barrier(8)

    def register(_: int) -> int:
        start.wait()
        with closing(connection):
            return APIClient().post(URL, body()).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = pool.map(register, range(8))
    assert sorted(statuses) == [201] + [409] * 7


@pytest.mark.parametrize("password", ["short", "password123", "ada@example.org"])
def test_a_weak_password_is_refused_by_name(anonymous: APIClient, password: str) -> None:
    answer = anonymous.post(URL, body(password=password))
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {"password"}
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "not an address"),
        ("email", ""),
        ("email", None),
        ("name", ""),
        ("name", "   "),
        ("name", "x" * 81),
        ("name", "A\x00da"),
        ("name", "\ud800"),
        ("password", None),
        ("password", ["a", "list"]),
        ("password", "\ud800 long enough otherwise"),
    ],
)
def test_a_wrong_field_is_named(anonymous: APIClient, field: str, value: Any) -> None:
    # Sent as written text: a lone surrogate can stand in JSON, but no encoder of ours would write it.
    answer = anonymous.generic("POST", URL, json.dumps(body(**{field: value})), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {field}


def test_a_body_that_is_no_object_is_a_400(anonymous: APIClient) -> None:
    assert anonymous.post(URL, ["ada"]).status_code == 400


def test_registering_makes_nobody_staff(anonymous: APIClient) -> None:
    anonymous.post(URL, body(is_staff=True, is_superuser=True, id="00000000-0000-0000-0000-000000000001"))
    newcomer = User.objects.get()
    assert (newcomer.is_staff, newcomer.is_superuser) == (False, False)
    assert newcomer.id.int != 1


def test_registering_is_a_post(anonymous: APIClient) -> None:
    answer = anonymous.get(URL)
    assert answer.status_code == 405
    assert answer.json()["code"] == 405


def test_there_is_nothing_to_register_where_accounts_are_at_supabase(anonymous: APIClient, settings: Settings) -> None:
    settings.AUTH_PROVIDERS = ("supabase",)
    assert anonymous.post(URL, body()).status_code == 404
    assert not User.objects.exists()
