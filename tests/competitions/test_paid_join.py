"""POST /api/v1/competitions/{id}/join where taking part costs something, and what the money does when it comes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from rest_framework.test import APIClient

from accounts.models import User
from competitions import queries
from competitions.models import Competition, Participant, Seat
from competitions.services.enrolment import EntryFeeChanged, enrol_people, join_competition
from competitions.services.lifecycle import cancel_competition
from competitions.services.seats import SEAT_HOLD, release_seat, reserve_seat, take_seat
from config.core.errors import Conflict, NotFound, Unavailable
from tests.competitions.till import Till, counts
from tests.conftest import open_panel

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("till")]

SignIn = Callable[[User], APIClient]
LATER = SEAT_HOLD + timedelta(seconds=1)


def url(competition: Competition, action: str = "join") -> str:
    return f"/api/v1/competitions/{competition.id}/{action}"


def reserve(competition: Competition, user: User, now: datetime) -> Seat:
    return reserve_seat(competition=competition, user_id=user.id, join_code=competition.join_code, now=now)


@pytest.fixture
def ben(other: User, signed_in: SignIn) -> APIClient:
    return signed_in(other)


@pytest.fixture
def paid(make_competition: Any) -> Competition:
    made: Competition = make_competition(starts=2, ends=9, entry_fee_minor=1050, currency="EUR", max_participants=1)
    return made


# --- Joining ----------------------------------------------------------------------------------------------------------


def test_joining_holds_a_seat_and_says_where_to_pay(ben: APIClient, other: User, paid: Competition) -> None:
    answer = ben.post(url(paid))
    seat = Seat.objects.get(competition=paid, user=other)
    assert answer.status_code == 202
    assert answer.json()["message"] == "Pay the entry fee to take part."
    data = answer.json()["data"]
    assert data.keys() == {"seat_id", "status", "checkout_url", "expires_at", "amount", "currency"}
    assert (data["seat_id"], data["status"]) == (str(seat.id), "reserved")
    assert (data["checkout_url"], data["currency"]) == (f"https://pay.example/{seat.id}", "EUR")
    assert b'"amount":10.50' in answer.content
    assert datetime.fromisoformat(data["expires_at"]) == seat.expires_at == seat.reserved_at + SEAT_HOLD
    assert counts(paid) == (0, 1)
    assert ben.get(f"/api/v1/leaderboard/{paid.id}").json()["data"]["entries"] == []


def test_a_free_one_is_joined_at_once(ben: APIClient, till: type[Till], make_competition: Any) -> None:
    assert ben.post(url(make_competition())).status_code == 200
    assert (till.opened, Seat.objects.count()) == ([], 0)


def test_without_a_gateway_a_treasurer_takes_the_money(ben: APIClient, till: type[Till], paid: Competition) -> None:
    till.by_hand = True
    answer = ben.post(url(paid)).json()
    assert answer["data"]["checkout_url"] is None
    assert "treasurer" in answer["message"]


def test_asking_again_gives_the_same_seat_for_no_longer(ben: APIClient, till: type[Till], paid: Competition) -> None:
    first, second = ben.post(url(paid)).json(), ben.post(url(paid)).json()
    assert first == second
    assert till.opened == [Seat.objects.get().id] * 2
    assert counts(paid) == (0, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("refusal", "status"), [(Unavailable(), 503), (Conflict(), 409)])
def test_the_seat_is_there_before_the_gateway_is_asked_and_when_it_fails(
    ben: APIClient, till: type[Till], paid: Competition, refusal: Any, status: int
) -> None:
    till.refusal = refusal
    assert ben.post(url(paid)).status_code == status
    till.refusal = None
    assert ben.post(url(paid)).status_code == 202
    assert till.inside_a_transaction == [False, False]
    assert len(set(till.opened)) == 1
    assert counts(paid) == (0, 1)


def test_an_expired_seat_makes_way_for_a_new_one(other: User, paid: Competition, now: datetime) -> None:
    first = reserve(paid, other, now)
    assert reserve(paid, other, now + SEAT_HOLD - timedelta(seconds=1)).id == first.id
    second = reserve(paid, other, now + SEAT_HOLD)
    first.refresh_from_db()
    assert (first.state, first.released_at) == ("released", now + SEAT_HOLD)
    assert (second.state, second.expires_at) == ("reserved", now + 2 * SEAT_HOLD)
    assert counts(paid) == (0, 1)


def test_a_held_seat_is_nobody_elses(me: APIClient, ben: APIClient, paid: Competition) -> None:
    assert ben.post(url(paid)).status_code == 202
    answer = me.post(url(paid))
    assert answer.status_code == 409
    assert "taken" in answer.json()["message"]
    assert ben.post(url(paid, "leave")).status_code == 200
    assert me.post(url(paid)).status_code == 202


def test_once_it_is_paid_joining_again_is_a_conflict(ben: APIClient, paid: Competition, now: datetime) -> None:
    seat = queries.seat(ben.post(url(paid)).json()["data"]["seat_id"])
    assert take_seat(seat_id=seat.id, now=now) is not None
    answer = ben.post(url(paid))
    assert answer.status_code == 409
    assert "already" in answer.json()["message"]


def test_a_private_one_asks_for_its_code_and_once_is_enough(ben: APIClient, make_competition: Any) -> None:
    private = make_competition(starts=2, visibility="private", entry_fee_minor=500)
    for body in ({}, {"join_code": "WRONG"}):
        assert ben.post(url(private), body).status_code == 404
        assert ben.post(url(private, "leave")).status_code == 404
    assert counts(private) == (0, 0)
    assert ben.post(url(private), {"join_code": private.join_code.lower()}).status_code == 202
    assert ben.post(url(private)).status_code == 202
    assert counts(private) == (0, 1)


def test_whoever_pays_for_a_private_one_sees_it_until_the_seat_is_gone(
    ben: APIClient, other: User, make_person: Any, make_competition: Any, now: datetime
) -> None:
    private, outsider = make_competition(starts=2, visibility="private", entry_fee_minor=500), make_person("Eve")
    seat = reserve(private, other, now)
    assert ben.get(url(private, "participants")).status_code == 200
    assert queries.viewers_among(private.id, [other.id, outsider.id]) == {other.id}
    release_seat(seat_id=seat.id, now=now)
    assert ben.get(url(private, "participants")).status_code == 404
    assert queries.viewers_among(private.id, [other.id]) == set()


def test_drafts_and_what_is_over_hold_no_seats(me: APIClient, ben: APIClient, make_competition: Any) -> None:
    draft, over = make_competition(published=False, entry_fee_minor=5), make_competition(ends=-1, entry_fee_minor=5)
    assert [me.post(url(draft)).status_code, ben.post(url(draft)).status_code] == [409, 404]
    assert ben.post(url(over)).status_code == 409
    assert ben.post(f"/api/v1/competitions/{uuid4()}/join").status_code == 404
    assert Seat.objects.count() == 0


def test_nobody_gets_in_for_free_or_pays_for_nothing_while_the_fee_changes(
    other: User, make_competition: Any, now: datetime
) -> None:
    """Both callers looked at the competition before its owner changed the fee."""
    was_free, was_paid = make_competition(), make_competition(entry_fee_minor=500)
    Competition.objects.filter(id=was_free.id).update(entry_fee_minor=500)
    Competition.objects.filter(id=was_paid.id).update(entry_fee_minor=0)
    with pytest.raises(EntryFeeChanged):
        join_competition(competition=was_free, user_id=other.id, join_code=None, now=now)
    with pytest.raises(EntryFeeChanged):
        reserve(was_paid, other, now)
    assert join_competition(competition=was_paid, user_id=other.id, join_code=None, now=now)
    assert [counts(competition) for competition in (was_free, was_paid)] == [(0, 0), (1, 0)]


def test_a_competition_that_is_gone_is_not_found(other: User, paid: Competition, now: datetime) -> None:
    Competition.objects.filter(id=paid.id).delete()
    with pytest.raises(NotFound):
        reserve(paid, other, now)
    with pytest.raises(NotFound):
        release_seat(seat_id=uuid4(), now=now)
    with pytest.raises(NotFound):
        take_seat(seat_id=uuid4(), now=now)


def test_the_operators_import_takes_no_fee(other: User, paid: Competition, now: datetime, till: type[Till]) -> None:
    assert enrol_people(competition=paid, user_ids=[other.id], now=now) == 1
    assert (counts(paid), Seat.objects.count(), till.opened) == ((1, 0), 0, [])


# --- The money comes --------------------------------------------------------------------------------------------------


def test_the_paid_seat_becomes_a_participation(ben: APIClient, other: User, paid: Competition, now: datetime) -> None:
    seat = reserve(paid, other, now)
    participant = take_seat(seat_id=seat.id, now=now)
    assert participant is not None
    assert (participant.user_id, participant.joined_at, participant.left_at) == (other.id, now, None)
    seat.refresh_from_db()
    assert (seat.state, seat.taken_at, seat.released_at) == ("taken", now, None)
    assert counts(paid) == (1, 0)
    [entry] = ben.get(f"/api/v1/leaderboard/{paid.id}").json()["data"]["entries"]
    assert entry["user_id"] == str(other.id)


def test_confirmed_twice_it_is_one_participation(other: User, paid: Competition, now: datetime) -> None:
    seat = reserve(paid, other, now)
    first, second = (take_seat(seat_id=seat.id, now=now + timedelta(seconds=n)) for n in range(2))
    assert first == second
    assert Participant.objects.get().joined_at == now
    assert counts(paid) == (1, 0)


def test_confirmed_again_after_leaving_a_running_one_it_is_still_paid(
    ben: APIClient, other: User, make_competition: Any, now: datetime
) -> None:
    """None would have the caller send the money back."""
    running = make_competition(entry_fee_minor=500)
    seat = reserve(running, other, now)
    take_seat(seat_id=seat.id, now=now)
    assert ben.post(url(running, "leave")).status_code == 200
    participant = take_seat(seat_id=seat.id, now=now)
    assert participant is not None
    assert participant.left_at is not None
    assert counts(running) == (0, 0)


def test_money_that_comes_before_anybody_noticed_the_delay_is_in_time(
    other: User, paid: Competition, now: datetime
) -> None:
    seat = reserve(paid, other, now)
    assert take_seat(seat_id=seat.id, now=now + LATER) is not None
    assert counts(paid) == (1, 0)


def test_money_that_comes_late_buys_a_place_when_there_is_one(other: User, paid: Competition, now: datetime) -> None:
    seat = reserve(paid, other, now)
    assert release_seat(seat_id=seat.id, now=now + LATER)
    assert counts(paid) == (0, 0)
    assert take_seat(seat_id=seat.id, now=now + LATER) is not None
    seat.refresh_from_db()
    assert (seat.state, seat.released_at) == ("taken", None)
    assert counts(paid) == (1, 0)


def test_money_that_comes_late_buys_nothing_when_the_places_are_gone(
    person: User, other: User, paid: Competition, now: datetime
) -> None:
    seat = reserve(paid, other, now)
    release_seat(seat_id=seat.id, now=now + LATER)
    reserve(paid, person, now + LATER)
    assert take_seat(seat_id=seat.id, now=now + LATER) is None
    assert counts(paid) == (0, 1)


def test_money_for_an_older_seat_uses_the_place_held_since(other: User, paid: Competition, now: datetime) -> None:
    old, new = reserve(paid, other, now), reserve(paid, other, now + LATER)
    assert take_seat(seat_id=old.id, now=now + LATER) is not None
    assert counts(paid) == (1, 0)
    assert take_seat(seat_id=new.id, now=now + LATER) is None, "nobody pays twice"
    assert {seat.id: seat.state for seat in Seat.objects.all()} == {old.id: "taken", new.id: "released"}
    assert counts(paid) == (1, 0)


@pytest.mark.parametrize("left", [False, True])
def test_money_for_a_second_seat_goes_back(
    ben: APIClient, other: User, now: datetime, make_competition: Any, left: bool
) -> None:
    running = make_competition(entry_fee_minor=500)
    old, new = reserve(running, other, now), reserve(running, other, now + LATER)
    assert take_seat(seat_id=new.id, now=now + LATER) is not None
    if left:
        ben.post(url(running, "leave"))
    assert take_seat(seat_id=old.id, now=now + LATER) is None
    assert counts(running) == (0 if left else 1, 0)


def test_money_of_whoever_was_enrolled_meanwhile_goes_back(other: User, make_competition: Any, now: datetime) -> None:
    competition = make_competition(entry_fee_minor=500)
    seat = reserve(competition, other, now)
    enrol_people(competition=competition, user_ids=[other.id], now=now)
    assert take_seat(seat_id=seat.id, now=now) is None
    assert counts(competition) == (1, 0)


@pytest.mark.parametrize("change", [{"entry_fee_minor": 2000}, {"currency": "USD"}, {"entry_fee_minor": 0}])
def test_late_money_buys_nothing_once_it_costs_something_else(
    me: APIClient, other: User, paid: Competition, now: datetime, change: dict[str, Any]
) -> None:
    seat = reserve(paid, other, now)
    release_seat(seat_id=seat.id, now=now)
    Competition.objects.filter(id=paid.id).update(**change)
    assert take_seat(seat_id=seat.id, now=now) is None
    assert counts(paid) == (0, 0)


def test_money_that_comes_after_the_end_or_the_cancellation_buys_nothing(
    person: User, other: User, make_competition: Any, now: datetime
) -> None:
    ended, cancelled = (make_competition(entry_fee_minor=500, ends=1) for _ in range(2))
    seats = [reserve(competition, other, now) for competition in (ended, cancelled)]
    cancel_competition(competition_id=cancelled.id, by=person, now=now)
    for seat in seats:
        assert take_seat(seat_id=seat.id, now=now + timedelta(days=3)) is None
        seat.refresh_from_db()
        assert (seat.state, seat.taken_at) == ("released", None)
    assert [counts(competition) for competition in (ended, cancelled)] == [(0, 0)] * 2


# --- What is not paid -------------------------------------------------------------------------------------------------


def test_a_seat_is_released_once(other: User, paid: Competition, now: datetime) -> None:
    seat = reserve(paid, other, now)
    assert [release_seat(seat_id=seat.id, now=now) for _ in range(2)] == [True, False]
    assert counts(paid) == (0, 0)


def test_a_paid_seat_is_not_released(other: User, paid: Competition, now: datetime) -> None:
    seat = reserve(paid, other, now)
    take_seat(seat_id=seat.id, now=now)
    assert not release_seat(seat_id=seat.id, now=now + LATER)
    assert counts(paid) == (1, 0)


def test_what_has_expired_and_what_is_held_can_be_looked_up(
    person: User, other: User, make_competition: Any, now: datetime
) -> None:
    competition = make_competition(entry_fee_minor=500)
    waiting, done = reserve(competition, person, now), reserve(competition, other, now)
    take_seat(seat_id=done.id, now=now)
    assert not queries.expired_seats(now + SEAT_HOLD - timedelta(seconds=1))
    assert list(queries.expired_seats(now + SEAT_HOLD)) == [waiting]
    assert {seat.id for seat in queries.seats_held(competition.id)} == {waiting.id, done.id}
    release_seat(seat_id=waiting.id, now=now + SEAT_HOLD)
    assert not queries.expired_seats(now + SEAT_HOLD)
    assert [seat.id for seat in queries.seats_held(competition.id)] == [done.id]


# --- The database itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [{"state": "taken"}, {"state": "released"}, {"fee_minor": 0}, {"released_at": F("expires_at")}]
)
def test_a_seat_that_makes_no_sense_cannot_be_stored(
    other: User, paid: Competition, now: datetime, wrong: dict[str, Any]
) -> None:
    seat = reserve(paid, other, now)
    with pytest.raises(IntegrityError), transaction.atomic():
        Seat.objects.filter(id=seat.id).update(**wrong)


def test_places_taken_and_held_together_are_never_too_many(other: User, paid: Competition, now: datetime) -> None:
    reserve(paid, other, now)
    with pytest.raises(IntegrityError), transaction.atomic():
        Competition.objects.filter(id=paid.id).update(participant_count=1)


def test_the_panel_shows_seats_and_changes_none(
    staff: User, other: User, paid: Competition, now: datetime, settings: Any
) -> None:
    seat = reserve(paid, other, now)
    client = open_panel(staff)
    page = client.get("/admin/competitions/seat/")
    assert (page.status_code, b"10.50 EUR" in page.content) == (200, True)
    assert client.post(f"/admin/competitions/seat/{seat.id}/delete/", {"post": "yes"}).status_code == 403
