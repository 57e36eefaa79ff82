"""POST /api/v1/fitness/sync"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import Scope, User
from accounts.services.people import erase_person
from competitions.models import Competition
from competitions.services.lifecycle import cancel_competition, change_competition
from config.core.errors import NotFound
from fitness.api.sync import read_sync
from fitness.models import Activity
from fitness.rules import Reading, Source
from fitness.services.syncing import sync_activities
from leaderboards.scoring import Totals
from tests.leaderboards.test_mirror import run_together

URL = "/api/v1/fitness/sync"
pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


def day(ahead: int = 0) -> str:
    return (datetime.now(UTC).date() + timedelta(days=ahead)).isoformat()


def record(**fields: Any) -> dict[str, Any]:
    return {"steps": 1000, "source": "fitbit", **fields}


def send(client: APIClient, body: Any) -> Any:
    """As a phone sends it: NaN included, which Python's own JSON writes."""
    return client.generic("POST", URL, json.dumps(body), content_type="application/json")


def score(client: APIClient, competition: Competition) -> int:
    entries = client.get(f"/api/v1/leaderboard/{competition.id}").json()["data"]["entries"]
    return int(entries[0]["score"])


def test_a_record_moves_every_board_that_accepts_its_day(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    steps, metres = make_competition(), make_competition(metric="distance")
    later, reported = make_competition(starts=1, ends=2), make_competition(score_source="reported")
    join(steps, person)
    join(metres, person)
    join(later, person)
    join(reported, person)
    answer = send(signed_in(person), record(steps=12000, distance=8500.5, calories=430))
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert (data["accepted"], data["unchanged"], data["rejected"]) == (1, 0, [])
    assert set(data["counted_in"]) == {str(steps.id), str(metres.id)}
    assert [score(signed_in(person), board) for board in (steps, metres, later, reported)] == [12000, 8500, 0, 0]


def test_a_retry_a_repeat_and_an_older_retry_change_nothing(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person)
    client, url = signed_in(person), f"/api/v1/leaderboard/{competition.id}"
    send(client, record(steps=5000, distance=100))
    before = client.get(url).json()
    for repeat in (record(steps=5000, distance=100), record(steps=4000), record(distance=99.9)):
        data = send(client, repeat).json()["data"]
        assert (data["accepted"], data["unchanged"]) == (0, 1)
        assert data["counted_in"] == [str(competition.id)]
    assert client.get(url).json() == before


def test_a_larger_day_replaces_a_smaller_one(person: User, signed_in: SignIn, make_competition: Any, join: Any) -> None:
    competition = make_competition()
    join(competition, person)
    for steps in (1000, 3000):
        send(signed_in(person), record(steps=steps))
    assert score(signed_in(person), competition) == 3000


def test_two_sources_for_one_day_count_once_the_larger_per_metric(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person)
    client = signed_in(person)
    send(client, record(steps=6000, distance=4000, source="apple_health"))
    send(client, record(steps=5000, distance=4500, source="garmin"))
    entry = client.get(f"/api/v1/leaderboard/{competition.id}").json()["data"]["entries"][0]
    assert (entry["steps"], entry["distance"]) == (6000, 4500)


def test_days_add_up_and_days_outside_do_not_count(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition(starts=-2, ends=0)
    join(competition, person)
    batch = [record(date=day(ago), steps=100 + ago) for ago in (-3, -2, -1, 0)]
    data = send(signed_in(person), {"records": batch}).json()["data"]
    assert data["accepted"] == 4
    assert score(signed_in(person), competition) == 98 + 99 + 100


def test_the_good_records_of_a_batch_stand_and_each_bad_one_is_named(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person)
    bad: list[tuple[Any, str]] = [
        (record(steps=-1), "steps"),
        (record(steps=float("nan")), "steps"),
        (record(steps=float("inf")), "steps"),
        (record(steps=1_000_000), "steps"),
        (record(steps=2**63), "steps"),
        (record(steps=1.5), "steps"),
        (record(steps="1000"), "steps"),
        (record(steps=True), "steps"),
        (record(distance=-0.1), "distance"),
        (record(distance=10**300), "distance"),
        (record(calories=float("nan")), "calories"),
        (record(active_minutes=1501), "active_minutes"),
        (record(date=day(2)), "date"),
        (record(date="1969-12-31"), "date"),
        (record(date="31.12.2025"), "date"),
        (record(date=20250101), "date"),
        (record(date="2026-02-30"), "date"),
        (record(source="crystal_ball"), "source"),
        (record(source=None), "source"),
        (record(source=["fitbit"]), "source"),
        ({"source": "fitbit"}, "steps"),
        ("a string", "record"),
        (None, "record"),
        ([], "record"),
    ]
    records = [entry for entry, _ in bad]
    records.insert(5, record(steps=777))
    answer = send(signed_in(person), {"records": records})
    assert answer.status_code == 200, answer.content
    data = answer.json()["data"]
    assert data["accepted"] == 1
    named = {rejected["index"]: rejected["errors"] for rejected in data["rejected"]}
    for index, (_, field) in enumerate(bad):
        place = index if index < 5 else index + 1
        assert list(named[place]) == [field], (place, named[place])
        assert named[place][field][0].endswith(".")
    assert score(signed_in(person), competition) == 777


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (record(steps=-1), "steps"),
        ({"records": [record(steps=-1)]}, "records[0].steps"),
        ({"records": []}, "records"),
        ({"records": "many"}, "records"),
        ({"records": [record()] * 1001}, "records"),
        ([], "body"),
        (7, "body"),
        ({}, "source"),
    ],
)
def test_where_nothing_is_acceptable_the_answer_is_a_400_that_names_the_field(
    person: User, signed_in: SignIn, body: Any, field: str
) -> None:
    answer = send(signed_in(person), body)
    assert answer.status_code == 400
    assert field in answer.json()["details"]


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, '{"steps": 1', "\xff", '{"steps": ' + "9" * 5000 + "}"])
def test_what_is_not_json_is_a_400(person: User, signed_in: SignIn, text: str) -> None:
    answer = signed_in(person).generic("POST", URL, text.encode("latin-1"), content_type="application/json")  # type: ignore[arg-type]  # it takes bytes as well
    assert answer.status_code == 400
    assert answer.json()["success"] is False


