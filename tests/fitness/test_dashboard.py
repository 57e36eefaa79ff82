"""GET /users/{user_id}/dashboard and /users/{user_id}/activity: spans, and what they cost."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from fitness.models import CountedDay
from leaderboards import mirror

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
ACTIVITY = "/api/v1/users/me/activity"
PAGES = ["dashboard", "activity?days=400", "competitions?limit=100", "insights", "profile"]


def day(ago: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=ago)


def walk(person: User, *days: date) -> None:
    CountedDay.objects.bulk_create(
        CountedDay(user=person, day=when, steps=100 + when.day, distance_mm=5, energy_cal=5, active_seconds=5)
        for when in days
    )


def answered(client: APIClient, query: str) -> list[dict[str, Any]]:
    answer = client.get(f"{ACTIVITY}?{query}")
    assert answer.status_code == 200, answer.json()
    days: list[dict[str, Any]] = answer.json()["data"]
    return days


def test_a_history_has_any_span_and_every_day_of_it(person: User, signed_in: SignIn) -> None:
    walk(person, day(0), date(2020, 2, 29), date(2020, 3, 2), date(2020, 3, 3))
    me = signed_in(person)
    spring = answered(me, "from=2020-02-28&to=2020-03-02")
    assert [(entry["date"], entry["steps"]) for entry in spring] == [
        ("2020-02-28", 0), ("2020-02-29", 129), ("2020-03-01", 0), ("2020-03-02", 102)
    ]  # fmt: skip
    assert [entry["date"] for entry in answered(me, "days=2&to=2020-03-02")] == ["2020-03-01", "2020-03-02"]
    assert answered(me, f"from={day(0)}") == answered(me, "days=1")
    assert len(answered(me, "days=3660")) == 3660
    assert answered(me, "days=3660&to=1970-01-02")[0]["date"] == "1970-01-01"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("days=0", "days"),
        ("days=3661", "days"),
        ("days=x", "days"),
        ("from=2020-01-01&days=3", "days"),
        ("from=2020-01-02&to=2020-01-01", "to"),
        ("from=1969-12-31&to=1970-01-01", "from"),
        ("from=2000-01-01&to=2010-12-31", "from"),
        ("to=20200101", "to"),
        ("from=yesterday", "from"),
        ("from=%00", "from"),
        ("to=1969-12-31", "to"),
    ],
)
def test_a_wrong_span_is_named(query: str, field: str, person: User, signed_in: SignIn) -> None:
    answer = signed_in(person).get(f"{ACTIVITY}?{query}")
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {field}


@pytest.mark.slow
@pytest.mark.parametrize("copied", [True, False])
def test_neither_competitions_nor_days_add_statements(
    copied: bool, person: User, other: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    me = signed_in(person)

    def statements() -> dict[str, int]:
        counted = {}
        for page in PAGES:
            with CaptureQueriesContext(connection) as captured:
                assert me.get(f"/api/v1/users/me/{page}").status_code == 200
            counted[page] = len(captured)
        return counted

    def take_part(count: int) -> None:
        for number in range(count):
            competition = make_competition(tie_rule=["shared", "first_to_reach"][number % 2], owner=other)
            join(competition, other, person)
            if copied:
                assert mirror.rebuild_mirror(competition.id)

    walk(person, day(0))
    take_part(1)
    statements()  # what is cached from the first on
    before = statements()
    walk(person, *(day(ago) for ago in range(1, 400)))
    take_part(39)
    assert statements() == before
    assert me.get("/api/v1/users/me/dashboard").json()["data"]["active_competitions"] == 40


def test_the_best_rank_is_that_of_a_board_with_points(
    person: User, other: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    behind, untouched = make_competition(score_source="reported"), make_competition(score_source="reported")
    join(behind, other, person)
    join(untouched, person)
    for who, steps in ((other, 20), (person, 10)):
        body = {"user_id": "me", "competition_id": str(behind.id), "steps": steps}
        assert signed_in(who).post("/api/v1/leaderboard/update", body).status_code == 200
    assert signed_in(person).get("/api/v1/users/me/dashboard").json()["data"]["best_rank"] == 2
