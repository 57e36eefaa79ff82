"""POST /api/v1/competitions/{id}/join"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import Scope, User
from competitions.models import Competition, Participant
from competitions.services.enrolment import AlreadyJoined, CompetitionFull, join_competition, leave_competition

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def url(competition: Competition, action: str = "join") -> str:
    return f"/api/v1/competitions/{competition.id}/{action}"


@pytest.fixture
def ben(other: User, signed_in: SignIn) -> APIClient:
    return signed_in(other)


def count(competition: Competition) -> int:
    competition.refresh_from_db()
    assert competition.participant_count == Participant.objects.filter(competition=competition, left_at=None).count()
    return competition.participant_count


@pytest.mark.parametrize("starts", [2, -2])
def test_anybody_joins_an_open_one_before_and_after_the_start(
    ben: APIClient, other: User, make_competition: Any, starts: int
) -> None:
    competition = make_competition(starts=starts, ends=9)
    answer = ben.post(url(competition))
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert (data["user_id"], data["user_name"], data["avatar"]) == (str(other.id), "Ben", None)
    assert data["joined_at"].endswith("Z")
    assert count(competition) == 1


def test_whoever_joined_is_on_the_board(ben: APIClient, other: User, make_competition: Any) -> None:
    competition = make_competition()
    ben.post(url(competition))
    entries = ben.get(f"/api/v1/leaderboard/{competition.id}").json()["data"]["entries"]
    assert [(entry["user_id"], entry["score"]) for entry in entries] == [(str(other.id), 0)]


def test_joining_twice_is_a_conflict(ben: APIClient, make_competition: Any) -> None:
    competition = make_competition()
    ben.post(url(competition))
    answer = ben.post(url(competition))
    assert answer.status_code == 409
    assert "already" in answer.json()["message"]
    assert count(competition) == 1


def test_joining_twice_is_a_conflict_in_a_private_one_too(ben: APIClient, make_competition: Any) -> None:
    private = make_competition(visibility="private")
    assert ben.post(url(private), {"join_code": private.join_code}).status_code == 200
    assert ben.post(url(private)).status_code == 409


def test_a_private_one_asks_for_its_code(ben: APIClient, make_competition: Any) -> None:
    private = make_competition(visibility="private")
    for body in ({}, {"join_code": "WRONG"}, {"join_code": make_competition().join_code}):
        assert ben.post(url(private), body).status_code == 404
    assert ben.post(url(private), {"join_code": private.join_code.lower()}).status_code == 200
    assert ben.get(url(private, "participants")).status_code == 200


def test_the_owner_joins_without_the_code(me: APIClient, make_competition: Any) -> None:
    assert me.post(url(make_competition(visibility="private"))).status_code == 200


def test_a_draft_is_joined_by_nobody(me: APIClient, ben: APIClient, make_competition: Any) -> None:
    draft = make_competition(published=False)
    assert ben.post(url(draft), {"join_code": draft.join_code}).status_code == 404
    assert me.post(url(draft)).status_code == 409


@pytest.mark.parametrize("grace", [0, 24])
def test_after_the_end_it_is_too_late(ben: APIClient, make_competition: Any, grace: int) -> None:
    competition = make_competition(starts=-3, ends=-2, grace_hours=grace)
    answer = ben.post(url(competition))
    assert answer.status_code == 409
    assert "over" in answer.json()["message"]
    assert count(competition) == 0


def test_a_full_one_says_so_until_a_place_is_free(me: APIClient, ben: APIClient, make_competition: Any) -> None:
    competition = make_competition(max_participants=1)
    assert me.post(url(competition)).status_code == 200
    answer = ben.post(url(competition))
    assert answer.status_code == 409
    assert "taken" in answer.json()["message"]
    assert me.post(url(competition, "leave")).status_code == 200
    assert ben.post(url(competition)).status_code == 200
    assert count(competition) == 1


def test_who_left_may_come_back(ben: APIClient, make_competition: Any) -> None:
    competition = make_competition()
    for action in ("join", "leave", "join"):
        assert ben.post(url(competition, action)).status_code == 200
    assert count(competition) == 1


@pytest.mark.parametrize("code", ["x" * 17, 5.5, ["A"], "\x00", ""])
def test_a_wrong_code_field_is_named(ben: APIClient, make_competition: Any, code: Any) -> None:
    answer = ben.post(url(make_competition(visibility="private")), {"join_code": code})
    assert answer.status_code in (400, 404)
    if answer.status_code == 400:
        assert answer.json()["details"].keys() == {"join_code"}


def test_it_takes_a_person(anonymous: APIClient, with_key: Callable[..., APIClient], make_competition: Any) -> None:
    competition = make_competition()
    assert anonymous.post(url(competition)).status_code == 401
    assert with_key(*Scope).post(url(competition)).status_code == 403


# --- Many at once -----------------------------------------------------------------------------------------------------


def crowd(size: int) -> list[User]:
    people = [User(id=uuid4(), name=f"Walker {n}", password="!") for n in range(size)]
    return User.objects.bulk_create(people)


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_of_five_hundred_who_want_ten_places_ten_get_one(make_competition: Any, now: datetime) -> None:
    competition, people, start = make_competition(max_participants=10), crowd(500), Barrier(16)

    def join_some(own: list[User]) -> int:
        seats = 0
        start.wait()
        with closing(connection):
            for one in own:
                try:
                    join_competition(competition=competition, user_id=one.id, join_code=None, now=now)
                    seats += 1
                except CompetitionFull:
                    pass
        return seats

    with ThreadPoolExecutor(16) as pool:
        seats = list(pool.map(join_some, [people[n::16] for n in range(16)]))
    assert sum(seats) == 10
    assert count(competition) == 10


@pytest.mark.django_db(transaction=True)
def test_of_sixteen_requests_of_one_person_one_joins(make_competition: Any, other: User, now: datetime) -> None:
    competition, start = make_competition(), Barrier(16)

    def join(_: int) -> bool:
        start.wait()
        with closing(connection):
            try:
                join_competition(competition=competition, user_id=other.id, join_code=None, now=now)
            except AlreadyJoined:
                return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(join, range(16))) == 1
    assert count(competition) == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_coming_and_going_all_at_once_keeps_the_count_right(make_competition: Any, now: datetime) -> None:
    competition, people, start = make_competition(max_participants=3), crowd(8), Barrier(8)

    def come_and_go(one: User) -> None:
        start.wait()
        with closing(connection):
            for _ in range(6):
                try:
                    join_competition(competition=competition, user_id=one.id, join_code=None, now=now)
                except CompetitionFull:
                    continue
                leave_competition(competition=competition, user_id=one.id, now=now)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, people))
    assert count(competition) == 0
