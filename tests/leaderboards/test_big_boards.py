"""Boards too big to be read, written or waited for in one go; with the bounds turned down, or a few thousand rows."""

import json
import threading
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from competitions.models import Competition
from config.core.json import dump_json
from config.core.redis import redis_client
from leaderboards import mirror, queries
from leaderboards.models import Board, Standing
from leaderboards.queries import board_around, board_page, entry_of
from leaderboards.rebuilding import rebuild_board
from leaderboards.rows import Row, all_changes_since, row_of, stored_page, stored_page_around
from leaderboards.services import close_standing, report_totals
from leaderboards.verification import check_board

START = datetime(2026, 1, 1, tzinfo=UTC)

Place = tuple[UUID, int, int]
places = st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 1), st.booleans())


@pytest.fixture
def make_board(make_competition: Any, make_person: Any) -> Callable[..., Competition]:
    """A board where so many people stand at 0, written at once."""

    def make(size: int, **fields: Any) -> Competition:
        competition: Competition = make_competition(score_source="reported", **fields)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_user (id, password, is_superuser, identity_provider, email, name, bio, avatar,"
                "  country, timezone, is_active, is_staff, joined_at, updated_at)"
                " SELECT gen_random_uuid(), '!', false, 'local', number || %s, 'P' || number, '', '',"
                "  '', '', true, false, now(), now() FROM generate_series(1, %s) AS number",
                [f"@{competition.id}.example.org", size],
            )
            cursor.execute(
                "INSERT INTO competitions_participant (competition_id, user_id, joined_at)"
                " SELECT %s, id, %s FROM accounts_user WHERE email LIKE %s",
                [competition.id, START, f"%@{competition.id}.example.org"],
            )
        people = User.objects.filter(email__endswith=f"@{competition.id}.example.org").values_list("id", flat=True)
        Standing.objects.bulk_create(
            [
                Standing(
                    competition=competition,
                    user_id=user_id,
                    reached_at=START,
                    joined_at=START,
                    version=0,
                    updated_at=START,
                )
                for user_id in people
            ]
        )
        Competition.objects.filter(id=competition.id).update(participant_count=size)
        with (
            connection.cursor() as cursor
        ):  # or the planner, who saw an empty table, joins three thousand rows by loops
            cursor.execute("ANALYZE accounts_user, leaderboards_standing")
        competition.refresh_from_db()
        return competition

    return make


@pytest.fixture
def in_steps_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_CHUNK", 2)
    monkeypatch.setattr(mirror, "_MOST_CHANGES", 2)


def people_on(competition: Competition) -> list[UUID]:
    return list(Standing.objects.filter(competition=competition).order_by("user_id").values_list("user_id", flat=True))


def report(competition: Competition, user_id: UUID, steps: int) -> None:
    report_totals(competition=competition, user_id=user_id, reported={"steps": steps}, now=datetime.now(UTC))


