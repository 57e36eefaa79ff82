"""Reports of several clients in one transaction"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from competitions.models import Competition
from competitions.services.enrolment import CompetitionOver, NotParticipating, join_competition
from config.core.errors import NotFound, Refusal
from config.core.gathering import Gatherer, one_per_loop
from config.core.threads import in_thread
from leaderboards.models import Standing
from leaderboards.queries import board_page
from leaderboards.scoring import Totals
from leaderboards.services import (
    NotStarted,
    OnlySyncedCounts,
    Report,
    Total,
    record_synced_totals,
    report_together,
    report_totals,
)
from leaderboards.settling import settle_competition
from leaderboards.verification import check_board
from tests.leaderboards.test_mirror import run_together

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)

gathered_reports = one_per_loop(lambda: Gatherer(in_thread(report_together)))


def refused_alone(report: Report) -> Refusal | None:
    try:
        report_totals(competition=report.competition, user_id=report.user_id, reported=report.reported, now=report.now)
    except Refusal as refusal:
        return refusal
    return None


def scores(competition: Competition) -> dict[Any, int]:
    return dict(Standing.objects.filter(competition=competition).values_list("user_id", "score"))


class World:
    """Three people; of the competitions some take reports around ``closing``, when one of them closes."""

    def __init__(self, make_person: Any, make_competition: Any) -> None:
        self.people: list[User] = [make_person(f"P{number}") for number in range(3)]
        long_ago = datetime.now(UTC) - timedelta(days=20)
        make = partial(make_competition, created_at=long_ago, grace_hours=24)
        self.closing_then = make(starts=-9, ends=-5, score_source="reported")
        either = make(starts=-9, ends=2, metric="weighted", weights={"steps": "1.5", "distance": "1"})
        self.competitions: list[Competition] = [
            self.closing_then,
            either,
            make(starts=-9, ends=2, score_source="synced"),
            make(starts=2, ends=3),
        ]
        self.closing: datetime = self.closing_then.closes_at
        for competition in self.competitions:
            for person in self.people[: 3 if competition == either else 2]:
                join_competition(competition=competition, user_id=person.id, join_code=None, now=long_ago)
        walked = [Total(either.id, self.people[0].id, Totals(steps=2, distance_mm=1500))]
        record_synced_totals(totals=walked, now=self.closing - timedelta(hours=1))

    def report(self, drawn: tuple[int, int, int, dict[str, int]]) -> Report:
        competition, person, seconds, reported = drawn
        at = self.closing + seconds * SECOND
        return Report(self.competitions[competition], self.people[person].id, reported, at)


def standings() -> list[tuple[Any, ...]]:
    unstable = {"id", "version"}
    columns = [field.attname for field in Standing._meta.concrete_fields if field.name not in unstable]
    return list(Standing.objects.order_by("competition_id", "user_id").values_list(*columns))


@pytest.fixture
def world(make_person: Any, make_competition: Any) -> World:
    return World(make_person, make_competition)


amounts = st.dictionaries(st.sampled_from(["steps", "distance_mm", "energy_cal"]), st.integers(0, 4000), max_size=2)
few_steps = st.builds(lambda steps: {"steps": steps}, st.integers(0, 4))
reports = st.tuples(
    st.sampled_from([0, 0, 1, 1, 1, 2, 3]), st.integers(0, 2), st.integers(-3, 2), amounts | few_steps | few_steps
)


@pytest.mark.slow
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(earlier=st.lists(reports, max_size=3), frozen=st.booleans(), group=st.lists(reports, min_size=1, max_size=10))
def test_together_is_what_it_would_have_been_one_after_another(
    earlier: list[Any], frozen: bool, group: list[Any], world: World
) -> None:
    """Refusals too, and of the same person's reports the later one stands."""

    def outcome(take: Callable[[Sequence[Report]], Sequence[Refusal | None]]) -> Any:
        with transaction.atomic():
            for report in map(world.report, earlier):
                refused_alone(report)
            if frozen:
                settle_competition(competition_id=world.closing_then.id, now=world.closing)
            before = dict(Standing.objects.values_list("id", "version"))
            told = [refusal and (type(refusal), refusal.message) for refusal in take([*map(world.report, group)])]
            after = dict(Standing.objects.values_list("id", "version"))
            found = told, {row for row in after if after[row] != before[row]}, standings()
            transaction.set_rollback(True)
            return found

    assert outcome(report_together) == outcome(lambda reports: [refused_alone(report) for report in reports])


