"""Somebody who is erased has won what they had won, and everything can still be shown to be right."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services.people import erase_person
from competitions.models import Competition
from competitions.services.enrolment import enrol_people
from fitness.rules import Reading, Source
from fitness.services.syncing import sync_activities
from leaderboards.models import FinalStandings
from leaderboards.scoring import Totals
from prizes.actors import Actor
from prizes.models import PayoutAccount, Transfer
from prizes.services.distribution import distribute_prizes
from prizes.services.funding import confirm_funding
from prizes.services.payouts import forget_payout_accounts
from prizes.services.transfers import NO_ACCOUNT, mark_transfer_paid
from tests.conftest import MakeCompetition, MakePerson
from tests.prizes.conftest import connect_accounts, run_jobs

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


@pytest.fixture
def winner(make_person: MakePerson) -> User:
    return make_person("Quixotic Winner")


@pytest.fixture
def walk(make_competition: MakeCompetition, make_person: MakePerson, winner: User, treasurer: User) -> Competition:
    """Over, walked by three with days that were really sent, and funded."""
    made_at = datetime.now(UTC) - timedelta(days=12)
    walk = make_competition(starts=-10, ends=-5, created_at=made_at, grace_hours=0, prize_pool_minor=10_000)
    people = [winner, make_person("Second"), make_person("Third")]
    enrol_people(competition=walk, user_ids=[person.id for person in people], now=made_at)
    for place, person in enumerate(people):
        done = Reading(person.id, Source.FITBIT, walk.starts_on, Totals(steps=900 - place))
        sync_activities(readings=[done], now=walk.start_at + timedelta(days=1))
    confirm_funding(
        competition_id=walk.id,
        amount_minor=10_000,
        reference="bank 1",
        actor=Actor(treasurer),
        reason="It is on our account.",
        now=datetime.now(UTC),
    )
    return walk


@pytest.fixture
def pay(walk: Competition, treasurer: User) -> Callable[[], Transfer]:
    """Distributes, and says how the winner's prize stands."""

    def paid() -> Transfer:
        distribute_prizes(competition_id=walk.id, actor=Actor(treasurer), now=datetime.now(UTC))
        assert run_jobs() == []
        return Transfer.objects.get(award__rank=1)

    return paid


def statement(walk: Competition, client: APIClient) -> bytes:
    answer = client.get(f"/api/v1/prizes/statement/{walk.id}")
    assert answer.status_code == 200
    return bytes(answer.content)


def everything_is_right() -> None:
    """Each of these commands fails for a single fault."""
    for check in ("verify_standings", "verify_ledger", "verify_leaderboards"):
        call_command(check)


@pytest.mark.slow
def test_erased_before_they_are_paid_they_are_paid_and_then_forgotten(
    walk: Competition, winner: User, person: User, pay: Callable[[], Transfer], signed_in: SignIn, now: datetime
) -> None:
    connect_accounts(walk)
    erase_person(user_id=winner.id, now=now)
    assert PayoutAccount.objects.filter(user=winner).exists()  # needed until they are paid
    assert forget_payout_accounts(now=now) == 0
    prize = pay()
    assert (prize.user_id, prize.state, prize.amount_minor) == (winner.id, "paid", 6_000)
    assert forget_payout_accounts(now=now) == 1
    assert not PayoutAccount.objects.filter(user=winner).exists()
    assert PayoutAccount.objects.count() == 2  # of who is still here
    everything_is_right()
    assert str(winner.id).encode() in statement(walk, signed_in(person))


@pytest.mark.slow
def test_erased_after_they_are_paid_nothing_changes_but_the_name(
    walk: Competition, winner: User, person: User, pay: Callable[[], Transfer], signed_in: SignIn, now: datetime
) -> None:
    connect_accounts(walk)
    assert pay().state == "paid"
    frozen, told = FinalStandings.objects.get().digest, statement(walk, signed_in(person))
    erase_person(user_id=winner.id, now=now)
    assert not PayoutAccount.objects.filter(user=winner).exists()
    everything_is_right()
    assert (FinalStandings.objects.get().digest, statement(walk, signed_in(person))) == (frozen, told)
    board = signed_in(person).get(f"/api/v1/leaderboard/{walk.id}").json()["data"]["entries"]
    assert (board[0]["user_name"], board[0]["rank"]) == ("Former participant", 1)


@pytest.mark.slow
def test_without_an_account_the_prize_stays_owed_and_can_be_paid_by_hand(
    winner: User, treasurer: User, pay: Callable[[], Transfer], now: datetime
) -> None:
    erase_person(user_id=winner.id, now=now)
    prize = pay()
    assert (prize.state, prize.waits_for) == ("pending", NO_ACCOUNT)
    everything_is_right()
    mark_transfer_paid(
        transfer_id=prize.id, reference="cheque 7", actor=Actor(treasurer), reason="They wrote to us.", now=now
    )
    prize.refresh_from_db()
    assert prize.state == "paid"
    everything_is_right()


@pytest.mark.slow
def test_a_failed_prize_keeps_the_account(
    walk: Competition, winner: User, pay: Callable[[], Transfer], now: datetime
) -> None:
    connect_accounts(walk)
    prize = pay()
    Transfer.objects.filter(id=prize.id).update(state="failed", paid_at=None)
    erase_person(user_id=winner.id, now=now)
    assert PayoutAccount.objects.filter(user=winner).exists()
