"""Competitions that start and end by themselves, and the record of it."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from competitions.models import Competition, StatusMove
from competitions.services.lifecycle import move_statuses
from competitions.tasks import move_competition_statuses

pytestmark = pytest.mark.django_db


def moves(competition: Competition) -> list[tuple[str, str]]:
    return [(move.from_status, move.to_status) for move in competition.status_moves.all()]


def stored(competition: Competition) -> str:
    competition.refresh_from_db()
    return competition.status


def test_every_move_is_recorded_with_its_moment(make_competition: Any) -> None:
    competition = make_competition(starts=1, ends=2)
    for moment in (competition.start_at, competition.end_at, competition.closes_at):
        assert move_statuses(now=moment - timedelta(microseconds=1)) == 0
        assert move_statuses(now=moment) == 1
    assert moves(competition) == [
        ("", "upcoming"),
        ("upcoming", "active"),
        ("active", "ended"),
        ("ended", "completed"),
    ]
    by_the_clock = list(competition.status_moves.all())[1:]
    assert [move.moved_by for move in by_the_clock] == [None] * 3
    assert [move.moved_at for move in by_the_clock] == [
        competition.start_at,
        competition.end_at,
        competition.closes_at,
    ]


def test_a_second_run_changes_nothing(make_competition: Any) -> None:
    competition = make_competition(starts=1, ends=2)
    assert [move_statuses(now=competition.end_at) for _ in range(3)] == [1, 0, 0]
    assert stored(competition) == "ended"


def test_a_server_that_slept_over_it_records_one_move(make_competition: Any) -> None:
    competition = make_competition(starts=1, ends=2)
    move_statuses(now=competition.closes_at)
    assert moves(competition) == [("", "upcoming"), ("upcoming", "completed")]


def test_drafts_cancelled_and_completed_ones_stay(make_competition: Any, now: datetime) -> None:
    make_competition(published=False, starts=1, ends=2)
    cancelled = make_competition(starts=1, ends=2)
    Competition.objects.filter(id=cancelled.id).update(cancelled_at=now, status="cancelled")
    done = make_competition(starts=1, ends=2)
    move_statuses(now=done.closes_at)
    before = StatusMove.objects.count()
    assert move_statuses(now=now + timedelta(days=900)) == 0
    assert StatusMove.objects.count() == before


def test_the_periodic_job_does_the_same(make_competition: Any, now: datetime) -> None:
    competition = make_competition()
    Competition.objects.filter(id=competition.id).update(status="upcoming")
    move_competition_statuses(timestamp=0)
    assert stored(competition) == "active"


@pytest.mark.django_db(transaction=True)
def test_eight_processes_at_once_move_each_competition_once(make_competition: Any) -> None:
    made = [make_competition(starts=1, ends=2) for _ in range(5)]
    moment, start = made[0].start_at, Barrier(8)

    def run(_: int) -> int:
        start.wait()
        with closing(connection):
            return move_statuses(now=moment)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(run, range(8))) == 5
    for competition in made:
        assert moves(competition) == [("", "upcoming"), ("upcoming", "active")]


def test_a_competition_made_about_the_past_needs_no_move(make_competition: Any) -> None:
    competition = make_competition(starts=-30, ends=-20)
    assert competition.status == "ended"
    assert move_statuses(now=datetime.now(UTC)) == 0
