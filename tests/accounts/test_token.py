"""POST /api/v1/auth/token"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import IdentityProvider, User
from accounts.services.people import register_person
from config.core.environment import Rate

URL = "/api/v1/auth/token"
PASSWORD = "plenty-of-walking-today"
pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db: None) -> User:
    return register_person(email="ada@example.org", password=PASSWORD, name="Ada", now=datetime.now(UTC))


def log_in(client: APIClient, **changes: Any) -> Any:
    return client.post(URL, {"email": "ada@example.org", "password": PASSWORD} | changes)


def test_email_and_password_give_a_pair_that_works(anonymous: APIClient, ada: User) -> None:
    answer = log_in(anonymous)
    assert answer.status_code == 200
    pair = answer.json()["data"]
    assert pair.keys() == {"access", "refresh", "expires_in"}
    assert pair["expires_in"] == 3600
    anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert anonymous.get("/api/v1/users/me/profile").json()["data"]["id"] == str(ada.id)


def test_the_email_may_be_written_in_capitals(anonymous: APIClient, ada: User) -> None:
    assert log_in(anonymous, email="ADA@example.ORG").status_code == 200


@pytest.mark.parametrize("change", [{"password": "something-else-entirely"}, {"email": "ben@example.org"}])
def test_wrong_password_and_unknown_email_look_the_same(
    anonymous: APIClient, ada: User, change: dict[str, str]
) -> None:
    answer = log_in(anonymous, **change)
    assert answer.status_code == 401
    assert answer.json()["message"] == "E-mail or password is wrong."
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_deactivated_person_cannot_log_in(anonymous: APIClient, ada: User) -> None:
    User.objects.update(is_active=False)
    assert log_in(anonymous).status_code == 401


def test_a_supabase_account_with_the_same_email_opens_no_door_here(anonymous: APIClient, ada: User) -> None:
    stranger = User(email="ada@example.org", name="Other", identity_provider=IdentityProvider.SUPABASE)
    stranger.set_password("the-password-of-the-other")
    stranger.save()
    assert log_in(anonymous, password="the-password-of-the-other").status_code == 401
    assert log_in(anonymous).status_code == 200


@pytest.mark.parametrize("field", ["email", "password"])
def test_a_missing_field_is_named(anonymous: APIClient, field: str) -> None:
    answer = log_in(anonymous, **{field: None})
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {field}


def test_a_nul_byte_is_a_400(anonymous: APIClient) -> None:
    assert log_in(anonymous, email="a\x00@example.org").status_code == 400


def test_logging_in_is_a_post(anonymous: APIClient) -> None:
    assert anonymous.get(URL).status_code == 405


def test_there_is_nothing_here_where_accounts_are_at_supabase(
    anonymous: APIClient, ada: User, settings: Settings
) -> None:
    settings.AUTH_PROVIDERS = ("supabase",)
    assert log_in(anonymous).status_code == 404


def test_guesses_at_one_account_end_after_a_few(anonymous: APIClient, ada: User, settings: Settings) -> None:
    settings.RATE_LIMIT = Rate(1000, 1000)
    answers = [anonymous.post(URL, {"email": "Ada@example.org", "password": f"guess {n}"}) for n in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1]["Retry-After"]) >= 1


def test_guesses_from_one_address_end_whatever_the_account(anonymous: APIClient, settings: Settings) -> None:
    settings.RATE_LIMIT = Rate(1000, 1000)
    assert ends(anonymous.post(URL, {"email": f"{n}@example.org", "password": "a guess"}) for n in range(MANY))


@pytest.mark.slow
def test_guesses_in_the_admin_site_end_the_same_way(anonymous: APIClient, settings: Settings) -> None:
    settings.RATE_LIMIT = Rate(1000, 1000)
    guesses = ({"username": f"{n}@example.org", "password": "a guess"} for n in range(MANY))
    assert ends(anonymous.post("/admin/login/", guess, format="multipart") for guess in guesses)


MANY = 200
"""A slow machine guesses little faster than tokens come back."""


def ends(answers: Iterable[Any]) -> bool:
    return any(answer.status_code == 429 for answer in answers)
