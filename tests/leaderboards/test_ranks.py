"""A person's ranks on all their boards at once: the same from the copies in Redis and from PostgreSQL, and right."""

from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from competitions.models import Competition
from leaderboards import mirror
from leaderboards.models import Board, Standing
from leaderboards.queries import final_standings, rank_by_standing, standings_of_people, standings_of_person
from leaderboards.services import close_standing, report_totals
from leaderboards.settling import settle_competition
from tests.conftest import MakePerson
from tests.leaderboards.conftest import MakeOver

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(make_person: MakePerson) -> list[User]:
    return [make_person(f"Walker {number}") for number in range(8)]


def counted_by_hand(competition: Competition) -> dict[UUID, int]:
    """The oracle: whoever stands before, one by one."""
    rows = list(Standing.objects.filter(competition=competition, on_board=True))

    def stands_before(one: Standing, other: Standing) -> bool:
        if competition.tie_rule == "shared":
            return one.score > other.score
        keys = [(-row.score, row.reached_at, row.joined_at, row.user_id.bytes) for row in (one, other)]
        return keys[0] < keys[1]

    return {row.user_id: 1 + sum(stands_before(each, row) for each in rows) for row in rows}


def ranks_now(people: list[User]) -> dict[tuple[UUID, UUID], int]:
    standings = list(standings_of_people([person.id for person in people]))
    ranks = rank_by_standing(standings)
    return {(s.competition_id, s.user_id): ranks[s.pk] for s in standings}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_every_way_of_counting_agrees_with_counting_by_hand(
    seed: int, people: list[User], make_competition: Any, join: Any, now: datetime
) -> None:
    chance = Random(seed)
    boards = [make_competition(score_source="reported", tie_rule=rule) for rule in ("shared", "first_to_reach") * 2]
    for board in boards:
        join(board, *people)
    copied, stale = boards[0], boards[1]

    def move(board: Competition) -> None:
        for person in chance.sample(people, 5):
            at = now + timedelta(seconds=chance.randint(0, 2))
            report_totals(competition=board, user_id=person.id, reported={"steps": chance.randint(0, 3)}, now=at)

    for board in boards:
        move(board)
        if board in (copied, stale):
            assert mirror.rebuild_mirror(board.id)
    move(stale)
    close_standing(competition=boards[2], user_id=people[0].id, left_at=now)
    by_hand = {(b.id, user_id): rank for b in boards for user_id, rank in counted_by_hand(b).items()}
    assert ranks_now(people) == by_hand
    assert ranks_now(people[:1]) == {key: rank for key, rank in by_hand.items() if key[1] == people[0].id}


def test_with_redis_out_postgresql_counts(
    people: list[User], make_competition: Any, join: Any, redis_out: None
) -> None:
    board = make_competition()
    join(board, *people)
    assert ranks_now(people) == {(board.id, user_id): rank for user_id, rank in counted_by_hand(board).items()}


@pytest.mark.parametrize("rule", ["shared", "first_to_reach"])
def test_the_ranks_of_frozen_standings_are_those_of_the_board(
    rule: str, people: list[User], make_over: MakeOver, now: datetime
) -> None:
    over = make_over(
        {person: 100 * (number // 2) for number, person in enumerate(people)}, tie_rule=rule, grace_hours=0
    )
    settle_competition(competition_id=over.id, now=now)
    frozen = final_standings(over.id)
    assert frozen is not None
    final = {(over.id, row.user_id): row.rank for row in frozen.rows}
    assert ranks_now(people) == final
    assert mirror.rebuild_mirror(over.id)
    assert ranks_now(people) == final


def test_a_copy_of_another_history_is_not_believed(
    people: list[User], make_competition: Any, join: Any, now: datetime
) -> None:
    board = make_competition(score_source="reported")
    join(board, *people[:2])
    report_totals(competition=board, user_id=people[1].id, reported={"steps": 9}, now=now)
    assert mirror.rebuild_mirror(board.id)
    report_totals(competition=board, user_id=people[0].id, reported={"steps": 10}, now=now)
    Board.objects.filter(competition=board).update(version=0)  # as a backup would have it
    assert ranks_now(people) == {(board.id, people[0].id): 1, (board.id, people[1].id): 2}


@pytest.mark.slow
@pytest.mark.parametrize("copied", [True, False])
def test_forty_boards_take_as_many_statements_as_one(
    copied: bool, person: User, other: User, make_competition: Any, join: Any
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert set(rank_by_standing(list(standings_of_person(person.id))).values()) <= {1, 2}
        return len(captured)

    def add_board() -> None:
        board = make_competition()
        join(board, other, person)
        if copied:
            assert mirror.rebuild_mirror(board.id)

    add_board()
    before = statements()
    for _ in range(39):
        add_board()
    assert statements() == before
    assert before == (1 if copied else 2)
