"""The first page: what needs a person today, and how it is going."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from competitions.models import Competition
from config.panel.today import KINDS, span_text
from fitness.models import Connection, Flag
from fitness.plausibility import FlagState
from leaderboards.headcount import say_headcount
from prizes.actors import Actor
from prizes.models import Transfer, TransferState
from prizes.services.distribution import distribute_prizes
from prizes.services.transfers import NO_ACCOUNT
from tests.conftest import open_panel
from tests.prizes.conftest import MakeFinished, connect_accounts
from tests.prizes.conftest import make_finished as make_finished
from tests.prizes.conftest import make_treasurer as make_treasurer
from tests.prizes.conftest import sandbox as sandbox
from tests.prizes.conftest import treasurer as treasurer

pytestmark = pytest.mark.django_db
HOME = "/admin/"


def waiting_for(person: User) -> dict[str, tuple[int, list[str]]]:
    """What waits, how much of it, and the addresses where to see to it."""
    text = open_panel(person).get(HOME).content.decode()
    found = {}
    for entry in re.findall(r'<li>\s*<strong class="waiting-count">.*?</li>', text, re.DOTALL):
        count, what = re.search(
            r'count">([\d,]+)</strong>\s*<span class="waiting-what">([^<]+)<', entry, re.DOTALL
        ).groups()  # type: ignore[union-attr]  # without them this fails
        links = [unescape(link) for link in re.findall(r'href="([^"]+)"', entry)]
        found[unescape(what).strip()] = (int(count), links)
    return found


@pytest.fixture
def work(make_finished: MakeFinished, make_competition: Any, make_person: Any, make_staff: Any, treasurer: User) -> Any:
    """One of each kind of thing that waits, all in competitions of one organiser; of flags two."""
    now = datetime.now(UTC)
    owner = make_staff("organiser", name="Olive")
    paid = make_finished(500, 300, owner=owner, name="Paid walk", pool=500_000)
    make_finished(9, owner=owner, name="Over walk")
    make_competition(owner=owner, name="Promised walk", prize_pool_minor=700, starts=2, ends=5)
    connect_accounts(paid)
    distribute_prizes(competition_id=paid.id, actor=Actor(treasurer), reason="It is over.", now=now)
    for number, state in enumerate((TransferState.FAILED, TransferState.UNKNOWN, TransferState.PENDING)):
        make_transfer(make_finished, owner, treasurer, number, state)
    walker = make_person("Walker")
    for days_ago, fields in ((3, {}), (5, {}), (9, appeal(now))):
        Flag.objects.create(
            competition=paid, user=walker, check_name="speed", day=(now - timedelta(days=days_ago)).date(),
            opened_at=now - timedelta(days=days_ago), **fields,
        )  # fmt: skip
    Connection.objects.create(user=walker, provider="google_fit", state="needs_consent", connected_at=now)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status, attempts, abort_requested)"
            " VALUES ('default', 'some_task', 0, '{}', 'failed', 1, false)"
        )
    assert ProcrastinateJob.objects.filter(status="failed").count() == 1
    return paid


def appeal(now: datetime) -> dict[str, Any]:
    decider = User.objects.filter(is_staff=True).first()
    decided = {"state": FlagState.EXCLUDED, "decided_at": now, "decided_by": decider, "reason": "So."}
    return {**decided, "appeal": "No.", "appealed_at": now, "appeal_waits": True}


def make_transfer(make_finished: MakeFinished, owner: User, treasurer: User, number: int, state: TransferState) -> None:
    now = datetime.now(UTC)
    competition = make_finished(70, owner=owner, name=f"Small walk {number}", pool=100 + number)
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), reason="It is over.", now=now)
    waits_for = NO_ACCOUNT if state is TransferState.PENDING else ""
    Transfer.objects.filter(competition=competition).update(state=state, waits_for=waits_for)


def shown_rows(client: Client, address: str) -> int:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return int(answer.context["cl"].result_count)


FLAGS = {"flags wait for a decision": 2, "appeal waits for an answer": 1}
TRANSFERS = {
    "transfer failed": 1,
    "transfer has no known end": 1,
    "transfer waits for something, such as its winner’s account": 1,
}
MONEY = {
    "distribution waits for a second treasurer": 1,
    "competition is over and its prizes are not distributed": 1,
    "promised pool is not funded": 1,
}
SERVER = {"job failed": 1, "cloud needs its person’s consent again": 1}


@pytest.mark.slow
def test_each_role_sees_what_it_may_act_on_and_each_link_shows_just_that(
    work: Competition, make_staff: Callable[..., User], staff: User
) -> None:
    assert len({**FLAGS, **TRANSFERS, **MONEY, **SERVER}) == len(KINDS)
    for person, expected in (
        (staff, {**FLAGS, **TRANSFERS, **MONEY, **SERVER}),
        (make_staff("reviewer"), FLAGS),
        (make_staff("treasurer"), {**TRANSFERS, **MONEY}),
        (make_staff("support"), {**FLAGS, **TRANSFERS, **MONEY, **SERVER}),
    ):
        found = waiting_for(person)
        assert {what: count for what, (count, _) in found.items()} == expected
        client = open_panel(person)
        for count, [link] in found.values():
            assert shown_rows(client, link) == count


@pytest.mark.slow
def test_an_organiser_sees_what_waits_in_their_own_competitions_and_opens_those(
    work: Competition, make_staff: Callable[..., User]
) -> None:
    found = waiting_for(work.owner)
    assert {what: count for what, (count, _) in found.items()} == {**FLAGS, **TRANSFERS, **MONEY}
    client = open_panel(work.owner)
    for _, links in found.values():
        assert links
        for link in links:
            assert client.get(link).status_code == 200
    assert found["flags wait for a decision"][1] == [f"/admin/competitions/competition/{work.id}/change/"]
    stranger = make_staff("organiser", name="Otto")
    assert waiting_for(stranger) == {}
    assert "Nothing waits for you." in open_panel(stranger).get(HOME).content.decode()


@pytest.mark.slow
def test_ones_own_flag_is_for_somebody_else(work: Competition, make_staff: Callable[..., User]) -> None:
    reviewer = make_staff("reviewer")
    Flag.objects.all().update(user=reviewer)
    assert waiting_for(reviewer) == {}


@pytest.mark.slow
def test_what_was_seen_to_is_gone_at_once_and_the_oldest_says_how_long(
    work: Competition, make_staff: Callable[..., User]
) -> None:
    reviewer = make_staff("reviewer")
    assert "5 days" in open_panel(reviewer).get(HOME).content.decode()
    Flag.objects.filter(state=FlagState.OPEN).earliest("opened_at").delete()
    assert waiting_for(reviewer)["flag waits for a decision"][0] == 1


def test_spans_are_said_in_the_largest_unit() -> None:
    spans = (timedelta(days=3, hours=5), timedelta(hours=1), timedelta(minutes=59), timedelta(seconds=3), timedelta(-1))
    assert [span_text(span) for span in spans] == ["3 days", "1 hour", "59 minutes", *["less than a minute"] * 2]


class TestCharts:
    @pytest.mark.slow
    def test_each_has_its_table_and_csv_and_tells_what_is_there(self, work: Competition, staff: User) -> None:
        say_headcount(12)
        client = open_panel(staff)
        text = client.get(HOME).content.decode()
        assert f"{User.objects.count():,} people have joined" in text
        assert "12 now, 12 at most" in text
        for figure in re.findall(r"<figure.*?</figure>", text, re.DOTALL):
            assert ("<table" in figure) == ("<canvas" in figure)
            for link in re.findall(r'href="([^"]+\.csv)"', figure):
                assert client.get(link).status_code == 200
        assert len(re.findall(r"\.csv\"", text)) >= 5

    @pytest.mark.slow
    def test_an_organiser_sees_their_own_competitions_only(self, work: Competition) -> None:
        client = open_panel(work.owner)
        text = client.get(HOME).content.decode()
        assert "take part in your competitions" in text
        for hidden in ("people have joined", "Syncs an hour", "Open sockets"):
            assert hidden not in text
        assert client.get("/admin/insights/people.csv").status_code == 404
        assert client.get("/admin/insights/participants.csv").status_code == 200

    @pytest.mark.slow
    def test_who_may_see_nothing_is_shown_nothing(self, work: Competition, make_person: Any) -> None:
        text = open_panel(make_person("Sam", is_staff=True)).get(HOME).content.decode()
        assert "Nothing waits for you." in text
        assert "<canvas" not in text

    @pytest.mark.usefixtures("redis_out")
    def test_without_redis_it_says_that_sockets_are_not_known(self, staff: User) -> None:
        text = open_panel(staff).get(HOME).content.decode()
        assert "Not known: Redis does not answer." in text
        assert "1 person has joined" in text

    @pytest.mark.slow
    def test_a_minute_long_they_are_not_counted_again(self, work: Competition, staff: User) -> None:
        client = open_panel(staff)
        client.get(HOME)
        with CaptureQueriesContext(connection) as first:
            client.get(HOME)
        assert not any("accounts_user" in query["sql"] and "width_bucket" in query["sql"] for query in first)
        assert len(first) <= 20
