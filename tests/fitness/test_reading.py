"""GET /fitness/stats/{user_id}, /users/{user_id}/activity, /users/{user_id}/dashboard, /users/{user_id}/competitions"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
PATHS = ["/fitness/stats/{}", "/users/{}/activity", "/users/{}/dashboard", "/users/{}/competitions"]


def day(ahead: int = 0) -> str:
    return (datetime.now(UTC).date() + timedelta(days=ahead)).isoformat()


@pytest.fixture
def walked(person: User, signed_in: SignIn) -> APIClient:
    """Today 100 steps, one more for every day before, for 14 days; two sources on today."""
    client = signed_in(person)
    records = [
        {"date": day(-ago), "steps": 100 + ago, "calories": 10, "distance": 5.5, "source": "fitbit"}
        for ago in range(14)
    ]
    records.append({"date": day(), "steps": 90, "active_minutes": 7, "source": "garmin"})
    assert client.post("/api/v1/fitness/sync", {"records": records}).json()["data"]["accepted"] == 15
    return client


@pytest.mark.parametrize("path", PATHS)
def test_somebody_elses_is_forbidden_and_staff_may(
    path: str, person: User, other: User, staff: User, signed_in: SignIn, anonymous: APIClient
) -> None:
    url = "/api/v1" + path.format(person.id)
    assert signed_in(other).get(url).status_code == 403
    assert signed_in(staff).get(url).status_code == 200
    assert signed_in(person).get(url).status_code == 200
    assert signed_in(person).get("/api/v1" + path.format("me")).status_code == 200
    assert anonymous.get(url).status_code == 401


@pytest.mark.parametrize("path", PATHS)
def test_nobody_is_a_404_and_another_verb_a_405(path: str, person: User, signed_in: SignIn) -> None:
    for name in ("nobody", "00000000-0000-0000-0000-000000000000"):
        assert signed_in(person).get("/api/v1" + path.format(name)).status_code == 404
    assert signed_in(person).delete("/api/v1" + path.format("me")).status_code == 405


def test_stats_are_totals_and_days_with_sources_merged(walked: APIClient) -> None:
    data = walked.get("/api/v1/fitness/stats/me").json()["data"]
    assert data["steps"] == sum(100 + ago for ago in range(14))
    assert (data["distance"], data["calories"], data["active_minutes"]) == (77, 140, 7)
    assert len(data["days"]) == 14
    assert data["days"][-1] == {"date": day(), "steps": 100, "distance": 5.5, "calories": 10, "active_minutes": 7}


def test_stats_of_a_competition_are_those_of_its_days(walked: APIClient, make_competition: Any) -> None:
    competition = make_competition(starts=-2, ends=1)
    data = walked.get(f"/api/v1/fitness/stats/me?competition_id={competition.id}").json()["data"]
    assert data["steps"] == 100 + 101 + 102
    assert walked.get("/api/v1/fitness/stats/me?competition_id=nonsense").status_code == 404


def test_activity_has_every_day_of_the_span(walked: APIClient) -> None:
    week = walked.get("/api/v1/users/me/activity").json()["data"]
    assert [entry["date"] for entry in week] == [day(-ago) for ago in range(6, -1, -1)]
    month = walked.get("/api/v1/users/me/activity?days=30").json()["data"]
    assert [entry["steps"] for entry in month[:17]] == [0] * 16 + [113]
    for days in ("0", "3661", "x"):
        answer = walked.get(f"/api/v1/users/me/activity?days={days}")
        assert answer.status_code == 400
        assert "days" in answer.json()["details"]


def test_a_dashboard_compares_this_week_with_the_last(
    walked: APIClient, person: User, make_competition: Any, join: Any
) -> None:
    running, over = make_competition(), make_competition(starts=2, ends=3)
    join(running, person)
    join(over, person)
    data = walked.get("/api/v1/users/me/dashboard").json()["data"]
    this_week, last_week = sum(range(100, 107)), sum(range(107, 114))
    assert data["total_steps"] == this_week + last_week
    assert data["steps_change"] == round((this_week - last_week) * 100 / last_week, 1)
    assert data["calories_change"] == 0
    assert (data["active_competitions"], data["best_rank"]) == (1, 1)
    assert [entry["steps"] for entry in data["weekly_activity"]] == [106, 105, 104, 103, 102, 101, 100]
    assert len(data["recent_activity"]) == 10
    assert data["recent_activity"][0]["date"] == day()


def test_a_newcomers_dashboard_is_empty_and_whole(person: User, signed_in: SignIn) -> None:
    data = signed_in(person).get("/api/v1/users/me/dashboard").json()["data"]
    assert (data["total_steps"], data["best_rank"], data["steps_change"]) == (0, None, None)
    assert len(data["weekly_activity"]) == 7


def test_my_competitions_come_with_my_place(
    walked: APIClient, person: User, other: User, make_competition: Any, join: Any, signed_in: SignIn
) -> None:
    running, shared, coming = (
        make_competition(),
        make_competition(tie_rule="shared"),
        make_competition(starts=1, ends=2),
    )
    for competition in (running, shared, coming):
        join(competition, other, person)
    signed_in(other).post("/api/v1/fitness/sync", {"steps": 99_000, "source": "fitbit"})
    answer = walked.get("/api/v1/users/me/competitions").json()
    ranks = {row["id"]: (row["current_rank"], row["user_steps"]) for row in answer["data"]}
    mine = 100 + 101 + 102 + 103
    assert ranks[str(running.id)] == ranks[str(shared.id)] == (2, mine)
    assert answer["pagination"]["total"] == 3
    row = answer["data"][-1]
    assert row.keys() >= {"current_rank", "user_steps", "user_calories", "user_distance", "joined_at", "name", "status"}
    upcoming = walked.get("/api/v1/users/me/competitions?status=upcoming").json()["data"]
    assert [row["id"] for row in upcoming] == [str(coming.id)]
    assert walked.get("/api/v1/users/me/competitions?status=odd").status_code == 400


@pytest.mark.parametrize(
    "path", ["/fitness/stats/me", "/users/me/dashboard", "/users/me/competitions", "/users/me/profile"]
)
def test_the_number_of_statements_does_not_grow_with_the_history(
    path: str, walked: APIClient, person: User, make_competition: Any, join: Any
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert walked.get(f"/api/v1{path}").status_code == 200
        return len(captured)

    join(make_competition(), person)
    before = statements()
    for _ in range(4):
        join(make_competition(), person)
    walked.post("/api/v1/fitness/sync", {"records": [{"date": day(-30), "steps": 5, "source": "fitbit"}]})
    assert statements() <= before + 1  # the profile's statistics were forgotten and are computed again
