"""POST /fitness/webhooks/google_health"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from fitness.models import Connection, Sample
from fitness.services.fetching import due_connections
from tests.fitness.conftest import WEBHOOK_SECRET, Connect
from tests.fitness.google_server import Google
from tests.prizes.conftest import run_jobs

pytestmark = pytest.mark.django_db

URL = "/api/v1/fitness/webhooks/google_health"


@pytest.fixture
def mine(google: Google, connect: Connect, person: User) -> Connection:
    connection = connect(person)
    Connection.objects.update(fetched_until=timezone.now())
    run_jobs()
    google.asked.clear()
    return connection


def deliver(body: Any, authorization: str | None = WEBHOOK_SECRET, client: Client | None = None) -> Any:
    headers = {} if authorization is None else {"authorization": authorization}
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    chosen = client or Client(enforce_csrf_checks=True)
    return chosen.post(URL, data=sent, content_type="application/json", headers=headers)


def news(account: str, **more: Any) -> dict[str, Any]:
    """As https://developers.google.com/health/webhooks shows one."""
    interval = {"startTime": "2026-03-07T15:29:00Z", "endTime": "2026-03-07T15:34:00Z"}
    data = {
        "version": "1",
        "clientProvidedSubscriptionName": "",
        "healthUserId": account,
        "operation": "UPSERT",
        "dataType": "steps",
        "intervals": [{"physicalTimeInterval": interval}],
    }
    return {"data": data | more}


def jobs() -> int:
    return ProcrastinateJob.objects.filter(task_name__contains="fetch_one_connection", status="todo").count()


def test_google_makes_sure_that_the_address_is_ours(google: Google) -> None:
    body = {"type": "verification"}
    assert deliver(body).status_code == 201
    assert deliver(body, None).status_code == 401


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer wrong", WEBHOOK_SECRET + "x", WEBHOOK_SECRET.lower(), "\u00e4", "x" * 5000, "Basic eDp5"],
)
def test_nobody_else_is_heard(google: Google, mine: Connection, authorization: str) -> None:
    answer = deliver(news(google.account), authorization)
    assert (answer.status_code, answer.json()["code"]) == (401, 401)
    assert jobs() == 0
    assert deliver(b"\xff" * 100, authorization).status_code == 401


def test_a_token_of_ours_is_no_secret_of_google_s(google: Google, signed_in: Callable[..., Any], staff: User) -> None:
    assert signed_in(staff).post(URL, {"type": "verification"}, format="json").status_code == 401


def test_two_secrets_are_good_while_one_replaces_the_other(google: Google, settings: Any) -> None:
    settings.GOOGLE_HEALTH_WEBHOOK_SECRETS = ("Bearer new", WEBHOOK_SECRET)
    for secret in settings.GOOGLE_HEALTH_WEBHOOK_SECRETS:
        assert deliver({"type": "verification"}, secret).status_code == 201
    settings.GOOGLE_HEALTH_WEBHOOK_SECRETS = ()
    assert deliver({"type": "verification"}).status_code == 401


def test_news_are_fetched(google: Google, mine: Connection) -> None:
    google.measure("steps", timezone.now() - timedelta(hours=1), 118)
    answer = deliver(news(google.account))
    assert (answer.status_code, answer.content) == (204, b"")
    assert google.asked == [], "nothing is asked while Google waits"
    assert run_jobs() == []
    assert Sample.objects.get().amount == 118


def test_what_was_deleted_there_is_fetched_too(google: Google, mine: Connection) -> None:
    google.measure("steps", timezone.now() - timedelta(hours=1), 118)
    deliver(news(google.account))
    run_jobs()
    google.points["steps"].clear()
    assert deliver(news(google.account, operation="DELETE")).status_code == 204
    run_jobs()
    assert not Sample.objects.filter(superseded_at=None).exists()


def test_a_flood_of_news_is_one_fetch(google: Google, mine: Connection) -> None:
    for data_type in ("steps", "distance", "active-minutes"):
        assert deliver([news(google.account, dataType=data_type)] * 3).status_code == 204
    assert jobs() == 1


def test_news_during_a_fetch_are_not_lost(google: Google, mine: Connection) -> None:
    now = timezone.now()
    Connection.objects.update(claimed_until=now + timedelta(minutes=5))
    deliver(news(google.account))
    run_jobs()
    assert google.asked == [], "somebody else is at it"
    Connection.objects.update(claimed_until=None)
    assert due_connections(timezone.now()).get() == mine


def test_people_whom_nobody_knows_are_passed_over(google: Google, mine: Connection) -> None:
    assert deliver(news("somebody-else")).status_code == 204
    Connection.objects.update(state="needs_consent", tokens="")
    assert deliver(news(google.account)).status_code == 204
    assert jobs() == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        [[]],
        5,
        None,
        "text",
        {"data": None},
        {"data": []},
        {"data": {"healthUserId": 5}},
        {"data": {"healthUserId": "\x00"}},
        {"data": {"healthUserId": "\ud800"}},
        {"data": {"healthUserId": "x" * 1000}},
        {"data": {"healthUserId": {"$ne": 1}}},
        [{"data": {"healthUserId": ""}}],
    ],
)
def test_odd_news_change_nothing(google: Google, mine: Connection, body: Any) -> None:
    assert deliver(body).status_code in (204, 400)
    assert jobs() == 0


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"data": NaN'])
def test_what_is_no_json_is_a_400(google: Google, body: bytes) -> None:
    answer = deliver(body)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


def test_a_body_without_end_is_a_413(google: Google) -> None:
    assert deliver(b'"' + b"x" * 300_000 + b'"').status_code == 413


def test_a_cloud_that_is_not_offered_is_a_404(google: Google, settings: Any) -> None:
    settings.GOOGLE_HEALTH_CLIENT_ID = ""
    assert deliver({"type": "verification"}).status_code == 404


def test_a_webhook_is_posted(google: Google) -> None:
    for verb in ("get", "put", "delete"):
        assert getattr(Client(), verb)(URL).status_code == 405
