"""How competitions go, as the panel shows it: to whom, how fresh, and as CSV."""

import csv
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from competitions.models import Competition, Participant
from competitions.rules import DeviceKind
from competitions.services.enrolment import enrol_people
from config.core.ageing import Aged, Ageing
from config.core.sql import one_moment
from config.panel.insight_charts import charts_of, scope_of
from fitness.models import CountedDay
from fitness.queries.turnout import turnout_by_day
from fitness.samples import SourceKey
from fitness.services.left_out import work_out_left_out
from leaderboards.models import Standing
from tests.conftest import open_panel
from tests.fitness.walking import measured, sync
from tests.prizes.conftest import no_jobs_left as no_jobs_left  # after tests that commit
from tests.prizes.conftest import run_jobs

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
OVERALL = "/admin/insights/"


def page_of(competition: Competition) -> str:
    return reverse("admin:competition_insights", args=[competition.id])


def csv_rows(client: Client, address: str) -> list[list[str]]:
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/csv")
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]  # a stream has it
    return list(csv.reader(StringIO(content.decode("utf-8-sig"))))


@pytest.fixture
def board(make_competition: Any, make_staff: Any, join: Any, person: User, other: User) -> Competition:
    """Of an organiser, in which Ada and Ben walk; it is worked out what its rules cut off."""
    now = datetime.now(UTC)
    owner = make_staff("organiser", name="Olive")
    competition: Competition = make_competition(owner=owner, timezone="Europe/Berlin", metric="steps")
    join(competition, person, other)
    evil = SourceKey('=HYPERLINK("http://evil.example")', "", DeviceKind.WATCH)
    sync(person, *(measured(now - hours * HOUR, 100) for hours in range(1, 30)), now=now)
    sync(other, measured(now - 5 * HOUR, 700, source=evil), now=now)
    work_out_left_out(competition_id=competition.id, clock=lambda: datetime.now(UTC))
    return competition


class TestWho:
    @pytest.mark.slow
    def test_an_organiser_sees_their_own_and_nobody_elses(self, board: Competition, make_staff: Any) -> None:
        owner, stranger = open_panel(board.owner), open_panel(make_staff("organiser", name="Otto"))
        assert owner.get(page_of(board)).status_code == 200
        assert board.name in owner.get(OVERALL).content.decode()
        for address in (page_of(board), f"{page_of(board)}scores.csv"):
            assert stranger.get(address).status_code == 404
        overall = stranger.get(OVERALL)
        assert (overall.status_code, board.name in overall.content.decode()) == (200, False)

    @pytest.mark.slow
    @pytest.mark.parametrize("role", ["reviewer", "treasurer", "support"])
    def test_other_roles_see_all(self, board: Competition, make_staff: Any, role: str) -> None:
        client = open_panel(make_staff(role))
        for address in (OVERALL, page_of(board), f"{page_of(board)}scores.csv", f"{OVERALL}apps.csv"):
            assert client.get(address).status_code == 200

    def test_nobody_else(self, board: Competition, make_person: Any, person: User) -> None:
        without_role = open_panel(make_person("Sam", is_staff=True))
        assert without_role.get(OVERALL).status_code == 403
        assert without_role.get(f"{OVERALL}apps.csv").status_code == 403
        assert without_role.get(page_of(board)).status_code == 404
        for client in (Client(), open_panel(person)):
            assert client.get(page_of(board)).status_code == 302
            assert client.get(OVERALL).status_code == 302

    def test_it_is_only_read(self, board: Competition) -> None:
        assert open_panel(board.owner).post(page_of(board)).status_code == 405

    def test_it_counts_and_names_nobody(self, board: Competition, person: User, staff: User) -> None:
        for address in (page_of(board), OVERALL):
            text = open_panel(staff).get(address).content.decode()
            assert "at least half have" in text or "half the best score" in text
            assert person.name not in text.replace("Add", "")
            assert str(person.id) not in text


