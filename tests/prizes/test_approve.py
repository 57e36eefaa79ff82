"""POST /api/v1/prizes/approve/{competition_id}"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Scope, User
from competitions.models import Competition
from prizes.models import Distribution, Transfer, TreasuryAction
from tests.conftest import MakeCompetition
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def url(competition: Competition, action: str = "approve") -> str:
    return f"/api/v1/prizes/{action}/{competition.id}"


@pytest.fixture(autouse=True)
def everything_needs_approval(settings: Any) -> None:
    settings.APPROVAL_OVER = {"*": Decimal(0)}


@pytest.fixture
def tess(treasurer: User, signed_in: SignIn) -> APIClient:
    return signed_in(treasurer)


@pytest.fixture
def theo(make_treasurer: Callable[[str], User], signed_in: SignIn) -> APIClient:
    return signed_in(make_treasurer("Theo"))


@pytest.fixture
def asked_for(make_finished: MakeFinished, tess: APIClient) -> Competition:
    """Tess has asked for its distribution."""
    competition = make_finished(9, 8)
    connect_accounts(competition)
    assert tess.post(url(competition, "distribute")).status_code == 202
    return competition


@pytest.mark.slow
def test_a_second_treasurer_lets_the_prizes_go(theo: APIClient, asked_for: Competition) -> None:
    answer = theo.post(url(asked_for), {"reason": "I have looked at the board."})
    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "distributed")
    assert [prize["status"] for prize in answer.json()["data"]["prizes"]] == ["pending", "pending"]
    assert run_jobs() == []
    assert [transfer.state for transfer in Transfer.objects.all()] == ["paid", "paid"]
    action = TreasuryAction.objects.get(action="approve")
    assert (action.by.name if action.by else "", action.reason) == ("Theo", "I have looked at the board.")


def test_never_the_one_who_asked(tess: APIClient, asked_for: Competition) -> None:
    answer = tess.post(url(asked_for))
    assert answer.status_code == 403
    assert "Somebody else" in answer.json()["message"]
    assert Distribution.objects.get().released_at is None
    assert not Transfer.objects.exists()


@pytest.mark.slow
def test_again_it_changes_nothing(theo: APIClient, tess: APIClient, asked_for: Competition) -> None:
    theo.post(url(asked_for))
    run_jobs()
    before = list(Transfer.objects.values())
    assert [theo.post(url(asked_for)).status_code, tess.post(url(asked_for)).status_code] == [200, 200]
    assert tess.post(url(asked_for, "distribute")).status_code == 200
    assert run_jobs() == []
    assert list(Transfer.objects.values()) == before
    assert TreasuryAction.objects.filter(action="approve").count() == 1


def test_what_a_key_asked_for_one_treasurer_approves(
    with_key: Callable[..., APIClient], tess: APIClient, make_finished: MakeFinished
) -> None:
    competition = make_finished(9)
    assert with_key(Scope.PRIZES_DISTRIBUTE).post(url(competition, "distribute")).status_code == 202
    assert tess.post(url(competition)).status_code == 200


def test_a_key_approves_nothing(with_key: Callable[..., APIClient], asked_for: Competition) -> None:
    assert with_key(Scope.PRIZES_DISTRIBUTE).post(url(asked_for)).status_code in (401, 403)
    assert Distribution.objects.get().released_at is None


def test_nothing_to_approve_is_a_409(
    theo: APIClient, make_finished: MakeFinished, make_competition: MakeCompetition
) -> None:
    assert theo.post(url(make_finished(9))).status_code == 409
    running = theo.post(url(make_competition(prize_pool_minor=100)))
    assert (running.status_code, "final from" in running.json()["message"]) == (409, True)


def test_it_is_for_treasurers_only(
    asked_for: Competition, person: User, other: User, signed_in: SignIn, anonymous: APIClient
) -> None:
    assert anonymous.post(url(asked_for)).status_code == 401
    assert [signed_in(one).post(url(asked_for)).status_code for one in (person, other)] == [403, 403]


@pytest.mark.parametrize("named", ["x", "00000000-0000-0000-0000-000000000000", "%00"])
def test_an_id_that_names_nothing_is_a_404(theo: APIClient, named: str) -> None:
    assert theo.post(f"/api/v1/prizes/approve/{named}").status_code == 404


def test_other_verbs_are_a_405(theo: APIClient, asked_for: Competition) -> None:
    assert theo.get(url(asked_for)).status_code == 405


@pytest.mark.parametrize("reason", [None, False, [], {}, "\x00", "x" * 501])
def test_a_wrong_reason_is_named_and_nothing_goes_out(theo: APIClient, asked_for: Competition, reason: Any) -> None:
    answer = theo.post(url(asked_for), data=json.dumps({"reason": reason}), content_type="application/json")
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {"reason"})
    assert not Transfer.objects.exists()
