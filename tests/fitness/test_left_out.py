"""What the rules cut off, against what each person is told of their own."""

import random
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from competitions.models import Competition
from competitions.policy import Policy, policy_to_store
from competitions.services.enrolment import leave_competition
from fitness.left_out import CAPPED, LeftOut
from fitness.models import LeftOut as StoredLeftOut
from fitness.queries.left_out import competitions_to_work_out, is_current, left_out_in, left_out_in_all
from fitness.rules import Recording
from fitness.services.left_out import request_left_out, work_out_left_out
from leaderboards.queries import board_versions
from tests.fitness.test_explain import UNITS, History, SignIn, explained, in_base_units
from tests.fitness.walking import measured, sync
from tests.prizes.conftest import run_jobs

pytestmark = pytest.mark.django_db


def as_told(client: APIClient, board: Competition) -> LeftOut:
    """Added up from the answers that people get."""
    found = LeftOut()
    for participant in board.participants.filter(left_at=None):
        days = explained(client, board, participant.user)["days"]
        reasons = set()
        for day in days:
            for metric in UNITS:
                for sums, amount in (
                    (found.counted, in_base_units(day[metric], metric)),
                    (found.amounts.setdefault(CAPPED, {}), in_base_units(day["capped"][metric], metric)),
                ):
                    if amount:
                        sums[metric] = sums.get(metric, 0) + amount
                if day["capped"][metric]:
                    reasons.add(CAPPED)
            for line in day["sources"]:
                metric = line["metric"]
                found.said[metric] = found.said.get(metric, 0) + in_base_units(line["said"], metric)
                for one in line["left_out"]:
                    sums = found.amounts.setdefault(one["reason"], {})
                    sums[metric] = sums.get(metric, 0) + in_base_units(one["amount"], metric)
                    reasons.add(one["reason"])
        found.heard += any(day["sources"] for day in days)
        for reason in reasons:
            found.people[reason] = found.people.get(reason, 0) + 1
    found.amounts = {reason: sums for reason, sums in found.amounts.items() if sums}
    found.said = {metric: amount for metric, amount in found.said.items() if amount}
    return found


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 120))])
def test_of_any_history_it_is_the_sum_of_what_each_person_is_told(
    seed: int, make_person: Any, staff: Any, make_competition: Any, signed_in: SignIn
) -> None:
    history = History(random.Random(f"left out {seed}"), [make_person() for _ in range(3)], staff, make_competition)
    history.run(events=25)
    work_out_left_out(competition_id=history.board.id, clock=lambda: datetime.now(UTC))
    found = left_out_in(history.board.id).left_out
    assert asdict(found) == asdict(as_told(signed_in(staff), history.board))
    for metric, said in found.said.items():  # nothing is lost, and nothing left out twice
        cut_off = sum(sums.get(metric, 0) for sums in found.amounts.values())
        assert said == found.counted.get(metric, 0) + cut_off


@pytest.fixture
def board(make_competition: Any, join: Any, person: Any, other: Any) -> Competition:
    policy = policy_to_store(Policy(daily_cap={"steps": 900}, manual_entries=False))
    competition: Competition = make_competition(score_source="synced", stored_policy=policy)
    join(competition, person, other)
    return competition


def yesterday_at(hour: int) -> datetime:
    return datetime.now(UTC).replace(hour=hour, minute=0, second=0, microsecond=0) - timedelta(days=1)


def test_it_is_worked_out_by_a_job_once_for_each_version_of_the_board(
    board: Competition, person: Any, other: Any, now: datetime
) -> None:
    sync(person, measured(yesterday_at(8), 1000), now=now)
    sync(other, measured(yesterday_at(9), 70, recording=Recording.MANUAL), now=now)
    assert left_out_in(board.id).read_at is None
    assert list(competitions_to_work_out(now)) == [board]
    for _ in range(3):
        request_left_out(competition=board)
    assert run_jobs() == []
    known = left_out_in(board.id)
    assert (known.left_out.amounts, known.left_out.people, known.left_out.heard) == (
        {CAPPED: {"steps": 100}, "manual": {"steps": 70}},
        {CAPPED: 1, "manual": 1},
        2,
    )
    assert known.people_done is None
    assert StoredLeftOut.objects.get().version == board_versions([board.id])[board.id]
    assert not competitions_to_work_out(datetime.now(UTC))

    def not_again() -> datetime:
        return datetime.now(UTC)

    read_at = known.read_at
    work_out_left_out(competition_id=board.id, clock=not_again)
    assert left_out_in(board.id).read_at == read_at  # it is current
    sync(other, measured(yesterday_at(10), 30), now=datetime.now(UTC))
    assert not is_current(board.id, datetime.now(UTC))
    work_out_left_out(competition_id=board.id, clock=not_again)
    assert left_out_in(board.id).left_out.counted == {"steps": 930}
    assert not is_current(board.id, datetime.now(UTC) + timedelta(seconds=61))  # held data moves no board
    leave_competition(competition=board, user_id=other.id, now=datetime.now(UTC))
    work_out_left_out(competition_id=board.id, clock=not_again)
    assert left_out_in(board.id).left_out.people == {CAPPED: 1}


def test_those_of_several_competitions_add_up(
    board: Competition, make_competition: Any, join: Any, person: Any, now: datetime
) -> None:
    second = make_competition(score_source="synced", stored_policy=policy_to_store(Policy(daily_cap={"steps": 600})))
    join(second, person)
    sync(person, measured(yesterday_at(8), 1000), now=now)
    for each in (board, second):
        work_out_left_out(competition_id=each.id, clock=lambda: datetime.now(UTC))
    added, known, oldest = left_out_in_all([board.id, second.id])
    assert (added.amounts, added.people, added.said) == ({CAPPED: {"steps": 500}}, {CAPPED: 2}, {"steps": 2000})
    assert (known, oldest) == (2, left_out_in(board.id).read_at)
    assert left_out_in_all([])[1:] == (0, None)


def test_where_only_reports_count_nothing_is_worked_out(make_competition: Any) -> None:
    request_left_out(competition=make_competition(score_source="reported"))
    assert run_jobs() == []
    assert not StoredLeftOut.objects.exists()
