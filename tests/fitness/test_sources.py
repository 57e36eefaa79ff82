"""GET and PUT /api/v1/fitness/sources"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from fitness.models import SourcePreference
from fitness.queries.readings import totals_shown_of
from tests.fitness.test_samples import PHONE, sample, score, send

URL = "/api/v1/fitness/sources"
SYNC = "/api/v1/fitness/sync"
pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


@pytest.fixture
def client(person: User, signed_in: SignIn) -> APIClient:
    return signed_in(person)


def test_it_lists_what_measured_me_and_the_usual_preference(client: APIClient, other: User, signed_in: SignIn) -> None:
    send(client, sample("a"), sample("b", source=PHONE))
    send(signed_in(other), sample("c", source={"app": "theirs"}))
    data = client.get(URL).json()["data"]
    assert data["preference"] == ["watch", "band", "ring", "phone"]
    assert {(one["app"], one["device"], one["kind"]) for one in data["sources"]} == {
        ("apple_health", "Watch", "watch"),
        ("apple_health", "Phone", "phone"),
    }


def test_my_preference_decides_where_the_competition_leaves_it_to_me(
    client: APIClient, person: User, make_competition: Any, join: Any
) -> None:
    mine = make_competition(starts=-3, ends=2, stored_policy={"merge": "preferred"})
    theirs = make_competition(starts=-3, ends=2, stored_policy={"merge": "preferred", "preference": ["watch"]})
    largest = make_competition(starts=-3, ends=2)
    for competition in (mine, theirs, largest):
        join(competition, person)
    send(client, sample("w", value=500), sample("p", value=700, source=PHONE))
    assert [score(client, board) for board in (mine, theirs, largest)] == [500, 500, 700]
    answer = client.put(URL, {"preference": ["phone", "watch"]}, format="json")
    assert (answer.status_code, answer.json()["data"]["preference"]) == (200, ["phone", "watch"])
    assert [score(client, board) for board in (mine, theirs, largest)] == [700, 500, 700]
    client.put(URL, {"preference": ["phone", "watch"]}, format="json")
    assert SourcePreference.objects.count() == 1


@pytest.mark.parametrize(
    "preference", [None, "watch", ["shoe"], ["watch", "watch"], ["watch"] * 6, [["watch"]], [None]]
)
def test_a_preference_that_is_none_is_refused(client: APIClient, preference: Any) -> None:
    answer = client.put(URL, {"preference": preference}, format="json")
    assert answer.status_code == 400
    assert "preference" in str(answer.json()["details"])


def test_a_stranger_hears_nothing(anonymous: APIClient) -> None:
    assert anonymous.get(URL).status_code == 401
    assert anonymous.put(URL, {"preference": []}, format="json").status_code == 401


def test_what_only_its_owner_may_see_reaches_neither_a_board_nor_the_public_profile(
    client: APIClient, person: User, other: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    board = make_competition(starts=-3, ends=2)
    join(board, person)
    send(client, sample("a", value=500), sample("s", 10, 11, 4000, source={"app": "Strava"}))
    client.post(SYNC, {"steps": 9000, "source": "strava"}, format="json")
    assert score(client, board) == 500
    profile = f"/api/v1/users/{person.id}/profile"
    assert client.get(profile).json()["data"]["total_steps"] == 500 + 4000 + 9000
    assert signed_in(other).get(profile).json()["data"]["total_steps"] == 500
    days = client.get(f"/api/v1/leaderboard/{board.id}/explain/me").json()["data"]["days"]
    left_out = [reason["reason"] for day in days for line in day["sources"] for reason in line["left_out"]]
    assert left_out == ["owner_only", "owner_only"]


def test_a_public_profile_reads_nobody_elses_samples(client: APIClient, person: User, settings: Any) -> None:
    """However many there are: PostgreSQL is asked how it would look them up."""
    settings.OWNER_ONLY_SOURCES = frozenset({"strava", "google_health"})
    send(client, sample("a", value=500))
    with CaptureQueriesContext(connection) as asked, connection.cursor() as cursor:
        assert totals_shown_of(person.id).steps == 500
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in [query["sql"] for query in asked.captured_queries if "fitness_sample" in query["sql"]]:
            cursor.execute(f"EXPLAIN {query}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Index Cond: (user_id" in plan
            assert "Seq Scan on fitness_sample" not in plan


def test_the_dashboard_shows_days_of_samples_by_their_app(client: APIClient) -> None:
    send(client, sample("a", value=500), sample("p", value=700, source=PHONE), sample("n", -20, -19, 9))
    client.post(SYNC, {"steps": 9000, "source": "fitbit"}, format="json")
    data = client.get("/api/v1/users/me/dashboard").json()["data"]
    recent = [(one["source"], one["steps"]) for one in data["recent_activity"]]
    assert recent == [("fitbit", 9000), ("apple_health", 1200), ("apple_health", 9)]
    assert data["total_steps"] == 9000 + 700 + 9
