"""Redis against PostgreSQL, over random histories, with everything forgotten at random points."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from accounts.services.people import change_profile
from competitions.models import Competition
from competitions.services.enrolment import AlreadyJoined, NotParticipating, join_competition, leave_competition
from config.core.redis import redis_client
from leaderboards import mirror
from leaderboards.models import Board, Standing
from leaderboards.queries import board_around, board_page, entry_of
from leaderboards.scoring import Totals
from leaderboards.services import report_totals, rescore_competition
from leaderboards.verification import check_board

START = datetime.now(UTC)
PEOPLE = 6

steps = st.tuples(st.just("report"), st.integers(0, PEOPLE - 1), st.integers(0, 4))
moves = st.one_of(
    steps,
    steps,
    st.tuples(st.just("join"), st.integers(0, PEOPLE - 1), st.just(0)),
    st.tuples(st.just("leave"), st.integers(0, PEOPLE - 1), st.just(0)),
    st.tuples(st.just("flush"), st.just(0), st.just(0)),
    st.tuples(st.just("read"), st.just(0), st.just(0)),
    st.tuples(st.just("copy"), st.just(0), st.just(0)),
)


def expected_board(competition: Competition) -> list[tuple[UUID, int, int]]:
    """By window functions, straight from the standings."""
    numbering = (
        "rank() OVER (ORDER BY score DESC)"
        if competition.tie_rule == "shared"
        else "row_number() OVER (ORDER BY score DESC, reached_at, joined_at, user_id)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT user_id, score, {numbering} FROM leaderboards_standing WHERE competition_id = %s AND on_board"  # noqa: S608 - a word of the two above
            " ORDER BY score DESC, reached_at, joined_at, user_id",
            [competition.id],
        )
        return list(cursor.fetchall())


def shown(entries: Any) -> list[tuple[UUID, int, int]]:
    return [(UUID(entry["user_id"]), entry["score"], entry["rank"]) for entry in entries]


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("tie_rule", ["first_to_reach", "shared"])
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(history=st.lists(moves, max_size=25))
def test_every_page_of_every_history_is_what_sql_says(
    tie_rule: str, history: list[tuple[str, int, int]], make_competition: Any, make_person: Any
) -> None:
    people = [make_person(f"P{number}") for number in range(PEOPLE)]
    competition = make_competition(tie_rule=tie_rule, score_source="reported", starts=-9, ends=9)
    for minute, (move, who, score) in enumerate(history):
        now = START + timedelta(minutes=minute // 2)  # pairs of moves share their moment
        play(move, competition, people[who], score, now)
    expected = expected_board(competition)
    assert shown(board_page(competition, offset=0, limit=1000).entries) == expected
    assert shown(board_page(competition, offset=2, limit=3).entries) == expected[2:5]
    for user_id, score, rank in expected:
        entry = entry_of(competition, user_id)
        assert (entry["score"], entry["rank"]) == (score, rank)
        window = board_around(competition, user_id, limit=3)
        assert str(user_id) in [entry["user_id"] for entry in window.entries]
        assert len(window.entries) == min(3, len(expected))
    check = check_board(competition)
    assert check.copied
    assert check.difference == ""


def play(move: str, competition: Competition, person: User, score: int, now: datetime) -> None:
    try:
        match move:
            case "report":
                reported = {"steps": score}
                report_totals(competition=competition, user_id=person.id, reported=reported, now=now)
            case "join":
                join_competition(competition=competition, user_id=person.id, join_code=None, now=now)
            case "leave":
                leave_competition(competition=competition, user_id=person.id, now=now)
            case "flush":
                redis_client().flushdb()  # FLUSHALL would also empty what other test processes use
            case "read":
                board_page(competition, offset=0, limit=10)
            case "copy":
                mirror.catch_up([competition.id])
    except (NotParticipating, AlreadyJoined):
        pass  # random histories ask for the impossible, too


@pytest.mark.django_db
def test_among_equals_whoever_was_first_stands_first(
    make_competition: Any, join: Any, person: User, other: User
) -> None:
    competition = make_competition(score_source="reported")
    join(competition, person, other)
    report_totals(competition=competition, user_id=other.id, reported={"steps": 5}, now=START)
    report_totals(competition=competition, user_id=person.id, reported={"steps": 5}, now=START + timedelta(seconds=1))
    assert shown(board_page(competition, offset=0, limit=9).entries) == [(other.id, 5, 1), (person.id, 5, 2)]


@pytest.mark.django_db
def test_a_window_is_pushed_in_at_the_ends(make_competition: Any, join: Any, make_person: Any) -> None:
    people = [make_person(f"P{number}") for number in range(9)]
    competition = make_competition(score_source="reported")
    join(competition, *people)
    for number, someone in enumerate(people):
        report_totals(competition=competition, user_id=someone.id, reported={"steps": 100 - number}, now=START)

    def ranks_around(number: int, limit: int) -> list[int]:
        entries = board_around(competition, people[number].id, limit=limit).entries
        return [entry["rank"] for entry in entries]

    assert ranks_around(4, 3) == [4, 5, 6]
    assert ranks_around(0, 3) == [1, 2, 3]
    assert ranks_around(8, 3) == [7, 8, 9]
    assert ranks_around(8, 50) == list(range(1, 10))


@pytest.mark.django_db
def test_a_damaged_copy_is_found_and_a_rebuild_mends_it(make_competition: Any, join: Any, person: User) -> None:
    competition = make_competition(score_source="reported")
    join(competition, person)
    board_page(competition, offset=0, limit=1)
    ranks = f"board:{{{competition.id}}}:ranks"
    [member] = redis_client().zrange(ranks, 0, -1)
    redis_client().zadd(ranks, {member: -999})
    row = f"board:{{{competition.id}}}:rows"
    redis_client().hset(
        row, person.id.bytes, redis_client().hget(row, person.id.bytes).replace(b'"score":0', b'"score":999')
    )
    assert "PostgreSQL has" in check_board(competition).difference
    mirror.rebuild_mirror(competition.id)
    assert check_board(competition).difference == ""


@pytest.mark.django_db
def test_a_copy_that_lost_a_key_is_built_anew_by_the_next_reader(
    make_competition: Any, join: Any, person: User
) -> None:
    competition = make_competition(score_source="reported")
    join(competition, person)
    board_page(competition, offset=0, limit=1)
    redis_client().delete(f"board:{{{competition.id}}}:ranks")
    assert [row[0] for row in shown(board_page(competition, offset=0, limit=9).entries)] == [person.id]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_writers_and_rebuilds_at_once_leave_the_right_board(make_competition: Any, join: Any, make_person: Any) -> None:
    people = [make_person(f"P{number}") for number in range(4)]
    competition = make_competition(score_source="reported")
    join(competition, *people)

    def report_for(person: User) -> None:
        for steps in range(1, 16):
            report_totals(competition=competition, user_id=person.id, reported={"steps": steps}, now=datetime.now(UTC))

    def rebuild() -> None:
        for _ in range(10):
            redis_client().flushdb()
            mirror.rebuild_mirror(competition.id)

    run_together([*(partial(report_for, person) for person in people), rebuild])
    page = board_page(competition, offset=0, limit=9)
    assert [entry["score"] for entry in page.entries] == [15] * 4
    assert check_board(competition).difference == ""


@pytest.mark.django_db
def test_a_copy_newer_than_a_restored_postgresql_is_thrown_away(make_competition: Any, join: Any, person: User) -> None:
    competition = make_competition(score_source="reported")
    join(competition, person)
    backup = Board.objects.get(competition=competition).version
    for score in (10, 20, 30):
        report_totals(competition=competition, user_id=person.id, reported={"steps": score}, now=START)
    assert board_page(competition, offset=0, limit=1).entries[0]["score"] == 30
    Board.objects.filter(competition=competition).update(version=backup)
    Standing.objects.filter(competition=competition).update(version=backup, score=0, steps=0)
    redis_client().delete(*redis_client().keys("*cache*"))
    assert board_page(competition, offset=0, limit=1).entries[0]["score"] == 0
    assert check_board(competition).difference == ""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_redis_emptied_in_the_middle_of_a_rebuild_never_shows_half_a_board(
    make_competition: Any, join: Any, make_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_CHUNK", 5)
    people = [make_person(f"P{number}") for number in range(60)]
    competition = make_competition(score_source="reported")
    join(competition, *people)
    reading = threading.Event()

    def empty() -> None:
        while not reading.is_set():
            redis_client().flushdb()

    def read() -> None:
        try:
            for _ in range(60):
                mirror.rebuild_mirror(competition.id)
                assert board_page(competition, offset=0, limit=100).total == 60
                assert entry_of(competition, people[-1].id)["score"] == 0
        finally:
            reading.set()

    run_together([empty, read])
    assert check_board(competition).difference == ""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_renaming_people_and_changing_rules_at_once_keeps_the_scores_of_the_rules(
    person: User, make_competition: Any, join: Any
) -> None:
    competition = make_competition(starts=1, ends=2, score_source="either")
    join(competition, person)
    totals = Totals(steps=5000, distance_mm=900_000)
    Standing.objects.filter(competition=competition).update(
        synced_steps=totals.steps, synced_distance_mm=totals.distance_mm, steps=5000, distance_mm=900_000, score=5000
    )

    def rename() -> None:
        for number in range(40):
            change_profile(user_id=person.id, changes={"name": f"Ada {number}"})

    def change_rules() -> None:
        for metric in ["distance", "steps"] * 20:
            now = datetime.now(UTC)
            with transaction.atomic():
                locked = Competition.objects.select_for_update().get(id=competition.id)
                locked.metric = metric
                locked.save()
                rescore_competition(competition=locked, now=now)
            expected = {"distance": 900, "steps": 5000}[metric]
            assert Standing.objects.get(competition=competition).score == expected

    run_together([rename, change_rules])


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_versions_grow_by_one_for_every_change(make_competition: Any, join: Any, make_person: Any) -> None:
    people = [make_person(f"P{number}") for number in range(4)]
    competition = make_competition(score_source="reported")
    join(competition, *people)
    before = board_page(competition, offset=0, limit=1).version

    def report_for(person: User) -> None:
        for steps in range(1, 11):
            reported = {"steps": steps}
            report_totals(competition=competition, user_id=person.id, reported=reported, now=datetime.now(UTC))

    run_together([partial(report_for, person) for person in people])
    assert board_page(competition, offset=0, limit=1).version == before + 40


def run_together(jobs: Sequence[Callable[[], object]]) -> None:
    """In threads of their own; what goes wrong in one is raised here, what it answers is not asked for."""
    errors: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors, errors
