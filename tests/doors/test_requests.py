"""Requests that another site, another host or somebody who listens to the clock would make."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.contrib import admin
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from rest_framework.test import APIClient

from accounts.links import password_reset_link, verification_link
from accounts.models import IdentityProvider, User
from accounts.services.people import register_person
from accounts.unsubscribing import unsubscribe_link
from tests.conftest import open_panel
from tests.doors.doors import routes
from tests.doors.matrix import TABLE, read_table
from tests.doors.world import PASSWORD
from tests.fitness.conftest import log_lines
from tests.panel.test_crawl import patterns

__all__ = ["log_lines"]

pytestmark = pytest.mark.django_db

BACKEND = "accounts.backends.LimitedModelBackend"
A_UUID = "11111111-2222-4333-8444-555555555555"


def newcomer(email: str) -> User:
    return register_person(email=email, password=PASSWORD, name="Ada", now=datetime.now(UTC))


# --- Forms that another site sends ---

WITHOUT_A_FORMS_TOKEN = {
    "/unsubscribe/": "the link is the permission, and mail programs send it by themselves",
    "/webhooks/": "whoever sends it signs it",
}


@pytest.mark.slow
def test_every_form_of_a_page_is_refused_without_its_token(person: User) -> None:
    lines = [line for line in read_table(TABLE.read_text()) if line.is_page and line.method == "POST"]
    assert len(lines) > 30
    for line in lines:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(person, backend=BACKEND)
        status = browser.post(line.pattern.replace("{", "").replace("}", "")).status_code
        assert (status == 403) != line.pattern.startswith(tuple(WITHOUT_A_FORMS_TOKEN)), (line.name, status)


@pytest.mark.slow
def test_every_form_of_the_panel_is_refused_without_its_token(staff: User) -> None:
    browser = open_panel(staff, enforce_csrf_checks=True)
    asked = 0
    for name in sorted({found.name for found in patterns() if found.name}):
        for arguments in ([], [A_UUID], [A_UUID, "x"], ["x"], ["accounts", "user", A_UUID]):
            try:
                address = reverse(f"admin:{name}", args=arguments)
            except NoReverseMatch:
                continue
            answer = browser.post(address)
            assert answer.status_code == 403, (name, answer.status_code)
            assert "form has expired" in answer.content.decode(), name
            asked += 1
            break
    assert asked > 150, "every table has four pages or more"
    assert asked >= len(admin.site._registry) * 4


# --- Somebody else's host ---


def test_no_page_answers_to_a_host_that_is_not_ours() -> None:
    client = Client()
    for host in ("evil.example", "testserver.evil.example", "evil.example:80", "testserver@evil.example", "[::1]x", ""):
        for path in ("/", "/sign-in", "/api/v1/competitions", "/admin/login/", "/forgot-password"):
            assert client.get(path, headers={"host": host}).status_code == 400, (host, path)
    answer = client.get("/sign-in", headers={"host": "testserver", "x-forwarded-host": "evil.example"})
    assert answer.status_code == 200
    assert "evil" not in answer.content.decode()


def test_links_in_letters_lead_to_the_site_and_nowhere_that_a_request_names(person: User, settings: Any) -> None:
    settings.PUBLIC_URL = "https://steps.example.org"
    for link in (password_reset_link(person), verification_link(person), unsubscribe_link(person.id, None)):
        assert link.startswith("https://steps.example.org/")


# --- Away from here ---

ELSEWHERE = (
    *("//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/\\/evil.example"),
    *("https:evil.example", "https://evil.example", "http:///evil.example", "https://testserver@evil.example"),
    *("javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "evil.example", "//\0evil.example"),
    *("/\t/evil.example", "\t//evil.example", "/\n/evil.example", " //evil.example", "/a\r\nSet-Cookie: x=1"),
    *("//evil.example/%2f..", "%2f%2fevil.example", "/%5cevil.example"),
)


@pytest.mark.slow
@pytest.mark.parametrize("door", ["/sign-in", "/sign-up", "/admin/login/"])
def test_nobody_is_sent_away_from_here_after_coming_in(door: str, settings: Any) -> None:
    member = newcomer("ada@example.org")
    User.objects.update(is_staff=door.startswith("/admin"))
    for number, to in enumerate(ELSEWHERE):
        for where in ("?next=" + quote(to), ""):
            browser = Client(raise_request_exception=False)
            typed = {"email": f"{number}{len(where)}@example.org" if door == "/sign-up" else member.email}
            answer = browser.post(
                f"{door}{where}",
                {
                    "name": "Ada",
                    **typed,
                    "username": member.email,
                    "password": PASSWORD,
                    **({} if where else {"next": to}),
                },
                REMOTE_ADDR=f"192.0.2.{number}",
            )
            assert answer.status_code < 500, to
            assert stays_here(answer.headers.get("Location", "/")), to
            assert 'href="' + to not in answer.content.decode(), to


def stays_here(location: str) -> bool:
    parts = urlsplit(location)
    return not (parts.scheme or parts.netloc or location[1:2] in ("/", "\\")) and location.isprintable()


def test_an_address_of_ours_is_where_one_was_going() -> None:
    newcomer("ada@example.org")
    answer = Client().post("/sign-in?next=/profile", {"email": "ada@example.org", "password": PASSWORD})
    assert answer.headers["Location"] == "/profile"


@pytest.mark.parametrize(
    "code", ["//evil.example", "\\evil.example", "a\r\nb", "%0d%0aSet-Cookie:x", "..%2f..", "a?b#c"]
)
def test_a_code_that_was_typed_leads_to_a_page_of_ours(code: str, person: User) -> None:
    browser = Client()
    browser.force_login(person, backend=BACKEND)
    answer = browser.get("/join", {"code": code})
    assert answer.headers["Location"].startswith("/join/")
    assert stays_here(answer.headers["Location"])


# --- Lines in the log ---


def test_what_a_client_sends_stays_on_one_line_of_the_log(log_lines: Callable[[], list[Any]], person: User) -> None:
    forged = '\r\n{"event": "forged", "level": "info"}\r\n'
    client = Client(raise_request_exception=False)
    client.get(f"/nothing{quote(forged)}", headers={"user-agent": forged, "referer": forged, "x-request-id": forged})
    client.get("/sign-in", {"next": forged}, headers={"x-forwarded-for": forged})
    client.post("/sign-in", {"email": forged, "password": forged})
    APIClient().post("/api/v1/auth/register", {"email": "a@b.example", "password": PASSWORD, "name": forged})
    logging.getLogger("django").warning("somebody is called %s", forged)
    written = log_lines()
    assert len([line for line in written if line.get("logger") == "pacesetter.request"]) == 4
    assert not [line for line in written if line["event"] == "forged"], "each line is one object, and ours"


# --- What the time tells ---


class Counting(MD5PasswordHasher):
    hashed = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).hashed += 1
        return super().encode(password, salt)


@pytest.fixture
def work(settings: Any) -> Callable[..., Any]:
    """What a request costs: its status, its words, how many passwords were hashed, and the statements."""
    settings.PASSWORD_HASHERS = [f"{Counting.__module__}.{Counting.__qualname__}"]

    def measure(address: str, body: Any, **options: Any) -> Any:
        before = Counting.hashed
        with CaptureQueriesContext(connection) as asked:
            answer = APIClient().post(address, body, REMOTE_ADDR="192.0.2.1", **options)
        told = {name: value for name, value in json.loads(answer.content).items() if name != "request_id"}
        return answer.status_code, told, Counting.hashed - before, len(asked)

    return measure


def people_of_every_kind() -> list[str]:
    """Their addresses; the last is nobody's."""
    newcomer("active@example.org")
    newcomer("inactive@example.org")
    User.objects.filter(email="inactive@example.org").update(is_active=False)
    without = User(email="without@example.org", name="Without a password")
    without.set_unusable_password()
    without.save()
    theirs = User(email="supabase@example.org", name="Theirs", identity_provider=IdentityProvider.SUPABASE)
    theirs.set_unusable_password()
    theirs.save()
    kinds = ("active", "inactive", "without", "supabase", "nobody")
    return [f"{kind}@example.org" for kind in kinds]


def test_a_wrong_password_costs_the_same_whoever_there_is(work: Callable[..., Any]) -> None:
    emails = people_of_every_kind()
    told = [work("/api/v1/auth/token", {"email": email, "password": "wrong-" + PASSWORD}) for email in emails]
    assert all(each == told[0] for each in told), told
    assert (told[0][0], told[0][2]) == (401, 1)


def test_a_forgotten_password_costs_the_same_whoever_there_is(work: Callable[..., Any]) -> None:
    told = [work("/api/v1/auth/password/reset", {"email": email}) for email in people_of_every_kind()]
    assert all(each == told[0] for each in told), told
    assert (told[0][0], told[0][2]) == (202, 0)


def test_the_map_of_routes_is_the_one_that_is_asked() -> None:
    assert len(list(routes())) > 100
