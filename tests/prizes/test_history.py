"""GET /api/v1/prizes/history/{user_id}"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from competitions.services.enrolment import enrol_people
from leaderboards.settling import correct_standings
from prizes.actors import Actor
from prizes.services.distribution import distribute_prizes
from prizes.services.funding import confirm_funding
from tests.conftest import MakePerson
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]
URL = "/api/v1/prizes/history/me"
Paid = Callable[..., User]


@pytest.fixture
def paid(make_finished: MakeFinished, treasurer: User, now: datetime) -> Paid:
    """The winner of a competition whose prizes are paid; ``connected``: they have a payout account."""

    def pay(*scores: int, connected: bool = True, **fields: Any) -> User:
        competition = make_finished(*scores, **fields)
        if connected:
            connect_accounts(competition)
        distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
        assert run_jobs() == []
        return competition.participants.get(user__name="Walker 1").user

    return pay


def test_a_prize_that_was_paid(paid: Paid, signed_in: SignIn) -> None:
    answer = signed_in(paid(9, 8)).get(URL)
    (row,) = answer.json()["data"]
    assert (
        row.items()
        >= {
            "competition_name": "Lake walk",
            "rank": 1,
            "amount": 66.67,
            "currency": "USD",
            "status": "paid",
            "waits_for": None,
        }.items()
    )
    assert row["awarded_at"] <= row["paid_at"]
    assert row["paid_at"].endswith("Z")
    assert answer.json()["pagination"] == {"limit": 50, "offset": 0, "total": 1, "next": None, "previous": None}


def test_a_prize_that_waits_says_for_what(paid: Paid, signed_in: SignIn) -> None:
    (row,) = signed_in(paid(9, connected=False)).get(URL).json()["data"]
    assert (row["status"], row["paid_at"]) == ("pending", None)
    assert row["waits_for"] == "The winner has not connected a payout account."


@pytest.mark.parametrize(("currency", "written"), [("JPY", b'"amount":10000,'), ("KWD", b'"amount":10.000,')])
def test_money_has_the_decimals_of_its_currency(
    paid: Paid, signed_in: SignIn, settings: Any, currency: str, written: bytes
) -> None:
    settings.APPROVAL_OVER = {}
    assert written in signed_in(paid(9, currency=currency)).get(URL).content


def test_a_correction_that_gives_more_is_a_line_of_its_own(
    make_finished: MakeFinished, treasurer: User, signed_in: SignIn, now: datetime
) -> None:
    competition = make_finished(9, 8)
    connect_accounts(competition)
    first, second = (one.user for one in competition.participants.order_by("user__name"))
    for version in (1, 2):
        if version == 2:
            correct_standings(
                competition_id=competition.id, by=treasurer, reason="A bike.", disqualify=[first.id], now=now
            )
            confirm_funding(
                competition_id=competition.id,
                amount_minor=6667,
                reference="bank 2",
                actor=Actor(treasurer),
                reason="What the first has and keeps.",
                now=now,
            )
        distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
        assert run_jobs() == []
    rows = signed_in(second).get(URL).json()["data"]
    assert sorted((row["rank"], row["amount"], row["status"]) for row in rows) == [
        (1, 66.67, "paid"),
        (2, 33.33, "paid"),
    ]
    assert [row["amount"] for row in signed_in(first).get(URL).json()["data"]] == [66.67]


def test_who_won_nothing_has_an_empty_history(other: User, signed_in: SignIn) -> None:
    assert signed_in(other).get(URL).json()["data"] == []


def test_it_is_for_oneself_and_staff(
    paid: Paid, person: User, make_person: MakePerson, signed_in: SignIn, anonymous: APIClient
) -> None:
    winner, clerk = paid(9), make_person("Clerk", is_staff=True)
    url = f"/api/v1/prizes/history/{winner.id}"
    assert signed_in(winner).get(url).json()["data"] == signed_in(winner).get(URL).json()["data"]
    assert anonymous.get(url).status_code == 401
    assert [signed_in(one).get(url).status_code for one in (person, clerk)] == [403, 403]
    clerk.user_permissions.add(Permission.objects.get(codename="view_user"))
    assert len(signed_in(clerk).get(url).json()["data"]) == 1


@pytest.mark.parametrize("named", ["x", "00000000-0000-0000-0000-000000000000", "%00"])
def test_an_id_that_names_nobody_is_a_404(other: User, signed_in: SignIn, named: str) -> None:
    assert signed_in(other).get(f"/api/v1/prizes/history/{named}").status_code == 404


@pytest.mark.parametrize(("query", "field"), [("limit=x", "limit"), ("offset=-1", "offset"), ("limit=%00", "limit")])
def test_a_wrong_parameter_is_named(other: User, signed_in: SignIn, query: str, field: str) -> None:
    answer = signed_in(other).get(f"{URL}?{query}")
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {field})


def test_other_verbs_are_a_405(other: User, signed_in: SignIn) -> None:
    assert signed_in(other).post(URL).status_code == 405


@pytest.mark.slow
def test_pages_and_a_constant_number_of_statements(
    make_finished: MakeFinished, treasurer: User, other: User, signed_in: SignIn, now: datetime
) -> None:
    client, counts = signed_in(other), []
    for rounds in (1, 3):
        for _ in range(rounds):
            competition = make_finished()
            enrol_people(competition=competition, user_ids=[other.id], now=competition.created_at)
            correct_standings(
                competition_id=competition.id, by=treasurer, reason="By hand.", adjust={other.id: 5}, now=now
            )
            distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
        with CaptureQueriesContext(connection) as asked:
            assert client.get(URL).status_code == 200
        counts.append(len(asked.captured_queries))
    assert counts[0] == counts[1]
    page = client.get(f"{URL}?limit=3").json()
    assert (len(page["data"]), page["pagination"]["total"]) == (3, 4)
    assert len(client.get(page["pagination"]["next"]).json()["data"]) == 1
