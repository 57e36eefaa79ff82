"""POST /api/v1/leaderboard/update"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from accounts.models import Scope, User
from accounts.services.keys import create_service_key
from config.core.errors import Forbidden, NotFound
from leaderboards.api.reports import read_report
from leaderboards.services import Report

URL = "/api/v1/leaderboard/update"
pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


def report(client: APIClient, user: User, competition: Any, **totals: Any) -> Any:
    return client.post(URL, {"user_id": str(user.id), "competition_id": str(competition.id), **totals})


def score(client: APIClient, competition: Any) -> int:
    return int(client.get(f"/api/v1/leaderboard/{competition.id}").json()["data"]["entries"][0]["score"])


def test_totals_are_absolute_and_never_added_up(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person)
    for steps in (5000, 7000, 7000, 6500):
        answer = report(signed_in(person), person, competition, steps=steps, distance=1.5, calories=3)
        assert answer.status_code == 200
        assert answer.json()["message"]
        assert score(signed_in(person), competition) == steps


def test_the_same_report_again_changes_nothing(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person)
    url = f"/api/v1/leaderboard/{competition.id}"
    report(signed_in(person), person, competition, steps=5)
    before = signed_in(person).get(url).json()
    report(signed_in(person), person, competition, steps=5)
    assert signed_in(person).get(url).json() == before


def test_a_client_that_syncs_and_reports_is_not_counted_twice(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person)
    report(signed_in(person), person, competition, steps=5000)
    signed_in(person).post("/api/v1/fitness/sync", {"steps": 5200, "source": "fitbit"})
    assert score(signed_in(person), competition) == 5200


def test_nobody_reports_for_somebody_else(
    person: User, other: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person, other)
    assert report(signed_in(other), person, competition, steps=1).status_code == 403
    assert score(signed_in(person), competition) == 0


def test_a_service_key_and_staff_report_for_anybody(
    person: User, staff: User, signed_in: SignIn, with_key: Any, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person)
    assert report(with_key(Scope.SCORES_WRITE), person, competition, steps=10).status_code == 200
    assert report(signed_in(staff), person, competition, steps=11).status_code == 200
    assert score(signed_in(person), competition) == 11


def test_a_key_without_the_scope_may_not(person: User, with_key: Any, make_competition: Any, join: Any) -> None:
    competition = make_competition()
    join(competition, person)
    assert report(with_key(Scope.ACTIVITY_WRITE), person, competition, steps=10).status_code == 403


def test_a_report_is_read_without_a_request(person: User, other: User, make_competition: Any, now: Any) -> None:
    """As whoever stands in front of Django reads it: a key is asked for its scope here as well."""
    competition = make_competition()
    body = {"user_id": str(other.id), "competition_id": str(competition.id), "distance": 1.5}
    key, _ = create_service_key(name="scores", scopes=[Scope.SCORES_WRITE])
    other_key, _ = create_service_key(name="activity", scopes=[Scope.ACTIVITY_WRITE])
    assert read_report(key, body, now) == Report(competition, other.id, {"distance_mm": 1500}, now)
    assert read_report(other, body | {"user_id": "me"}, now).user_id == other.id
    for reporter, refusal in ((other_key, Forbidden), (person, Forbidden)):
        with pytest.raises(refusal):
            read_report(reporter, body, now)
    for nobody in ({"user_id": "me"}, {"user_id": str(uuid4())}, {"competition_id": str(uuid4())}):
        with pytest.raises(NotFound):
            read_report(key, body | nobody, now)


def test_someone_who_does_not_take_part_gets_a_409(person: User, signed_in: SignIn, make_competition: Any) -> None:
    assert report(signed_in(person), person, make_competition(), steps=1).status_code == 409


@pytest.mark.parametrize("when", [{"starts": 2, "ends": 4}, {"starts": -9, "ends": -8, "grace_hours": 0}])
def test_before_the_start_and_after_the_grace_nothing_counts(
    person: User, signed_in: SignIn, make_competition: Any, when: dict[str, int]
) -> None:
    assert report(signed_in(person), person, make_competition(**when), steps=1).status_code == 409


def test_where_only_activity_counts_a_report_is_refused_and_says_so(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition(score_source="synced")
    join(competition, person)
    answer = report(signed_in(person), person, competition, steps=1)
    assert answer.status_code == 409
    assert "fitness/sync" in answer.json()["message"]


@pytest.mark.parametrize(
    ("totals", "field"),
    [
        ({"steps": -1}, "steps"),
        ({"steps": "many"}, "steps"),
        ({"steps": 2**63}, "steps"),
        ({"distance": -0.5}, "distance"),
        ({"distance": float("nan")}, "distance"),
        ({"calories": 10**12}, "calories"),
        ({"active_minutes": []}, "active_minutes"),
    ],
)
def test_a_wrong_total_is_named(
    person: User, signed_in: SignIn, make_competition: Any, totals: Any, field: str
) -> None:
    import json

    competition = make_competition()
    body = json.dumps({"user_id": "me", "competition_id": str(competition.id), **totals})
    answer = signed_in(person).generic("POST", URL, body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert field in answer.json()["details"]


def test_strangers_report_nothing(anonymous: APIClient, person: User, make_competition: Any) -> None:
    assert report(anonymous, person, make_competition(), steps=1).status_code == 401


def test_what_a_report_leaves_out_stays_as_reported_last(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person)
    report(signed_in(person), person, competition, steps=5000, active_minutes=30)
    report(signed_in(person), person, competition, distance=700.5)
    report(signed_in(person), person, competition)
    entry = signed_in(person).get(f"/api/v1/leaderboard/{competition.id}").json()["data"]["entries"][0]
    assert (entry["score"], entry["distance"], entry["active_minutes"]) == (5000, 700.5, 30)
