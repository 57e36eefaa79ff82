"""GET /fitness/connections, POST and DELETE /fitness/connections/{provider}, GET /fitness/connections/callback"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services.people import erase_person
from fitness.clouds.vault import seal
from fitness.models import Connection, PendingAuthorisation, Sample
from fitness.services.connections import forget_stale_authorisations
from tests.fitness.conftest import CONNECTIONS, Connect
from tests.fitness.google_server import Fault, Google, callback_of
from tests.leaderboards.test_mirror import run_together
from tests.prizes.conftest import run_jobs

pytestmark = pytest.mark.django_db

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def phone(signed_in: Callable[[User], APIClient], person: User) -> APIClient:
    return signed_in(person)


def begin(client: APIClient, provider: str = "google_health") -> str:
    answer = client.post(f"{CONNECTIONS}/{provider}")
    assert answer.status_code == 201, answer.content
    url: str = answer.json()["data"]["authorize_url"]
    return url


def listed(client: APIClient) -> dict[str, Any]:
    return {one["provider"]: one for one in client.get(CONNECTIONS).json()["data"]}


def test_nothing_is_offered_without_credentials(phone: APIClient) -> None:
    assert phone.get(CONNECTIONS).json()["data"] == []
    answer = phone.post(f"{CONNECTIONS}/google_health")
    assert (answer.status_code, answer.json()["message"]) == (409, "This server is not set up for Google Health.")


def test_what_is_offered_is_listed_before_it_is_connected(google: Google, phone: APIClient) -> None:
    assert listed(phone)["google_fit"] == {
        "provider": "google_fit",
        "name": "Google Fit",
        "state": "disconnected",
        "connected_at": None,
        "last_fetched_at": None,
        "last_error": None,
    }


def test_a_cloud_is_connected_and_its_activity_arrives(google: Google, person: User, phone: APIClient) -> None:
    google.measure("steps", timezone.now() - timedelta(hours=2), 4_000, minutes=30)
    answer = APIClient().get(callback_of(google.consent(begin(phone))))
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["Cache-Control"] == "no-store"
    assert answer.content.startswith(b"Google Health is connected to the account of Ada here.")
    assert run_jobs() == []
    shown = listed(phone)["google_health"]
    assert (shown["state"], shown["last_error"]) == ("connected", None)
    assert shown["connected_at"] <= shown["last_fetched_at"]
    assert Sample.objects.get(user=person).amount == 4_000
    assert Connection.objects.get(user=person).account == google.account


def test_tokens_are_nowhere_in_the_open(
    google: Google, person: User, phone: APIClient, connect: Connect, log_lines: Lines
) -> None:
    google.measure("steps", timezone.now() - timedelta(hours=2), 4_000)
    google.faults.append(Fault("answer", at="/v4/users/me/dataTypes"))
    google.faults.append(Fault("answer", at="/v4/users/me/dataTypes", status=403))
    pending = begin(phone)
    connect(person)
    run_jobs()
    google.expire_access()
    Connection.objects.update(waits_until=None, state="connected")
    run_jobs()
    answers = [phone.get(CONNECTIONS).content, phone.delete(f"{CONNECTIONS}/google_health").content]
    with database.cursor() as cursor:
        cursor.execute("SELECT row_to_json(c)::text FROM fitness_connection c")
        stored = cursor.fetchall()
        cursor.execute("SELECT row_to_json(j)::text FROM procrastinate_jobs j")
        stored += cursor.fetchall()
    run_jobs()
    texts = [json.dumps(log_lines()), str(stored), str(answers), json.dumps(google.asked)]
    assert len(google.secrets) >= 4
    assert any("connection_fetched" in text for text in texts)
    for secret in google.secrets:
        assert not [text for text in texts if secret in text]
    assert "state=" in pending


def test_the_state_is_only_known_to_the_browser(google: Google, phone: APIClient) -> None:
    brought = google.consent(begin(phone))
    pending = PendingAuthorisation.objects.get()
    assert brought["state"] not in (pending.state_hash, pending.verifier)
    assert len(brought["state"]) >= 40


def test_a_link_works_once(google: Google, phone: APIClient) -> None:
    callback = callback_of(google.consent(begin(phone)))
    assert [APIClient().get(callback).status_code for _ in range(2)] == [200, 400]
    assert APIClient().get(callback).json()["message"].endswith("start again in the app.")


@pytest.mark.django_db(transaction=True)
def test_a_link_that_is_opened_twice_at_once_works_once(google: Google, phone: APIClient) -> None:
    callback = callback_of(google.consent(begin(phone)))
    codes: list[int] = []
    run_together([lambda: codes.append(APIClient().get(callback).status_code) for _ in range(4)])
    assert sorted(codes) == [200, 400, 400, 400]
    assert google.asked.count("POST /token") == 1


def test_looking_at_a_link_does_not_use_it_up(google: Google, phone: APIClient) -> None:
    callback = callback_of(google.consent(begin(phone)))
    assert [APIClient().head(callback).status_code, APIClient().post(callback).status_code] == [405, 405]
    assert APIClient().get(callback).status_code == 200


def test_only_the_latest_link_works(google: Google, phone: APIClient) -> None:
    first, second = (google.consent(begin(phone)) for _ in range(2))
    assert APIClient().get(callback_of(first)).status_code == 400
    assert APIClient().get(callback_of(second)).status_code == 200


def test_a_link_expires(google: Google, phone: APIClient) -> None:
    callback = callback_of(google.consent(begin(phone)))
    PendingAuthorisation.objects.update(expires_at=timezone.now())
    assert APIClient().get(callback).status_code == 400
    begin(phone)
    forget_stale_authorisations(now=timezone.now() + timedelta(minutes=9))
    assert PendingAuthorisation.objects.exists()
    forget_stale_authorisations(now=timezone.now() + timedelta(minutes=11))
    assert not PendingAuthorisation.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?state=",
        "?state=guess&code=x",
        "?state=%00&code=x",
        "?state=%ff%fe&code=x",
        f"?state={'x' * 5000}&code=x",
        "?code=x",
        "?error=access_denied",
    ],
)
def test_a_state_that_we_did_not_give_is_a_400(google: Google, query: str) -> None:
    answer = APIClient().get(f"{CONNECTIONS}/callback{query}")
    assert answer.status_code == 400
    assert answer.json()["success"] is False


@pytest.mark.parametrize("code", ["4/0wrong", "x" * 5000, "\x00", ""])
def test_a_code_that_google_did_not_give_connects_nothing(google: Google, phone: APIClient, code: str) -> None:
    brought = google.consent(begin(phone)) | {"code": code}
    answer = APIClient().get(callback_of(brought))
    assert answer.status_code == (200 if code == "" else 400)
    assert not Connection.objects.exists()


def test_who_does_not_consent_is_told_so(google: Google, phone: APIClient) -> None:
    state = google.consent(begin(phone))["state"]
    answer = APIClient().get(callback_of({"state": state, "error": "access_denied"}))
    assert answer.status_code == 200
    assert b"was not connected" in answer.content
    assert listed(phone)["google_health"]["state"] == "disconnected"
    assert APIClient().get(callback_of({"state": state, "code": "4/0A"})).status_code == 400


def test_a_browser_is_never_sent_elsewhere(google: Google, phone: APIClient) -> None:
    evil = "https://evil.example"
    brought = google.consent(begin(phone)) | {"next": evil, "redirect_uri": evil, "return_url": evil, "iss": evil}
    answer = APIClient().get(callback_of(brought), HTTP_HOST="testserver", HTTP_REFERER=evil)
    assert answer.status_code == 200
    assert "Location" not in answer
    assert b"evil" not in answer.content


def test_a_verifier_that_does_not_fit_connects_nothing(google: Google, phone: APIClient) -> None:
    callback = callback_of(google.consent(begin(phone)))
    PendingAuthorisation.objects.update(verifier=seal("somebody else's"))
    answer = APIClient().get(callback)
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "The permission at Google Health has ended; connect again.",
    )


def test_the_whole_permission_is_needed(google: Google, phone: APIClient) -> None:
    answer = APIClient().get(callback_of(google.consent(begin(phone), scopes=set())))
    assert answer.status_code == 400
    assert "Not all that we need was allowed" in answer.json()["message"]
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("answer", at="/token"), 503),
        (Fault("hang", at="/token"), 503),
        (Fault("close", at="/token"), 503),
        (Fault("answer", at="/token", status=429, headers={"Retry-After": "7"}), 503),
        (Fault("answer", at="/token", status=200, body=b'{"access_token": "ya29'), 503),
        (Fault("answer", at="/token", status=401, body=b'{"error": "invalid_client"}'), 409),
        (Fault("answer", at="/token", status=200, body=b'{"scope": 5, "access_token": []}'), 400),
        (Fault("answer", at="/identity", status=200, body=b'{"healthUserId": 5}'), 409),
        (Fault("answer", at="/identity", status=403), 409),
    ],
)
def test_a_google_in_trouble_is_a_sentence(google: Google, phone: APIClient, fault: Fault, status: int) -> None:
    google.faults.append(fault)
    answer = APIClient().get(callback_of(google.consent(begin(phone))))
    assert (answer.status_code, answer.json()["code"]) == (status, status)
    assert not Connection.objects.exists()
    assert google.asked.count("POST /token") <= 1, "a code is never sent twice"


def test_one_google_account_counts_for_one_person(
    google: Google, person: User, other: User, connect: Connect, signed_in: Callable[[User], APIClient]
) -> None:
    connect(person)
    answer = APIClient().get(callback_of(google.consent(begin(signed_in(other)))))
    assert answer.status_code == 409
    assert "Somebody else here has connected" in answer.json()["message"]
    assert Connection.objects.get().user == person
    assert google.revoked == []


def test_connecting_again_replaces_the_tokens(google: Google, person: User, connect: Connect) -> None:
    first = connect(person).tokens
    run_jobs()
    google.withdraw()
    Connection.objects.update(state="needs_consent", tokens="", last_error="It has ended.")
    again = connect(person)
    assert (again.state, again.last_error) == ("connected", "")
    assert again.tokens not in (first, "")
    assert run_jobs() == []


@pytest.mark.parametrize("provider", ["strava", "callback", "%00", "google-health", "x" * 3000])
def test_an_unknown_cloud_is_a_404(google: Google, phone: APIClient, provider: str) -> None:
    for verb in (phone.post, phone.delete):
        answer = verb(f"{CONNECTIONS}/{provider}")
        assert answer.status_code in (404, 405), answer.content
        assert answer.json()["success"] is False


def test_strangers_and_services_connect_nothing(google: Google, with_key: Callable[..., APIClient]) -> None:
    for client, status in ((APIClient(), 401), (with_key("activity:write"), 401)):
        assert client.get(CONNECTIONS).status_code in (status, 403)
        assert client.post(f"{CONNECTIONS}/google_health").status_code in (status, 403)
        assert client.delete(f"{CONNECTIONS}/google_health").status_code in (status, 403)


def test_disconnecting_takes_the_permission_back(
    google: Google, person: User, other: User, connect: Connect, phone: APIClient, signed_in: Any
) -> None:
    google.measure("steps", timezone.now() - timedelta(hours=2), 4_000)
    connect(person)
    run_jobs()
    assert signed_in(other).delete(f"{CONNECTIONS}/google_health").status_code == 404
    answer = phone.delete(f"{CONNECTIONS}/google_health")
    assert answer.status_code == 200
    assert answer.json()["data"]["state"] == "disconnected"
    assert Connection.objects.get().tokens == Connection.objects.get().account == ""
    assert run_jobs() == []
    assert len(google.revoked) == 1
    assert Sample.objects.filter(user=person, superseded_at=None).count() == 1, "what was walked was walked"
    assert phone.delete(f"{CONNECTIONS}/google_health").status_code == 404


@pytest.mark.parametrize(
    ("faults", "revoked"),
    [
        ([Fault("hang", at="/revoke")] * 3, 0),
        ([Fault("close", at="/revoke")] * 2, 1),
        ([Fault("answer", at="/revoke", status=400)], 0),
    ],
)
@pytest.mark.slow
def test_a_google_that_does_not_answer_keeps_nobody(
    google: Google, person: User, connect: Connect, phone: APIClient, faults: list[Fault], revoked: int
) -> None:
    connect(person)
    run_jobs()
    google.faults.extend(faults)
    assert phone.delete(f"{CONNECTIONS}/google_health").status_code == 200
    assert listed(phone)["google_health"]["state"] == "disconnected"
    assert run_jobs() == [], "a job that failed would stay, and the tokens with it"
    assert len(google.revoked) == revoked


def test_nothing_is_left_of_who_is_erased(google: Google, person: User, connect: Connect, phone: APIClient) -> None:
    connect(person)
    begin(phone, "google_fit")
    run_jobs()
    erase_person(user_id=person.id, now=timezone.now())
    assert not Connection.objects.exists()
    assert not PendingAuthorisation.objects.exists()
    assert run_jobs() == []
    assert len(google.revoked) == 1


def test_who_was_erased_meanwhile_connects_nothing(google: Google, person: User, phone: APIClient) -> None:
    callback = callback_of(google.consent(begin(phone)))
    person.is_active = False
    person.save()
    assert APIClient().get(callback).status_code == 400
    assert not Connection.objects.exists()
