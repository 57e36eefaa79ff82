"""POST /api/v1/prizes/calculate/{competition_id}"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import Scope, User
from competitions.models import Competition
from leaderboards.models import FinalStandings
from leaderboards.settling import settle_competition
from prizes.models import AwardList, Entry, Transfer, TreasuryAction
from tests.conftest import MakeCompetition, MakePerson
from tests.prizes.conftest import MakeFinished

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def url(competition: Competition) -> str:
    return f"/api/v1/prizes/calculate/{competition.id}"


@pytest.fixture
def me(person: User, signed_in: SignIn) -> APIClient:
    return signed_in(person)


def amounts(answer: Any) -> list[float]:
    assert answer.status_code == 200, answer.content
    return [prize["amount"] for prize in answer.json()["data"]["prizes"]]


def winners(competition: Competition) -> list[str]:
    return [str(one.user_id) for one in competition.participants.order_by("user__name")]


def test_the_default_plan_gives_60_30_10(me: APIClient, make_finished: MakeFinished) -> None:
    competition = make_finished(90, 80, 70, 60)
    answer = me.post(url(competition))
    first, second, third, _ = winners(competition)

    def prize(user_id: str, rank: int, amount: int) -> dict[str, Any]:
        shown = {"user_id": user_id, "rank": rank, "amount": amount, "currency": "USD", "status": "provisional"}
        return shown | {"waits_for": None}

    assert answer.json() == {
        "success": True,
        "data": {
            "competition_id": str(competition.id),
            "prizes": [prize(first, 1, 60), prize(second, 2, 30), prize(third, 3, 10)],
            "currency": "USD",
            "prize_pool": 100,
            "remainder": 0,
            "final": False,
            "version": None,
            "status": "provisional",
        },
    }


def test_once_the_standings_are_final_it_is_calculated_by_them(
    me: APIClient, make_finished: MakeFinished, now: Any
) -> None:
    competition = make_finished(90, 80, 70)
    settle_competition(competition_id=competition.id, now=now)
    data = me.post(url(competition)).json()["data"]
    assert (data["final"], data["version"], data["status"]) == (True, 1, "calculated")
    assert {prize["status"] for prize in data["prizes"]} == {"calculated"}


@pytest.mark.parametrize(
    ("currency", "pool", "written"),
    [("JPY", 1000, b'"amount":600,'), ("USD", 10_000, b'"amount":60.00,'), ("KWD", 100_000, b'"amount":60.000,')],
)
def test_money_has_the_decimals_of_its_currency(
    me: APIClient, make_finished: MakeFinished, currency: str, pool: int, written: bytes
) -> None:
    competition = make_finished(3, 2, 1, pool=pool, currency=currency)
    assert written in me.post(url(competition)).content


def test_a_what_if_is_answered_and_forgotten(me: APIClient, make_finished: MakeFinished) -> None:
    competition = make_finished(3, 2, 1)
    assert amounts(me.post(url(competition), {"prize_pool": 1000.50, "currency": "usd"})) == [600.30, 300.15, 100.05]
    assert amounts(me.post(url(competition), {"prize_pool": "0"})) == []
    assert amounts(me.post(url(competition))) == [60, 30, 10]


def test_it_writes_nothing(me: APIClient, make_finished: MakeFinished) -> None:
    competition = make_finished(3, 2, 1)
    entries, actions = Entry.objects.count(), TreasuryAction.objects.count()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert me.post(url(competition), {"prize_pool": 7}).status_code == 200
    assert all(query["sql"].startswith("SELECT") for query in asked.captured_queries)
    assert not FinalStandings.objects.exists()
    assert not AwardList.objects.exists()
    assert not Transfer.objects.exists()
    assert (Entry.objects.count(), TreasuryAction.objects.count()) == (entries, actions)


def test_ties_are_settled_by_the_competition_s_own_rule(me: APIClient, make_finished: MakeFinished) -> None:
    assert amounts(me.post(url(make_finished(9, 9, 8)))) == [60, 30, 10]
    shared = me.post(url(make_finished(9, 9, 8, tie_rule="shared")))
    assert amounts(shared) == [45, 45, 10]
    assert [prize["rank"] for prize in shared.json()["data"]["prizes"]] == [1, 1, 3]


@pytest.mark.parametrize(
    ("leftover", "paid", "remainder"),
    [("redistribute", [66.67, 33.33], 0), ("roll_over", [60, 30], 10), ("return", [60, 30], 10)],
)
def test_fewer_winners_than_places(
    me: APIClient, make_finished: MakeFinished, leftover: str, paid: list[float], remainder: float
) -> None:
    answer = me.post(url(make_finished(9, 8, plan={"leftover": leftover})))
    assert amounts(answer) == paid
    assert answer.json()["data"]["remainder"] == remainder


def test_who_has_no_point_wins_nothing(me: APIClient, make_finished: MakeFinished) -> None:
    assert amounts(me.post(url(make_finished(9, 0)))) == [100]
    assert amounts(me.post(url(make_finished(0, 0)))) == []


def test_a_target_splits_the_pool_evenly(me: APIClient, make_finished: MakeFinished) -> None:
    competition = make_finished(30, 20, 10, 9, plan={"places": [], "target": 10})
    assert amounts(me.post(url(competition))) == [33.34, 33.33, 33.33]


def test_fixed_amounts_above_the_what_if_are_a_409(me: APIClient, make_finished: MakeFinished) -> None:
    competition = make_finished(3, 2, plan={"places": [{"first": 1, "last": 2, "amount_minor": 5000}]})
    assert amounts(me.post(url(competition))) == [50, 50]
    answer = me.post(url(competition), {"prize_pool": 99.99})
    assert (answer.status_code, answer.json()["code"]) == (409, 409)
    assert "pool" in answer.json()["message"]


@pytest.mark.parametrize("days", [(2, 5), (-2, 5)])
def test_it_can_be_asked_before_the_end_too(
    me: APIClient, make_competition: MakeCompetition, days: tuple[int, int]
) -> None:
    competition = make_competition(starts=days[0], ends=days[1], prize_pool_minor=10_000)
    data = me.post(url(competition)).json()["data"]
    assert (data["prizes"], data["remainder"], data["final"]) == ([], 100, False)


def test_it_is_for_the_owner_staff_and_treasurers(
    make_finished: MakeFinished,
    other: User,
    treasurer: User,
    make_person: MakePerson,
    signed_in: SignIn,
    anonymous: APIClient,
    with_key: Callable[..., APIClient],
) -> None:
    open_one, private = make_finished(3), make_finished(3, visibility="private")
    clerk = make_person("Clerk", is_staff=True)
    assert anonymous.post(url(open_one)).status_code == 401
    assert signed_in(other).post(url(open_one)).status_code == 403
    assert signed_in(other).post(url(private)).status_code == 404
    assert signed_in(clerk).post(url(open_one)).status_code == 403
    assert with_key(Scope.PRIZES_DISTRIBUTE).post(url(open_one)).status_code in (401, 403)
    clerk.user_permissions.add(Permission.objects.get(codename="change_competition"))
    assert signed_in(clerk).post(url(open_one)).status_code == 200
    assert signed_in(treasurer).post(url(open_one)).status_code == 200
    assert signed_in(treasurer).post(url(private)).status_code == 200


@pytest.mark.parametrize("named", ["x", "00000000-0000-0000-0000-000000000000", "%00"])
def test_an_id_that_names_nothing_is_a_404(me: APIClient, treasurer: User, signed_in: SignIn, named: str) -> None:
    assert me.post(f"/api/v1/prizes/calculate/{named}").status_code == 404
    assert signed_in(treasurer).post(f"/api/v1/prizes/calculate/{named}").status_code == 404


def test_other_verbs_are_a_405(me: APIClient, make_finished: MakeFinished) -> None:
    competition = make_finished(3)
    assert [me.get(url(competition)).status_code, me.put(url(competition)).status_code] == [405, 405]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prize_pool": -1}, "prize_pool"),
        ({"prize_pool": 0.001}, "prize_pool"),
        ({"prize_pool": True}, "prize_pool"),
        ({"prize_pool": None}, "prize_pool"),
        ({"prize_pool": "NaN"}, "prize_pool"),
        ({"prize_pool": "Infinity"}, "prize_pool"),
        ({"prize_pool": "1e2"}, "prize_pool"),
        ({"prize_pool": "\x00"}, "prize_pool"),
        ({"prize_pool": 10**15}, "prize_pool"),
        ({"prize_pool": 10**400}, "prize_pool"),
        ({"prize_pool": [[[]]]}, "prize_pool"),
        ({"prize_pool": {"amount": 1}}, "prize_pool"),
        ({"currency": "EUR"}, "currency"),
        ({"currency": "money"}, "currency"),
        ([], "non_field_errors"),
        ("all", "non_field_errors"),
    ],
)
def test_a_wrong_field_is_named(me: APIClient, make_finished: MakeFinished, body: Any, field: str) -> None:
    answer = me.post(url(make_finished(3)), data=json.dumps(body), content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["details"].keys() == {field}


@pytest.mark.parametrize("number", ["NaN", "1e400", "1e999999999", "-1e-999999999"])
def test_numbers_that_are_none_are_a_400(me: APIClient, make_finished: MakeFinished, number: str) -> None:
    text = f'{{"prize_pool": {number}}}'
    answer = me.post(url(make_finished(3)), data=text, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


def test_the_number_of_statements_does_not_grow_with_the_board(me: APIClient, make_finished: MakeFinished) -> None:
    def statements(competition: Competition) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert me.post(url(competition)).status_code == 200
        return len(asked.captured_queries)

    plan = {"places": [{"first": 1, "last": 20, "percent": "5"}]}
    assert statements(make_finished(*range(20, 0, -1), plan=plan)) == statements(make_finished(2, 1, plan=plan))
