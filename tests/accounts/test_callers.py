"""Whose token it is, remembered: for as long as it holds, and no longer."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from rest_framework_simplejwt.tokens import AccessToken

from accounts import callers, tokens
from accounts.callers import recognise, recognised, recognised_service, remembered_caller
from accounts.models import Scope, User
from accounts.services.keys import create_service_key
from accounts.tokens import InvalidToken
from tests.accounts.conftest import Project, listed
from tests.asking import in_thread

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture(autouse=True)
def nobody_yet() -> Iterator[None]:
    callers._callers.clear()
    yield
    callers._callers.clear()


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every token that was really verified."""
    seen: list[str] = []
    verify_token = tokens.verify_token

    def noted(token: str) -> Any:
        seen.append(token)
        return verify_token(token)

    monkeypatch.setattr(callers, "verify_token", noted)
    return seen


async def test_a_token_is_verified_once(person: User, verified: list[str]) -> None:
    token = str(await in_thread(AccessToken.for_user, person))
    found = [await recognise(token) for _ in range(5)]
    assert {caller.person_id for caller in found} == {person.id}
    assert verified == [token]


async def test_it_is_forgotten_when_it_expires(person: User) -> None:
    token = await in_thread(AccessToken.for_user, person)
    token.set_exp(lifetime=timedelta(seconds=3))  # a busy machine may take one to get to the next line
    await recognise(str(token))
    assert remembered_caller(str(token))
    await asyncio.sleep(token["exp"] - time.time() + 0.1)
    assert remembered_caller(str(token)) is None
    assert await recognised(str(token)) is None


async def test_nobodys_token_is_not_remembered(person: User, verified: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(InvalidToken):
            await recognise("nonsense")
    assert len(verified) == 2
    assert not callers._callers


async def test_tokens_of_a_withdrawn_key_end_with_it(
    supabase: Project, monkeypatch: pytest.MonkeyPatch, verified: list[str]
) -> None:
    token, other = supabase.token(), supabase.token_by_rsa()
    assert await recognised(token)
    assert await recognised(other)
    supabase.answer = {"keys": [entry for entry in supabase.answer["keys"] if entry["kid"] != "elliptic"]}
    monkeypatch.setattr(callers, "_VERIFIED_FOR_SECONDS", 0.0)
    monkeypatch.setattr(tokens._SigningKeys, "REFRESH_SECONDS", 0.0)
    callers._callers.clear()  # ten minutes later …
    assert await recognised(other), "… somebody has their token verified anew"
    assert await recognised(token) is None


async def test_a_change_of_the_keys_forgets_everybody(supabase: Project) -> None:
    token = supabase.token()
    assert await recognised(token)
    assert remembered_caller(token)
    tokens.forget_signing_keys()
    assert remembered_caller(token) is None


async def test_a_key_that_is_published_anew_under_its_old_name_is_another_key(supabase: Project) -> None:
    token = supabase.token()
    assert await recognised(token)
    supabase.answer = {"keys": [listed("elliptic", ec.generate_private_key(ec.SECP256R1()))]}
    tokens._signing_keys._fetch()
    assert remembered_caller(token) is None
    assert await recognised(token) is None


async def test_no_more_are_remembered_than_there_is_room_for(make_person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "_REMEMBERED", 3)
    people = await in_thread(lambda: [make_person(f"P{number}") for number in range(5)])
    for person in people:
        await recognise(str(await in_thread(AccessToken.for_user, person)))
    assert len(callers._callers) == 3


async def test_a_token_that_is_too_long_is_verified_each_time(
    person: User, verified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = str(await in_thread(AccessToken.for_user, person))
    monkeypatch.setattr(callers, "_LONGEST", len(token) - 1)
    for _ in range(2):
        assert (await recognise(token)).person_id == person.id
    assert verified == [token, token]


async def test_keys_of_services_are_remembered_and_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "_REMEMBERED", 1)
    callers._services.clear()
    assert await recognised_service("psk_nobodys") is None
    keys = await in_thread(
        lambda: [create_service_key(name=name, scopes=[Scope.ACTIVITY_WRITE])[1] for name in ("one", "two")]
    )
    for key in keys:
        assert await recognised_service(key)
    assert list(callers._services) == keys[1:]
