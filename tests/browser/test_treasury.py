"""A treasurer pays a competition's prizes, in front of a screen."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from playwright.sync_api import Page, expect

from accounts.models import User
from competitions.models import Competition
from competitions.services.enrolment import enrol_people
from leaderboards.scoring import Totals
from leaderboards.services import Total, record_synced_totals
from prizes.models import PayoutAccount
from tests.browser.conftest import ROOT, OpenPage, Visit, database_url
from tests.conftest import MakeCompetition, MakePerson

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EMAIL, PASSWORD = "tess@example.org", "keeps-the-books-straight"
PHONE = {"width": 360, "height": 740}
PAINTED = """() => {
    const brush = document.createElement("canvas").getContext("2d")
    brush.fillStyle = getComputedStyle(document.body).backgroundColor
    brush.fillRect(0, 0, 1, 1)
    return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3)
}"""
"""The page's own colour as red, green and blue of 255, however its style sheet writes it."""


@pytest.fixture
def treasurer(make_person: MakePerson, settings: Any) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]  # the server's
    person = make_person("Tess", email=EMAIL, is_staff=True)
    person.set_password(PASSWORD)
    person.save()
    may = Permission.objects.filter(content_type__app_label="prizes")
    person.user_permissions.set(may.filter(codename__startswith="view_") | may.filter(codename="distribute_prizes"))
    return person


@pytest.fixture
def finished(make_competition: MakeCompetition, make_person: MakePerson) -> Competition:
    """Over, with three walkers who can be paid and 100 USD promised to them."""
    now = datetime.now(UTC)
    made_at = now - timedelta(days=12)
    competition = make_competition(starts=-10, ends=-5, created_at=made_at, grace_hours=0, prize_pool_minor=10_000)
    walkers = {make_person(name): steps for name, steps in {"Ada": 52_100, "Ben": 48_700, "Cleo": 31_050}.items()}
    totals = [Total(competition.id, walker.id, Totals(steps=steps)) for walker, steps in walkers.items()]
    with transaction.atomic():
        enrol_people(competition=competition, user_ids=[walker.id for walker in walkers], now=made_at)
        record_synced_totals(totals=totals, now=made_at + timedelta(days=3))
    PayoutAccount.objects.bulk_create(
        PayoutAccount(
            user=walker, gateway="sandbox", reference=f"account {walker.id}", ready=True, created_at=now, updated_at=now
        )
        for walker in walkers
    )
    return competition


@pytest.fixture
def work_off_the_jobs() -> Callable[[], None]:
    """A worker that does what is to be done, and ends."""
    environ = os.environ | {"DEBUG": "true", "DATABASE_URL": database_url()}

    def work() -> None:
        command = [sys.executable, "manage.py", "procrastinate", "worker", "--one-shot"]
        subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)

    return work


@pytest.fixture
def desk(open_page: OpenPage, treasurer: User, finished: Competition) -> Callable[..., Visit]:
    """The finished competition's page, found by a treasurer who logs in."""

    def sit_down(**options: Any) -> Visit:
        visit = open_page("/admin/prizes/settlement/", prepare=without_an_icon, **options)
        visit.page.get_by_label("Email").fill(EMAIL)
        visit.page.get_by_label("Password").fill(PASSWORD)
        visit.page.get_by_role("button", name="Log in").click()
        visit.page.get_by_role("link", name="Lake walk").click()
        expect(visit.page.get_by_role("heading", name="Lake walk")).to_be_visible()
        return visit

    return sit_down


def without_an_icon(page: Page) -> None:
    """Django's admin site has none, and the browser asks for it all the same."""
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))


def take(visit: Visit, step: str, **answers: str) -> None:
    """A click on the step's name, an answer to what is asked, and the same name again."""
    visit.page.get_by_role("link", name=step, exact=True).click()
    for label, text in {**answers, "Reason": "As agreed on Monday."}.items():
        visit.page.get_by_label(label).fill(text)
    visit.page.get_by_role("button", name=step, exact=True).click()


def overflow(visit: Visit) -> int:
    visit.page.wait_for_load_state()  # what is visible may still lack its style
    return int(visit.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def test_a_treasurer_pays_the_prizes(desk: Callable[..., Visit], work_off_the_jobs: Callable[[], None]) -> None:
    visit = desk()
    page = visit.page
    states = page.get_by_role("row").filter(has=page.get_by_role("cell", name="USD")).get_by_role("link")

    take(visit, "Calculate")
    expect(page.get_by_text("Written down as version 1: 3 prizes, 100.00 USD in all.")).to_be_visible()
    expect(page.get_by_text("confirm the rest first")).to_be_visible()
    expect(page.get_by_role("link", name="Distribute", exact=True)).to_have_count(0)

    take(visit, "Confirm funding", **{"Amount in USD": "100", "Reference": "bank 4711"})
    expect(page.get_by_text("that makes 100.00 USD of the promised 100.00 USD")).to_be_visible()

    take(visit, "Distribute")
    expect(page.get_by_text("3 transfers are on the way")).to_be_visible()
    expect(states).to_have_text(["pending", "pending", "pending"])

    work_off_the_jobs()
    page.reload()
    expect(states).to_have_text(["paid", "paid", "paid"])
    expect(page.get_by_text("Transfers: 3 paid.")).to_be_visible()
    for step in ("calculate", "fund", "distribute"):
        expect(page.get_by_role("row", name=f"Tess {step} As agreed on Monday.")).to_be_visible()
    assert visit.complaints == []


def test_a_step_says_who_gets_what_before_it_is_taken(desk: Callable[..., Visit]) -> None:
    visit = desk()
    take(visit, "Confirm funding", **{"Amount in USD": "100", "Reference": "bank 4711"})
    visit.page.get_by_role("link", name="Distribute", exact=True).click()
    expect(visit.page.get_by_text("3 transfers go out, 100.00 USD in all")).to_be_visible()
    for row in ("1 Ada 60.00 USD", "2 Ben 30.00 USD", "3 Cleo 10.00 USD"):
        expect(visit.page.get_by_role("row", name=row)).to_be_visible()
    visit.page.get_by_role("button", name="Distribute", exact=True).click()
    assert visit.page.url.endswith("/step/distribute/"), "without a reason nothing is sent"
    visit.page.get_by_role("link", name="Cancel").click()
    expect(visit.page.get_by_text("Can go out: 3 prizes")).to_be_visible()


def test_the_page_fits_a_phone_and_the_dark(desk: Callable[..., Visit]) -> None:
    visit = desk(viewport=PHONE, color_scheme="dark")
    assert overflow(visit) == 0
    visit.page.get_by_role("link", name="Settle", exact=True).click()
    expect(visit.page.get_by_role("heading", name="What will happen")).to_be_visible()
    assert overflow(visit) == 0
    assert max(visit.page.evaluate(PAINTED)) < 50
