"""What is fetched from the Google Health API, and what becomes of a connection when it cannot be."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from config.core.circuit import CircuitState
from fitness import clouds, tasks
from fitness.clouds import google_health
from fitness.clouds.google_health import GoogleHealth
from fitness.clouds.vault import seal
from fitness.models import Connection, Sample
from fitness.services import fetching
from fitness.services.connections import opened
from fitness.services.fetching import due_connections, fetch_connection
from tests.fitness.conftest import CONNECTIONS, Connect
from tests.fitness.google_server import TYPED_IN, WATCH, Fault, Google
from tests.leaderboards.test_mirror import run_together
from tests.prizes.conftest import run_jobs

pytestmark = pytest.mark.django_db

PHONE: dict[str, Any] = {
    "recordingMethod": "PASSIVELY_MEASURED",
    "device": {"formFactor": "PHONE"},
    "platform": "HEALTH_CONNECT",
    "application": {"packageName": "com.google.android.apps.fitness"},
}


@pytest.fixture
def at() -> datetime:
    """A full minute, a day ago."""
    return timezone.now().replace(second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
def fresh(google: Google, connect: Connect, person: User) -> Connection:
    """Connected, and not fetched yet."""
    return connect(person)


@pytest.fixture
def mine(fresh: Connection) -> Connection:
    """The same, as if it had been fetched before."""
    fresh.fetched_until = timezone.now()
    fresh.save()
    return fresh


def fetched(connection: Connection, now: datetime | None = None) -> Connection:
    found = fetch_connection(connection_id=connection.id, now=now or timezone.now())
    assert found is not None, "there was nothing to do"
    return found


def standing() -> dict[str, int]:
    return dict(Sample.objects.filter(superseded_at=None).values_list("type", "amount"))


def amounts() -> list[int]:
    return list(
        Sample.objects.filter(superseded_at=None).order_by("start_at", "amount").values_list("amount", flat=True)
    )


def test_every_metric_comes_in_its_base_units(google: Google, mine: Connection, at: datetime) -> None:
    google.measure("steps", at, 118)
    google.measure("distance", at, 90_123)
    google.measure("active-energy-burned", at, 5.125)
    google.measure("active-minutes", at, 1)
    assert fetched(mine).state == "connected"
    assert standing() == {"steps": 118, "distance": 90_123, "calories": 5_125, "active_minutes": 60}


def test_a_sample_says_when_where_and_by_what_it_was_measured(google: Google, mine: Connection, at: datetime) -> None:
    google.measure("steps", at, 118, offset="-12600s", **(WATCH | {"recordingMethod": "ACTIVELY_MEASURED"}))
    fetched(mine)
    sample = Sample.objects.select_related("source").get()
    assert (sample.start_at, sample.end_at) == (at, at + timedelta(minutes=1))
    assert (sample.zone, sample.recording, sample.channel) == ("-03:30", "active", "google_health")
    assert (sample.source.app, sample.source.device, sample.source.kind) == ("fitbit", "Google Pixel Watch 4", "watch")


def test_a_device_may_be_called_anything(google: Google, mine: Connection, at: datetime) -> None:
    name = "Ada's \u231a\n\x00\u202e" + "watch" * 100
    google.measure("steps", at, 118, platform="FITBIT", device={"formFactor": "SPOON", "displayName": name})
    google.measure("steps", at + timedelta(minutes=1), 20, device={"displayName": None})
    fetched(mine)
    first, second = Sample.objects.select_related("source").order_by("start_at")
    assert first.source.device.startswith("Ada's \u231awatch")
    assert (len(first.source.device), first.source.kind) == (200, "other")
    assert (second.source.app, second.source.device) == ("google_health", "")


def test_what_two_devices_saw_counts_once(google: Google, mine: Connection, at: datetime) -> None:
    google.measure("steps", at, 100, **PHONE)
    google.measure("steps", at, 118, **WATCH)
    google.measure("steps", at + timedelta(minutes=1), 30, **PHONE)
    fetched(mine)
    assert amounts() == [118, 30]
    sources = Sample.objects.order_by("start_at").values_list("source__kind", "source__app")
    assert list(sources) == [("watch", "fitbit"), ("phone", "com.google.android.apps.fitness")]


def test_what_was_typed_in_is_known_as_such(google: Google, mine: Connection, at: datetime) -> None:
    google.measure("steps", at, 9_000, minutes=10, **TYPED_IN)
    google.measure("steps", at + timedelta(hours=1), 100)
    fetched(mine)
    assert list(Sample.objects.order_by("start_at").values_list("recording", flat=True)) == ["manual", "automatic"]


def test_a_stream_without_its_raw_point_is_no_better_than_what_was_typed_in_there() -> None:
    start = datetime(2026, 6, 1, 6, tzinfo=UTC)

    def point(minute: int, length: int, amount: int, recording: Any = None) -> Any:
        begin = start + timedelta(minutes=minute)
        origin = google_health._UNKNOWN if recording is None else google_health._UNKNOWN._replace(recording=recording)
        return google_health._Point(begin, begin + timedelta(minutes=length), amount, "+00:00", origin)

    raw = [
        point(0, 10, 9_000, "manual"),
        *(point(20, 1, 5, "active"), point(20, 1, 7, "automatic")),
        *(point(30, 1, 5, "active"), point(30, 1, 7, "manual")),
    ]
    merged = [point(3, 1, 900), point(10, 1, 8), point(20, 1, 7), point(20, 1, 6), point(30, 1, 5), point(30, 1, 6)]
    found = [one.origin.recording for one in google_health.attributed(merged, raw)]
    assert found == ["manual", "automatic", "automatic", "active", "active", "manual"]


def test_pages_are_read_to_the_end(google: Google, mine: Connection, at: datetime) -> None:
    google.page_limit = 3
    for minute in range(10):
        google.measure("steps", at + timedelta(minutes=minute), minute + 1)
    fetched(mine)
    assert amounts() == list(range(1, 11))


def test_fetched_again_nothing_changes(google: Google, mine: Connection, at: datetime) -> None:
    google.measure("steps", at, 118)
    google.measure("active-energy-burned", at, 5.125)
    fetched(mine)
    before = list(Sample.objects.values())
    fetched(mine)
    fetched(mine, timezone.now() + timedelta(hours=1))
    assert list(Sample.objects.values()) == before


def test_what_changes_or_goes_there_does_so_here(google: Google, mine: Connection, at: datetime) -> None:
    point = google.measure("steps", at, 118)
    other = google.measure("steps", at + timedelta(minutes=5), 20)
    fetched(mine)
    point["steps"]["count"] = "90"
    google.points["steps"].remove(other)
    fetched(mine, timezone.now() + timedelta(minutes=1))
    assert amounts() == [90]
    google.points["steps"].append(other)
    point["steps"]["count"] = "118"
    fetched(mine, timezone.now() + timedelta(minutes=2))
    assert amounts() == [118, 20]
    assert Sample.objects.exclude(superseded_at=None).count() == 3


def test_the_first_fetch_goes_back_thirty_days(google: Google, fresh: Connection) -> None:
    now = timezone.now()
    for days in (1, 6, 11, 29, 31):
        google.measure("steps", now - timedelta(days=days), days)
    connection = fetched(fresh, now)
    assert amounts() == [29, 11, 6, 1]
    assert connection.fetched_until == now


def test_a_tracker_may_come_days_late(google: Google, mine: Connection) -> None:
    now = timezone.now()
    google.asked.clear()
    google.measure("steps", now - timedelta(days=2), 2)
    google.measure("steps", now - timedelta(days=4), 4)
    fetched(mine, now)
    assert amounts() == [2], "three days are asked for again"
    assert len(google.asked) == 5, "a stream for each metric, and the raw points of the one that has some"


def test_after_a_long_silence_everything_since_is_fetched(google: Google, mine: Connection) -> None:
    now = timezone.now()
    Connection.objects.update(fetched_until=now - timedelta(days=20))
    google.measure("steps", now - timedelta(days=22), 22)
    google.measure("steps", now - timedelta(days=24), 24)
    fetched(mine, now)
    assert amounts() == [22]


def test_a_token_is_refreshed_before_it_expires(google: Google, mine: Connection) -> None:
    fetched(mine)
    google.asked.clear()
    before = mine.tokens
    connection = fetched(mine, timezone.now() + timedelta(minutes=57))
    assert google.asked[0] == "POST /token"
    assert connection.tokens != before
    assert connection.expires_at is not None
    assert connection.expires_at > timezone.now() + timedelta(minutes=100)


def test_a_token_that_is_refused_too_early_is_refreshed_once(google: Google, mine: Connection, at: datetime) -> None:
    google.measure("steps", at, 118)
    google.expire_access()
    assert fetched(mine).state == "connected"
    assert amounts() == [118]
    assert google.asked.count("POST /token") == 2


def test_a_permission_that_was_withdrawn_is_not_asked_for_again(
    google: Google, mine: Connection, person: User, signed_in: Callable[[User], APIClient]
) -> None:
    google.withdraw()
    connection = fetched(mine)
    assert (connection.state, connection.tokens) == ("needs_consent", "")
    google.asked.clear()
    tomorrow = timezone.now() + timedelta(days=1)
    assert not due_connections(tomorrow).exists()
    assert fetch_connection(connection_id=mine.id, now=tomorrow) is None
    assert google.asked == []
    shown = {one["provider"]: one for one in signed_in(person).get(CONNECTIONS).json()["data"]}["google_health"]
    assert shown["last_error"] == "The permission at Google Health has ended; connect again."


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("answer", at="/token", status=401, body=b'{"error": "invalid_client"}'), "credentials."),
        (Fault("answer", at="/token", status=500), "of its own (500)."),
        (Fault("hang", at="/token"), "in time."),
        (Fault("answer", at="/token", body=b'{"access_token": 5, "expires_in": "x"}', status=200), "cannot read."),
        (Fault("answer", at="/token", body=b'{"access_token": "x", "expires_in": 0}', status=200), "cannot read."),
    ],
)
@pytest.mark.slow
def test_trouble_while_refreshing_is_not_the_end_of_the_consent(
    google: Google, mine: Connection, fault: Fault, says: str
) -> None:
    now = timezone.now() + timedelta(hours=2)
    google.asked.clear()
    google.faults.append(fault)
    connection = fetched(mine, now)
    assert (connection.state, connection.tokens) == ("failing", mine.tokens)
    assert connection.last_error.endswith(says)
    assert len(google.asked) == 1, "a refresh is not repeated at once"
    assert fetched(mine, now + timedelta(minutes=1)).state == "connected"


def test_tokens_that_always_look_wrong_end_the_consent(google: Google, mine: Connection) -> None:
    for _ in range(2):
        google.faults.append(Fault("answer", at="/dataPoints", status=401))
    assert fetched(mine).state == "needs_consent"
    assert google.asked.count("POST /token") == 2


def test_a_scope_that_was_taken_away_ends_the_consent(google: Google, mine: Connection) -> None:
    google.grants = {refresh: set() for refresh in google.grants}
    connection = fetched(mine)
    assert connection.state == "needs_consent"
    assert connection.last_error.startswith("Not all that we need was allowed")


def test_tokens_that_no_key_opens_need_a_new_consent(google: Google, mine: Connection, settings: Any) -> None:
    Connection.objects.update(tokens="gAAAAA of another server")
    connection = fetched(mine)
    assert (connection.state, connection.tokens) == ("needs_consent", "")


def test_too_many_requests_let_the_connection_wait_and_not_the_worker(
    google: Google, mine: Connection, at: datetime
) -> None:
    now = timezone.now()
    google.faults.append(Fault("answer", at="/dataPoints", status=429, headers={"Retry-After": "120"}))
    connection = fetched(mine, now)
    assert (connection.state, connection.waits_until) == ("connected", now + timedelta(seconds=120))
    assert google.asked.count("fault answer") == 1
    Connection.objects.update(last_fetched_at=now)
    assert not due_connections(now + timedelta(seconds=119)).exists()
    assert due_connections(now + timedelta(seconds=120)).exists()
    assert fetch_connection(connection_id=mine.id, now=now + timedelta(seconds=119)) is None
    google.measure("steps", at, 118)
    assert fetched(mine, now + timedelta(seconds=120)).waits_until is None
    assert amounts() == [118]


@pytest.mark.parametrize("header", ["", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "99999999999999999999", "-5", "1e9"])
def test_an_odd_time_to_wait_is_a_minute(google: Google, mine: Connection, header: str) -> None:
    now = timezone.now()
    google.faults.append(Fault("answer", at="/dataPoints", status=429, headers={"Retry-After": header}))
    assert fetched(mine, now).waits_until == now + timedelta(minutes=1)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("answer", at="/dataPoints", status=500),
        Fault("answer", at="/dataPoints", status=503, body=b"<html>"),
        Fault("close", at="/dataPoints"),
        Fault("answer", at="/dataPoints", status=200, body=b'{"dataPoints": [{"steps": {"cou'),
        Fault("answer", at="/dataPoints", status=200, body=b"[]"),
        Fault("answer", at="/dataPoints", status=200, body=b"\xff\xfe" * 50),
    ],
)
def test_a_hiccup_is_asked_again_at_once(google: Google, mine: Connection, at: datetime, fault: Fault) -> None:
    google.measure("steps", at, 118)
    google.faults.append(fault)
    assert fetched(mine).state == "connected"
    assert amounts() == [118]


def test_trouble_that_stays_is_asked_about_less_and_less(google: Google, mine: Connection, settings: Any) -> None:
    settings.BREAKER_FAILURES = 1_000
    clouds.provider.cache_clear()
    now, pauses = timezone.now(), []
    for _ in range(11):
        google.faults.extend([Fault("answer", at="/dataPoints", status=500)] * 3)
        connection = fetched(mine, now)
        assert connection.state == "failing"
        assert connection.last_error == "Google Health has trouble of its own (500)."
        assert connection.waits_until is not None
        pauses.append((connection.waits_until - now).total_seconds() / 60)
        now = connection.waits_until
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]
    assert google.asked.count("fault answer") == 33, "three each time"
    connection = fetched(mine, now)
    assert (connection.state, connection.failures, connection.last_error) == ("connected", 0, "")


@pytest.mark.slow
def test_a_google_that_hangs_is_given_up_soon(google: Google, mine: Connection) -> None:
    google.faults.extend([Fault("hang", at="/dataPoints")] * 3)
    assert fetched(mine).last_error == "Google Health did not answer in time."


def test_a_request_that_google_does_not_understand_is_not_repeated(google: Google, mine: Connection) -> None:
    google.faults.append(
        Fault("answer", at="/dataPoints", status=400, body=b'{"error": {"status": "INVALID_ARGUMENT"}}')
    )
    connection = fetched(mine)
    assert (connection.state, connection.last_error) == ("failing", "Google Health refused our request (400).")
    assert google.asked.count("fault answer") == 1


def test_what_was_stored_before_the_trouble_stays(google: Google, fresh: Connection) -> None:
    now = timezone.now()
    google.measure("steps", now - timedelta(days=29), 29)
    google.measure("steps", now - timedelta(days=1), 1)
    real, calls = GoogleHealth.fetch, []

    def dies_later(self: GoogleHealth, access: str, window: Any) -> Any:
        calls.append(window)
        if len(calls) == 4:
            raise MemoryError("the worker is killed")
        return real(self, access, window)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(GoogleHealth, "fetch", dies_later)
        with pytest.raises(MemoryError):
            fetch_connection(connection_id=fresh.id, now=now)
    assert amounts() == [29]
    assert fetch_connection(connection_id=fresh.id, now=now) is None, "the claim of the dead worker holds for a while"
    later = now + fetching.CLAIM
    assert due_connections(later).exists()
    fetched(fresh, later)
    assert amounts() == [29, 1]


def test_a_dead_google_is_left_alone_and_operators_see_it(
    google: Google, mine: Connection, connect: Connect, other: User, staff: User, signed_in: Callable[[User], APIClient]
) -> None:
    google.account = "health-user-2"
    theirs = connect(other)
    google.faults.extend([Fault("close", at="/dataPoints")] * 6)
    assert fetched(mine).state == "failing"
    connection = fetched(theirs)
    assert connection.last_error == "Google Health does not answer at the moment."
    assert (connection.state, connection.failures) == ("connected", 0), "it is not this connection's fault"
    assert google.asked.count("fault close") == 5
    assert clouds.circuits()["google_health"] == CircuitState.OPEN
    health = signed_in(staff).get("/health/detailed").json()
    assert health["circuits"] == {"google_health": "open", "google_fit": "closed"}
    metrics = signed_in(staff).get("/metrics").content.decode()
    assert 'pacesetter_circuit_open{circuit="google_health"} 1.0' in metrics
    assert 'pacesetter_cloud_requests_total{outcome="unavailable",provider="google_health"}' in metrics


def test_without_redis_fetching_goes_on(google: Google, mine: Connection, at: datetime, redis_out: None) -> None:
    google.measure("steps", at, 118)
    fetched(mine)
    assert amounts() == [118]


def test_a_point_that_nobody_can_read_costs_nothing_but_itself(google: Google, mine: Connection, at: datetime) -> None:
    spoiled: list[Callable[[dict[str, Any]], object]] = [
        lambda steps: steps.update(count="many"),
        lambda steps: steps.update(count=None),
        lambda steps: steps.pop("count"),
        lambda steps: steps.update(count="-5"),
        lambda steps: steps.update(count=str(2**80)),
        lambda steps: steps["interval"].update(startUtcOffset="west"),
        lambda steps: steps["interval"].update(startUtcOffset=None),
        lambda steps: steps["interval"].update(endTime="2020-01-01T00:00:00Z"),
        lambda steps: steps["interval"].update(endTime="never"),
        lambda steps: steps["interval"].pop("endTime"),
    ]
    for minute, spoil in enumerate(spoiled):
        spoil(google.measure("steps", at + timedelta(minutes=minute), 118)["steps"])
    google.measure("steps", at - timedelta(minutes=1), 20)
    assert fetched(mine).state == "connected"
    assert amounts() == [20]


@pytest.mark.parametrize(
    "body",
    [
        b'{"dataPoints": [{"steps": {"sum": 5}}, {"steps": null}, 7]}',
        b'{"dataPoints": {"steps": []}}',
        b'{"dataPoints": [], "nextPageToken": 5}',
    ],
)
def test_an_answer_of_which_nothing_can_be_read_deletes_nothing(
    google: Google, mine: Connection, at: datetime, body: bytes
) -> None:
    google.measure("steps", at, 118)
    fetched(mine)
    google.faults.append(Fault("answer", at="/steps/dataPoints", status=200, body=body))
    connection = fetched(mine)
    assert (connection.state, connection.last_error) == ("failing", "Google Health gave an answer that we cannot read.")
    assert amounts() == [118]


def test_who_was_deactivated_is_not_fetched(google: Google, mine: Connection, person: User) -> None:
    person.is_active = False
    person.save()
    assert not due_connections(timezone.now() + timedelta(days=1)).exists()
    assert fetch_connection(connection_id=mine.id, now=timezone.now()) is None


def test_zeros_say_nothing(google: Google, mine: Connection, at: datetime) -> None:
    google.measure("steps", at, 0)
    google.measure("active-minutes", at, 0)
    fetched(mine)
    assert amounts() == []


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_fetches(google: Google, fresh: Connection) -> None:
    google.asked.clear()
    now, found = timezone.now(), []
    together = [lambda: found.append(fetch_connection(connection_id=fresh.id, now=now)) for _ in range(4)]
    run_together(together)
    assert sum(one is not None for one in found) == 1
    assert google.asked.count("GET /v4/users/me/dataTypes/steps/dataPoints:reconcile") == 6


def test_there_is_one_fetch_at_a_time(google: Google, mine: Connection) -> None:
    now = timezone.now()
    Connection.objects.update(claimed_until=now + timedelta(minutes=1))
    assert fetch_connection(connection_id=mine.id, now=now) is None
    assert fetch_connection(connection_id=mine.id, now=now + timedelta(minutes=2)) is not None


def test_who_disconnects_during_a_fetch_gets_nothing_more(
    google: Google, mine: Connection, at: datetime, person: User, signed_in: Callable[[User], APIClient]
) -> None:
    google.measure("steps", at, 118)
    real = GoogleHealth.fetch

    def leaves(self: GoogleHealth, access: str, window: Any) -> Any:
        found = real(self, access, window)
        signed_in(person).delete(f"{CONNECTIONS}/google_health")
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(GoogleHealth, "fetch", leaves)
        assert fetch_connection(connection_id=mine.id, now=timezone.now()) is None
    assert not Sample.objects.exists()
    mine.refresh_from_db()
    assert (mine.state, mine.tokens, mine.last_fetched_at) == ("disconnected", "", None)


def test_who_is_silent_is_polled(google: Google, mine: Connection, settings: Any) -> None:
    run_jobs()
    now = timezone.now()
    assert not due_connections(now + timedelta(minutes=29)).exists()
    assert due_connections(now + timedelta(minutes=31)).exists()
    Connection.objects.update(last_notified_at=now + timedelta(seconds=1))
    assert due_connections(now + timedelta(seconds=2)).exists(), "news that came during the fetch"
    Connection.objects.update(state="disconnected", tokens="")
    assert not due_connections(now + timedelta(days=1)).exists()


def test_polling_asks_once_for_each(google: Google, mine: Connection) -> None:
    run_jobs()
    later = timezone.now() + timedelta(hours=1)
    for _ in range(3):
        fetching.enqueue_due_fetches(now=later)
        tasks.fetch_due_connections(timestamp=0)
    google.asked.clear()
    assert run_jobs() == []
    assert len(google.asked) == 4, "one fetch"


def test_what_comes_from_a_cloud_moves_the_boards(
    google: Google, mine: Connection, at: datetime, person: User, make_competition: Any, join: Any, signed_in: Any
) -> None:
    competition = make_competition(starts=-3, ends=3)
    join(competition, person)
    google.measure("steps", at, 118)
    fetched(mine)
    board = signed_in(person).get(f"/api/v1/leaderboard/{competition.id}").json()["data"]
    assert board["entries"][0]["score"] == 118
    google.points["steps"].clear()
    fetched(mine, timezone.now() + timedelta(minutes=1))
    board = signed_in(person).get(f"/api/v1/leaderboard/{competition.id}").json()["data"]
    assert board["entries"][0]["score"] == 0


def test_tokens_never_show_when_they_are_printed(google: Google, mine: Connection) -> None:
    tokens = opened(mine.tokens)
    assert tokens.access not in repr(tokens) + str(mine)
    assert seal("x") != seal("x")
