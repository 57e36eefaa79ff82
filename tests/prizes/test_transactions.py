"""GET /api/v1/users/{user_id}/transactions"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import Scope, User
from competitions.models import Competition
from competitions.services.lifecycle import cancel_competition
from leaderboards.settling import correct_standings
from prizes.actors import Actor
from prizes.models import PayoutAccount, SandboxFault
from prizes.models.sandbox import SandboxCall
from prizes.services.distribution import distribute_prizes
from tests.conftest import MakeCompetition, MakePerson
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]
URL = "/api/v1/users/me/transactions"


@pytest.fixture
def ben(other: User, signed_in: SignIn) -> APIClient:
    return signed_in(other)


@pytest.fixture
def paid_join(make_competition: MakeCompetition, ben: APIClient) -> Callable[..., Competition]:
    """Ben has joined and paid 10.50, in a currency with two decimals."""

    def join(**fields: Any) -> Competition:
        competition = make_competition(starts=2, ends=9, entry_fee_minor=1050, **fields)
        assert ben.post(f"/api/v1/competitions/{competition.id}/join").status_code == 202
        assert run_jobs() == []
        return competition

    return join


def won_by(competition: Competition, name: str = "Walker 1") -> User:
    return competition.participants.get(user__name=name).user


def shown(client: APIClient, query: str = "") -> list[tuple[str, float, str, str]]:
    answer = client.get(URL + query)
    assert answer.status_code == 200, answer.content
    return [(row["type"], row["amount"], row["currency"], row["status"]) for row in answer.json()["data"]]


def test_an_entry_fee(ben: APIClient, paid_join: Callable[..., Competition]) -> None:
    competition = paid_join(currency="EUR")
    answer = ben.get(URL)
    (row,) = answer.json()["data"]
    assert (
        row.items()
        >= {
            "type": "entry_fee",
            "amount": 10.5,
            "currency": "EUR",
            "status": "completed",
            "competition_id": str(competition.id),
            "competition_name": "Lake walk",
            "waits_for": None,
        }.items()
    )
    assert b'"amount":10.50,' in answer.content
    assert answer.json()["pagination"]["total"] == 1


@pytest.mark.parametrize(("currency", "written"), [("JPY", b'"amount":1050,'), ("KWD", b'"amount":1.050,')])
def test_money_has_the_decimals_of_its_currency(
    ben: APIClient, paid_join: Callable[..., Competition], currency: str, written: bytes
) -> None:
    paid_join(currency=currency)
    assert written in ben.get(URL).content


def test_a_refund_is_pending_until_it_is_there(
    ben: APIClient, person: User, paid_join: Callable[..., Competition]
) -> None:
    competition = paid_join()
    cancel_competition(competition_id=competition.id, by=person, now=datetime.now(UTC))
    fee = ("entry_fee", 10.5, "USD", "completed")
    assert shown(ben) == [("refund", 10.5, "USD", "pending"), fee]
    assert run_jobs() == []
    assert shown(ben) == [("refund", 10.5, "USD", "completed"), fee]


def test_a_prize_says_what_it_waits_for_and_then_that_it_is_there(
    make_finished: MakeFinished, treasurer: User, signed_in: SignIn, now: datetime
) -> None:
    competition = make_finished(9)
    client = signed_in(won_by(competition))
    assert shown(client) == []
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
    run_jobs()
    assert shown(client) == [("prize", 100, "USD", "pending")]
    assert client.get(URL).json()["data"][0]["waits_for"] == "The winner has not connected a payout account."
    client.post("/api/v1/prizes/payout-account")
    run_jobs()
    assert shown(client) == [("prize", 100, "USD", "completed")]


def test_a_prize_that_the_gateway_refused_has_failed(
    make_finished: MakeFinished, treasurer: User, signed_in: SignIn, now: datetime
) -> None:
    competition = make_finished(9)
    connect_accounts(competition)
    SandboxFault.objects.create(call=SandboxCall.TRANSFER, fault=SandboxFault.Fault.REFUSE, times_left=1)
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
    run_jobs()
    assert shown(signed_in(won_by(competition))) == [("prize", 100, "USD", "failed")]


def test_a_prize_withdrawn_by_a_correction_has_failed(
    make_finished: MakeFinished, treasurer: User, signed_in: SignIn, now: datetime
) -> None:
    competition = make_finished(9, 8)
    cheat = won_by(competition)
    connect_accounts(competition)
    PayoutAccount.objects.filter(user=cheat).delete()
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
    run_jobs()
    correct_standings(competition_id=competition.id, by=treasurer, reason="A bike.", disqualify=[cheat.id], now=now)
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
    run_jobs()
    assert shown(signed_in(cheat)) == [("prize", 66.67, "USD", "failed")]
    second = shown(signed_in(won_by(competition, "Walker 2")))
    assert sorted(second) == [("prize", 33.33, "USD", "completed"), ("prize", 66.67, "USD", "completed")]


def test_they_can_be_asked_for_by_type_and_page(
    ben: APIClient, person: User, paid_join: Callable[..., Competition]
) -> None:
    competition = paid_join()
    cancel_competition(competition_id=competition.id, by=person, now=datetime.now(UTC))
    paid_join()
    assert [row[0] for row in shown(ben)] == ["entry_fee", "refund", "entry_fee"]
    assert [row[0] for row in shown(ben, "?type=refund")] == ["refund"]
    assert shown(ben, "?type=prize") == []
    page = ben.get(f"{URL}?type=entry_fee&limit=1").json()
    assert (len(page["data"]), page["pagination"]["total"]) == (1, 2)
    assert page["pagination"]["next"] == f"{URL}?type=entry_fee&limit=1&offset=1"
    assert ben.get(page["pagination"]["next"]).json()["data"] != page["data"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("type=bonus", "type"),
        ("type=%00", "type"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=NaN", "limit"),
        ("limit=true", "limit"),
        ("offset=-1", "offset"),
        ("offset=99999999999999999999", "offset"),
    ],
)
def test_a_wrong_parameter_is_named(ben: APIClient, query: str, field: str) -> None:
    answer = ben.get(f"{URL}?{query}")
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {field})


def test_they_are_for_oneself_and_staff(
    other: User,
    ben: APIClient,
    person: User,
    treasurer: User,
    make_person: MakePerson,
    signed_in: SignIn,
    anonymous: APIClient,
    paid_join: Callable[..., Competition],
    with_key: Callable[..., APIClient],
) -> None:
    paid_join()
    url, clerk = f"/api/v1/users/{other.id}/transactions", make_person("Clerk", is_staff=True)
    assert ben.get(url).json()["data"] == ben.get(URL).json()["data"]
    assert anonymous.get(url).status_code == 401
    assert [signed_in(one).get(url).status_code for one in (person, treasurer, clerk)] == [403, 403, 403]
    assert with_key(Scope.PRIZES_DISTRIBUTE).get(url).status_code in (401, 403)
    clerk.user_permissions.add(Permission.objects.get(codename="view_user"))
    assert len(signed_in(clerk).get(url).json()["data"]) == 1


@pytest.mark.parametrize("named", ["x", "00000000-0000-0000-0000-000000000000", "%00", "ME"])
def test_an_id_that_names_nobody_is_a_404(ben: APIClient, named: str) -> None:
    assert ben.get(f"/api/v1/users/{named}/transactions").status_code == 404


def test_other_verbs_are_a_405(ben: APIClient) -> None:
    assert [ben.post(URL).status_code, ben.delete(URL).status_code] == [405, 405]


@pytest.mark.slow
def test_the_number_of_statements_does_not_grow_with_the_rows(
    ben: APIClient, paid_join: Callable[..., Competition], person: User, now: datetime
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert shown(ben)
        return len(asked.captured_queries)

    cancel_competition(competition_id=paid_join().id, by=person, now=now)
    few = statements()
    for _ in range(4):
        cancel_competition(competition_id=paid_join().id, by=person, now=now)
    assert len(shown(ben)) == 10
    assert statements() == few