def in_another_connection(job: Callable[[], None]) -> None:
    """As another process would, while this one is in the middle of something. What goes wrong is raised here."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert not errors, errors


def before_row(number: int, job: Callable[[], None]) -> Callable[[Iterable[Row]], Iterator[Row]]:
    def passing(rows: Iterable[Row]) -> Iterator[Row]:
        for index, row in enumerate(rows, start=1):
            if index == number:
                job()
            yield row

    return passing


def copied_version(competition: Competition) -> int | None:
    page = mirror.read_page(competition.id, offset=0, limit=1)
    return page.version if page else None


def keys_of(competition: Competition) -> set[bytes]:
    return set(redis_client().keys(f"board:{{{competition.id}}}:*"))


def numbered_by_sql(competition: Competition) -> list[Place]:
    numbering = {
        "shared": "rank() OVER (ORDER BY score DESC)",
        "first_to_reach": "row_number() OVER (ORDER BY score DESC, reached_at, joined_at, user_id)",
    }[competition.tie_rule]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT user_id, score, {numbering} FROM leaderboards_standing WHERE competition_id = %s AND on_board"  # noqa: S608 - a word of the two above
            " ORDER BY score DESC, reached_at, joined_at, user_id",
            [competition.id],
        )
        return list(cursor.fetchall())


@pytest.mark.django_db
@pytest.mark.parametrize("tie_rule", ["first_to_reach", "shared"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(board=st.lists(places, max_size=9), offset=st.integers(0, 10), limit=st.integers(1, 10))
@pytest.mark.slow
def test_pages_out_of_postgresql_and_out_of_redis_are_what_window_functions_say(
    tie_rule: str, board: list[tuple[int, int, int, bool]], offset: int, limit: int, make_board: Any, monkeypatch: Any
) -> None:
    competition = make_board(len(board), tie_rule=tie_rule)
    for user_id, (score, reached, joined, on_board) in zip(people_on(competition), board, strict=True):
        Standing.objects.filter(competition=competition, user_id=user_id).update(
            score=score,
            reached_at=START + timedelta(microseconds=reached),
            joined_at=START + timedelta(microseconds=joined),
            on_board=on_board,
        )
    expected = numbered_by_sql(competition)
    mirror.rebuild_mirror(competition.id)
    copied = mirror.read_page(competition.id, offset=offset, limit=limit)
    assert copied is not None
    for page in (
        queries._from_mirror(competition, copied),
        queries._from_postgresql(competition, stored_page(competition.id, offset=offset, limit=limit)),
    ):
        shown = [(UUID(entry["user_id"]), entry["score"], entry["rank"]) for entry in page.entries]
        assert shown == expected[offset : offset + limit]
        assert (page.total, page.offset) == (len(expected), offset)
    for user_id in people_on(competition):
        stored = stored_page_around(competition.id, user_id, limit=limit)
        around = mirror.read_around(competition.id, user_id, limit=limit)
        assert around is not None
        if stored is None:
            assert around.offset == -1
            assert user_id not in [place[0] for place in expected]
        else:
            from_redis, from_sql = (
                queries._from_mirror(competition, around),
                queries._from_postgresql(competition, stored),
            )
            assert from_redis == from_sql
            assert str(user_id) in [entry["user_id"] for entry in from_sql.entries]
            assert len(from_sql.entries) == min(limit, len(expected))


@pytest.mark.django_db
def test_a_row_says_what_its_standing_says(make_competition: Any, make_person: Any, join: Any) -> None:
    person = make_person("Zoë <3", avatar="0123456789abcdef" * 2)
    competition = make_competition()
    join(competition, person)
    Standing.objects.filter(competition=competition).update(
        score=7, steps=12, distance_mm=8500, energy_cal=430_250, active_seconds=90,
        last_synced_at=START, updated_at=START + timedelta(microseconds=120),
    )  # fmt: skip
    with all_changes_since(competition.id, -1) as changes:
        assert changes is not None
        [row] = changes[1]
    assert dump_json(row_of(competition.id, row)).decode() == (
        f'{{"user_id":"{person.id}","user_name":"Zoë <3","avatar":"0123456789abcdef0123456789abcdef",'
        f'"competition_id":"{competition.id}","score":7,"steps":12,"distance":8.5,"calories":430.25,'
        '"active_minutes":1.5,"last_synced_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00.000120Z"}'
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("in_steps_of_two")
def test_a_rebuild_takes_in_what_is_written_meanwhile(make_board: Any) -> None:
    competition = make_board(9)
    people = people_on(competition)
    mirror.rebuild_mirror(competition.id)

    def write() -> None:
        for place, user_id in enumerate(people[:7]):  # more than a copy in place would be caught up with
            report(competition, user_id, 10 + place)
        close_standing(competition=competition, user_id=people[8], left_at=datetime.now(UTC))

    passing = before_row(5, lambda: in_another_connection(write))
    assert mirror.rebuild_mirror(competition.id, passing=passing)
    assert copied_version(competition) == Board.objects.get(competition=competition).version
    check = check_board(competition)
    assert (check.copied, check.difference, check.participants) == (True, "", 8)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("in_steps_of_two")
def test_the_old_copy_answers_until_the_new_one_is_in_place(make_board: Any) -> None:
    competition = make_board(9)
    people = people_on(competition)
    mirror.rebuild_mirror(competition.id)
    seen = []

    def write_and_read() -> None:
        report(competition, people[3], 5)
        page = mirror.read_page(competition.id, offset=0, limit=1)
        seen.append((page.total, json.loads(page.rows[0])["score"]) if page else None)

    assert mirror.rebuild_mirror(competition.id, passing=before_row(7, lambda: in_another_connection(write_and_read)))
    assert seen == [(9, 5)]


@pytest.mark.django_db
@pytest.mark.usefixtures("in_steps_of_two")
def test_the_lock_and_the_unfinished_keys_live_as_long_as_rows_keep_coming(make_board: Any) -> None:
    competition = make_board(9)
    left_ms: list[dict[bytes, int]] = []

    def look() -> None:
        left_ms.append({key: redis_client().pttl(key) for key in keys_of(competition)})

    def almost_expire() -> None:
        for key in keys_of(competition):
            redis_client().pexpire(key, 5_000)
        look()

    def passing(rows: Iterable[Row]) -> Iterator[Row]:
        return before_row(7, look)(before_row(5, almost_expire)(rows))

    assert mirror.rebuild_mirror(competition.id, passing=passing)
    before, after = left_ms
    assert len(before) == 3
    assert all(0 < left <= 5_000 for left in before.values())
    assert after.keys() == before.keys()
    assert all(left > 5_000 for left in after.values())
    assert all(redis_client().pttl(key) == -1 for key in keys_of(competition))


@pytest.mark.django_db
@pytest.mark.usefixtures("in_steps_of_two")
def test_whoever_lost_the_lock_leaves_everything_to_its_new_holder(make_board: Any) -> None:
    competition = make_board(9)
    mirror.rebuild_mirror(competition.id)
    before, lock = keys_of(competition), f"board:{{{competition.id}}}:lock"
    lose = before_row(5, lambda: redis_client().set(lock, "somebody else's"))
    assert not mirror.rebuild_mirror(competition.id, passing=lose)
    assert redis_client().get(lock) == b"somebody else's"
    assert keys_of(competition) == before | {lock.encode()}
    assert check_board(competition).difference == ""


@pytest.mark.django_db
@pytest.mark.usefixtures("in_steps_of_two")
def test_a_redis_emptied_meanwhile_gets_no_half_copy(make_board: Any) -> None:
    competition = make_board(9)
    assert not mirror.rebuild_mirror(competition.id, passing=before_row(5, redis_client().flushdb))
    assert keys_of(competition) == set()
    assert mirror.rebuild_mirror(competition.id)
    assert check_board(competition).difference == ""


@pytest.mark.django_db
def test_a_rebuild_of_a_board_that_is_gone_leaves_nothing_behind(make_board: Any) -> None:
    competition = make_board(1)
    Board.objects.filter(competition=competition).delete()
    assert not mirror.rebuild_mirror(competition.id)
    assert keys_of(competition) == set()


@pytest.mark.django_db
@pytest.mark.usefixtures("in_steps_of_two")
@pytest.mark.parametrize(("changed", "copied"), [(2, True), (3, False)])
def test_a_copy_too_far_behind_is_let_go_and_no_other_one(changed: int, copied: bool, make_board: Any) -> None:
    competition, other = make_board(5), make_board(5)
    for board in (competition, other):
        mirror.rebuild_mirror(board.id)
    for user_id in people_on(competition)[:changed]:
        report(competition, user_id, 10)
    report(other, people_on(other)[0], 10)
    mirror.catch_up([competition.id, other.id])
    assert (copied_version(competition) is not None) == copied
    assert copied_version(other) == Board.objects.get(competition=other).version
    assert [entry["score"] for entry in board_page(competition, offset=0, limit=9).entries].count(10) == changed


@pytest.mark.slow
@pytest.mark.django_db
def test_a_thousand_and_more_changes_are_one_step(make_board: Any) -> None:
    """Lua passes only so many arguments on at once."""
    competition = make_board(2_500)
    mirror.rebuild_mirror(competition.id)
    standings = Standing.objects.filter(competition=competition)
    version = Board.objects.get(competition=competition).version + 1
    Board.objects.filter(competition=competition).update(version=version)
    standings.update(version=version, score=3, reached_at=START + timedelta(days=1))
    standings.filter(user__name__endswith="7").update(on_board=False)
    mirror.catch_up([competition.id])
    assert copied_version(competition) == version
    check = check_board(competition)
    assert (check.copied, check.difference, check.participants) == (True, "", 2_250)


@pytest.mark.django_db
def test_a_version_that_moved_no_row_moves_the_copy_too(make_board: Any) -> None:
    """Somebody who has left the board takes a new name: the copy must not count as old for ever."""
    competition = make_board(3)
    mirror.rebuild_mirror(competition.id)
    Board.objects.filter(competition=competition).update(version=41)
    mirror.catch_up([competition.id])
    assert copied_version(competition) == 41


@pytest.mark.django_db
def test_boards_catch_up_in_one_statement(make_board: Any, django_assert_num_queries: Any) -> None:
    boards = [make_board(3) for _ in range(3)]
    for board in boards:
        mirror.rebuild_mirror(board.id)
        report(board, people_on(board)[0], 10)
    with django_assert_num_queries(1):
        mirror.catch_up([board.id for board in boards])
    assert [copied_version(board) for board in boards] == [1, 1, 1]


@pytest.mark.django_db
def test_a_big_board_without_a_copy_is_read_from_postgresql_while_a_worker_copies_it(
    make_board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_COPIED_AT_ONCE", 4)
    small, big = make_board(4), make_board(5)
    someone = people_on(big)[2]
    report(big, someone, 10)
    for _ in range(3):
        assert board_page(small, offset=0, limit=9).total == 4
        assert board_around(big, someone, limit=3).total == 5
        assert entry_of(big, someone)["rank"] == 1
    redis_client().delete(f"board:{{{big.id}}}:asked")  # as a minute later
    assert entry_of(big, someone)["rank"] == 1
    assert copied_version(small) is not None
    assert copied_version(big) is None
    [job] = ProcrastinateJob.objects.filter(task_name="leaderboards.rebuilding.rebuild_board")
    rebuild_board(**job.args)
    assert copied_version(big) == Board.objects.get(competition=big).version
    assert entry_of(big, someone)["rank"] == 1


@pytest.mark.django_db
def test_a_worker_leaves_a_copy_that_is_there(make_board: Any) -> None:
    competition = make_board(3)
    mirror.rebuild_mirror(competition.id)
    redis_client().hset(f"board:{{{competition.id}}}:rows", "updated_at", "as it was")
    rebuild_board(competition_id=str(competition.id))
    page = mirror.read_page(competition.id, offset=0, limit=1)
    assert page is not None
    assert page.updated_at == "as it was"


@pytest.mark.slow
@pytest.mark.django_db
def test_a_rebuild_needs_no_more_memory_for_more_rows(make_board: Any) -> None:
    def most_bytes(size: int) -> int:
        competition = make_board(size)
        tracemalloc.start()
        try:
            assert mirror.rebuild_mirror(competition.id)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert most_bytes(20_000) < 1.5 * most_bytes(4_000)


@pytest.mark.django_db
def test_the_command_rebuilds_a_damaged_copy_that_the_check_has_found(
    make_board: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    competition = make_board(3)
    mirror.rebuild_mirror(competition.id)
    last = people_on(competition)[-1]
    rows, ranks = f"board:{{{competition.id}}}:rows", f"board:{{{competition.id}}}:ranks"
    redis_client().zrem(ranks, redis_client().hget(rows, last.bytes)[:32])
    redis_client().hdel(rows, last.bytes)
    assert check_board(competition).difference.endswith("Redis has nobody")
    call_command("rebuild_leaderboards", str(competition.id), json=True)
    [told] = json.loads(capsys.readouterr().out)
    assert told == {"competition": str(competition.id), "participants": 3, "state": "rebuilt"}
    assert check_board(competition).difference == ""