class TestWhat:
    @pytest.mark.slow
    def test_every_chart_says_what_it_shows_and_has_its_table_and_csv(self, board: Competition) -> None:
        client = open_panel(board.owner)
        for address in (page_of(board), OVERALL):
            text = client.get(address).content.decode()
            figures = re.findall(r"<figure.*?</figure>", text, re.DOTALL)
            assert len(figures) >= 10
            for figure in figures:
                assert re.search(r'class="help">[A-Z“0-9].*\.', figure)
                if "<canvas" in figure:
                    assert "<table" in figure
                    [link] = re.findall(r'href="([^"]+\.csv)"', figure)
                    heads, *rows = csv_rows(client, link)
                    assert len(heads) >= 2
                    assert rows
                    assert all(len(row) == len(heads) for row in rows)

    def test_a_csv_holds_no_formula(self, board: Competition) -> None:
        rows = csv_rows(open_panel(board.owner), f"{page_of(board)}apps.csv")
        assert sorted(rows) == [['\'=HYPERLINK("http://evil.example")', "1"], ["app", "people"], ["apple_health", "1"]]

    def test_there_is_no_other_chart(self, board: Competition, staff: User) -> None:
        client = open_panel(staff)
        for address in (f"{page_of(board)}nothing.csv", f"{OVERALL}nothing.csv"):
            assert client.get(address).status_code == 404

    @pytest.mark.slow
    def test_what_was_cut_off_is_worked_out_by_whoever_works_while_the_page_says_so(
        self, board: Competition, other: User
    ) -> None:
        client, now = open_panel(board.owner), datetime.now(UTC)
        assert "being worked out" not in client.get(page_of(board)).content.decode()
        sync(other, measured(now - 7 * HOUR, 44), now=now)
        assert "It is being worked out anew" in client.get(page_of(board)).content.decode()
        assert run_jobs() == []
        assert "being worked out" not in client.get(page_of(board)).content.decode()
        heads, *rows = csv_rows(client, f"{page_of(board)}left-out-steps.csv")
        assert heads == ["reason", "cut off (steps)"]
        assert len(rows) == 9

    @pytest.mark.parametrize(
        "fields",
        [
            {"starts": 2, "ends": 9},
            {"starts": -3, "ends": 3, "metric": "weighted", "weights": {"steps": "0.5"}, "timezone": "Asia/Kathmandu"},
            {"starts": -400, "ends": 0, "timezone": "America/Santiago"},
            {"starts": 0, "ends": 0, "published": False},
            {"score_source": "reported", "metric": "calories"},
        ],
    )
    def test_nothing_breaks_where_nobody_and_nothing_is(self, make_competition: Any, staff: User, fields: Any) -> None:
        competition, client = make_competition(**fields), open_panel(staff)
        answer = client.get(page_of(competition))
        assert answer.status_code == 200
        assert "Nobody is on the board yet." in answer.content.decode()
        for chart in charts_of(scope_of(competition, datetime.now(UTC))):
            assert all(len(values) == len(chart.labels) for values in chart.series.values())
            assert len(chart.labels) <= 120
            csv_rows(client, f"{page_of(competition)}{chart.key}.csv")

    def test_one_person_alone_is_told_of_as_one(self, make_competition: Any, join: Any, person: User) -> None:
        competition = make_competition(starts=-9, timezone="America/Santiago")  # three or four hours behind UTC
        join(competition, person)
        Participant.objects.update(joined_at=competition.start_at - HOUR)  # the day before there, the same in UTC
        now = datetime.now(UTC)
        watch, phone = SourceKey("a", "", DeviceKind.WATCH), SourceKey("b", "", DeviceKind.PHONE)
        for source in (watch, watch, phone):
            sync(person, measured(now - (2 if source is phone else 5) * HOUR, 100, source=source), now=now)
        says = {chart.key: chart.says for chart in charts_of(scope_of(competition, now))}
        assert says["participation"].startswith("1 person takes part. 1 person was active on ")
        assert says["comings"] == "1 joined and 0 left on these days."
        assert says["apps"] == "“a” comes first, with 1 person and 2 of 3 readings."
        assert says["scores"].startswith("1 person is on the board: ")

    def test_nothing_breaks_in_an_empty_world(self, staff: User) -> None:
        assert "No competition ran in these days." in open_panel(staff).get(OVERALL).content.decode()


