"""GET /api/v1/leaderboard/{competition_id} and …/rank/{user_id}"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from accounts.models import User

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


def test_a_board_names_everything_that_clients_read(
    person: User, other: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person, other)
    signed_in(other).post("/api/v1/fitness/sync", {"steps": 10, "distance": 7.25, "source": "fitbit"})
    data = signed_in(person).get(f"/api/v1/leaderboard/{competition.id}").json()["data"]
    assert data.keys() >= {"competition_id", "entries", "total_count", "updated_at", "version"}
    assert data["total_count"] == 2
    first = data["entries"][0]
    assert first["user_id"] == str(other.id)
    assert first.keys() >= {
        "user_id",
        "user_name",
        "avatar",
        "competition_id",
        "score",
        "rank",
        "steps",
        "distance",
        "calories",
        "last_synced_at",
        "updated_at",
    }
    assert (first["user_name"], first["distance"], first["rank"]) == ("Ben", 7.25, 1)
    assert first["last_synced_at"].endswith("Z")


def test_pages_follow_one_another(
    person: User, signed_in: SignIn, make_competition: Any, join: Any, make_person: Any
) -> None:
    competition = make_competition()
    join(competition, *[make_person(f"P{number}") for number in range(5)])
    client, url = signed_in(person), f"/api/v1/leaderboard/{competition.id}"
    pages = [
        client.get(url, {"limit": "2", "offset": str(offset)}).json()["data"]["entries"] for offset in (0, 2, 4, 6)
    ]
    assert [[entry["rank"] for entry in page] for page in pages] == [[1, 2], [3, 4], [5], []]


def test_around_me_is_a_window_around_me(
    person: User, signed_in: SignIn, make_competition: Any, join: Any, make_person: Any
) -> None:
    competition = make_competition()
    join(competition, *[make_person(f"P{number}") for number in range(4)], person)
    answer = signed_in(person).get(f"/api/v1/leaderboard/{competition.id}", {"around": "me", "limit": "3"})
    assert str(person.id) in [entry["user_id"] for entry in answer.json()["data"]["entries"]]
    rank = signed_in(person).get(f"/api/v1/leaderboard/{competition.id}/rank/me").json()["data"]
    assert rank["user_id"] == str(person.id)
    assert rank in answer.json()["data"]["entries"]


def test_somebody_who_does_not_take_part_has_no_rank(person: User, signed_in: SignIn, make_competition: Any) -> None:
    competition = make_competition()
    for path in ("/rank/me", f"/rank/{uuid4()}", "/rank/nobody", "?around=me", "?around=nobody"):
        assert signed_in(person).get(f"/api/v1/leaderboard/{competition.id}{path}").status_code == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("offset=1e9", "offset"),
    ],
)
def test_a_wrong_parameter_is_named(
    person: User, signed_in: SignIn, make_competition: Any, query: str, field: str
) -> None:
    answer = signed_in(person).get(f"/api/v1/leaderboard/{make_competition().id}?{query}")
    assert answer.status_code == 400
    assert field in answer.json()["details"]


def test_a_private_board_does_not_exist_for_outsiders(
    other: User, person: User, signed_in: SignIn, make_competition: Any
) -> None:
    competition = make_competition(visibility="private")
    assert signed_in(other).get(f"/api/v1/leaderboard/{competition.id}").status_code == 404
    assert signed_in(person).get(f"/api/v1/leaderboard/{competition.id}").status_code == 200


def test_strangers_see_no_board(anonymous: APIClient, make_competition: Any) -> None:
    assert anonymous.get(f"/api/v1/leaderboard/{make_competition().id}").status_code == 401


def test_only_get_is_understood(person: User, signed_in: SignIn, make_competition: Any) -> None:
    assert signed_in(person).post(f"/api/v1/leaderboard/{make_competition().id}").status_code == 405


@pytest.mark.parametrize("board", ["nonsense", "00000000-0000-0000-0000-000000000000", "1"])
def test_a_board_that_is_not_there_is_a_404(person: User, signed_in: SignIn, board: str) -> None:
    assert signed_in(person).get(f"/api/v1/leaderboard/{board}").status_code == 404


def test_an_empty_board_is_a_board(person: User, signed_in: SignIn, make_competition: Any) -> None:
    data = signed_in(person).get(f"/api/v1/leaderboard/{make_competition().id}").json()["data"]
    assert (data["entries"], data["total_count"]) == ([], 0)


def test_reads_are_right_while_redis_is_out(
    person: User, other: User, signed_in: SignIn, make_competition: Any, join: Any, redis_out: None
) -> None:
    competition = make_competition(tie_rule="shared")
    join(competition, person, other)
    for someone in (person, other):
        assert signed_in(someone).post("/api/v1/fitness/sync", {"steps": 10, "source": "fitbit"}).status_code == 200
    url = f"/api/v1/leaderboard/{competition.id}"
    entries = signed_in(person).get(url).json()["data"]["entries"]
    assert [entry["rank"] for entry in entries] == [1, 1]
    assert signed_in(other).get(f"{url}?around=me&limit=1").json()["data"]["entries"][0]["user_id"] == str(other.id)
