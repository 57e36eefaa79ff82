"""POST /api/v1/competitions/{id}/publish and /cancel"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def url(competition: Competition, action: str) -> str:
    return f"/api/v1/competitions/{competition.id}/{action}"


def moves(competition: Competition) -> list[tuple[str, str]]:
    return [(move.from_status, move.to_status) for move in competition.status_moves.all()]


def test_publishing_ends_the_draft(
    me: APIClient, other: User, person: User, signed_in: SignIn, make_competition: Any
) -> None:
    draft = make_competition(published=False, starts=1, ends=2)
    answer = me.post(url(draft, "publish"))
    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "upcoming")
    assert signed_in(other).post(url(draft, "join")).status_code == 200
    assert moves(draft) == [("", "draft"), ("draft", "upcoming")]
    assert draft.status_moves.last().moved_by == person


def test_publishing_again_changes_nothing(me: APIClient, make_competition: Any) -> None:
    draft = make_competition(published=False)
    first, second = me.post(url(draft, "publish")).json(), me.post(url(draft, "publish")).json()
    assert first == second
    assert moves(draft) == [("", "draft"), ("draft", "active")]


def test_a_draft_about_the_past_has_its_grace_from_publishing_on(
    me: APIClient, make_competition: Any, now: Any
) -> None:
    draft = make_competition(published=False, starts=-40, ends=-30, created_at=now - timedelta(days=20))
    assert me.post(url(draft, "publish")).json()["data"]["status"] == "ended"
    draft.refresh_from_db()
    assert draft.closes_at > now


@pytest.mark.parametrize("starts", [2, -2])
def test_cancelling_ends_it_before_and_while_it_runs(
    me: APIClient, other: User, signed_in: SignIn, make_competition: Any, starts: int
) -> None:
    competition = make_competition(starts=starts, ends=9)
    answer = me.post(url(competition, "cancel"))
    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "cancelled")
    assert signed_in(other).post(url(competition, "join")).status_code == 409
    assert moves(competition)[-1] == ("upcoming" if starts > 0 else "active", "cancelled")


def test_cancelling_again_changes_nothing(me: APIClient, make_competition: Any) -> None:
    competition = make_competition()
    first, second = me.post(url(competition, "cancel")).json(), me.post(url(competition, "cancel")).json()
    assert first == second
    assert len(moves(competition)) == 2


def test_what_has_ended_cannot_be_cancelled(me: APIClient, make_competition: Any) -> None:
    answer = me.post(url(make_competition(starts=-3, ends=-2), "cancel"))
    assert answer.status_code == 409
    assert "ended" in answer.json()["message"]


def test_a_cancelled_one_keeps_its_status_for_good(me: APIClient, make_competition: Any) -> None:
    competition = make_competition(published=False)
    me.post(url(competition, "cancel"))
    assert me.post(url(competition, "publish")).json()["data"]["status"] == "cancelled"
    assert me.delete(f"/api/v1/competitions/{competition.id}").status_code == 409


@pytest.mark.parametrize("action", ["publish", "cancel"])
def test_it_is_for_owner_and_staff(
    other: User, staff: User, signed_in: SignIn, anonymous: APIClient, make_competition: Any, action: str
) -> None:
    competition = make_competition()
    assert anonymous.post(url(competition, action)).status_code == 401
    assert signed_in(other).post(url(competition, action)).status_code == 403
    assert signed_in(staff).post(url(competition, action)).status_code == 200


@pytest.mark.parametrize("action", ["publish", "cancel", "join", "leave"])
def test_it_is_a_post(me: APIClient, make_competition: Any, action: str) -> None:
    assert me.get(url(make_competition(), action)).status_code == 405
