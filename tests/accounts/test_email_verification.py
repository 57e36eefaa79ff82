"""POST /api/v1/auth/email/verify, /auth/email/verification"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.links import Purpose, token_for, verification_link
from accounts.models import Notification, User
from config.core.environment import Rate

VERIFY, AGAIN = "/api/v1/auth/email/verify", "/api/v1/auth/email/verification"
pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


@pytest.fixture
def ada(anonymous: APIClient) -> User:
    body = {"email": "ada@example.org", "password": "plenty-of-walking-today", "name": "Ada"}
    assert anonymous.post("/api/v1/auth/register", body).status_code == 201
    return User.objects.get(email="ada@example.org")


def letters(person: User) -> int:
    return Notification.objects.filter(user=person, event="verify_email").count()


def test_registering_asks_for_it_and_the_link_verifies(ada: User, anonymous: APIClient, signed_in: SignIn) -> None:
    me = signed_in(ada)
    assert letters(ada) == 1
    assert me.get("/api/v1/users/me/profile").json()["data"]["email_verified"] is False
    token = token_for(ada, Purpose.VERIFY_EMAIL)
    assert verification_link(ada).endswith(f"/verify-email/{token}")
    assert anonymous.post(VERIFY, {"token": token}).status_code == 200
    assert me.get("/api/v1/users/me/profile").json()["data"]["email_verified"] is True
    at = User.objects.get(id=ada.id).email_verified_at
    assert anonymous.post(VERIFY, {"token": token}).status_code == 200  # mail programs look twice
    assert User.objects.get(id=ada.id).email_verified_at == at


def test_a_link_holds_three_days_and_for_its_address(
    ada: User, anonymous: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, real = token_for(ada, Purpose.VERIFY_EMAIL), time.time
    with monkeypatch.context() as later:
        later.setattr("django.core.signing.time.time", lambda: real() + timedelta(days=3, seconds=2).total_seconds())
        assert anonymous.post(VERIFY, {"token": token}).status_code == 400
    wrong = ("", "x", token[:-1], token_for(ada, Purpose.RESET_PASSWORD), "\x00")
    for text in wrong:
        answer = anonymous.post(VERIFY, {"token": text})
        assert (answer.status_code, answer.json()["details"].keys()) == (400, {"token"})
    User.objects.filter(id=ada.id).update(email="else@example.org")
    assert anonymous.post(VERIFY, {"token": token}).status_code == 400
    assert User.objects.get(id=ada.id).email_verified_at is None


def test_it_is_sent_again_a_few_times(ada: User, signed_in: SignIn, settings: Settings) -> None:
    settings.RATE_LIMIT = Rate(per_second=100, burst=200)
    me = signed_in(ada)
    assert [me.post(AGAIN).status_code for _ in range(6)] == [202] * 5 + [429]
    assert letters(ada) == 6


def test_what_is_verified_is_not_asked_for_again(ada: User, signed_in: SignIn, anonymous: APIClient) -> None:
    anonymous.post(VERIFY, {"token": token_for(ada, Purpose.VERIFY_EMAIL)})
    assert signed_in(ada).post(AGAIN).status_code == 409
    assert letters(ada) == 1


def test_it_takes_a_person_with_an_address_here(
    make_person: Any, anonymous: APIClient, signed_in: SignIn, settings: Settings
) -> None:
    assert anonymous.post(AGAIN).status_code == 401
    nowhere = make_person("Ned", email=None)
    assert signed_in(nowhere).post(AGAIN).status_code == 409
    settings.AUTH_PROVIDERS = ("supabase",)
    assert anonymous.post(VERIFY, {"token": "x"}).status_code == 404


def test_both_are_posts(ada: User, anonymous: APIClient, signed_in: SignIn) -> None:
    assert anonymous.get(VERIFY).status_code == 405
    assert signed_in(ada).get(AGAIN).status_code == 405
