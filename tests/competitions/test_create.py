"""POST /api/v1/competitions"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import Scope, User
from competitions.models import Competition

URL = "/api/v1/competitions"
CONTRACT = {
    "id", "name", "description", "entry_fee", "prize_pool", "currency", "start_date", "end_date", "type", "metric",
    "weights", "timezone", "score_source", "tie_rule", "visibility", "max_participants", "status", "owner_id",
    "participant_count", "created_at",
}  # fmt: skip
pytestmark = pytest.mark.django_db

Body = Callable[..., dict[str, Any]]


def created(client: APIClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(URL, body)
    assert answer.status_code == 201, answer.content
    data: dict[str, Any] = answer.json()["data"]
    return data


def test_a_competition_is_made_with_the_usual_rules(me: APIClient, person: User, body: Body) -> None:
    data = created(me, body())
    assert data.keys() >= CONTRACT
    assert data["owner_id"] == str(person.id)
    usual = {
        "description": "",
        "entry_fee": 0,
        "prize_pool": 0,
        "currency": "USD",
        "type": "custom",
        "metric": "steps",
        "timezone": "UTC",
        "score_source": "either",
        "tie_rule": "first_to_reach",
        "visibility": "open",
        "max_participants": None,
        "status": "upcoming",
        "participant_count": 0,
    }
    assert data.items() >= usual.items()
    assert (data["start_date"], data["end_date"]) == ("2090-06-01T00:00:00Z", "2090-07-01T00:00:00Z")
    assert me.get(f"{URL}/{data['id']}").json()["data"] == data


def test_everything_that_is_said_is_kept(me: APIClient, body: Body) -> None:
    said = {
        "description": "Round the lake.",
        "type": "weekly",
        "metric": "weighted",
        "weights": {"steps": 1, "distance": 0.5},
        "timezone": "Europe/Berlin",
        "score_source": "reported",
        "tie_rule": "shared",
        "visibility": "private",
        "max_participants": 12,
        "currency": "EUR",
        "grace_hours": 6,
    }
    data = created(me, body(**said))
    assert data.items() >= said.items()
    assert data["start_date"] == "2090-05-31T22:00:00Z"


def test_times_are_taken_as_they_are(me: APIClient, body: Body) -> None:
    data = created(me, body(start_date="2090-06-01T08:30:00+02:00", end_date="2090-06-01T18:00:00Z"))
    assert (data["start_date"], data["end_date"]) == ("2090-06-01T06:30:00Z", "2090-06-01T18:00:00Z")


def test_without_an_end_the_type_says_how_long(me: APIClient, body: Body) -> None:
    data = created(me, body(type="monthly", start_date="2028-02-01", end_date=...))
    assert data["end_date"] == "2028-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("first", "last", "status"), [(-9, -8, "ended"), (-1, 1, "active"), (3, 4, "upcoming"), (-30, -20, "ended")]
)
def test_its_status_is_right_at_once(me: APIClient, body: Body, first: int, last: int, status: str) -> None:
    today = datetime.now(UTC).date()
    dates = {"start_date": str(today + timedelta(days=first)), "end_date": str(today + timedelta(days=last))}
    data = created(me, body(**dates))
    assert data["status"] == status
    assert Competition.objects.get().status == status


def test_one_about_the_past_without_grace_is_completed_at_once(me: APIClient, body: Body) -> None:
    data = created(me, body(start_date="2020-06-01", end_date="2020-06-30", grace_hours=0))
    assert data["status"] == "completed"


def test_a_draft_is_a_draft(me: APIClient, body: Body) -> None:
    assert created(me, body(draft=True))["status"] == "draft"


def test_the_making_is_the_first_move_on_record(me: APIClient, person: User, body: Body) -> None:
    data = created(me, body())
    move = Competition.objects.get(id=data["id"]).status_moves.get()
    assert (move.from_status, move.to_status, move.moved_by) == ("", "upcoming", person)


def test_the_owner_is_whoever_makes_it(me: APIClient, person: User, other: User, body: Body) -> None:
    data = created(me, body(owner_id=str(other.id), status="completed", participant_count=9, id=str(other.id)))
    assert (data["owner_id"], data["status"], data["participant_count"]) == (str(person.id), "upcoming", 0)
    assert data["id"] != str(other.id)


def test_the_join_code_is_shown_to_the_owner_alone(
    me: APIClient, other: User, signed_in: Callable[[User], APIClient], body: Body
) -> None:
    data = created(me, body())
    assert len(data["join_code"]) == 10
    assert signed_in(other).get(f"{URL}/{data['id']}").json()["data"]["join_code"] is None


# --- Money ------------------------------------------------------------------------------------------------------------


def test_where_money_is_at_stake_only_activity_counts(me: APIClient, body: Body) -> None:
    assert created(me, body(entry_fee=5))["score_source"] == "synced"
    assert created(me, body(prize_pool=5))["score_source"] == "synced"
    assert created(me, body(prize_pool=0, entry_fee=0))["score_source"] == "either"
    assert created(me, body(prize_pool=5, score_source="reported"))["score_source"] == "reported"


@pytest.mark.parametrize(
    ("currency", "written", "shown"),
    [
        ("USD", "10.5", b"10.50"),
        ("USD", "10.50", b"10.50"),
        ("USD", "10", b"10.00"),
        ("USD", '"10.50"', b"10.50"),
        ("USD", "0.1", b"0.10"),
        ("usd", "90071992547409.93", None),
        ("USD", "9007199254740.93", b"9007199254740.93"),
        ("JPY", "1500", b"1500"),
        ("KWD", "1.5", b"1.500"),
        ("EUR", "1e2", b"100.00"),
    ],
)
def test_money_is_a_number_with_the_currencys_own_decimals(
    me: APIClient, body: Body, currency: str, written: str, shown: bytes | None
) -> None:
    text = json.dumps(body(currency=currency, prize_pool="AMOUNT")).replace('"AMOUNT"', written)
    answer = me.generic("POST", URL, text, content_type="application/json")
    if shown is None:
        assert answer.status_code == 400  # larger than any sum that is believed
        return
    assert answer.status_code == 201, answer.content
    assert b'"prize_pool":' + shown + b"," in answer.content
    again = me.get(f"{URL}/{answer.json()['data']['id']}")
    assert b'"prize_pool":' + shown + b"," in again.content


@pytest.mark.parametrize("field", ["entry_fee", "prize_pool"])
@pytest.mark.parametrize(
    ("currency", "written"),
    [
        ("USD", "10.505"),
        ("USD", "0.001"),
        ("USD", "1.000000000000000000000000000001"),
        ("JPY", "1500.5"),
        ("KWD", "1.5005"),
        ("USD", "-1"),
        ("USD", "true"),
        ("USD", "null"),
        ("USD", "[1]"),
        ("USD", '"ten"'),
        ("USD", '""'),
        ("USD", "NaN"),
        ("USD", "Infinity"),
        ("USD", "-Infinity"),
        ("USD", '"sNaN"'),
        ("USD", "1e30"),
        ("USD", "1e400000"),
        ("USD", "1e-400000"),
        ("USD", '"1e99999999999999999999"'),
    ],
)
def test_an_amount_that_the_currency_cannot_say_is_refused_by_name(
    me: APIClient, body: Body, field: str, currency: str, written: str
) -> None:
    text = json.dumps(body(currency=currency, **{field: "AMOUNT"})).replace('"AMOUNT"', written)
    answer = me.generic("POST", URL, text, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["details"].keys() == {field}
    assert not Competition.objects.exists()


def test_a_promised_pool_is_called_unfunded(me: APIClient, body: Body) -> None:
    assert created(me, body(prize_pool=500))["prize_pool_funded"] is False


# --- Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ...),
        ("name", ""),
        ("name", "x" * 121),
        ("name", "Lake\x00walk"),
        ("name", "\ud800"),
        ("description", "\x00"),
        ("description", "x" * 5001),
        ("start_date", ...),
        ("start_date", "tomorrow"),
        ("start_date", "2090-02-31"),
        ("start_date", "2090-06-01T25:00:00Z"),
        ("start_date", 20900601),
        ("start_date", None),
        ("end_date", ...),
        ("end_date", "2090-05-31"),
        ("end_date", "2105-06-01"),
        ("end_date", "9999-12-31"),
        ("type", "yearly"),
        ("type", "\ud800"),
        ("type", ["daily"]),
        ("metric", "jumps"),
        ("weights", "many"),
        ("timezone", "Mars/Olympus"),
        ("timezone", "\x00"),
        ("score_source", "guessed"),
        ("tie_rule", "coin"),
        ("visibility", "secret"),
        ("max_participants", 0),
        ("max_participants", -1),
        ("max_participants", 2**31),
        ("max_participants", 2.5),
        ("max_participants", "many"),
        ("currency", "XXX"),
        ("currency", "DOLLAR"),
        ("currency", ""),
        ("grace_hours", -1),
        ("grace_hours", 721),
        ("draft", "perhaps"),
    ],
)
def test_a_wrong_field_is_named(me: APIClient, body: Body, field: str, value: Any) -> None:
    text = json.dumps(body(**{field: value}))
    answer = me.generic("POST", URL, text, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["details"].keys() == {field}
    assert not Competition.objects.exists()


def test_a_custom_competition_without_an_end_is_told_that_it_needs_one(me: APIClient, body: Body) -> None:
    details = me.post(URL, body(end_date=...)).json()["details"]
    assert details == {"end_date": ["A custom competition needs an end."]}


def test_the_last_days_of_the_calendar_are_no_server_error(me: APIClient, body: Body) -> None:
    for first, last in (("9999-12-01", "9999-12-30"), ("9999-11-01", "9999-12-15"), ("0001-01-01", "0001-01-02")):
        answer = me.post(URL, body(start_date=first, end_date=last, grace_hours=720))
        assert answer.status_code in (201, 400), (first, last)


@pytest.mark.parametrize(
    "weights", [{}, {"steps": 0}, {"steps": -1}, {"steps": "x"}, {"steps": 10000.0000001}, {"steps": None}]
)
def test_the_weighted_metric_needs_weights_that_make_sense(me: APIClient, body: Body, weights: Any) -> None:
    answer = me.post(URL, body(metric="weighted", weights=weights))
    assert answer.status_code == 400
    assert {field.partition(".")[0] for field in answer.json()["details"]} == {"weights"}


def test_the_weighted_metric_needs_weights(me: APIClient, body: Body) -> None:
    answer = me.post(URL, body(metric="weighted"))
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {"weights"}


def test_weights_are_exact(me: APIClient, body: Body) -> None:
    data = created(me, body(metric="weighted", weights={"steps": 100, "distance": "0.000001"}))
    assert data["weights"] == {"steps": 100, "distance": 0.000001}


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"', "17", "null", '{"name": 1e99999999999999999999}', "ÿ"])
def test_an_unreadable_body_is_a_400(me: APIClient, text: str) -> None:
    answer = me.generic("POST", URL, text, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["success"] is False


def test_it_takes_a_person(anonymous: APIClient, with_key: Callable[..., APIClient], body: Body) -> None:
    assert anonymous.post(URL, body()).status_code == 401
    assert with_key(*Scope).post(URL, body()).status_code == 403


def test_a_server_may_leave_it_to_staff(me: APIClient, person: User, body: Body, settings: Settings) -> None:
    settings.COMPETITIONS_BY_STAFF_ONLY = True
    assert me.post(URL, body()).status_code == 403
    person.is_staff = True
    person.save()
    assert me.post(URL, body()).status_code == 403, "the named permission counts, not is_staff"
    person.user_permissions.add(Permission.objects.get(codename="add_competition"))
    assert me.post(URL, body()).status_code == 201


def test_the_collection_is_neither_replaced_nor_deleted(me: APIClient) -> None:
    for verb in ("put", "patch", "delete"):
        answer = getattr(me, verb)(URL)
        assert (answer.status_code, answer.json()["code"]) == (405, 405)
