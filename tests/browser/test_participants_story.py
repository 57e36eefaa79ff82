"""A competition as those see it who take part: from an empty form to a final result, and until one is forgotten.

They act on pages only, and read their mail. That there is a competition, and that time passes, is the test's part.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, LiteralString
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import psycopg
import pytest
from playwright.sync_api import Page, expect

from competitions.models import Competition
from tests.browser.conftest import ROOT, OpenPage, Server, database_url
from tests.conftest import MakeCompetition, MakePerson

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PASSWORD = "walks-every-morning"
PATIENCE = 45.0  # seconds: jobs come every ten
_HOURS = timedelta(hours=1)


@dataclass(frozen=True)
class Walker:
    """Somebody at a window of their own."""

    name: str
    page: Page
    zone: ZoneInfo

    @property
    def email(self) -> str:
        return f"{self.name.lower()}@example.org"

    def goes_to(self, path: str) -> None:
        self.page.goto("/".join(self.page.url.split("/")[:3]) + path)

    def walks(self, steps: int) -> None:
        self.goes_to("/my-day")
        self.page.get_by_label("Steps", exact=True).fill(str(steps))
        self.page.get_by_role("button", name="Keep these steps").click()
        expect(self.page.get_by_role("status")).to_contain_text(f"Kept: {steps:,} steps for today.")

    def watches(self, competition_id: str) -> None:
        self.goes_to(f"/competitions/{competition_id}/board")
        expect(self.page.locator("#link")).to_have_text("Live")
        self.page.evaluate("window.never_left = true")

    def sees(self, *names: str) -> None:
        """On the board that they watch, which was not loaded again for it."""
        expect(self.page.locator("#rows .name")).to_have_text(list(names), timeout=15_000)
        assert self.page.evaluate("window.never_left")

    def hears(self, title: str) -> None:
        """Finds it among their messages."""
        deadline = time.monotonic() + PATIENCE
        self.goes_to("/notifications")
        while not self.titles().count(title):
            assert time.monotonic() < deadline, f"{self.name} did not hear {title!r}, but {self.titles()}"
            time.sleep(0.5)
            self.page.reload()

    def titles(self) -> list[str]:
        return self.page.locator(".messages h2").all_text_contents()


class Worker:
    """A real one. Without a provider its letters are printed, which is where people read them here."""

    def __init__(self, printed: Path, address: str) -> None:
        self._printed = printed
        environ = {"DEBUG": "true", "DATABASE_URL": database_url(), "PUBLIC_URL": address, "PYTHONUNBUFFERED": "1"}
        with printed.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "procrastinate", "worker", "--concurrency=2"],
                cwd=ROOT,
                env=os.environ | environ,
                stdout=file,
                stderr=subprocess.DEVNULL,
            )

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def letters_to(self, email: str) -> list[EmailMessage]:
        printed = self._printed.read_bytes().split(b"-" * 79 + b"\n")
        letters = [part[part.index(b"Content-Type:") :] for part in printed if f"\nTo: {email}\n".encode() in part]
        return [message_from_bytes(letter, policy=policy.default) for letter in letters]

    def letter_to(self, email: str, subject: str) -> str:
        """What it says, as soon as it is there, and once."""
        deadline = time.monotonic() + PATIENCE
        while not (found := [letter for letter in self.letters_to(email) if letter["Subject"] == subject]):
            assert time.monotonic() < deadline, [letter["Subject"] for letter in self.letters_to(email)]
            time.sleep(0.2)
        [letter] = found
        body = letter.get_body(("plain",))
        assert isinstance(body, EmailMessage)
        return str(body.get_content())


@pytest.fixture
def competition(make_competition: MakeCompetition, make_person: MakePerson) -> Competition:
    """It costs something."""
    organiser = make_person("Olu")
    return make_competition(name="Around the lake", owner=organiser, entry_fee_minor=500, currency="EUR")


@pytest.fixture
def worker(competition: Competition, server: Server, tmp_path: Path) -> Iterator[Worker]:
    with ExitStack() as stack:
        working = Worker(tmp_path / "printed", server.address)
        stack.callback(working.end)
        yield working


@pytest.fixture
def comes(open_page: OpenPage, worker: Worker) -> Callable[..., Walker]:
    """Makes an account in a window of their own, reads the mail, and says that the address is theirs."""

    def signed_up(name: str, zone: str) -> Walker:
        page = open_page("/", timezone_id=zone).page
        walker = Walker(name, page, ZoneInfo(zone))
        page.get_by_role("link", name="Create an account").click()
        page.get_by_label("Your name").fill(name)
        page.get_by_label("E-mail").fill(walker.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create an account").click()
        expect(page.get_by_role("status")).to_contain_text(f"Welcome, {name}!")
        letter = worker.letter_to(walker.email, "Please verify your e-mail address")
        [link] = re.findall(r"https?://\S+/verify-email/\S+", letter)
        page.goto(link)
        page.get_by_role("button", name="Yes, it is mine").click()
        expect(page.get_by_role("status")).to_contain_text("mail reaches you at this address")
        return walker

    return signed_up


def speaks(walker: Walker, language: str) -> None:
    walker.goes_to("/profile")
    walker.page.get_by_label("Language of messages").select_option(language)
    walker.page.get_by_role("button", name="Keep", exact=True).click()
    expect(walker.page.get_by_role("status")).to_contain_text("Kept.")


def wants_mail_but_quiet(walker: Walker, start: datetime, end: datetime) -> None:
    """Mail too when somebody overtakes them, and no message between these, by the clock where they are."""
    page = walker.page
    walker.goes_to("/notifications/settings")
    page.get_by_label("Somebody has overtaken you: Mail").check()
    page.get_by_label("Quiet from").fill(f"{start.astimezone(walker.zone):%H:%M}")
    page.get_by_label("Quiet until").fill(f"{end.astimezone(walker.zone):%H:%M}")
    page.get_by_role("button", name="Keep all this").click()
    expect(page.get_by_role("status")).to_contain_text("You will hear from us that way.")


def joins_and_pays(walker: Walker) -> None:
    page = walker.page
    page.get_by_role("link", name="Competitions").click()
    page.get_by_role("link", name="Around the lake").click()
    page.get_by_role("link", name="Join for 5.00 EUR").click()
    page.get_by_role("button", name="Join and pay 5.00 EUR").click()
    page.get_by_role("link", name="Pay 5.00 EUR").click()
    expect(page.get_by_role("heading", name="This is the sandbox")).to_be_visible()
    page.get_by_role("link", name="Back to the competition").click()
    expect(page.get_by_role("heading", name="You take part")).to_be_visible(timeout=20_000)  # by itself


def takes_the_data_along(walker: Walker, folder: Path) -> ZipFile:
    page = walker.page
    walker.goes_to("/profile")
    page.get_by_role("link", name=re.compile("^Your data")).click()
    page.get_by_role("button", name="Write it").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it").click(timeout=20_000)  # it comes by itself
    download.value.save_as(folder / "mine.zip")
    return ZipFile(folder / "mine.zip")


def is_forgotten(walker: Walker) -> None:
    page = walker.page
    page.get_by_role("link", name="Be forgotten").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Forget me").click()
    expect(page.get_by_role("status")).to_contain_text("Everything about you was forgotten.")
    page.get_by_role("link", name="Sign in").first.click()
    page.get_by_label("E-mail").fill(walker.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("E-mail or password is wrong.")


def rows_of(statement: LiteralString) -> list[tuple[Any, ...]]:
    """The test's own look at the database; whoever acts does so on pages."""
    with psycopg.connect(database_url()) as database:
        return database.execute(statement).fetchall()


