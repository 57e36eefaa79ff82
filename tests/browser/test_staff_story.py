"""A competition from its first question to its last cent, as the staff sees it: by what one clicks and reads.

Staff act on pages only. What is not theirs happens as it would: walkers join, pay and sync over HTTP, workers work, and
time passes, which is the one thing a test has to help along.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, expect
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from prizes.models import PayoutAccount
from tests.browser.conftest import ROOT, OpenPage, Server, database_url
from tests.browser.test_treasury import without_an_icon
from tests.conftest import MakePerson

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "walks-in-the-morning"
STEPS = {"Ada": 9_000, "Ben": 8_500, "Cleo": 4_000}


@dataclass(frozen=True)
class Walker:
    name: str
    token: str

    def sends(self, server: Server, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.post(f"{server.address}/api/v1{path}", json=body or {}, headers=headers)
        assert answer.status_code in (200, 201, 202), answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data


@pytest.fixture(autouse=True)
def two_treasurers_from_fifty_dollars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPROVAL_OVER", "50")


@pytest.fixture
def staff_of_four(make_staff: Callable[..., User], settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]  # the server's
    roles = {"Olu": "organiser", "Rita": "reviewer", "Tess": "treasurer", "Theo": "treasurer"}
    for name, role in roles.items():
        member = make_staff(role, name=name, email=f"{name.lower()}@example.org")
        member.set_password(PASSWORD)
        member.save()


@pytest.fixture
def walkers(make_person: MakePerson) -> list[Walker]:
    now, walking = datetime.now(UTC), []
    for name in STEPS:
        person = make_person(name)
        reference = f"account {person.id}"
        PayoutAccount.objects.create(
            user=person, gateway="sandbox", reference=reference, ready=True, created_at=now, updated_at=now
        )
        walking.append(Walker(name, str(AccessToken.for_user(person))))
    return walking


@pytest.fixture
def sit_down(open_page: OpenPage) -> Callable[[str], Page]:
    """Somebody of the staff logs in, in a browser of their own."""

    def logged_in(name: str) -> Page:
        page = open_page("/admin/", prepare=without_an_icon).page
        page.get_by_label("Email").fill(f"{name.lower()}@example.org")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Today").first).to_be_visible()
        return page

    return logged_in


def work_off_the_jobs() -> None:
    environ = os.environ | {"DEBUG": "true", "DATABASE_URL": database_url()}
    command = [sys.executable, "manage.py", "procrastinate", "worker", "--one-shot"]
    subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)


def the_end_comes() -> None:
    """The days are over, and the grace after them."""
    ended = "UPDATE competitions_competition SET end_at = now() - interval '1 minute', closes_at = now()"
    with psycopg.connect(database_url()) as database:
        database.execute(ended)


def steps_of(count: int, *, minutes: int, ago: timedelta = timedelta()) -> dict[str, Any]:
    end = datetime.now(UTC).replace(microsecond=0) - ago
    start = end - timedelta(minutes=minutes)
    source = {"app": "health_connect", "device": "Watch", "kind": "watch"}
    return {
        "id": f"walk {count}",
        "type": "steps",
        "start": start.isoformat(),
        "end": end.isoformat(),
        "value": count,
        "unit": "count",
        "source": source,
        "recording": "automatic",
    }


def make_a_competition(page: Page) -> str:
    """The organiser answers the wizard's questions; says the id of what was made."""
    page.get_by_role("link", name="Competitions").first.click()
    page.get_by_role("link", name="New competition").first.click()
    page.get_by_label("Name", exact=True).fill("Round the lake")
    page.get_by_label("First day").fill((datetime.now(UTC).date() - timedelta(days=1)).isoformat())
    page.get_by_label("Hours of grace").fill("1")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="What counts")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Who takes part")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Entry fee", exact=True).fill("10")
    page.get_by_label("60 % for the first").check()
    page.get_by_label("Prize pool", exact=True).fill("70")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Read and publish")).to_be_visible()
    expect(page.get_by_text("Every step counts").first).to_be_visible()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("heading", name="Round the lake").first).to_be_visible()
    found = re.search(r"competition/([0-9a-f-]{36})/", page.url)
    assert found is not None, page.url
    return found.group(1)