@pytest.mark.slow
def test_the_number_of_statements_does_not_depend_on_how_much_there_is(
    board: Competition, make_competition: Any, make_person: Any, join: Any, staff: User
) -> None:
    client = open_panel(staff)

    def statements(address: str) -> int:
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    client.get(page_of(board))
    before = [statements(address) for address in (page_of(board), OVERALL)]
    for number in range(6):
        walker, now = make_person(), datetime.now(UTC)
        join(board, walker)
        join(make_competition(owner=board.owner), walker)
        sync(walker, *(measured(now - hours * HOUR, 50) for hours in range(1, 9)), now=now - number * HOUR)
    work_out_left_out(competition_id=board.id, clock=lambda: datetime.now(UTC))
    after = [statements(address) for address in (page_of(board), OVERALL)]
    assert after == before
    assert max(after) <= 40


class TestAgeing:
    def test_a_value_lives_longer_while_its_mark_stands(self) -> None:
        ageing, now, computed = Ageing("test", seconds=60, moved_seconds=10), datetime.now(UTC), []

        def get(after: int, mark: str) -> Aged:
            def compute() -> int:
                computed.append(after)
                return after

            return ageing.get("key", compute, now=now + timedelta(seconds=after), mark=mark)

        assert get(0, "a") == (0, now)
        assert get(9, "b") == (0, now)
        assert get(59, "a") == (0, now)
        assert get(59, "b") == (59, now + timedelta(seconds=59))
        assert get(119, "b").value == 119
        assert computed == [0, 59, 119]

    def test_readers_who_come_together_compute_once(self) -> None:
        ageing, now, computed = Ageing("test", seconds=60, moved_seconds=60), datetime.now(UTC), []

        def compute() -> str:
            computed.append(threading.get_ident())
            time.sleep(0.3)
            return "found"

        with ThreadPoolExecutor(8) as readers:
            found = list(readers.map(lambda _: ageing.get("key", compute, now=now).value, range(8)))
        assert (found, len(computed)) == (["found"] * 8, 1)

    def test_who_fails_leaves_it_to_the_next(self) -> None:
        ageing, now = Ageing("test", seconds=60, moved_seconds=60), datetime.now(UTC)
        with pytest.raises(ZeroDivisionError):
            ageing.get("key", lambda: 1 // 0, now=now)
        assert ageing.get("key", lambda: 1, now=now).value == 1

    @pytest.mark.usefixtures("redis_out")
    def test_without_redis_everybody_computes(self, board: Competition) -> None:
        assert Ageing("test", 60, 60).get("key", lambda: 5, now=datetime.now(UTC)).value == 5
        assert open_panel(board.owner).get(page_of(board)).status_code == 200


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_is_right_while_data_arrives(make_competition: Any, make_person: Any) -> None:
    """Readers look while writers write: each look agrees with itself, and the last one with the rows."""
    owner = make_person("Olive", is_staff=True, is_superuser=True)
    board = make_competition(owner=owner, score_source="synced")
    people = [make_person() for _ in range(12)]
    now = datetime.now(UTC)
    enrol_people(competition=board, user_ids=[one.id for one in people], now=now)
    writing = threading.Event()

    def write(mine: list[User]) -> None:
        try:
            for number in range(12):
                for one in mine:
                    sync(one, measured(now - (number + 1) * HOUR, 100 + number), now=datetime.now(UTC))
        finally:
            connection.close()

    def look() -> int:
        """How many looks; each sees the scores and the days of one moment."""
        looks = 0
        try:
            while not writing.is_set():
                with one_moment():
                    days = turnout_by_day([board.id], first=board.starts_on, last=board.last_on)
                    scores = sum(Standing.objects.filter(competition=board).values_list("score", flat=True))
                assert sum(day.totals.steps for day in days) == scores
                looks += 1
        finally:
            connection.close()
        return looks

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(look) for _ in range(2)]
        writers = [pool.submit(write, people[place::2]) for place in range(2)]
        for writer in writers:
            writer.result(60)
        writing.set()
        assert all(reader.result(30) > 0 for reader in readers)
    client = open_panel(owner)
    rows = csv_rows(client, f"{page_of(board)}activity.csv")[1:]
    counted = {day: int(steps) for day, steps in rows if steps != "0"}
    expected: dict[str, int] = {}
    for row in CountedDay.objects.filter(competition=board):
        expected[row.day.isoformat()] = expected.get(row.day.isoformat(), 0) + row.steps
    assert counted == expected
    assert sum(counted.values()) == 12 * sum(range(100, 112))
