"""Fees go back: leaving, cancelling; and what stays as it is once somebody pays."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition, Participant, Seat
from competitions.services.enrolment import enrol_people
from competitions.services.lifecycle import cancel_competition
from competitions.services.seats import SEAT_HOLD, release_seat, reserve_seat, take_seat
from tests.competitions.till import Till, counts

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("till")]

SignIn = Callable[[User], APIClient]


def url(competition: Competition, *action: str) -> str:
    return "/".join(["/api/v1/competitions", str(competition.id), *action])


def reserve(competition: Competition, user: User, now: datetime) -> Seat:
    return reserve_seat(competition=competition, user_id=user.id, join_code=competition.join_code, now=now)


def pay(competition: Competition, user: User, now: datetime) -> Seat:
    seat = reserve(competition, user, now)
    assert take_seat(seat_id=seat.id, now=now)
    seat.refresh_from_db()
    return seat


@pytest.fixture
def ben(other: User, signed_in: SignIn) -> APIClient:
    return signed_in(other)


@pytest.fixture
def upcoming(make_competition: Any) -> Competition:
    made: Competition = make_competition(starts=2, ends=9, entry_fee_minor=1050, max_participants=3)
    return made


@pytest.fixture
def running(make_competition: Any) -> Competition:
    made: Competition = make_competition(entry_fee_minor=1050)
    return made


# --- Leaving ----------------------------------------------------------------------------------------------------------


def test_leaving_before_the_start_gives_the_money_back(
    ben: APIClient, other: User, upcoming: Competition, till: type[Till], now: datetime
) -> None:
    seat = pay(upcoming, other, now)
    assert ben.post(url(upcoming, "leave")).status_code == 200
    seat.refresh_from_db()
    assert (seat.state, seat.taken_at) == ("released", now)
    assert till.given_back == [(seat.id, "Left before the start.")]
    assert counts(upcoming) == (0, 0)
    assert ben.post(url(upcoming, "leave")).status_code == 409
    assert len(till.given_back) == 1


def test_money_that_went_back_buys_nothing_when_it_is_confirmed_again(
    ben: APIClient, other: User, upcoming: Competition, now: datetime
) -> None:
    seat = pay(upcoming, other, now)
    ben.post(url(upcoming, "leave"))
    again = reserve(upcoming, other, now)
    assert take_seat(seat_id=seat.id, now=now) is None
    assert counts(upcoming) == (0, 1)
    assert take_seat(seat_id=again.id, now=now) is not None
    assert counts(upcoming) == (1, 0)


def test_leaving_after_the_start_keeps_the_fee_and_coming_back_costs_nothing(
    ben: APIClient, other: User, running: Competition, till: type[Till], now: datetime
) -> None:
    seat = pay(running, other, now)
    assert ben.post(url(running, "leave")).status_code == 200
    seat.refresh_from_db()
    assert (seat.state, till.given_back, counts(running)) == ("taken", [], (0, 0))
    assert ben.post(url(running, "join")).status_code == 200
    assert (till.opened, counts(running)) == ([], (1, 0))


def test_who_left_and_comes_back_needs_a_place_too(
    ben: APIClient, person: User, other: User, make_competition: Any, now: datetime
) -> None:
    small = make_competition(entry_fee_minor=500, max_participants=1)
    pay(small, other, now)
    ben.post(url(small, "leave"))
    reserve(small, person, now)
    assert ben.post(url(small, "join")).status_code == 409
    assert counts(small) == (0, 1)


@pytest.mark.parametrize("visibility", ["open", "private"])
def test_who_is_only_paying_gives_up_the_seat(
    ben: APIClient, other: User, make_competition: Any, till: type[Till], now: datetime, visibility: str
) -> None:
    competition = make_competition(entry_fee_minor=500, visibility=visibility)
    seat = reserve(competition, other, now)
    assert ben.post(url(competition, "leave")).status_code == 200
    seat.refresh_from_db()
    assert (seat.state, till.given_back, counts(competition)) == ("released", [], (0, 0))
    assert ben.post(url(competition, "leave")).status_code == (409 if visibility == "open" else 404)


def test_imported_people_leave_without_money(
    ben: APIClient, other: User, upcoming: Competition, till: type[Till], now: datetime
) -> None:
    enrol_people(competition=upcoming, user_ids=[other.id], now=now)
    assert ben.post(url(upcoming, "leave")).status_code == 200
    assert (till.given_back, counts(upcoming)) == ([], (0, 0))


# --- Cancelling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("starts", [2, -2])
def test_cancelling_gives_every_fee_back_and_releases_what_is_held(
    me: APIClient, make_person: Any, make_competition: Any, till: type[Till], now: datetime, starts: int
) -> None:
    competition = make_competition(starts=starts, ends=9, entry_fee_minor=1050)
    paid = [pay(competition, make_person(f"P{number}"), now) for number in range(3)]
    held = [reserve(competition, make_person(f"R{number}"), now) for number in range(2)]
    for _ in range(2):
        assert me.post(url(competition, "cancel")).status_code == 200
    assert {seat_id for seat_id, _ in till.given_back} == {seat.id for seat in paid}
    assert [reason for _, reason in till.given_back] == ["The competition was cancelled."] * 3
    assert set(Seat.objects.values_list("state", flat=True)) == {"released"}
    assert counts(competition) == (3, 0)
    for seat in [*paid, *held]:
        assert take_seat(seat_id=seat.id, now=now) is None


def test_cancelling_gives_back_the_fee_of_who_left_a_running_one(
    me: APIClient, ben: APIClient, other: User, running: Competition, till: type[Till], now: datetime
) -> None:
    seat = pay(running, other, now)
    ben.post(url(running, "leave"))
    me.post(url(running, "cancel"))
    assert till.given_back == [(seat.id, "The competition was cancelled.")]


def test_a_refund_that_cannot_be_enqueued_leaves_everything_as_it_was(
    person: User, other: User, upcoming: Competition, till: type[Till], now: datetime, monkeypatch: Any
) -> None:
    seat = pay(upcoming, other, now)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError

    monkeypatch.setattr(till, "give_back", refuse)
    with pytest.raises(OSError):  # noqa: PT011 - it says nothing
        cancel_competition(competition_id=upcoming.id, by=person, now=now)
    seat.refresh_from_db()
    upcoming.refresh_from_db()
    assert (seat.state, upcoming.cancelled_at) == ("taken", None)


# --- Changing and deleting --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"entry_fee": 20}, {"entry_fee": 0}, {"currency": "EUR"}])
@pytest.mark.parametrize("paid", [True, False])
def test_fee_and_currency_stay_once_somebody_pays(
    me: APIClient, other: User, upcoming: Competition, now: datetime, change: dict[str, Any], paid: bool
) -> None:
    (pay if paid else reserve)(upcoming, other, now)
    answer = me.patch(url(upcoming), change)
    assert answer.status_code == 409
    assert "entry fee" in answer.json()["message"]
    assert me.patch(url(upcoming), {"name": "River walk", "prize_pool": 9, "entry_fee": 10.5}).status_code == 200


def test_a_free_one_with_participants_stays_free(me: APIClient, other: User, make_competition: Any, join: Any) -> None:
    free = make_competition(starts=2)
    join(free, other)
    assert me.patch(url(free), {"entry_fee": 5}).status_code == 409


def test_the_fee_may_change_again_when_everybody_is_gone(
    me: APIClient, other: User, upcoming: Competition, now: datetime
) -> None:
    release_seat(seat_id=reserve(upcoming, other, now).id, now=now)
    assert me.patch(url(upcoming), {"entry_fee": 20}).status_code == 200
    assert reserve(upcoming, other, now).fee_minor == 2000


def test_there_are_never_fewer_places_than_are_taken_and_held(
    me: APIClient, person: User, other: User, upcoming: Competition, now: datetime
) -> None:
    pay(upcoming, person, now)
    reserve(upcoming, other, now)
    answer = me.patch(url(upcoming), {"max_participants": 1})
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {"max_participants"}
    assert me.patch(url(upcoming), {"max_participants": 2}).status_code == 200


@pytest.mark.parametrize("state", ["held", "released", "given back"])
def test_what_a_seat_was_ever_reserved_in_is_not_deleted(
    me: APIClient, ben: APIClient, other: User, upcoming: Competition, now: datetime, state: str
) -> None:
    """Even the money for a released seat may still come, and needs the seat to be sent back."""
    seat = reserve(upcoming, other, now)
    if state == "released":
        release_seat(seat_id=seat.id, now=now + SEAT_HOLD)
    if state == "given back":
        take_seat(seat_id=seat.id, now=now)
        ben.post(url(upcoming, "leave"))
    answer = me.delete(url(upcoming))
    assert answer.status_code == 409
    assert "cancel" in answer.json()["message"]
    assert me.post(url(upcoming, "cancel")).status_code == 200


def test_moving_the_start_decides_about_the_money(
    me: APIClient, ben: APIClient, other: User, upcoming: Competition, till: type[Till], now: datetime
) -> None:
    """Leaving looks at the dates as they are, not as they were when the request came in."""
    pay(upcoming, other, now)
    Competition.objects.filter(id=upcoming.id).update(start_at=now - timedelta(days=1))
    assert ben.post(url(upcoming, "leave")).status_code == 200
    assert (till.given_back, Participant.objects.get().left_at is not None) == ([], True)
