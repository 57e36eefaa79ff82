"""Many who want to pay, leave and are confirmed at once: places, counts and money stay right."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime, timedelta
from threading import Barrier
from time import sleep
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from competitions.models import Competition, Participant, Seat
from competitions.services.enrolment import CompetitionFull, leave_competition
from competitions.services.lifecycle import cancel_competition
from competitions.services.seats import release_seat, reserve_seat, take_seat
from config.core.errors import Conflict
from leaderboards.models import Standing
from tests.competitions.test_join import crowd
from tests.competitions.till import Till, counts

pytestmark = [pytest.mark.usefixtures("till"), pytest.mark.slow]  # hundreds of threads


def reserve(competition: Competition, user: User, now: datetime) -> Seat:
    return reserve_seat(competition=competition, user_id=user.id, join_code=None, now=now)


@pytest.mark.django_db(transaction=True)
def test_of_two_hundred_who_want_five_paid_places_five_get_a_seat(make_competition: Any, now: datetime) -> None:
    competition, people, start = make_competition(max_participants=5, entry_fee_minor=500), crowd(200), Barrier(16)

    def reserve_some(own: list[User]) -> int:
        seats = 0
        start.wait()
        with closing(connection):
            for one in own:
                with suppress(CompetitionFull):
                    reserve(competition, one, now)
                    seats += 1
        return seats

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(reserve_some, [people[n::16] for n in range(16)])) == 5
    assert counts(competition) == (0, 5)
    for seat in Seat.objects.all():
        assert take_seat(seat_id=seat.id, now=now)
    assert counts(competition) == (5, 0)


@pytest.mark.django_db(transaction=True)
def test_sixteen_requests_of_one_person_get_one_seat(make_competition: Any, other: User, now: datetime) -> None:
    competition, start = make_competition(entry_fee_minor=500), Barrier(16)

    def ask(_: int) -> UUID:
        start.wait()
        with closing(connection):
            return reserve(competition, other, now).id

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1
    assert counts(competition) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_a_seat_confirmed_sixteen_times_at_once_is_one_participation(
    make_competition: Any, other: User, now: datetime
) -> None:
    competition, start = make_competition(entry_fee_minor=500), Barrier(16)
    seat = reserve(competition, other, now)

    def confirm(number: int) -> Any:
        start.wait()
        with closing(connection):
            participant = take_seat(seat_id=seat.id, now=now + timedelta(seconds=number))
            return participant and (participant.id, participant.joined_at)

    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(confirm, range(16)))
    [participant] = Participant.objects.all()
    assert answers == {(participant.id, participant.joined_at)}
    assert counts(competition) == (1, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(3))
def test_everything_at_once_loses_neither_a_place_nor_money(
    make_competition: Any, person: User, till: type[Till], now: datetime, round_: int
) -> None:
    """In the end it is cancelled in the middle of it all, and nobody's money is kept."""
    competition = make_competition(starts=2, ends=9, max_participants=3, entry_fee_minor=500)
    people, start = crowd(7), Barrier(8)

    def act(number: int) -> None:
        chance, one = random.Random(f"{round_} {number}"), people[number]
        start.wait()
        with closing(connection):
            for _ in range(25):
                with suppress(Conflict):
                    play(chance.choice(MOVES), competition, one, now + timedelta(minutes=chance.randrange(90)))

    with ThreadPoolExecutor(7) as pool:
        walkers = [pool.submit(act, number) for number in range(7)]
        start.wait()
        while Seat.objects.filter(taken_at__isnull=False).count() < 5 and not all(job.done() for job in walkers):
            sleep(0.005)
        cancel_competition(competition_id=competition.id, by=person, now=now)
        for job in walkers:
            job.result(timeout=60)
    assert counts(competition)[1] == 0
    once_paid = Seat.objects.filter(taken_at__isnull=False).values_list("id", flat=True)
    assert Counter(seat_id for seat_id, _ in till.given_back) == Counter(once_paid)


# --- Random histories -------------------------------------------------------------------------------------------------

MOVES = ["reserve", "reserve", "pay", "pay", "pay late", "release", "leave"]
histories = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 3), st.integers(0, 60)), max_size=25)


def play(move: str, competition: Competition, one: User, now: datetime) -> None:
    mine = Seat.objects.filter(competition=competition, user=one)
    match move:
        case "reserve":
            reserve(competition, one, now)
        case "pay":
            for seat in mine.filter(state="reserved"):
                take_seat(seat_id=seat.id, now=now)
        case "pay late":
            for seat in mine.filter(state="released")[:1]:
                take_seat(seat_id=seat.id, now=now)
        case "release":
            for seat in mine.filter(state="reserved"):
                release_seat(seat_id=seat.id, now=now)
        case "leave":
            leave_competition(competition=competition, user_id=one.id, now=now)


@pytest.mark.django_db
@given(history=histories, starts=st.sampled_from([-2, 2]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_any_history_places_board_and_money_agree(
    make_competition: Any, till: type[Till], now: datetime, history: list[tuple[str, int, int]], starts: int
) -> None:
    with transaction.atomic():
        till.empty()
        competition = make_competition(starts=starts, ends=9, max_participants=2, entry_fee_minor=500)
        people = crowd(4)
        for move, number, minutes in history:
            now += timedelta(minutes=minutes)
            with suppress(Conflict):
                play(move, competition, people[number], now)
            counts(competition)
        check_money(competition, till)
        transaction.set_rollback(True)


def check_money(competition: Competition, till: type[Till]) -> None:
    """Who takes part has paid, once; what was paid is held or was given back, once; the board has who takes part."""
    taken = Seat.objects.filter(competition=competition, state="taken")
    gone = Seat.objects.filter(competition=competition, state="released", taken_at__isnull=False)
    here = set(Participant.objects.filter(competition=competition, left_at=None).values_list("user_id", flat=True))
    assert here <= set(taken.values_list("user_id", flat=True))
    assert Counter(seat_id for seat_id, _ in till.given_back) == Counter(gone.values_list("id", flat=True))
    shown = Standing.objects.filter(competition=competition, on_board=True)
    assert set(shown.values_list("user_id", flat=True)) == here