def test_each_is_refused_for_its_own_reason_and_leaves_its_neighbours_alone(world: World, make_person: Any) -> None:
    closing, either, synced, upcoming = world.competitions
    (ada, ben, _), in_time = [person.id for person in world.people], world.closing - SECOND
    gone = Competition(id=make_person("no competition's id").id)
    refusals = report_together(
        [
            Report(closing, ada, {"steps": 7}, in_time),
            Report(synced, ada, {"steps": 8}, in_time),
            Report(upcoming, ada, {"steps": 8}, in_time),
            Report(closing, ada, {"steps": 8}, world.closing),
            Report(closing, world.people[2].id, {"steps": 8}, in_time),
            Report(gone, ada, {"steps": 8}, in_time),
            Report(either, ben, {"steps": 6}, in_time),
        ]
    )
    reasons = [type(None), OnlySyncedCounts, NotStarted, CompetitionOver, NotParticipating, NotFound, type(None)]
    assert [type(refusal) for refusal in refusals] == reasons
    assert scores(closing) == {ada: 7, ben: 0}
    assert scores(either)[ben] == 9


def test_of_two_reports_of_one_person_the_later_stands_and_what_it_leaves_out_stays(world: World) -> None:
    closing, ada, at = world.closing_then, world.people[0].id, world.closing - 9 * SECOND
    first = Report(closing, ada, {"steps": 50, "energy_cal": 3000}, at)
    assert report_together([first, Report(closing, ada, {"steps": 40}, at + SECOND)]) == [None, None]
    standing = Standing.objects.get(competition=closing, user=ada)
    assert (standing.score, standing.energy_cal, standing.reached_at) == (40, 3000, at + SECOND)


def test_the_same_reports_again_change_nothing(world: World) -> None:
    group = [
        Report(world.competitions[1], p.id, {"steps": 5}, world.closing + n * SECOND)
        for n in (0, 9)
        for p in world.people
    ]
    report_together(group[:3])
    before, versions = standings(), list(Standing.objects.values_list("version", flat=True))
    assert report_together(group[3:]) == [None] * 3
    assert standings() == before
    assert list(Standing.objects.values_list("version", flat=True)) == versions


@pytest.mark.slow
def test_the_number_of_statements_does_not_grow_with_the_reports(
    make_person: Any, make_competition: Any, join: Any, now: datetime
) -> None:
    people = [make_person(f"P{number}") for number in range(42)]
    boards = [make_competition(), make_competition(metric="distance")]
    for board in boards:
        join(board, *people)

    def statements(reporters: Sequence[User]) -> int:
        with CaptureQueriesContext(connection) as captured:
            taken = report_together([Report(b, p.id, {"steps": 9}, now) for p in reporters for b in boards])
        assert taken == [None] * 2 * len(reporters)
        return len(captured)

    assert statements(people[:2]) == statements(people[2:])


@pytest.mark.django_db(transaction=True)
class TestThroughTheGatherer:
    @pytest.fixture
    def people(self, make_person: Any) -> list[User]:
        return [make_person(f"P{number}") for number in range(12)]

    @pytest.fixture
    def board(self, make_competition: Any, people: list[User], join: Any) -> Competition:
        board: Competition = make_competition()
        join(board, *people[:-1])
        board_page(board, offset=0, limit=1)  # from now on Redis has a copy
        return board

    @pytest.mark.slow
    def test_one_bad_report_and_one_refused_one_harm_no_neighbour(
        self, people: list[User], board: Competition, now: datetime
    ) -> None:
        async def all_at_once() -> list[Any]:
            steps = {person.id: 2**70 if person == people[3] else 10 for person in people}
            reports = [Report(board, user_id, {"energy_cal": amount}, now) for user_id, amount in steps.items()]
            return await asyncio.gather(*map(gathered_reports().put, reports), return_exceptions=True)

        answers = asyncio.run(all_at_once())
        assert isinstance(answers.pop(), NotParticipating)
        assert isinstance(answers.pop(3), DataError)
        assert answers == [None] * 10
        amounts = Standing.objects.filter(competition=board).order_by("energy_cal").values_list("energy_cal", flat=True)
        assert list(amounts) == [0] + [10] * 10
        assert check_board(board).difference == ""

    @pytest.mark.slow
    def test_groups_of_several_servers_about_the_same_people_never_block_for_good(
        self, people: list[User], board: Competition, now: datetime
    ) -> None:
        def server(number: int) -> None:
            order = people[number:-1] + people[:number]
            for steps in range(5):
                report_together([Report(board, p.id, {"steps": steps}, now) for p in order[::-1] + order])

        run_together([partial(server, number) for number in range(4)])
        assert set(scores(board).values()) == {4}
        assert check_board(board).difference == ""
