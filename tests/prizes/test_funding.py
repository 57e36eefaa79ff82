"""POST /api/v1/prizes/funding/{competition_id}"""

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Scope, User
from competitions.models import Competition
from prizes import pots
from prizes.actors import Actor
from prizes.models import Entry, TreasuryAction
from prizes.queries import balance_minor
from prizes.services.distribution import distribute_prizes
from tests.conftest import MakeCompetition
from tests.prizes.conftest import MakeFinished

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def url(competition: Competition) -> str:
    return f"/api/v1/prizes/funding/{competition.id}"


@pytest.fixture
def tess(treasurer: User, signed_in: SignIn) -> APIClient:
    return signed_in(treasurer)


@pytest.fixture
def promised(make_competition: MakeCompetition) -> Competition:
    return make_competition(prize_pool_minor=10_000)


def test_money_that_has_arrived_is_in_the_pool(
    tess: APIClient, treasurer: User, promised: Competition, signed_in: SignIn, person: User
) -> None:
    body = {"amount": 60, "reference": "bank 1", "reason": "It is on our account."}
    answer = tess.post(url(promised), body)
    assert (answer.status_code, answer.json()["data"]) == (
        200,
        {"prize_pool": 100, "funded": 60, "currency": "USD", "prize_pool_funded": False},
    )
    assert b'"funded":60.00,' in answer.content
    assert tess.post(url(promised), {"amount": 40, "reference": "bank 2"}).json()["data"]["prize_pool_funded"]
    assert balance_minor(pots.pool(promised.id, "USD")) == 10_000
    shown = signed_in(person).get(f"/api/v1/competitions/{promised.id}").json()["data"]
    assert shown["prize_pool_funded"] is True
    first = TreasuryAction.objects.order_by("id")[0]
    assert (first.by, first.reason, first.details) == (
        treasurer,
        "It is on our account.",
        {"amount_minor": 6000, "reference": "bank 1"},
    )


@pytest.mark.parametrize(("currency", "written"), [("JPY", b'"funded":60,'), ("KWD", b'"funded":60.000,')])
def test_money_has_the_decimals_of_its_currency(
    tess: APIClient, make_competition: MakeCompetition, currency: str, written: bytes
) -> None:
    competition = make_competition(prize_pool_minor=10_000, currency=currency)
    body = {"amount": 60, "reference": "bank 1", "currency": currency}
    assert written in tess.post(url(competition), body).content


def test_the_same_reference_again_changes_nothing(tess: APIClient, promised: Competition) -> None:
    body = {"amount": 60, "reference": "bank 1"}
    answers = [tess.post(url(promised), body) for _ in range(3)]
    assert [answer.json()["data"]["funded"] for answer in answers] == [60, 60, 60]
    assert Entry.objects.count() == 1


def test_what_was_rolled_over_funds_the_next_competition(
    tess: APIClient,
    treasurer: User,
    make_finished: MakeFinished,
    make_competition: MakeCompetition,
    now: datetime,
) -> None:
    first = make_finished(9, 8, plan={"leftover": "roll_over"})
    distribute_prizes(competition_id=first.id, actor=Actor(treasurer), now=now)
    following = make_competition(prize_pool_minor=1000)
    body = {"amount": "10.00", "reference": "from the last one", "from_reserve": True}
    assert tess.post(url(following), body).json()["data"]["prize_pool_funded"] is True
    answer = tess.post(url(following), {"amount": "0.01", "reference": "more", "from_reserve": True})
    assert (answer.status_code, "left over" in answer.json()["message"]) == (409, True)


def test_above_the_cap_it_is_a_slip_of_the_pen(tess: APIClient, promised: Competition, settings: Any) -> None:
    settings.PAYOUT_CAP = {"*": Decimal(50)}
    answer = tess.post(url(promised), {"amount": 51, "reference": "bank 1"})
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {"amount"})


def test_it_is_for_treasurers_only(
    promised: Competition,
    person: User,
    other: User,
    signed_in: SignIn,
    anonymous: APIClient,
    with_key: Callable[..., APIClient],
) -> None:
    body = {"amount": 60, "reference": "bank 1"}
    assert anonymous.post(url(promised), body).status_code == 401
    assert [signed_in(one).post(url(promised), body).status_code for one in (person, other)] == [403, 403]
    assert with_key(Scope.PRIZES_DISTRIBUTE).post(url(promised), body).status_code in (401, 403)
    assert not Entry.objects.exists()


@pytest.mark.parametrize("named", ["x", "00000000-0000-0000-0000-000000000000", "%00"])
def test_an_id_that_names_nothing_is_a_404(tess: APIClient, named: str) -> None:
    answer = tess.post(f"/api/v1/prizes/funding/{named}", {"amount": 60, "reference": "bank 1"})
    assert answer.status_code == 404


def test_other_verbs_are_a_405(tess: APIClient, promised: Competition) -> None:
    assert tess.get(url(promised)).status_code == 405


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 0.005}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "sixty"}, "amount"),
        ({"amount": 10**400}, "amount"),
        ({"amount": [60]}, "amount"),
        ({"amount": ...}, "amount"),
        ({"currency": "EUR"}, "currency"),
        ({"currency": "XXX"}, "currency"),
        ({"reference": ...}, "reference"),
        ({"reference": ""}, "reference"),
        ({"reference": " "}, "reference"),
        ({"reference": None}, "reference"),
        ({"reference": "a\x00"}, "reference"),
        ({"reference": "\ud800"}, "reference"),
        ({"reference": "x" * 81}, "reference"),
        ({"reference": {"a": 1}}, "reference"),
        ({"from_reserve": "perhaps"}, "from_reserve"),
        ({"from_reserve": None}, "from_reserve"),
        ({"reason": "\x00"}, "reason"),
        ({"reason": []}, "reason"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_booked(
    tess: APIClient, promised: Competition, change: dict[str, Any], field: str
) -> None:
    body = {"amount": 60, "reference": "bank 1"} | change
    text = json.dumps({name: value for name, value in body.items() if value is not ...})
    answer = tess.post(url(promised), data=text, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["details"].keys() == {field}
    assert not Entry.objects.exists()
