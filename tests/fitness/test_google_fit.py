"""What is fetched from Google Fit, for those who still have it."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from fitness.models import Connection, Sample
from fitness.services.fetching import fetch_connection
from tests.fitness.conftest import Connect
from tests.fitness.google_server import Fault, Google

pytestmark = pytest.mark.django_db

STEPS = "derived:com.google.step_count.delta:com.google.android.gms:merge_step_deltas"
DISTANCE = "derived:com.google.distance.delta:com.google.android.gms:merge_distance_delta"
MINUTES = "derived:com.google.active_minutes:com.google.android.gms:merge_active_minutes"
WATCH = "raw:com.google.step_count.delta:com.example.watch:Google:Pixel Watch:a1b2:steps"
TYPED_IN = "raw:com.google.step_count.delta:com.google.android.apps.fitness:user_input"


@pytest.fixture
def at() -> datetime:
    return timezone.now().replace(second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
def mine(google: Google, connect: Connect, person: User) -> Connection:
    connection = connect(person, "google_fit")
    connection.fetched_until = timezone.now()
    connection.save()
    return connection


def fetched(connection: Connection) -> Connection:
    found = fetch_connection(connection_id=connection.id, now=timezone.now())
    assert found is not None
    return found


def test_every_metric_comes_in_its_base_units(google: Google, mine: Connection, at: datetime) -> None:
    google.fit_point(STEPS, at, {"intVal": 118})
    google.fit_point(DISTANCE, at, {"fpVal": 90.5})
    google.fit_point(MINUTES, at, {"intVal": 1})
    assert fetched(mine).state == "connected"
    standing = Sample.objects.values_list("type", "amount", "channel")
    assert set(standing) == {
        ("steps", 118, "google_fit"),
        ("distance", 90_500, "google_fit"),
        ("active_minutes", 60, "google_fit"),
    }


def test_a_sample_says_what_measured_it(google: Google, mine: Connection, at: datetime, person: User) -> None:
    person.timezone = "Pacific/Auckland"
    person.save()
    device = {"type": "watch", "manufacturer": "Google", "model": "Pixel Watch", "uid": "a1b2"}
    application = {"packageName": "com.example.watch"}
    google.sources = [{"dataStreamId": WATCH, "device": device, "application": application}, {"odd": 1}, 5]
    google.sources.append({"dataStreamId": "raw:odd", "device": None, "application": []})
    google.fit_point(STEPS, at, {"intVal": 118}, origin=WATCH)
    google.fit_point(STEPS, at + timedelta(minutes=1), {"intVal": 9_000}, origin=TYPED_IN)
    google.fit_point(STEPS, at + timedelta(minutes=2), {"intVal": 7})
    fetched(mine)
    rows = Sample.objects.order_by("start_at").values_list(
        "recording", "source__app", "source__device", "source__kind", "zone"
    )
    assert list(rows) == [
        ("automatic", "com.example.watch", "Google Pixel Watch", "watch", "Pacific/Auckland"),
        ("manual", "google_fit", "", "other", "Pacific/Auckland"),
        ("automatic", "google_fit", "", "other", "Pacific/Auckland"),
    ]


def test_pages_are_read_to_the_end_and_again_they_change_nothing(
    google: Google, mine: Connection, at: datetime
) -> None:
    google.page_limit = 3
    for minute in range(10):
        google.fit_point(STEPS, at + timedelta(minutes=minute), {"intVal": minute + 1})
    fetched(mine)
    before = list(Sample.objects.order_by("id").values())
    assert len(before) == 10
    fetched(mine)
    assert list(Sample.objects.order_by("id").values()) == before


def test_what_goes_there_goes_here(google: Google, mine: Connection, at: datetime) -> None:
    google.fit_point(STEPS, at, {"intVal": 118})
    fetched(mine)
    google.streams[STEPS].clear()
    fetched(mine)
    assert not Sample.objects.filter(superseded_at=None).exists()


def test_what_only_overlaps_the_window_is_not_in_it(google: Google, mine: Connection) -> None:
    assert mine.fetched_until is not None
    start = mine.fetched_until - timedelta(days=3, minutes=5)
    google.fit_point(STEPS, start, {"intVal": 118}, minutes=30)
    fetched(mine)
    assert not Sample.objects.exists()


def test_a_stream_that_nobody_ever_wrote_to_is_empty(google: Google, mine: Connection) -> None:
    assert fetched(mine).state == "connected"
    assert not Sample.objects.exists()


def test_a_point_that_nobody_can_read_costs_nothing_but_itself(google: Google, mine: Connection, at: datetime) -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"fpVal": 5.0},
        {"intVal": "many"},
        {"intVal": None},
        {"intVal": 2**80},
        {"intVal": -5},
    ]
    for minute, value in enumerate(odd):
        google.fit_point(STEPS, at + timedelta(minutes=minute), value)
    google.fit_point(STEPS, at - timedelta(minutes=1), {"intVal": 20})
    assert fetched(mine).state == "connected"
    assert Sample.objects.get().amount == 20


def test_a_permission_that_does_not_reach_so_far_needs_a_new_consent(google: Google, mine: Connection) -> None:
    google.grants = {refresh: set() for refresh in google.grants}
    assert fetched(mine).state == "needs_consent"


def test_a_service_that_was_switched_off_is_no_retry_storm(google: Google, mine: Connection) -> None:
    google.faults.append(Fault("answer", at="/dataSources", status=410))
    connection = fetched(mine)
    assert (connection.state, connection.last_error) == ("failing", "Google Fit refused our request (410).")
    assert google.asked.count("fault answer") == 1


@pytest.mark.parametrize(
    ("reason", "state"), [("userRateLimitExceeded", "connected"), ("accessNotConfigured", "failing"), ("", "failing")]
)
def test_a_403_that_is_not_about_the_permission_does_not_end_it(
    google: Google, mine: Connection, reason: str, state: str
) -> None:
    body = json.dumps({"error": {"code": 403, "errors": [{"domain": "usageLimits", "reason": reason}]}})
    google.faults.append(Fault("answer", at="/datasets", status=403, body=body.encode()))
    connection = fetched(mine)
    assert (connection.state, connection.tokens) == (state, mine.tokens)
    assert connection.waits_until is not None
