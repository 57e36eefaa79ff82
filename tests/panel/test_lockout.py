"""The lockout at the panel's door, in PostgreSQL."""

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from accounts.services.people import erase_person
from config.core.environment import Rate
from config.panel.policy import CONTENT_SECURITY_POLICY
from tests.conftest import open_panel
from tests.panel.door import CONFIRM, PASSWORD, Visitor, code_of, text_of, wrong_code_for

pytestmark = pytest.mark.django_db
HOME, CAFE = {"REMOTE_ADDR": "192.0.2.1"}, {"REMOTE_ADDR": "192.0.2.2"}


@pytest.mark.slow
def test_five_wrong_passwords_lock_this_name_at_this_address(tess: Visitor, make_visitor: Any) -> None:
    answers = [tess.logs_in("a guess", **HOME) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    told = tess.logs_in(**HOME)
    assert (told.status_code, told["Content-Security-Policy"]) == (429, CONTENT_SECURITY_POLICY)
    assert "Try again in 15 minutes." in text_of(told)
    assert 840 < int(told["Retry-After"]) <= 900
    tess.person.email = "  TESS@Example.org"
    assert tess.logs_in(**HOME).status_code == 429, "however the name is written"
    assert Visitor(tess.person, headers={"user-agent": "another"}).logs_in(**HOME).status_code == 429
    assert "One-time code" in text_of(tess.logs_in(**CAFE)), "the same name from elsewhere"
    assert "Set up" in text_of(make_visitor("support").logs_in(**HOME)), "and another name from here"


def test_a_lockout_ends_by_itself_and_is_not_prolonged(tess: Visitor) -> None:
    for _ in range(5):
        tess.logs_in("a guess")
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14, seconds=30))
    told = tess.logs_in("another guess")
    assert "Try again in 1 minute." in text_of(told)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15, seconds=1))
    assert "One-time code" in text_of(tess.logs_in())


@pytest.mark.slow
def test_the_right_password_makes_good_for_wrong_ones(tess: Visitor) -> None:
    for _ in range(3):
        for _ in range(4):
            assert tess.logs_in("a guess").status_code == 200
        assert "One-time code" in text_of(tess.logs_in())


def test_an_unknown_name_is_locked_just_so(tess: Visitor) -> None:
    tess.person.email = "nobody@example.org"
    assert [tess.logs_in("a guess").status_code for _ in range(6)] == [200] * 4 + [429] * 2


def test_the_address_is_the_one_behind_the_proxies(tess: Visitor, settings: Any) -> None:
    settings.PROXY_COUNT = 1
    for number in range(5):  # what stands further left was written by the client
        tess.logs_in("a guess", headers={"x-forwarded-for": f"203.0.113.{number}, 198.51.100.7"})
    assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {"198.51.100.7"}
    assert tess.logs_in(headers={"x-forwarded-for": "198.51.100.7"}).status_code == 429
    assert tess.logs_in(headers={"x-forwarded-for": "198.51.100.8"}).status_code == 200


def test_it_holds_while_redis_is_out(tess: Visitor, redis_out: None) -> None:
    assert [tess.logs_in("a guess").status_code for _ in range(6)] == [200] * 4 + [429] * 2


def test_no_password_and_no_code_is_kept(tess: Visitor, app: TOTPDevice, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    tess.logs_in("my-other-password")
    tess.logs_in()
    wrong = wrong_code_for(app)
    tess.gives(wrong)
    kept = str(list(AccessAttempt.objects.values())) + caplog.text
    assert "tess@example.org" in kept
    for secret in ("my-other-password", PASSWORD, wrong):
        assert secret not in kept


def test_wrong_codes_count_as_wrong_passwords_do(tess: Visitor, app: TOTPDevice) -> None:
    tess.logs_in()
    for expected in (200, 200, 200, 200, 429):
        TOTPDevice.objects.update(throttling_failure_timestamp=None)  # time goes by
        assert tess.gives(wrong_code_for(app)).status_code == expected
    TOTPDevice.objects.update(throttling_failure_timestamp=None)
    assert tess.gives(code_of(app)).status_code == 429
    assert not tess.may_enter()


def test_guesses_at_the_proof_count_too(tess: Visitor, app: TOTPDevice) -> None:
    thief = open_panel(tess.person)
    guess = {"password": "a guess", "code": "1"}
    assert [thief.post(CONFIRM, guess).status_code for _ in range(5)] == [200] * 4 + [429]
    assert thief.post(CONFIRM, {"password": PASSWORD, "code": code_of(app)}).status_code == 429
    assert tess.logs_in().status_code == 429, "the same door"


def test_the_apis_log_in_neither_counts_nor_is_locked(tess: Visitor, anonymous: Any) -> None:
    def knock(password: str) -> int:
        body = {"email": "tess@example.org", "password": password}
        return int(anonymous.post("/api/v1/auth/token", body).status_code)

    assert [knock("a guess") for _ in range(6)] == [401] * 6
    assert not AccessAttempt.objects.exists()
    for _ in range(5):
        tess.logs_in("a guess")
    assert knock(PASSWORD) == 200


def test_many_addresses_at_one_name_meet_the_limit_on_guesses(tess: Visitor, settings: Any) -> None:
    settings.RATE_LIMIT = Rate(1000, 1000)
    answers = [tess.logs_in("a guess", REMOTE_ADDR=f"198.51.100.{number}") for number in range(12)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert "Too many requests" in text_of(answers[-1])


@pytest.mark.slow
def test_superusers_see_who_guesses_and_let_them_try_again(tess: Visitor, staff: User) -> None:
    for _ in range(5):
        tess.logs_in("a guess")
    boss, table = open_panel(staff), "/admin/axes/accessattempt/"
    attempt = AccessAttempt.objects.get()
    assert "locked for 15 min" in text_of(boss.get(table))
    assert "locked for 15 min" in text_of(boss.get(f"{table}?q=tess@"))
    assert "locked for 15 min" not in text_of(boss.get(f"{table}?q=theo"))
    page = boss.get(f"{table}{attempt.pk}/change/").content.decode()
    assert 'name="_save"' not in page
    asked = boss.post(table, {"action": "lift", "_selected_action": [attempt.pk]})
    assert "are forgotten for" in text_of(asked)
    assert tess.logs_in().status_code == 429, "nothing has happened yet"
    boss.post(table, {"action": "lift", "_selected_action": [attempt.pk], "confirmed": "yes"})
    assert "One-time code" in text_of(tess.logs_in())
    assert boss.post(f"{table}{attempt.pk}/delete/", {"post": "yes"}).status_code in (302, 403)


def test_nobody_else_sees_them(make_staff: Any) -> None:
    for role in ("organiser", "reviewer", "treasurer", "support"):
        inside = open_panel(make_staff(role))
        for table in ("accessattempt", "accesslog"):
            assert inside.get(f"/admin/axes/{table}/").status_code == 403


def test_log_ins_are_kept_until_the_person_is_erased(tess: Visitor, client: Client, now: Any) -> None:
    tess.logs_in(**HOME)
    tess.logs_in("a guess", **CAFE)
    assert AccessLog.objects.get().ip_address == "192.0.2.1"
    erase_person(user_id=tess.person.id, now=now)
    assert not AccessLog.objects.exists()
    assert not AccessAttempt.objects.exists()
