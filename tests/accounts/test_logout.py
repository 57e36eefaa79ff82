"""POST /api/v1/auth/logout"""

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import User

URL = "/api/v1/auth/logout"
pytestmark = pytest.mark.django_db


def test_logging_out_uses_up_the_refresh_token(anonymous: APIClient, person: User) -> None:
    token = str(RefreshToken.for_user(person))
    answer = anonymous.post(URL, {"refresh": token})
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert anonymous.post("/api/v1/auth/token/refresh", {"refresh": token}).status_code == 401


def test_a_second_time_changes_nothing(anonymous: APIClient, person: User) -> None:
    token = str(RefreshToken.for_user(person))
    assert [anonymous.post(URL, {"refresh": token}).status_code for _ in range(2)] == [200, 200]


def test_nobody_elses_session_ends(anonymous: APIClient, person: User, other: User) -> None:
    theirs = str(RefreshToken.for_user(other))
    anonymous.post(URL, {"refresh": str(RefreshToken.for_user(person))})
    assert anonymous.post("/api/v1/auth/token/refresh", {"refresh": theirs}).status_code == 200


def test_the_missing_field_is_named(anonymous: APIClient) -> None:
    answer = anonymous.post(URL, {})
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {"refresh"}


def test_logging_out_is_a_post(anonymous: APIClient) -> None:
    assert anonymous.delete(URL).status_code == 405


def test_there_is_nothing_here_where_accounts_are_at_supabase(anonymous: APIClient, settings: Settings) -> None:
    settings.AUTH_PROVIDERS = ("supabase",)
    assert anonymous.post(URL, {"refresh": "any"}).status_code == 404
