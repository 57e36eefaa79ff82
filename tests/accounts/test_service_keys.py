"""Keys of other services: `X-API-Key`."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import Scope, ServiceKey, User
from accounts.services.keys import create_service_key, revoke_service_keys

SYNC = "/api/v1/fitness/sync"
pytestmark = pytest.mark.django_db

WithKey = Callable[..., APIClient]


def record(person: User) -> dict[str, Any]:
    return {"user_id": str(person.id), "steps": 1000, "source": "garmin"}


@pytest.mark.django_db(transaction=True)
def test_a_key_with_the_scope_acts_for_anybody(with_key: WithKey, person: User) -> None:
    answer = with_key(Scope.ACTIVITY_WRITE).post(SYNC, record(person))
    assert answer.status_code == 200, answer.content


def test_the_key_itself_is_stored_nowhere(db: None) -> None:
    key, secret = create_service_key(name="warehouse", scopes=[Scope.ACTIVITY_WRITE])
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(k)::text FROM accounts_servicekey k")
        stored = str(cursor.fetchall())
    assert secret not in stored
    assert secret[10:] not in stored
    assert secret.startswith(key.prefix)
    assert len(secret) >= 40
    assert secret not in f"{key} {key!r} {vars(key)}"


def test_two_keys_are_never_alike(db: None) -> None:
    assert len({create_service_key(name=str(n), scopes=[])[1] for n in range(20)}) == 20


def test_a_key_without_the_scope_is_forbidden(with_key: WithKey, person: User) -> None:
    answer = with_key(Scope.SCORES_WRITE, Scope.OPERATIONS_READ).post(SYNC, record(person))
    assert answer.status_code == 403
    assert answer.json()["error"] == "Forbidden"


def test_a_key_is_no_person(with_key: WithKey, person: User) -> None:
    client = with_key(*Scope)
    for path in ("users/me/profile", f"users/{person.id}/profile", "competitions", f"users/{person.id}/activity"):
        assert client.get(f"/api/v1/{path}").status_code == 403, path
    assert client.post("/api/v1/competitions", {}).status_code == 403


def test_a_revoked_key_is_refused(with_key: WithKey, person: User, now: datetime) -> None:
    client = with_key(Scope.ACTIVITY_WRITE)
    assert revoke_service_keys(key_ids=ServiceKey.objects.values_list("id", flat=True), now=now) == 1
    answer = client.post(SYNC, record(person))
    assert answer.status_code == 401
    assert ServiceKey.objects.get().revoked_at == now


def test_revoking_again_keeps_the_first_moment(now: datetime) -> None:
    key, _ = create_service_key(name="warehouse", scopes=[])
    later = now.replace(year=now.year + 1)
    assert revoke_service_keys(key_ids=[key.id], now=now) == 1
    assert revoke_service_keys(key_ids=[key.id], now=later) == 0
    assert ServiceKey.objects.get().revoked_at == now


@pytest.mark.parametrize("secret", ["psk_", "x", "psk_" + "A" * 43, "\xff\xfe"])
def test_an_unknown_key_is_refused(anonymous: APIClient, person: User, secret: str) -> None:
    create_service_key(name="warehouse", scopes=list(Scope))
    anonymous.credentials(HTTP_X_API_KEY=secret)
    assert anonymous.post(SYNC, record(person)).status_code == 401


def test_neither_prefix_nor_digest_opens_a_door(anonymous: APIClient, person: User) -> None:
    key, _ = create_service_key(name="warehouse", scopes=list(Scope))
    for secret in (key.prefix, key.digest, str(key.id), key.name):
        anonymous.credentials(HTTP_X_API_KEY=secret)
        assert anonymous.post(SYNC, record(person)).status_code == 401


def test_without_token_and_key_it_is_a_401(anonymous: APIClient, person: User) -> None:
    answer = anonymous.post(SYNC, record(person))
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer


def test_a_bad_token_is_not_made_good_by_a_key(with_key: WithKey, person: User) -> None:
    client = with_key(Scope.ACTIVITY_WRITE)
    assert client.post(SYNC, record(person), HTTP_AUTHORIZATION="Bearer nonsense").status_code == 401