def take_step(page: Page, step: str, **answers: str) -> None:
    page.get_by_role("link", name=step, exact=True).click()
    for label, text in {**answers, "Reason": "As agreed on Monday."}.items():
        page.get_by_label(label).fill(text)
    page.get_by_role("button", name=step, exact=True).click()


def test_from_the_first_question_to_the_last_cent(
    server: Server, staff_of_four: None, walkers: list[Walker], sit_down: Callable[[str], Page]
) -> None:
    olu = sit_down("Olu")
    competition_id = make_a_competition(olu)

    for walker in walkers:
        walker.sends(server, f"/competitions/{competition_id}/join")
    for _ in range(20):
        work_off_the_jobs()
        olu.reload()
        if olu.get_by_text(re.compile("^3 take part")).count():
            break
    expect(olu.get_by_text(re.compile("^3 take part"))).to_be_visible()

    board = olu.locator("table.live")
    for walker in walkers:
        walker.sends(server, "/fitness/sync", {"samples": [steps_of(STEPS[walker.name], minutes=90)]})
    expect(board.get_by_role("row", name="1 Ada 9,000")).to_be_visible()  # by itself
    ben = walkers[1]
    ben.sends(server, "/fitness/sync", {"samples": [steps_of(9_999, minutes=5, ago=timedelta(hours=3))]})

    olu.get_by_role("link", name="What if").first.click()
    olu.get_by_role("link", name="Give or take points").click()
    olu.get_by_label("Name, or part of it").fill("Ada")
    olu.get_by_role("button", name="Search").click()
    olu.get_by_role("link", name="Ada").click()
    olu.get_by_label("Points", exact=True).fill("-1000")
    olu.get_by_role("button", name="Show what happens").click()
    before_and_after = olu.get_by_role("row", name=re.compile("^Ada 1 9,000 60.00 USD 2 8,000 30.00 USD"))
    expect(before_and_after).to_be_visible()
    olu.get_by_label("Reason").fill("Started before the whistle.")
    olu.get_by_role("button", name=re.compile("-1,000|1,000")).click()
    expect(board.get_by_role("row", name="1 Ben 8,500")).to_be_visible()

    rita = sit_down("Rita")
    rita.get_by_role("link", name=re.compile("[Ff]lag")).first.click()
    rita.get_by_role("row").filter(has_text="Ben").get_by_role("link").first.click()
    rita.get_by_role("button", name="Exclude").click()
    rita.get_by_label("Reason").fill("Nobody walks two thousand steps a minute.")
    rita.get_by_role("button", name="Exclude").click()
    expect(rita.get_by_text("excluded").first).to_be_visible()

    the_end_comes()
    tess = sit_down("Tess")
    tess.get_by_role("link", name="Settlements").first.click()
    tess.get_by_role("link", name="Round the lake").click()
    take_step(tess, "Calculate")
    take_step(tess, "Confirm funding", **{"Amount in USD": "70", "Reference": "bank 4711"})
    take_step(tess, "Distribute")
    expect(tess.get_by_text("Nothing goes out before another treasurer approves.").first).to_be_visible()

    theo = sit_down("Theo")
    theo.get_by_role("link", name="Settlements").first.click()
    theo.get_by_role("link", name="Round the lake").click()
    take_step(theo, "Approve")
    work_off_the_jobs()
    theo.reload()
    expect(theo.get_by_text("Transfers: 3 paid.")).to_be_visible()
    for row in ("1 Ben 60.00 USD paid", "2 Ada 30.00 USD paid", "3 Cleo 10.00 USD paid"):
        expect(theo.get_by_role("row", name=row)).to_be_visible()

    olu.get_by_role("link", name="Audit trail").first.click()
    trail = olu.locator(".audit-events")
    for said in ("Started before the whistle.", "Nobody walks two thousand steps a minute.", "As agreed on Monday."):
        expect(trail.get_by_text(said).first).to_be_visible()
    for who in ("Olu", "Rita", "Tess", "Theo"):
        expect(trail.get_by_text(who).first).to_be_visible()
