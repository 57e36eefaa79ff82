"""The participant's pages in a real browser: by finger, by keyboard, by ear, without a script, and while they move."""

import re
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from accounts.notices import Event
from accounts.services.notifying import notify_people
from accounts.services.people import register_person
from competitions.models import Competition
from tests.browser.conftest import OpenPage, Server, Visit
from tests.conftest import MakeCompetition

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EMAIL, PASSWORD = "ada@example.org", "walks-every-morning"
PHONE = {"width": 390, "height": 844}
NARROW = {"width": 320, "height": 640}
FOR_STRANGERS = [
    *("/", "/sign-up", "/sign-in", "/forgot-password", "/reset-password/x", "/verify-email/x", "/offline", "/boards"),
]

_SMALL = """() => [...document.querySelectorAll('button, .button, .tabs a, .choices a, .actions a, input, select')]
  .filter((e) => e.type !== 'hidden' && e.type !== 'checkbox' && e.getClientRects().length)
  .filter((e) => e.getBoundingClientRect().height < 43.5).map((e) => e.outerHTML.slice(0, 120))"""


@pytest.fixture
def ada(db: None, settings: Any) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]  # the server's
    return register_person(email=EMAIL, password=PASSWORD, name="Ada Lovelace", now=datetime.now(UTC))


@pytest.fixture
def board(
    ada: User, other: User, make_competition: MakeCompetition, join: Callable[..., None], now: Any
) -> Competition:
    """A private one, with Ada and Ben in it."""
    made = make_competition(visibility="private", owner=ada, description="Around the lake and back.")
    make_competition(name="Over the hills", prize_pool_minor=50_000, currency="EUR", max_participants=10)
    join(made, ada, other)
    notify_people(event=Event.STARTED, told={ada.id: {}}, dedupe_key="started", competition_id=made.id, now=now)
    return made


@pytest.fixture
def tokens(ada: User, other: User) -> dict[str, str]:
    return {person.name: str(AccessToken.for_user(person)) for person in (ada, other)}


@pytest.fixture
def walked(server: Server, board: Competition, tokens: dict[str, str]) -> dict[str, str]:
    server.sync(tokens["Ada Lovelace"], steps=6_000)
    server.sync(tokens["Ben"], steps=9_000)
    return tokens


@pytest.fixture
def at_home(open_page: OpenPage) -> Callable[..., Visit]:
    """Signed in as Ada, at her day."""

    def come_in(**options: Any) -> Visit:
        visit = open_page("/sign-in", **options)
        visit.page.get_by_label("E-mail").fill(EMAIL)
        visit.page.get_by_label("Password").fill(PASSWORD)
        visit.page.get_by_role("button", name="Sign in").click()
        expect(visit.page).to_have_url(re.compile("/my-day$"))
        return visit

    return come_in


def pages_of(board: Competition) -> list[str]:
    here = f"/competitions/{board.id}"
    return [
        "/my-day",
        "/competitions",
        here,
        f"{here}/board",
        f"{here}/why",
        f"{here}/leave",
        "/notifications",
        "/notifications/settings",
        "/profile",
        f"/people/{board.owner_id}",
        "/profile/sign-out-everywhere",
        "/profile/password",
        "/profile/data",
        "/profile/erase",
        "/competitions/00000000-0000-4000-8000-000000000000",
    ]


def server_of(page: Page) -> str:
    return "/".join(page.url.split("/")[:3])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_heard_and_fits_a_narrow_phone(
    at_home: Callable[..., Visit], open_page: OpenPage, board: Competition, walked: dict[str, str], scheme: str
) -> None:
    outside = open_page("/sign-up", viewport=NARROW, color_scheme=scheme)
    visits = [(outside, FOR_STRANGERS), (at_home(viewport=NARROW, color_scheme=scheme), pages_of(board))]
    found: dict[str, list[str]] = defaultdict(list)
    for visit, paths in visits:
        page = visit.page
        for path in paths:
            page.goto(f"{server_of(page)}{path}")
            report = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]})
            for violation in report.response["violations"]:
                for node in violation["nodes"]:
                    found[f"{path} {violation['id']}"].append(node["html"][:160])
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found[f"{path} is wider than the screen"].append("")
            found[f"{path} has what no finger hits"] += page.evaluate(_SMALL)
    assert {what: where for what, where in found.items() if where} == {}


