"""PATCH and DELETE /api/v1/competitions/{id}"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from accounts.models import User
from competitions.api.serializers import columns_of
from competitions.models import Competition

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def url(competition: Competition) -> str:
    return f"/api/v1/competitions/{competition.id}"


@pytest.fixture
def upcoming(make_competition: Any) -> Competition:
    made: Competition = make_competition(starts=2, ends=9)
    return made


@pytest.fixture
def running(make_competition: Any) -> Competition:
    made: Competition = make_competition()
    return made


def test_everything_can_change_before_the_start(me: APIClient, upcoming: Competition) -> None:
    changes = {
        "name": "River walk",
        "description": "Now along the river.",
        "type": "custom",
        "start_date": "2091-06-01T00:00:00Z",
        "end_date": "2091-06-30T00:00:00Z",
        "metric": "weighted",
        "weights": {"steps": 2},
        "score_source": "reported",
        "tie_rule": "shared",
        "visibility": "private",
        "max_participants": 5,
        "entry_fee": 5,
        "prize_pool": 100.5,
        "currency": "EUR",
        "grace_hours": 1,
    }
    answer = me.patch(url(upcoming), changes)
    assert answer.status_code == 200, answer.content
    assert answer.json()["data"].items() >= changes.items()
    assert me.get(url(upcoming)).json()["data"].items() >= changes.items()


def test_what_is_not_named_stays(me: APIClient, make_competition: Any) -> None:
    competition = make_competition(starts=2, prize_pool_minor=150, currency="JPY", max_participants=7)
    before = me.get(url(competition)).json()["data"]
    after = me.patch(url(competition), {"name": "River walk"}).json()["data"]
    moved = {"name", "updated_at"}
    assert {key for key in before if before[key] != after[key]} == moved


def test_a_change_touches_only_the_columns_that_it_names(make_competition: Any) -> None:
    """Otherwise two people who change different things at once would undo each other."""
    competition = make_competition(starts=2, prize_pool_minor=150)
    assert columns_of({"name": "River walk"}, competition) == {"name": "River walk"}


def test_an_amount_follows_when_the_currency_changes(me: APIClient, make_competition: Any) -> None:
    competition = make_competition(starts=2, prize_pool_minor=1000, currency="USD")
    assert b'"prize_pool":10.000' in me.patch(url(competition), {"currency": "KWD"}).content
    assert b'"prize_pool":10,' in me.patch(url(competition), {"currency": "JPY"}).content


def test_a_currency_that_cannot_say_the_amount_is_refused(me: APIClient, make_competition: Any) -> None:
    competition = make_competition(starts=2, prize_pool_minor=1050, currency="USD")
    answer = me.patch(url(competition), {"currency": "JPY"})
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {"prize_pool"}


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "distance"},
        {"start_date": "2091-01-01", "end_date": "2091-01-02"},
        {"end_date": str(datetime.now(UTC).date() + timedelta(days=30))},
        {"timezone": "Asia/Tokyo"},
        {"score_source": "synced"},
        {"tie_rule": "shared"},
        {"grace_hours": 48},
        {"entry_fee": 1},
        {"prize_pool": 1},
        {"currency": "EUR"},
    ],
)
def test_the_rules_stay_as_they_are_from_the_start_on(
    me: APIClient, running: Competition, change: dict[str, Any]
) -> None:
    before = me.get(url(running)).json()["data"]
    answer = me.patch(url(running), change)
    assert answer.status_code == 409
    assert "rules" in answer.json()["message"]
    assert me.get(url(running)).json()["data"] == before


def test_name_places_and_visibility_may_change_while_it_runs(me: APIClient, running: Competition) -> None:
    change = {"name": "River walk", "description": "New.", "max_participants": 9, "visibility": "private"}
    answer = me.patch(url(running), change)
    assert answer.status_code == 200
    assert answer.json()["data"].items() >= change.items()


def test_sending_the_same_rules_again_is_no_change(me: APIClient, running: Competition) -> None:
    data = me.get(url(running)).json()["data"]
    same = {key: data[key] for key in ("start_date", "end_date", "metric", "timezone", "currency", "entry_fee")}
    assert me.patch(url(running), {"name": "River walk", **same}).status_code == 200


def test_a_draft_can_change_whatever_its_dates(me: APIClient, make_competition: Any) -> None:
    draft = make_competition(published=False)
    assert me.patch(url(draft), {"metric": "distance"}).status_code == 200


def test_there_are_never_fewer_places_than_participants(
    me: APIClient, running: Competition, person: User, other: User, join: Any
) -> None:
    join(running, person, other)
    answer = me.patch(url(running), {"max_participants": 1})
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {"max_participants"}
    assert me.patch(url(running), {"max_participants": 2}).status_code == 200
    assert me.patch(url(running), {"max_participants": None}).json()["data"]["max_participants"] is None


def test_moving_the_start_into_the_past_starts_it(me: APIClient, upcoming: Competition, now: datetime) -> None:
    answer = me.patch(url(upcoming), {"start_date": str(now.date())})
    assert answer.json()["data"]["status"] == "active"
    upcoming.refresh_from_db()
    assert upcoming.status == "active"
    assert [move.to_status for move in upcoming.status_moves.all()] == ["upcoming", "active"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "\x00"}, "name"),
        ({"end_date": "2020-01-01"}, "end_date"),
        ({"metric": "jumps"}, "metric"),
        ({"metric": "weighted"}, "weights"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"prize_pool": "10.505"}, "prize_pool"),
        ({"currency": "XXX"}, "currency"),
    ],
)
def test_a_wrong_field_is_named(me: APIClient, upcoming: Competition, change: dict[str, Any], field: str) -> None:
    answer = me.patch(url(upcoming), change)
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {field}


def test_owner_and_count_are_not_for_changing(me: APIClient, upcoming: Competition, other: User) -> None:
    me.patch(url(upcoming), {"owner_id": str(other.id), "participant_count": 99, "status": "completed"})
    data = me.get(url(upcoming)).json()["data"]
    assert (data["owner_id"], data["participant_count"], data["status"]) == (str(upcoming.owner_id), 0, "upcoming")


@pytest.mark.parametrize("verb", ["patch", "delete"])
def test_it_is_for_the_owner_and_staff_with_the_permission(
    upcoming: Competition, other: User, make_person: Any, signed_in: SignIn, anonymous: APIClient, verb: str
) -> None:
    def ask(client: APIClient) -> int:
        status: int = getattr(client, verb)(url(upcoming), {"name": "River walk"}).status_code
        return status

    clerk = make_person("Clerk", is_staff=True)
    assert ask(anonymous) == 401
    assert ask(signed_in(other)) == 403
    assert ask(signed_in(clerk)) == 403
    clerk.user_permissions.add(Permission.objects.get(codename="change_competition"))
    assert ask(signed_in(clerk)) == 200


def test_before_the_start_and_empty_it_can_be_deleted(me: APIClient, upcoming: Competition) -> None:
    answer = me.delete(url(upcoming))
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert me.get(url(upcoming)).status_code == 404
    assert me.delete(url(upcoming)).status_code == 404


def test_with_participants_it_stays(me: APIClient, upcoming: Competition, other: User, join: Any) -> None:
    join(upcoming, other)
    answer = me.delete(url(upcoming))
    assert answer.status_code == 409
    assert "cancel" in answer.json()["message"]
    assert Competition.objects.exists()


@pytest.mark.parametrize(("starts", "ends"), [(-1, 1), (-3, -2)])
def test_after_the_start_it_stays(me: APIClient, make_competition: Any, starts: int, ends: int) -> None:
    assert me.delete(url(make_competition(starts=starts, ends=ends))).status_code == 409


def test_a_draft_can_be_deleted_whatever_its_dates(me: APIClient, make_competition: Any) -> None:
    assert me.delete(url(make_competition(published=False))).status_code == 200
