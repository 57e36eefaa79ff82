"""POST /api/v1/prizes/payout-account"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Scope, User
from prizes.actors import Actor
from prizes.gateways.base import GatewayBusy, GatewayRefused, OutcomeUnknown
from prizes.gateways.sandbox import SandboxGateway
from prizes.models import PayoutAccount, Transfer
from prizes.services.distribution import distribute_prizes
from tests.prizes.conftest import MakeFinished, run_jobs

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]
URL = "/api/v1/prizes/payout-account"


@pytest.fixture
def me(person: User, signed_in: SignIn) -> APIClient:
    return signed_in(person)


def test_an_account_is_opened_once(me: APIClient, person: User) -> None:
    answers = [me.post(URL), me.post(URL)]
    assert [answer.status_code for answer in answers] == [200, 200]
    ready = {"gateway": "sandbox", "ready": True, "onboarding_url": None}
    assert [answer.json()["data"] for answer in answers] == [ready, ready]
    assert PayoutAccount.objects.get().user == person


def test_until_a_bank_is_connected_it_says_where(me: APIClient, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.PUBLIC_URL = "https://steps.example.org"
    monkeypatch.setattr(SandboxGateway, "account_ready", lambda self, account: False)
    data = me.post(URL).json()["data"]
    assert data == {"gateway": "sandbox", "ready": False, "onboarding_url": "https://steps.example.org/"}


def test_a_prize_that_waited_for_the_account_is_paid(
    make_finished: MakeFinished, treasurer: User, signed_in: SignIn, now: datetime
) -> None:
    competition = make_finished(9)
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
    assert run_jobs() == []
    assert Transfer.objects.get().state == "pending"
    winner = competition.participants.get().user
    assert signed_in(winner).post(URL).json()["data"]["ready"] is True
    assert run_jobs() == []
    assert Transfer.objects.get().state == "paid"


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (GatewayBusy("429", retry_after_seconds=1), 503),
        (OutcomeUnknown("time-out"), 503),
        (GatewayRefused("Prizes do not go to this country."), 409),
    ],
)
def test_a_gateway_in_trouble_is_no_server_error(
    me: APIClient, monkeypatch: pytest.MonkeyPatch, trouble: Exception, status: int
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise trouble

    monkeypatch.setattr(SandboxGateway, "open_account", fail)
    answer = me.post(URL)
    assert (answer.status_code, answer.json()["code"]) == (status, status)
    assert not PayoutAccount.objects.exists()


def test_where_a_treasurer_pays_by_hand_no_account_is_needed(me: APIClient, settings: Any) -> None:
    settings.PAYMENT_GATEWAY = "manual"
    answer = me.post(URL)
    assert (answer.status_code, "no account is needed" in answer.json()["message"]) == (409, True)


def test_everybody_connects_their_own(me: APIClient, other: User, signed_in: SignIn) -> None:
    me.post(URL)
    signed_in(other).post(URL)
    assert PayoutAccount.objects.values("user", "reference").distinct().count() == 2


def test_it_takes_a_person(anonymous: APIClient, with_key: Callable[..., APIClient]) -> None:
    assert anonymous.post(URL).status_code == 401
    assert with_key(Scope.PRIZES_DISTRIBUTE).post(URL).status_code in (401, 403)


def test_other_verbs_are_a_405(me: APIClient) -> None:
    assert me.get(URL).status_code == 405
