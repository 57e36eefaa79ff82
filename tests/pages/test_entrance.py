"""Signing up, in and out, and what stays closed to whoever has not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import User
from accounts.services.people import register_person
from config.core.environment import Rate
from config.pages.urls import urlpatterns
from tests.pages.conftest import AS_BROWSER, PASSWORD, SignedIn, text_of

pytestmark = pytest.mark.django_db

FOR_ALL = {
    *("home", "sign-up", "sign-in", "sign-out", "forgot-password", "reset-password", "verify-email"),
    *("manifest", "service-worker", "offline"),
}
NEWCOMER = {"name": "Ada", "email": "Ada@example.org", "password": PASSWORD, "timezone": "Africa/Lagos", "country": ""}


@pytest.fixture
def local(db: None) -> User:
    return register_person(email="ada@example.org", password=PASSWORD, name="Ada", now=datetime.now(UTC))


def sign_in(client: Client, **fields: str) -> Any:
    return client.post("/sign-in", {"email": "ada@example.org", "password": PASSWORD, **fields})


def address_of(pattern: URLPattern) -> str:
    """With ids that nobody has, where it takes any."""
    filled = str(pattern.pattern)
    for name in ("competition_id", "user_id", "code", "provider"):
        filled = filled.replace(f"(?P<{name}>[^/]+)", "00000000-0000-4000-8000-000000000000")
    return "/" + filled.removeprefix("^").removesuffix("$").removesuffix("/?").replace("\\", "")


# --- Accounts ---


def test_a_stranger_makes_an_account_and_is_in(stranger: Client) -> None:
    answer = stranger.post("/sign-up", {**NEWCOMER, "country": "NG", "next": "/competitions?when=upcoming"})
    assert (answer.status_code, answer["Location"]) == (302, "/competitions?when=upcoming")
    newcomer = User.objects.get(email="ada@example.org")
    assert (newcomer.name, newcomer.timezone, newcomer.country) == ("Ada", "Africa/Lagos", "NG")
    assert newcomer.check_password(PASSWORD)
    assert "Welcome, Ada!" in text_of(stranger.get("/my-day"))


def test_a_zone_that_does_not_exist_keeps_nobody_out(stranger: Client) -> None:
    assert stranger.post("/sign-up", {**NEWCOMER, "timezone": "Mars/Olympus"}).status_code == 302
    assert User.objects.get(email="ada@example.org").timezone == ""


def test_complaints_stand_beside_their_fields_and_the_first_has_the_cursor(stranger: Client) -> None:
    answer = stranger.post("/sign-up", {**NEWCOMER, "email": "no address", "password": ""})
    page = answer.content.decode()
    assert answer.status_code == 400
    email = (
        page.partition('id="id_email"')[0].rpartition("<input")[2]
        + page.partition('id="id_email"')[2].partition(">")[0]
    )
    for expected in ('value="no address"', 'aria-invalid="true"', "id_email_error", "autofocus"):
        assert expected in email
    assert page.count("autofocus") == 1
    assert 'id="id_email_error"' in page
    assert 'id="id_password_error"' in page
    assert not User.objects.exists()


def test_a_weak_password_is_said_so_beside_it(stranger: Client) -> None:
    answer = stranger.post("/sign-up", {**NEWCOMER, "password": "short"})
    assert "too short" in text_of(answer)
    assert not User.objects.exists()


def test_an_email_that_has_an_account_is_not_taken_twice(stranger: Client, local: User) -> None:
    answer = stranger.post("/sign-up", NEWCOMER)
    assert (answer.status_code, User.objects.count()) == (400, 1)
    assert "already an account" in text_of(answer)


# --- Sessions ---


def test_signing_in_leads_on_and_changes_the_sessions_key(stranger: Client, local: User) -> None:
    stranger.get("/sign-in")
    session = stranger.session
    session["planted"] = "by somebody else"
    session.save()
    stranger.cookies["sessionid"] = str(session.session_key)
    answer = sign_in(stranger, next="/competitions")
    assert (answer.status_code, answer["Location"]) == (302, "/competitions")
    assert stranger.session.session_key != session.session_key
    assert stranger.get("/my-day").status_code == 200
    assert stranger.get("/sign-in")["Location"] == "/my-day"
    assert stranger.get("/")["Location"] == "/my-day"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "///evil.example",
        "javascript:alert(1)",
        "my-day",
        "",
    ],
)
def test_the_way_back_stays_on_this_site(stranger: Client, local: User, elsewhere: str) -> None:
    assert sign_in(stranger, next=elsewhere)["Location"] == "/my-day"
    assert (
        elsewhere == ""
        or elsewhere == "my-day"
        or elsewhere not in stranger.get(f"/sign-up?next={elsewhere}").content.decode()
    )


def test_a_wrong_password_and_nobody_are_told_the_same(stranger: Client, local: User) -> None:
    answers = [sign_in(stranger, password="something else"), sign_in(stranger, email="nobody@example.org")]
    assert [answer.status_code for answer in answers] == [400, 400]
    for answer in answers:
        assert "E-mail or password is wrong." in text_of(answer)
    assert "_auth_user_id" not in stranger.session


def test_who_guesses_too_often_is_told_when_to_come_back(stranger: Client, local: User, settings: Any) -> None:
    settings.RATE_LIMIT = Rate(1000, 1000)
    answers = [sign_in(stranger, password=f"guess number {number}") for number in range(11)]
    assert [answer.status_code for answer in answers[8:]] == [400, 400, 429]
    assert int(answers[-1]["Retry-After"]) >= 1
    assert "That was too often." in text_of(answers[-1])
    assert sign_in(stranger).status_code == 429, "even with the right one"


def test_signing_out_takes_a_form(stranger: Client, local: User) -> None:
    sign_in(stranger)
    assert stranger.get("/sign-out").status_code == 405
    assert stranger.get("/my-day").status_code == 200
    assert stranger.post("/sign-out")["Location"] == "/"
    assert stranger.get("/my-day")["Location"] == "/sign-in?next=%2Fmy-day"


def test_signing_out_everywhere_else_takes_the_password_and_leaves_this_browser_in(local: User) -> None:
    here, elsewhere = Client(headers=AS_BROWSER), Client(headers=AS_BROWSER)
    sign_in(here)
    sign_in(elsewhere)
    token = str(RefreshToken.for_user(local))
    refused = here.post("/profile/sign-out-everywhere", {"password": "not mine"})
    assert refused.status_code == 400
    assert "not your password" in text_of(refused)
    assert elsewhere.get("/my-day").status_code == 200
    assert here.post("/profile/sign-out-everywhere", {"password": PASSWORD})["Location"] == "/profile"
    assert here.get("/my-day").status_code == 200
    assert elsewhere.get("/my-day").status_code == 302
    with pytest.raises(TokenError):
        RefreshToken(token)  # type: ignore[arg-type]  # it takes text, whatever its annotation says


def test_where_accounts_live_elsewhere_the_pages_say_so(stranger: Client, local: User, settings: Any) -> None:
    settings.AUTH_PROVIDERS = ("supabase",)
    for path in ("/sign-in", "/sign-up"):
        assert "keeps no accounts of its own" in text_of(stranger.get(path))
    assert [sign_in(stranger).status_code, stranger.post("/sign-up", NEWCOMER).status_code] == [404, 404]
    assert "Create an account" not in text_of(stranger.get("/"))


# --- What stays closed ---


@pytest.mark.parametrize("pattern", [p for p in urlpatterns if p.name not in FOR_ALL], ids=lambda p: p.name)
def test_every_other_page_sends_strangers_to_sign_in_and_is_kept_nowhere(stranger: Client, pattern: URLPattern) -> None:
    address = address_of(pattern)
    for answer in (stranger.get(address), stranger.post(address)):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/sign-in?next=%2F")
        assert answer["Cache-Control"] == "private, no-store"


def test_a_slash_at_the_end_is_accepted_and_no_form_goes_without_its_token(
    person: User, browser_of: SignedIn, subtests: pytest.Subtests
) -> None:
    strict = browser_of(person, enforce_csrf_checks=True)
    for pattern in [one for one in urlpatterns if one.name not in FOR_ALL]:
        with subtests.test(pattern.name):
            address = address_of(pattern)
            assert strict.get(f"{address}/").status_code == strict.get(address).status_code
            refused = strict.post(address)
            assert (refused.status_code, refused["Content-Type"]) == (403, "text/html; charset=utf-8")
            assert "The form has expired" in text_of(refused)
            assert strict.delete(address).status_code in (403, 405)


def test_a_session_of_these_pages_does_not_open_the_panel(stranger: Client, settings: Any) -> None:
    grace = register_person(email="ada@example.org", password=PASSWORD, name="Grace", now=datetime.now(UTC))
    User.objects.filter(id=grace.id).update(is_staff=True, is_superuser=True)
    for required in (False, True):
        settings.STAFF_CODES_REQUIRED = required
        sign_in(stranger)
        assert stranger.get("/my-day").status_code == 200
        for page in (
            "/admin/",
            "/admin/accounts/user/",
            "/admin/sign-in/enrol/",
            "/admin/sign-in/code/",
            "/admin/sign-in/confirm/",
        ):
            assert stranger.get(page)["Location"].startswith("/admin/login/"), page
        assert 'name="password"' in stranger.get("/admin/login/").content.decode(), "it asks for it again"
    answer = stranger.post("/admin/login/", {"username": "ada@example.org", "password": PASSWORD})
    assert answer.status_code == 302
    assert "/admin/sign-in/enrol/" in stranger.get("/admin/login/")["Location"], "and then for the codes"


def test_pages_may_run_no_script_of_anybody_else(ada: Client, stranger: Client) -> None:
    for answer in (ada.get("/my-day"), stranger.get("/"), stranger.get("/sign-up")):
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'nonce-" in policy
        assert "<script>" not in answer.content.decode()
        assert " onclick=" not in answer.content.decode()
