"""POST /api/v1/auth/token/refresh"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.models import User

URL = "/api/v1/auth/token/refresh"
pytestmark = pytest.mark.django_db


def refresh(client: APIClient, token: object) -> Any:
    return client.post(URL, {"refresh": str(token)})


def test_a_refresh_token_gives_a_new_pair_that_works(anonymous: APIClient, person: User) -> None:
    first = RefreshToken.for_user(person)
    answer = refresh(anonymous, first)
    assert answer.status_code == 200
    pair = answer.json()["data"]
    assert pair.keys() == {"access", "refresh", "expires_in"}
    assert pair["refresh"] != str(first)
    assert refresh(anonymous, pair["refresh"]).status_code == 200
    anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert anonymous.get("/api/v1/users/me/profile").status_code == 200


def test_a_refresh_token_is_good_once(anonymous: APIClient, person: User) -> None:
    token = RefreshToken.for_user(person)
    assert refresh(anonymous, token).status_code == 200
    again = refresh(anonymous, token)
    assert again.status_code == 401
    assert "log in again" in again.json()["message"]


@pytest.mark.django_db(transaction=True)
def test_a_refresh_token_is_good_once_however_many_arrive_together(person: User) -> None:
    token, start = RefreshToken.for_user(person), Barrier(8)

    def use(_: int) -> Any:
        start.wait()
        with closing(connection):
            return refresh(APIClient(), token).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = pool.map(use, range(8))
    assert sorted(statuses) == [200] + [401] * 7


def test_an_access_token_is_no_refresh_token(anonymous: APIClient, person: User) -> None:
    assert refresh(anonymous, AccessToken.for_user(person)).status_code == 401


def test_an_expired_one_is_refused(anonymous: APIClient, person: User) -> None:
    token = RefreshToken.for_user(person)
    token.set_exp(lifetime=-timedelta(minutes=1))
    assert refresh(anonymous, token).status_code == 401


def test_a_deactivated_person_stays_out(anonymous: APIClient, person: User) -> None:
    token = RefreshToken.for_user(person)
    User.objects.update(is_active=False)
    assert refresh(anonymous, token).status_code == 401


def test_a_person_who_is_gone_stays_out(anonymous: APIClient, person: User) -> None:
    token = RefreshToken.for_user(person)
    person.delete()
    assert refresh(anonymous, token).status_code == 401


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_nonsense_is_refused(anonymous: APIClient, token: str) -> None:
    assert refresh(anonymous, token).status_code == 401


def test_the_missing_field_is_named(anonymous: APIClient) -> None:
    answer = anonymous.post(URL, {})
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {"refresh"}


def test_refreshing_is_a_post(anonymous: APIClient) -> None:
    assert anonymous.get(URL).status_code == 405


def test_there_is_nothing_here_where_accounts_are_at_supabase(
    anonymous: APIClient, person: User, settings: Settings
) -> None:
    token = RefreshToken.for_user(person)
    settings.AUTH_PROVIDERS = ("supabase",)
    assert refresh(anonymous, token).status_code == 404