def the_last_day_is_over() -> None:
    _execute("UPDATE competitions_competition SET end_at = now() - interval '1 minute'")


def the_grace_is_over() -> None:
    _execute("UPDATE competitions_competition SET closes_at = now()")


def _execute(statement: LiteralString) -> None:
    with psycopg.connect(database_url()) as database:
        database.execute(statement)


def every_climb_is_told() -> None:
    deadline = time.monotonic() + PATIENCE
    while rows_of("SELECT 1 FROM leaderboards_climb"):
        assert time.monotonic() < deadline, "nobody looks who was overtaken"
        time.sleep(0.2)


OVERTAKEN = """
    SELECT u.name, d.channel, d.state, d.due_at
      FROM accounts_notification n JOIN accounts_user u ON u.id = n.user_id
      LEFT JOIN accounts_delivery d ON d.notification_id = n.id
     WHERE n.event = 'overtaken' ORDER BY u.name
"""


def test_three_people_walk_around_the_lake_and_one_of_them_is_forgotten(
    competition: Competition, worker: Worker, comes: Callable[..., Walker], tmp_path: Path
) -> None:
    board, now = str(competition.id), datetime.now(UTC).replace(second=0, microsecond=0)
    greta, ben, noa = comes("Greta", "Europe/Berlin"), comes("Ben", "Europe/London"), comes("Noa", "Asia/Tokyo")
    speaks(greta, "de")
    wants_mail_but_quiet(greta, now + 2 * _HOURS, now + 8 * _HOURS)
    wants_mail_but_quiet(noa, now - _HOURS, now + 2 * _HOURS)
    for walker in (greta, ben, noa):
        joins_and_pays(walker)

    greta.walks(6_000)
    noa.walks(5_000)
    ben.walks(4_000)
    greta.watches(board)
    greta.sees("Greta", "Noa", "Ben")
    every_climb_is_told()
    assert rows_of(OVERTAKEN) == []  # who had nothing was overtaken by nobody

    ben.walks(9_000)
    greta.sees("Ben", "Greta", "Noa")
    assert "Ben hat dich bei Around the lake überholt." in worker.letter_to(greta.email, "Ben hat dich überholt")
    ben.watches(board)
    noa.walks(7_000)
    for walker in (greta, ben):
        walker.sees("Ben", "Noa", "Greta")
    every_climb_is_told()
    greta.hears("Ben hat dich überholt")
    greta.page.get_by_role("link", name="Ben hat dich überholt").click()
    expect(greta.page).to_have_url(re.compile(f"/competitions/{board}/board$"))
    greta.goes_to("/notifications")
    noa.hears("Ben has overtaken you")
    ben.goes_to("/notifications")
    told = {
        walker.name: [title for title in walker.titles() if "overtaken" in title or "überholt" in title]
        for walker in (greta, ben, noa)
    }
    assert told == {"Greta": ["Ben hat dich überholt"], "Ben": [], "Noa": ["Ben has overtaken you"]}
    [hers, waiting] = rows_of(OVERTAKEN)
    assert hers[:3] == ("Greta", "email", "sent")
    assert waiting == ("Noa", "email", "waiting", now + 2 * _HOURS)
    assert "Ben has overtaken you" not in [letter["Subject"] for letter in worker.letters_to(noa.email)]

    the_last_day_is_over()
    ben.hears("Provisional: place 1 in Around the lake")
    greta.hears("Vorläufig: Platz 3 bei Around the lake")
    the_grace_is_over()
    ben.hears("Final: place 1 in Around the lake")
    greta.hears("Endstand: Platz 3 bei Around the lake")
    assert "Platz 3 von 3" in worker.letter_to(greta.email, "Endstand: Platz 3 bei Around the lake")
    assert "place 1 of 3" in worker.letter_to(ben.email, "Final: place 1 in Around the lake")

    with takes_the_data_along(greta, tmp_path) as mine:
        assert '"manual",6000,' in mine.read("activity/days.csv").decode()
    is_forgotten(greta)
    ben.goes_to(f"/competitions/{board}/board")
    expect(ben.page.locator("#rows .name")).to_have_text(["Ben", "Noa", "Former participant"])
    assert "Greta" not in ben.page.content()
    for proof in ("verify_standings", "verify_ledger", "verify_leaderboards"):
        environ = os.environ | {"DEBUG": "true", "DATABASE_URL": database_url()}
        checked = subprocess.run(
            [sys.executable, "manage.py", proof], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