def test_on_a_wide_screen_every_page_begins_at_the_same_edge_under_one_line(
    at_home: Callable[..., Visit], board: Competition
) -> None:
    page = at_home(viewport={"width": 1300, "height": 900}).page
    edges = set()
    for path in ("/my-day", "/profile/data", f"/competitions/{board.id}/leave"):
        page.goto(f"{server_of(page)}{path}")
        assert page.locator("header.site").evaluate("part => part.offsetHeight") < 90
        edges |= {page.locator(part).evaluate("part => part.getBoundingClientRect().x") for part in (".brand", "h1")}
    assert len(edges) == 1


def test_somebody_takes_part_without_any_script(open_page: OpenPage, make_competition: MakeCompetition) -> None:
    make_competition(name="Around the lake")
    page = open_page("/", java_script_enabled=False, viewport=PHONE).page
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Your name").fill("Grace")
    page.get_by_label("E-mail").fill("grace@example.org")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Create an account").click()
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create an account").click()
    expect(page.get_by_role("status")).to_contain_text("Welcome, Grace!")
    page.get_by_role("link", name="Find one").click()
    page.get_by_role("link", name="Around the lake").click()
    page.get_by_role("link", name="Join").click()
    page.get_by_role("button", name="Yes, join").click()
    expect(page.get_by_role("status")).to_contain_text("You take part in Around the lake.")
    page.get_by_role("link", name="My day").click()
    page.get_by_label("Steps", exact=True).fill("4321")
    page.get_by_role("button", name="Keep these steps").click()
    expect(page.get_by_role("status")).to_contain_text("Kept: 4,321 steps for today.")
    page.get_by_role("link", name="Board of Around the lake").click()
    expect(page.locator("#rows #me .score")).to_contain_text("4,321")
    expect(page.locator("#pinned")).to_contain_text("1st")


def test_a_browser_says_where_it_is(open_page: OpenPage) -> None:
    page = open_page("/sign-up", timezone_id="Asia/Tokyo").page
    page.get_by_label("Your name").fill("Emi")
    page.get_by_label("E-mail").fill("emi@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Times are Tokyo time.")).to_be_visible()


def test_the_board_of_a_private_competition_moves_and_ones_own_row_with_it(
    at_home: Callable[..., Visit], server: Server, board: Competition, walked: dict[str, str]
) -> None:
    visit = at_home(viewport=PHONE)
    page = visit.page
    page.goto(f"{server_of(page)}/competitions/{board.id}/board")
    pinned = page.locator("#pinned")
    expect(pinned).to_contain_text("2nd")
    expect(pinned).to_contain_text("3,001 steps to the next place")
    expect(page.locator("#link")).to_have_text("Live")
    server.sync(walked["Ada Lovelace"], steps=9_500)
    expect(page.locator("#rows .name")).to_have_text(["Ada Lovelace", "Ben"])
    expect(pinned).to_contain_text("1st", timeout=15_000)
    expect(pinned).to_contain_text("You lead.")
    page.get_by_role("link", name="Show me").click()
    expect(page.locator("#me")).to_be_in_viewport()
    assert visit.complaints == []


def test_the_day_moves_when_a_phone_syncs(
    at_home: Callable[..., Visit], server: Server, walked: dict[str, str]
) -> None:
    visit = at_home(prepare=lambda page: page.clock.install())
    expect(visit.page.locator(".ring")).to_contain_text("6,000")
    server.sync(walked["Ada Lovelace"], steps=10_200)
    visit.page.clock.fast_forward(21_000)
    expect(visit.page.locator(".ring")).to_contain_text("10,200")
    expect(visit.page.get_by_text("Your goal is reached.")).to_be_visible()
    assert visit.complaints == []


def test_without_a_network_a_page_says_so_and_shows_nothing_of_anybody(
    at_home: Callable[..., Visit], walked: dict[str, str]
) -> None:
    page = at_home().page
    page.evaluate(
        "navigator.serviceWorker.ready.then(() => navigator.serviceWorker.controller || new Promise((done) =>"
        " navigator.serviceWorker.addEventListener('controllerchange', done))).then(() => true)"
    )
    page.context.set_offline(True)
    page.get_by_role("link", name="Profile").click()
    expect(page.get_by_role("heading", name="There is no network.")).to_be_visible()
    assert "Ada" not in page.content()
    page.context.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", name="Ada Lovelace")).to_be_visible()


def test_the_keyboard_reaches_the_content_first(at_home: Callable[..., Visit], walked: dict[str, str]) -> None:
    page = at_home().page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
