"""GET /api/v1/competitions"""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from competitions.rules import Status

URL = "/api/v1/competitions"
pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def names(client: APIClient, **query: str) -> list[str]:
    answer = client.get(URL, query)
    assert answer.status_code == 200, answer.content
    return [row["name"] for row in answer.json()["data"]]


def test_the_list_is_a_page_with_its_place(me: APIClient, make_competition: Any) -> None:
    for day in range(5):
        make_competition(name=str(day), starts=day, ends=day + 1)
    answer = me.get(URL, {"limit": "2", "offset": "2", "status": "upcoming"}).json()
    assert answer["success"] is True
    assert [row["name"] for row in answer["data"]] == ["2", "1"]
    assert answer["pagination"] == {
        "limit": 2,
        "offset": 2,
        "total": 4,
        "next": None,
        "previous": f"{URL}?limit=2&offset=0&status=upcoming",
    }


def test_following_next_visits_everything_once(me: APIClient, make_competition: Any) -> None:
    made = {str(make_competition(name=str(n)).id) for n in range(7)}
    seen, link = list[str](), f"{URL}?limit=3"
    while link:
        page = me.get(link).json()
        seen += [row["id"] for row in page["data"]]
        link = page["pagination"]["next"]
    assert len(seen) == 7
    assert set(seen) == made


def test_an_empty_list_is_an_empty_page(me: APIClient) -> None:
    answer = me.get(URL).json()
    assert answer["data"] == []
    assert answer["pagination"] == {"limit": 50, "offset": 0, "total": 0, "next": None, "previous": None}


def test_each_status_lists_its_own(me: APIClient, make_competition: Any, now: Any) -> None:
    made = {
        "draft": make_competition(name="draft", published=False),
        "upcoming": make_competition(name="upcoming", starts=1, ends=2),
        "active": make_competition(name="active"),
        "ended": make_competition(name="ended", starts=-3, ends=-2),
        "completed": make_competition(name="completed", starts=-9, ends=-8),
        "cancelled": make_competition(name="cancelled"),
    }
    made["completed"].closes_at = made["completed"].end_at
    made["completed"].save()
    made["cancelled"].cancelled_at = now
    made["cancelled"].save()
    for status in Status:
        answer = me.get(URL, {"status": status.value}).json()
        assert [row["name"] for row in answer["data"]] == [status.value]
        assert [row["status"] for row in answer["data"]] == [status.value]
        assert answer["pagination"]["total"] == 1


def test_outsiders_see_neither_private_ones_nor_drafts(other: User, signed_in: SignIn, make_competition: Any) -> None:
    for visibility in ("open", "public", "private"):
        make_competition(name=visibility, visibility=visibility)
        make_competition(name=f"{visibility} draft", visibility=visibility, published=False)
    assert set(names(signed_in(other))) == {"open", "public"}
    assert signed_in(other).get(URL).json()["pagination"]["total"] == 2


def test_owners_participants_and_staff_see_more(
    me: APIClient, other: User, staff: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    private = make_competition(name="private", visibility="private")
    make_competition(name="draft", published=False)
    join(private, other)
    assert set(names(me)) == {"private", "draft"}
    assert names(signed_in(other)) == ["private"]
    assert set(names(signed_in(staff))) == {"private", "draft"}


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("status", "running"),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "many"),
        ("offset", "-1"),
        ("offset", "1e3"),
        ("offset", str(10**30)),
    ],
)
def test_a_wrong_parameter_is_named(me: APIClient, parameter: str, value: str) -> None:
    answer = me.get(URL, {parameter: value})
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {parameter}


def test_it_takes_a_token(anonymous: APIClient) -> None:
    assert anonymous.get(URL).status_code == 401


def test_a_page_costs_the_same_however_many_rows(
    me: APIClient, make_competition: Any, django_assert_max_num_queries: Any
) -> None:
    for n in range(10):
        make_competition(name=str(n))
    with django_assert_max_num_queries(6):
        me.get(URL)
