"""The panel for people who see it in the dark, hear it, or have no mouse."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.management import call_command
from django.test import override_settings
from playwright.sync_api import Page, expect

from accounts.models import User
from competitions.models import Competition
from fitness.models import Flag
from tests.browser.conftest import OpenPage
from tests.browser.test_treasury import without_an_icon

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EMAIL, PASSWORD = "grace@example.org", "listens-to-every-page"
PHONE = {"width": 390, "height": 844}

Desk = Callable[..., Page]


@pytest.fixture
def pages(settings: Any) -> list[str]:
    """One of each kind, in a world with something on it."""
    settings.GATEWAYS = {"sandbox", "manual"}
    settings.PAYMENT_GATEWAY = "sandbox"
    with override_settings(DEBUG=True):
        call_command("seed_demo", people=60, competitions=12, seed=1, json=True)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]  # the server's
    grace = User.objects.create_superuser(EMAIL, PASSWORD, name="Grace")
    assert grace.is_staff
    over = Competition.objects.filter(status="completed").order_by("-participant_count")[0]
    flag = Flag.objects.waiting().order_by("opened_at")[0]
    return [
        "/admin/",
        "/admin/competitions/competition/",
        f"/admin/competitions/competition/{over.pk}/change/",
        f"/admin/what-if/{over.pk}/",
        f"/admin/insights/{over.pk}/",
        "/admin/insights/",
        f"/admin/audit/competitions/competition/{over.pk}/",
        "/admin/new-competition/",
        "/admin/fitness/flag/",
        f"/admin/fitness/flag/{flag.pk}/change/",
        f"/admin/prizes/settlement/{over.pk}/change/",
        "/admin/accounts/user/",
        "/admin/sign-in/codes/",
        "/admin/sign-in/confirm/",
    ]


@pytest.fixture
def desk(pages: list[str], open_page: OpenPage) -> Desk:
    def sit_down(**options: Any) -> Page:
        page = open_page("/admin/", prepare=without_an_icon, **options).page
        page.get_by_label("Email").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Today").first).to_be_visible()
        return page

    return sit_down


def address_of(page: Page) -> str:
    return page.url.split("/admin/")[0]


CONFIRM = "/admin/sign-in/confirm/"


def visit(page: Page, path: str) -> None:
    """Who has looked at other pages for a while proves once more who they are."""
    address = f"{address_of(page)}{path}"
    page.goto(address)
    if CONFIRM in page.url and CONFIRM not in path:
        page.get_by_label("Password").fill(PASSWORD)
        with page.expect_navigation(url=address):
            page.keyboard.press("Enter")
    page.wait_for_load_state()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_can_read_every_kind_of_page(desk: Desk, pages: list[str], scheme: str) -> None:
    page = desk(color_scheme=scheme)
    found: dict[str, list[str]] = defaultdict(list)
    for path in pages:
        visit(page, path)
        expect(page.locator("#main, main").first).to_be_visible()
        report = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]})
        looked_at = {rule["id"]: len(rule["nodes"]) for rule in report.response["passes"]}
        assert looked_at.get("color-contrast", 0) > 3, "nothing was visible"
        for violation in report.response["violations"]:
            for node in violation["nodes"]:
                found[f"{path} {violation['id']}"].append(node["html"][:160])
    assert found == {}


def test_no_page_is_wider_than_a_phone(desk: Desk, pages: list[str]) -> None:
    page = desk(viewport=PHONE)
    wide: dict[str, int] = {}
    for path in pages:
        visit(page, path)
        if (over := int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))) > 0:
            wide[path] = over
    assert wide == {}


def test_all_of_it_is_reached_by_the_keyboard(desk: Desk, pages: list[str]) -> None:
    """By Tab one comes from the sidebar to the work list and opens what needs a person, seeing where one is."""
    page = desk()
    for _ in range(80):
        page.keyboard.press("Tab")
        where = page.evaluate("document.activeElement.textContent.trim()")
        if where.startswith("See to"):
            break
    assert where.startswith("See to"), where
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    page.keyboard.press("Enter")
    page.wait_for_url("**/fitness/flag/**")
