"""GET /users/{user_id}/insights, and their short form in the dashboard."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
PATH = "/api/v1/users/me/insights"


def walk(client: APIClient, *steps: int, **fields: Any) -> None:
    """Today's steps first, then yesterday's, and so on."""
    today = datetime.now(UTC).date()
    days = [(today - timedelta(days=ago)).isoformat() for ago in range(len(steps))]
    records = [
        {"date": day, "steps": done, "source": "fitbit", **fields} for day, done in zip(days, steps, strict=True)
    ]
    assert client.post("/api/v1/fitness/sync", {"records": records}).status_code == 200


def insights(client: APIClient, query: str = "") -> Any:
    answer = client.get(PATH + query)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


@pytest.fixture
def ada(person: User, signed_in: SignIn) -> APIClient:
    return signed_in(person)


@pytest.fixture
def ben(other: User, signed_in: SignIn) -> APIClient:
    return signed_in(other)


def test_they_are_ones_own_and_the_staffs(
    person: User, other: User, staff: User, signed_in: SignIn, anonymous: APIClient
) -> None:
    url = f"/api/v1/users/{person.id}/insights"
    assert signed_in(person).get(url).json() == signed_in(person).get(PATH).json()
    assert signed_in(staff).get(url).status_code == 200
    assert signed_in(other).get(url).status_code == 403
    assert anonymous.get(url).status_code == 401


def test_nobody_is_a_404_and_another_verb_a_405(ada: APIClient) -> None:
    for name in ("nobody", "00000000-0000-0000-0000-000000000000"):
        assert ada.get(f"/api/v1/users/{name}/insights").status_code == 404
    assert ada.post(PATH).status_code == 405


@pytest.mark.parametrize("goal", ["0", "-1", "x", "1.5", "NaN", "250001", "9" * 5000, "%00", "१०x"])
def test_a_goal_that_is_none_is_named(ada: APIClient, goal: str) -> None:
    answer = ada.get(f"{PATH}?goal={goal}")
    assert (answer.status_code, list(answer.json()["details"])) == (400, ["goal"])


def test_a_newcomers_are_empty_and_whole(ada: APIClient) -> None:
    data = insights(ada)
    assert (data["goal"], data["streak"], data["best_day"]) == (10_000, {"current": 0, "longest": 0}, None)
    assert data["today"] == {"goal": 10_000, "steps": 0, "progress": 0}
    assert (data["trend"]["change"], data["competitions"]) == (None, [])


def test_the_goal_is_the_askers(ada: APIClient) -> None:
    walk(ada, 4000, 12_000, 9000, 100, 9000, 9000, 9000)
    today = datetime.now(UTC).date()
    usual, modest = insights(ada), insights(ada, "?goal=9000")
    assert (usual["streak"], modest["streak"]) == ({"current": 1, "longest": 1}, {"current": 2, "longest": 3})
    assert modest["today"] == {"goal": 9000, "steps": 4000, "progress": 44.4}
    assert modest["week"]["goal"] == 63_000
    assert modest["best_day"] == {"date": (today - timedelta(days=1)).isoformat(), "steps": 12_000}


def test_today_is_where_the_person_is(person: User, ada: APIClient) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # never the same day
        person.timezone = zone
        person.save()
        assert ada.post("/api/v1/fitness/sync", {"steps": 777, "source": "fitbit"}).status_code == 200
        assert insights(ada)["today"]["steps"] == 777


@pytest.mark.parametrize(("tie_rule", "missing"), [("first_to_reach", 1001), ("shared", 1000)])
def test_the_next_rank_is_so_far_and_so_much_a_day(
    tie_rule: str, missing: int, ada: APIClient, ben: APIClient, person: User, other: User, staff: User,
    make_competition: Any, join: Any, signed_in: SignIn
) -> None:  # fmt: skip
    competition = make_competition(tie_rule=tie_rule, starts=0, ends=3)
    join(competition, person, other, staff)
    for client, steps in ((signed_in(staff), 9000), (ben, 3000), (ada, 2000)):
        walk(client, steps)
    [outlook] = insights(ada)["competitions"]
    assert (outlook["rank"], outlook["score"], outlook["days_left"]) == (3, 2000, 4)
    assert outlook["next_rank"] == {"points": missing, "per_day": -(-missing // 4)}
    [leading] = insights(signed_in(staff))["competitions"]
    assert (leading["rank"], leading["next_rank"]) == (1, None)


@pytest.mark.parametrize(("tie_rule", "expected"), [("first_to_reach", 1), ("shared", None)])
def test_whoever_is_level_needs_one_point_or_is_there_already(
    tie_rule: str, expected: int | None, ada: APIClient, ben: APIClient, person: User, other: User,
    make_competition: Any, join: Any
) -> None:  # fmt: skip
    join(make_competition(tie_rule=tie_rule), person, other)
    walk(ben, 3000)
    walk(ada, 3000)
    [outlook] = insights(ada)["competitions"]
    assert outlook["next_rank"] == (None if expected is None else {"points": expected, "per_day": expected})


def test_a_forecast_goes_by_the_persons_own_days_and_the_competitions_rules(
    ada: APIClient, person: User, make_competition: Any, join: Any
) -> None:
    walk(ada, 400, *[1000] * 28)
    plain, capped = make_competition(starts=0, ends=2), make_competition(starts=0, ends=2)
    Competition.objects.filter(id=capped.id).update(stored_policy={"daily_cap": {"steps": 600}})
    for competition in (plain, capped):
        join(competition, person)
    forecasts = {row["competition_id"]: row["forecast"] for row in insights(ada)["competitions"]}
    assert forecasts[str(plain.id)] == {"score": 3000, "low": 3000, "high": 3000}
    assert forecasts[str(capped.id)] == {"score": 1800, "low": 1800, "high": 1800}


def test_only_competitions_that_run_have_an_outlook(
    ada: APIClient, person: User, make_competition: Any, join: Any
) -> None:
    running, coming, over = make_competition(), make_competition(starts=1, ends=2), make_competition()
    for competition in (running, coming, over):
        join(competition, person)
    Competition.objects.filter(id=over.id).update(cancelled_at=datetime.now(UTC))
    assert [row["competition_id"] for row in insights(ada)["competitions"]] == [str(running.id)]


def test_the_dashboard_has_the_short_form(ada: APIClient) -> None:
    walk(ada, 4000, 12_000)
    short = ada.get("/api/v1/users/me/dashboard").json()["data"]["insights"]
    whole = insights(ada)
    del whole["competitions"]
    assert short == whole


@pytest.mark.parametrize("path", [PATH, "/api/v1/users/me/dashboard"])
def test_the_number_of_statements_depends_neither_on_the_history_nor_on_the_competitions(
    path: str, ada: APIClient, person: User, make_competition: Any, join: Any
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert ada.get(path).status_code == 200
        return len(captured)

    join(make_competition(), person)
    walk(ada, 5)
    before = statements()
    for _ in range(4):
        join(make_competition(), person)
    walk(ada, *range(100, 400))
    assert statements() == before
