"""GET /api/v1/competitions/{id}/participants"""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition

pytestmark = pytest.mark.django_db


def url(competition: Competition) -> str:
    return f"/api/v1/competitions/{competition.id}/participants"


def test_participants_are_listed_in_the_order_in_which_they_came(
    me: APIClient, make_person: Any, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    people = [make_person(str(n)) for n in range(5)]
    join(competition, *people)
    answer = me.get(url(competition), {"limit": 2, "offset": 2}).json()
    assert [row["user_name"] for row in answer["data"]] == ["2", "3"]
    assert answer["data"][0].keys() == {"user_id", "user_name", "avatar", "joined_at"}
    assert answer["pagination"] == {
        "limit": 2,
        "offset": 2,
        "total": 5,
        "next": f"{url(competition)}?limit=2&offset=4",
        "previous": f"{url(competition)}?limit=2&offset=0",
    }


def test_no_email_is_shown(me: APIClient, other: User, make_competition: Any, join: Any) -> None:
    competition = make_competition()
    join(competition, other)
    assert b"@" not in me.get(url(competition)).content


def test_who_left_is_not_listed(me: APIClient, person: User, other: User, make_competition: Any, join: Any) -> None:
    competition = make_competition()
    join(competition, person, other)
    me.post(f"/api/v1/competitions/{competition.id}/leave")
    answer = me.get(url(competition)).json()
    assert ([row["user_name"] for row in answer["data"]], answer["pagination"]["total"]) == (["Ben"], 1)


def test_outsiders_see_nobody_of_a_private_one(
    other: User, signed_in: Callable[[User], APIClient], make_competition: Any
) -> None:
    assert signed_in(other).get(url(make_competition(visibility="private"))).status_code == 404


@pytest.mark.parametrize(("parameter", "value"), [("limit", "0"), ("limit", "x"), ("offset", "-1")])
def test_a_wrong_parameter_is_named(me: APIClient, make_competition: Any, parameter: str, value: str) -> None:
    answer = me.get(url(make_competition()), {parameter: value})
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {parameter}


def test_it_is_a_get_with_a_token(me: APIClient, anonymous: APIClient, make_competition: Any) -> None:
    assert anonymous.get(url(make_competition())).status_code == 401
    assert me.post(url(make_competition())).status_code == 405


def test_a_page_costs_the_same_however_many_rows(
    me: APIClient, make_person: Any, make_competition: Any, join: Any, django_assert_max_num_queries: Any
) -> None:
    competition = make_competition()
    join(competition, *[make_person(str(n)) for n in range(10)])
    with django_assert_max_num_queries(6):
        me.get(url(competition))
