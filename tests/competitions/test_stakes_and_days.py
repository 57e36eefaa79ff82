"""What follows by itself when a competition changes: what counts, and which days."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User

pytestmark = pytest.mark.django_db
URL = "/api/v1/competitions"


@pytest.fixture
def me(person: User, signed_in: Any) -> APIClient:
    client: APIClient = signed_in(person)
    return client


def made(client: APIClient, **fields: Any) -> Any:
    answer = client.post(URL, {"name": "Lake walk", "type": "weekly", "start_date": "2099-06-01", **fields})
    assert answer.status_code == 201, answer.content
    return answer.json()["data"]


def changed(client: APIClient, competition: Any, **fields: Any) -> Any:
    answer = client.patch(f"{URL}/{competition['id']}", fields)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def test_reports_stop_counting_when_money_comes_into_play(me: APIClient) -> None:
    competition = made(me)
    assert competition["score_source"] == "either"
    assert changed(me, competition, prize_pool=1000)["score_source"] == "synced"
    assert changed(me, competition, score_source="either")["score_source"] == "either"
    assert changed(me, competition, prize_pool=2000)["score_source"] == "either"


def test_a_promised_pool_is_unfunded_and_says_so(me: APIClient) -> None:
    assert made(me)["prize_pool_funded"] is True
    assert made(me, prize_pool=10)["prize_pool_funded"] is False


def test_fees_alone_promise_nothing_that_is_not_there(me: APIClient) -> None:
    assert made(me, entry_fee=10)["prize_pool_funded"] is True


def test_whole_days_stay_the_same_days_in_another_zone(me: APIClient) -> None:
    competition = made(me)
    moved = changed(me, competition, timezone="Asia/Tokyo")
    assert (moved["first_day"], moved["last_day"]) == (competition["first_day"], competition["last_day"])
    assert moved["start_date"] == "2099-05-31T15:00:00Z"


def test_another_type_lasts_as_long_as_it_says(me: APIClient) -> None:
    assert changed(me, made(me), type="daily")["last_day"] == "2099-06-01"


@pytest.mark.parametrize(
    "start", ["2099-06-01T06:00:00", "2099-W22-1", "20990601", "2099-06-01 06:00", "2099-06-01T6:00Z", 20990601]
)
def test_a_time_without_its_offset_and_odd_days_are_refused(me: APIClient, start: Any) -> None:
    answer = me.post(URL, {"name": "Lake walk", "type": "weekly", "start_date": start})
    assert answer.status_code == 400
    assert "start_date" in answer.json()["details"]


def test_what_cannot_be_weighted_is_named(me: APIClient) -> None:
    body = {"name": "x", "type": "weekly", "start_date": "2099-06-01", "metric": "weighted"}
    answer = me.post(URL, {**body, "weights": {"steps": 1.5, "jumps": 3}})
    assert answer.json()["details"] == {"weights.jumps": ["This cannot be weighted."]}


@pytest.mark.parametrize("name", ["a\u202eb", "a\u0007b", "a\nb"])
def test_a_name_has_nothing_hidden_in_it(me: APIClient, name: str) -> None:
    answer = me.post(URL, {"name": name, "type": "weekly", "start_date": "2099-06-01"})
    assert "name" in answer.json()["details"]


def test_lists_are_filtered_and_searched(me: APIClient) -> None:
    made(me, name="Lake walk")
    made(me, name="Hill run", metric="distance")
    for query, names in (("search=hill", ["Hill run"]), ("metric=steps", ["Lake walk"]), ("type=daily", [])):
        assert [row["name"] for row in me.get(f"{URL}?{query}").json()["data"]] == names
    for query in ("status=odd", "metric=odd", "type=odd", "visibility=odd"):
        assert query.partition("=")[0] in me.get(f"{URL}?{query}").json()["details"]
