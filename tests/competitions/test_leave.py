"""POST /api/v1/competitions/{id}/leave"""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def leave(client: APIClient, competition: Competition) -> Any:
    return client.post(f"/api/v1/competitions/{competition.id}/leave")


@pytest.mark.parametrize("starts", [2, -2])
def test_leaving_before_and_after_the_start_takes_one_off_the_board(
    me: APIClient, other: User, signed_in: SignIn, make_competition: Any, join: Any, starts: int
) -> None:
    competition = make_competition(starts=starts, ends=9)
    join(competition, other)
    answer = leave(signed_in(other), competition)
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    board = me.get(f"/api/v1/leaderboard/{competition.id}").json()["data"]
    assert (board["entries"], board["total_count"]) == ([], 0)
    assert me.get(f"/api/v1/competitions/{competition.id}").json()["data"]["participant_count"] == 0


@pytest.mark.parametrize("grace", [0, 24])
def test_after_the_end_everybody_stays(
    me: APIClient, person: User, make_competition: Any, join: Any, grace: int
) -> None:
    competition = make_competition(starts=-3, ends=1, grace_hours=grace)
    join(competition, person)
    Competition.objects.filter(id=competition.id).update(
        end_at=competition.start_at.replace(hour=12), closes_at=competition.start_at.replace(hour=13)
    )
    answer = leave(me, competition)
    assert answer.status_code == 409
    assert me.get(f"/api/v1/competitions/{competition.id}").json()["data"]["participant_count"] == 1


def test_who_takes_no_part_cannot_leave(me: APIClient, make_competition: Any) -> None:
    answer = leave(me, make_competition())
    assert answer.status_code == 409
    assert "not take part" in answer.json()["message"]


def test_leaving_twice_is_a_conflict(me: APIClient, person: User, make_competition: Any, join: Any) -> None:
    competition = make_competition()
    join(competition, person)
    assert [leave(me, competition).status_code for _ in range(2)] == [200, 409]


def test_nobody_else_is_taken_off(me: APIClient, person: User, other: User, make_competition: Any, join: Any) -> None:
    competition = make_competition()
    join(competition, person, other)
    leave(me, competition)
    rows = me.get(f"/api/v1/competitions/{competition.id}/participants").json()["data"]
    assert [row["user_id"] for row in rows] == [str(other.id)]


def test_it_takes_a_token(anonymous: APIClient, make_competition: Any) -> None:
    assert leave(anonymous, make_competition()).status_code == 401
