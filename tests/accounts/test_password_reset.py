"""POST /api/v1/auth/password/reset, /auth/password/reset/confirm, /auth/password"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.links import Purpose, password_reset_link, token_for
from accounts.models import Notification, User
from accounts.services.log_ins import renew_log_in
from accounts.services.passwords import NoPasswordHere, change_password, reset_password
from accounts.services.people import erase_person
from accounts.tasks import mail_password_reset
from config.core.environment import Rate
from config.core.errors import Unauthenticated
from tests.locks import until_somebody_waits
from tests.prizes.conftest import no_jobs_left as no_jobs_left  # after tests that commit

ASK, CONFIRM, CHANGE = (f"/api/v1/auth/password{ending}" for ending in ("/reset", "/reset/confirm", ""))
OLD, NEW = "plenty-of-walking-today", "and-even-more-tomorrow"
pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


@pytest.fixture
def ada(make_person: Any) -> User:
    ada: User = make_person("Ada", email="ada@example.org")
    ada.set_password(OLD)
    ada.save()
    return ada


def logs_in(client: APIClient, password: str) -> bool:
    return client.post("/api/v1/auth/token", {"email": "ada@example.org", "password": password}).status_code == 200


def mails() -> int:
    """How many letters were written by what is enqueued."""
    for job in ProcrastinateJob.objects.filter(task_name="accounts.tasks.mail_password_reset"):
        mail_password_reset(**job.args)
    return Notification.objects.filter(event="password_reset").count()


def test_who_asks_is_sent_a_link(ada: User, anonymous: APIClient) -> None:
    answer = anonymous.post(ASK, {"email": "  ADA@example.org "})
    assert answer.status_code == 202
    assert mails() == 1
    told = Notification.objects.get(event="password_reset")
    assert (told.user_id, told.data, told.listed) == (ada.id, {}, False)
    assert told.deliveries.get().channel == "email"


@pytest.mark.parametrize(
    "who", [{"email": "nobody@example.org"}, {"identity_provider": "supabase"}, {"is_active": False}, {"email": None}]
)
def test_nobody_learns_whether_there_is_an_account(
    who: dict[str, Any], ada: User, make_person: Any, anonymous: APIClient
) -> None:
    def asked(email: str) -> tuple[int, bytes, list[str], int]:
        jobs = ProcrastinateJob.objects.count()
        with CaptureQueriesContext(connection) as captured:
            answer = anonymous.post(ASK, {"email": email})
        shapes = [query["sql"].split("'")[0] for query in captured]
        return answer.status_code, answer.content, shapes, ProcrastinateJob.objects.count() - jobs

    make_person("Ben", **{"email": "ben@example.org", **who})
    assert asked("ben@example.org") == asked("ada@example.org")
    assert mails() == 1
    stored = str(list(ProcrastinateJob.objects.values_list("args", flat=True)))
    assert "example.org" not in stored  # no address in a job


def test_whoever_is_sent_letters_is_sent_few(ada: User, anonymous: APIClient, settings: Settings) -> None:
    settings.RATE_LIMIT = Rate(per_second=100, burst=200)
    for email in ("ada@example.org", "nobody@example.org"):
        statuses = [anonymous.post(ASK, {"email": email}).status_code for _ in range(6)]
        assert statuses == [202] * 5 + [429]
    assert logs_in(anonymous, OLD)  # which is another limit


@pytest.mark.parametrize("body", [{}, {"email": ""}, {"email": "no address"}, {"email": ["a@example.org"]}, []])
def test_what_is_no_address_is_refused(body: Any, anonymous: APIClient) -> None:
    assert anonymous.post(ASK, body).status_code == 400


def test_the_link_sets_the_password_once_and_ends_every_log_in(ada: User, anonymous: APIClient) -> None:
    phone, token = RefreshToken.for_user(ada), token_for(ada, Purpose.RESET_PASSWORD)
    browser = Client()
    browser.force_login(ada, backend="accounts.backends.LimitedModelBackend")
    assert browser.session.get("_auth_user_id")
    answer = anonymous.post(CONFIRM, {"token": token, "password": NEW})
    assert answer.status_code == 200
    assert logs_in(anonymous, NEW)
    assert not logs_in(anonymous, OLD)
    assert anonymous.post("/api/v1/auth/token/refresh", {"refresh": str(phone)}).status_code == 401
    assert browser.get("/admin/").status_code == 302
    ada.refresh_from_db()
    assert ada.email_verified_at is not None  # their mail has reached them
    assert Notification.objects.filter(user=ada, event="password_changed").count() == 1
    assert anonymous.post(CONFIRM, {"token": token, "password": OLD}).status_code == 400
    assert logs_in(anonymous, NEW)


def test_a_weak_password_is_refused_and_the_link_still_good(ada: User, anonymous: APIClient) -> None:
    token = token_for(ada, Purpose.RESET_PASSWORD)
    for weak in ("short", "ada@example.org", "password123"):
        answer = anonymous.post(CONFIRM, {"token": token, "password": weak})
        assert (answer.status_code, answer.json()["details"].keys()) == (400, {"password"})
    assert anonymous.post(CONFIRM, {"token": token, "password": NEW}).status_code == 200


def test_a_link_dies_with_its_hour_its_address_and_its_person(
    ada: User, other: User, anonymous: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def status(token: str) -> int:
        return anonymous.post(CONFIRM, {"token": token, "password": NEW}).status_code

    good = token_for(ada, Purpose.RESET_PASSWORD)
    assert password_reset_link(ada).endswith(f"/reset-password/{good}")
    real = time.time
    with monkeypatch.context() as later:
        later.setattr("django.core.signing.time.time", lambda: real() + timedelta(hours=1, seconds=2).total_seconds())
        assert status(good) == 400
    others = token_for(other, Purpose.RESET_PASSWORD)
    mixed = others.split(":")[0] + ":" + ":".join(good.split(":")[1:])
    for wrong in (mixed, good[:-1], token_for(ada, Purpose.VERIFY_EMAIL), "", "x", "a:b:c", "\x00", "é:b:c"):
        assert status(wrong) == 400
    User.objects.filter(id=ada.id).update(email="elsewhere@example.org")
    assert status(good) == 400
    User.objects.filter(id=ada.id).update(email="ada@example.org", identity_provider="supabase")
    assert status(good) == 400
    User.objects.filter(id=ada.id).update(identity_provider="local")
    erase_person(user_id=ada.id, now=datetime.now(UTC))
    assert status(good) == 400


def test_a_known_password_is_changed_and_this_device_stays(ada: User, signed_in: SignIn, anonymous: APIClient) -> None:
    elsewhere = RefreshToken.for_user(ada)
    answer = signed_in(ada).post(CHANGE, {"current": OLD, "password": NEW})
    assert answer.status_code == 200
    here = answer.json()["data"]["refresh"]
    assert logs_in(anonymous, NEW)
    for refresh, status in ((str(elsewhere), 401), (here, 200)):
        assert anonymous.post("/api/v1/auth/token/refresh", {"refresh": refresh}).status_code == status


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"current": "wrong", "password": NEW}, "current"),
        ({"current": OLD, "password": "short"}, "password"),
        ({"password": NEW}, "current"),
    ],
)
def test_a_wrong_or_weak_password_changes_nothing(
    body: dict[str, str], field: str, ada: User, signed_in: SignIn, anonymous: APIClient
) -> None:
    answer = signed_in(ada).post(CHANGE, body)
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {field})
    assert logs_in(anonymous, OLD)


def test_guesses_with_a_stolen_token_are_counted(ada: User, signed_in: SignIn, settings: Settings) -> None:
    settings.RATE_LIMIT = Rate(per_second=100, burst=200)
    me = signed_in(ada)
    statuses = [me.post(CHANGE, {"current": f"guess {n}", "password": NEW}).status_code for n in range(11)]
    assert statuses == [400] * 10 + [429]


def test_passwords_are_a_matter_of_local_accounts(
    ada: User, make_person: Any, signed_in: SignIn, anonymous: APIClient, settings: Settings
) -> None:
    theirs = make_person("Sue", identity_provider="supabase")
    assert signed_in(theirs).post(CHANGE, {"current": OLD, "password": NEW}).status_code == 401  # their token is ours
    settings.AUTH_PROVIDERS = ("supabase",)
    assert anonymous.post(ASK, {"email": "ada@example.org"}).status_code == 404
    assert anonymous.post(CONFIRM, {"token": "x", "password": NEW}).status_code == 404


def test_each_of_them_is_a_post(ada: User, signed_in: SignIn, anonymous: APIClient) -> None:
    for client, url in ((anonymous, ASK), (anonymous, CONFIRM), (signed_in(ada), CHANGE)):
        assert client.get(url).status_code == 405
    assert anonymous.post(CHANGE, {"current": OLD, "password": NEW}).status_code == 401


def test_people_of_supabase_have_no_password_here(make_person: Any, now: datetime) -> None:
    theirs = make_person("Sue", identity_provider="supabase")
    with pytest.raises(NoPasswordHere):
        change_password(user_id=theirs.id, current=OLD, password=NEW, address="192.0.2.1", now=now)


@pytest.mark.django_db(transaction=True)
def test_no_log_in_is_renewed_past_a_new_password(ada: User, now: datetime) -> None:
    refresh, token = str(RefreshToken.for_user(ada)), token_for(ada, Purpose.RESET_PASSWORD)
    changed = Event()

    def reset_slowly() -> None:
        with closing(connection), transaction.atomic():
            reset_password(token=token, password=NEW, now=now)
            changed.set()
            until_somebody_waits()

    def renew() -> bool:
        with closing(connection):
            changed.wait(10)
            try:
                renew_log_in(refresh=refresh)
            except Unauthenticated:
                return False
            return True

    with ThreadPoolExecutor(2) as threads:
        resetting, renewed = threads.submit(reset_slowly), threads.submit(renew)
        resetting.result()
        assert not renewed.result()
    assert not OutstandingToken.objects.filter(user=ada, blacklistedtoken=None).exists()