def test_another_content_type_is_a_415(person: User, signed_in: SignIn) -> None:
    assert signed_in(person).generic("POST", URL, "steps=1", content_type="text/plain").status_code == 415


def test_repeats_within_a_batch_are_one_day(person: User, signed_in: SignIn, make_competition: Any, join: Any) -> None:
    competition = make_competition()
    join(competition, person)
    batch = [record(steps=steps) for steps in (100, 300, 200, 300)]
    data = send(signed_in(person), {"records": batch}).json()["data"]
    assert (data["accepted"], data["unchanged"]) == (2, 2)
    assert score(signed_in(person), competition) == 300


def test_the_number_of_statements_does_not_grow_with_the_batch(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition(starts=-300, ends=3)
    join(competition, person)
    client = signed_in(person)

    def statements(records: int) -> int:
        batch = [record(date=day(-ago), steps=records) for ago in range(records)]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert send(client, {"records": batch}).json()["data"]["accepted"] == records
        return len(captured)

    assert statements(2) == statements(280)


def test_without_a_date_the_record_is_of_today_where_the_person_is(make_person: Any, signed_in: SignIn) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"):
        someone = make_person("Ada", timezone=zone)
        send(signed_in(someone), record())
        from zoneinfo import ZoneInfo

        assert Activity.objects.get(user=someone).day == datetime.now(ZoneInfo(zone)).date()


def test_a_day_that_has_not_begun_where_the_person_is_cannot_be_sent(make_person: Any, signed_in: SignIn) -> None:
    from zoneinfo import ZoneInfo

    someone = make_person("Ada", timezone="Pacific/Pago_Pago")
    tomorrow_there = (datetime.now(ZoneInfo("Pacific/Pago_Pago")) + timedelta(days=1)).date().isoformat()
    assert send(signed_in(someone), record(date=tomorrow_there)).status_code == 400


def test_what_was_measured_inside_may_arrive_in_the_grace_and_not_after(
    person: User, signed_in: SignIn, make_competition: Any, make_person: Any
) -> None:
    from competitions.services.enrolment import join_competition

    long_ago = datetime.now(UTC) - timedelta(days=9)
    late, closed = (make_competition(starts=-5, ends=-1, grace_hours=hours, created_at=long_ago) for hours in (48, 0))
    for competition in (late, closed):
        join_competition(competition=competition, user_id=person.id, join_code=None, now=long_ago)
    data = send(signed_in(person), record(date=day(-2))).json()["data"]
    assert data["counted_in"] == [str(late.id)]
    assert [score(signed_in(person), competition) for competition in (late, closed)] == [1000, 0]


def test_a_cancelled_competition_counts_nothing(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person)
    cancel_competition(competition_id=competition.id, by=person, now=datetime.now(UTC))
    assert send(signed_in(person), record()).json()["data"]["counted_in"] == []
    assert score(signed_in(person), competition) == 0


def test_joining_counts_what_was_done_inside_the_span_before(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    send(signed_in(person), {"records": [record(date=day(-1)), record(date=day(-9))]})
    competition = make_competition()
    join(competition, person)
    assert score(signed_in(person), competition) == 1000


def test_whoever_saw_earlier_rules_before_joining_joins_under_those_that_hold(
    person: User, other: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    send(signed_in(person), record())
    seen = make_competition(owner=other)
    change_competition(
        competition_id=seen.id,
        merge=lambda _: ({"stored_policy": {"daily_cap": {"steps": 100}}}, None),
        by=other,
        reason="So.",
        now=datetime.now(UTC),
    )
    join(seen, person)
    assert score(signed_in(person), seen) == 100


def test_of_who_was_erased_nothing_is_stored_any_more(
    person: User, other: User, with_key: Any, signed_in: SignIn
) -> None:
    reading = Reading(other.id, Source.FITBIT, datetime.now(UTC).date(), Totals(steps=5))
    erase_person(user_id=other.id, now=datetime.now(UTC))
    answer = send(with_key(Scope.ACTIVITY_WRITE), {"records": [record(user_id=str(p.id)) for p in (other, person)]})
    data = answer.json()["data"]
    assert (data["accepted"], [one["index"] for one in data["rejected"]]) == (1, [0])
    with pytest.raises(NotFound):  # whoever named them before that and then waited
        sync_activities(readings=[reading], now=datetime.now(UTC))
    assert not Activity.objects.filter(user=other).exists()


def test_other_days_are_counted_when_the_dates_change_before_the_start(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    from competitions.rules import Kind, span_of

    send(signed_in(person), {"records": [record(date=day(-1), steps=5), record(date=day(0), steps=7)]})
    competition = make_competition(starts=1, ends=2)
    join(competition, person)
    today = datetime.now(UTC).date()
    span = span_of(today - timedelta(days=1), today + timedelta(days=2), "UTC", Kind.CUSTOM)
    change_competition(competition_id=competition.id, merge=lambda _: ({}, span), by=person, now=datetime.now(UTC))
    assert score(signed_in(person), competition) == 12


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_person_of_many_phones_loses_nothing(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    """Each phone sends other days at the same moment; the board is the sum of them all."""
    competition = make_competition(starts=-30, ends=3)
    join(competition, person)

    def phone(number: int) -> None:
        for ago in range(number, 24, 6):
            assert send(signed_in(person), record(date=day(-ago), steps=100)).status_code == 200

    run_together([partial(phone, number) for number in range(6)])
    assert score(signed_in(person), competition) == 2400


def test_what_a_person_sends_is_read_without_a_request_and_without_the_database(
    person: User, django_assert_num_queries: Any
) -> None:
    now = datetime.now(UTC)
    with django_assert_num_queries(0):
        sync = read_sync(person, {"records": [record(), record(steps=-1)]}, now)
        readings, rejected = sync.batch.readings, sync.rejected
    assert readings == [Reading(person.id, Source.FITBIT, now.date(), Totals(steps=1000))]
    assert [one["index"] for one in rejected] == [1]


def test_nobody_syncs_for_somebody_else(person: User, other: User, signed_in: SignIn) -> None:
    assert send(signed_in(person), record(user_id=str(other.id))).status_code == 403
    assert send(signed_in(person), {"records": [record(), record(user_id=str(other.id))]}).status_code == 403
    assert not Activity.objects.exists()
    for odd in ([str(other.id)], {"id": str(other.id)}, 7):
        answer = send(signed_in(person), record(user_id=odd))
        assert (answer.status_code, list(answer.json()["details"])) == (400, ["user_id"])
    assert not Activity.objects.exists()
    assert send(signed_in(person), record(user_id="me")).status_code == 200
    assert send(signed_in(person), record(user_id=str(person.id).upper())).status_code == 200


def test_a_service_key_syncs_for_anybody_who_exists(person: User, other: User, with_key: Any) -> None:
    client = with_key(Scope.ACTIVITY_WRITE)
    batch = [
        record(user_id=str(person.id)),
        record(user_id=str(uuid4())),
        record(user_id=str(other.id)),
        record(),
        record(user_id=["x"]),
    ]
    data = send(client, {"records": batch}).json()["data"]
    assert data["accepted"] == 2
    assert [rejected["index"] for rejected in data["rejected"]] == [1, 3, 4]
    assert all(list(rejected["errors"]) == ["user_id"] for rejected in data["rejected"])


def test_a_key_without_the_scope_may_not_and_strangers_neither(
    with_key: Any, anonymous: APIClient, person: User
) -> None:
    assert send(with_key(Scope.SCORES_WRITE), record(user_id=str(person.id))).status_code == 403
    assert send(anonymous, record()).status_code == 401


def test_the_earlier_services_competition_id_is_accepted_and_restricts_nothing(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person)
    data = send(signed_in(person), record(competition_id=str(uuid4()))).json()["data"]
    assert data["counted_in"] == [str(competition.id)]
