"""From final standings to transfers: who gets how much, who may say so, and what corrections do."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from competitions.models import Competition
from config.core.errors import Forbidden
from leaderboards.settling import StandingsNotFinal, correct_standings
from prizes import pots
from prizes.actors import Actor
from prizes.models import AwardList, Distribution, Payment, Transfer, TransferState, TreasuryAction
from prizes.plans import DEFAULT
from prizes.queries import balance_minor, has_released_prizes
from prizes.services.distribution import (
    AboveCap,
    NothingToApprove,
    PoolUnfunded,
    PrizesInDoubt,
    approve_distribution,
    award_prizes,
    distribute_prizes,
)
from prizes.services.funding import ReserveTooSmall, confirm_funding
from prizes.services.plans import change_plan
from prizes.services.transfers import CORRECTED, give_up_transfer, send_transfer
from tests.conftest import MakeCompetition
from tests.leaderboards.test_mirror import run_together
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs

pytestmark = pytest.mark.usefixtures("sound_ledger")


@pytest.fixture
def distribute(treasurer: User, now: datetime) -> Callable[[Competition], list[int]]:
    """Has everybody paid, and says the amounts of all transfers that were, in the order of the standings."""

    def all_the_way(competition: Competition) -> list[int]:
        connect_accounts(competition) if not Transfer.objects.filter(competition=competition).exists() else None
        distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
        assert run_jobs() == []
        paid = Transfer.objects.filter(competition=competition, state=TransferState.PAID)
        return list(paid.order_by("award__award_list", "award").values_list("amount_minor", flat=True))

    return all_the_way


Distribute = Callable[[Competition], list[int]]


def test_one_player_gets_all(make_finished: MakeFinished, distribute: Distribute) -> None:
    assert distribute(make_finished(9)) == [10_000]


def test_two_players_get_it_in_the_proportion_of_their_places(
    make_finished: MakeFinished, distribute: Distribute
) -> None:
    assert distribute(make_finished(9, 8)) == [6_667, 3_333]


def test_equals_across_the_last_paid_place_share_it(make_finished: MakeFinished, distribute: Distribute) -> None:
    assert distribute(make_finished(9, 8, 7, 7, tie_rule="shared")) == [6_000, 3_000, 500, 500]


def test_first_to_reach_pays_by_place(make_finished: MakeFinished, distribute: Distribute) -> None:
    assert distribute(make_finished(9, 8, 7, 7)) == [6_000, 3_000, 1_000]


def test_a_pool_of_nothing_pays_nobody_and_is_distributed_all_the_same(
    make_finished: MakeFinished, distribute: Distribute
) -> None:
    competition = make_finished(9, 8, pool=0)
    assert distribute(competition) == []
    assert has_released_prizes(competition.id)


def test_without_any_winner_the_pool_goes_back_to_the_organiser(
    make_finished: MakeFinished, distribute: Distribute
) -> None:
    competition = make_finished(0, 0)
    assert distribute(competition) == []
    assert balance_minor(pots.organiser(competition.owner_id, "USD")) == 10_000


def test_again_it_changes_nothing(make_finished: MakeFinished, distribute: Distribute) -> None:
    competition = make_finished(9, 8, 7)
    assert distribute(competition) == distribute(competition) == [6_000, 3_000, 1_000]
    assert TreasuryAction.objects.filter(action="distribute").count() == 1


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_make_one_set_of_transfers(make_finished: MakeFinished, treasurer: User, now: datetime) -> None:
    competition = make_finished(9, 8, 7)

    def ask() -> None:
        distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)

    run_together([ask] * 8)
    assert sorted(Transfer.objects.values_list("amount_minor", flat=True)) == [1_000, 3_000, 6_000]


def test_not_before_the_standings_are_final(make_competition: MakeCompetition, treasurer: User, now: datetime) -> None:
    with pytest.raises(StandingsNotFinal, match="are final from 20"):
        distribute_prizes(competition_id=make_competition().id, actor=Actor(treasurer), now=now)


def test_nothing_unfunded_is_sent(make_finished: MakeFinished, treasurer: User, now: datetime) -> None:
    competition = make_finished(9, 8, funded=False)
    with pytest.raises(PoolUnfunded, match=r"holds 0\.00 of 100\.00 USD"):
        distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
    assert not Transfer.objects.exists()
    assert not Distribution.objects.exists()


def test_a_typing_error_is_stopped_by_the_cap(
    make_finished: MakeFinished, treasurer: User, now: datetime, settings: Any
) -> None:
    settings.PAYOUT_CAP = {"*": Decimal(1_000_000), "USD": Decimal("99.99")}
    with pytest.raises(AboveCap):
        distribute_prizes(competition_id=make_finished(9, funded=False).id, actor=Actor(treasurer), now=now)


class TestApproval:
    """Above a sum somebody else must agree."""

    @pytest.fixture
    def asked(self, make_finished: MakeFinished, treasurer: User, now: datetime) -> Competition:
        competition = make_finished(9, 8, pool=200_000)
        connect_accounts(competition)
        done = distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
        assert done.waits_for_approval
        return competition

    def test_until_then_nothing_moves_and_asking_again_does_not_help(
        self, asked: Competition, treasurer: User, now: datetime
    ) -> None:
        again = distribute_prizes(competition_id=asked.id, actor=Actor(treasurer), now=now)
        assert again.waits_for_approval
        assert not Transfer.objects.exists()

    def test_the_one_who_asked_cannot_approve(self, asked: Competition, treasurer: User, now: datetime) -> None:
        with pytest.raises(Forbidden):
            approve_distribution(competition_id=asked.id, actor=Actor(treasurer), now=now)
        with pytest.raises(IntegrityError, match="approved_by_somebody_else"), transaction.atomic():
            Distribution.objects.update(approved_by=treasurer, approved_at=now)

    def test_nothing_is_released_without_an_approval_not_even_by_hand(self, asked: Competition, now: datetime) -> None:
        with pytest.raises(IntegrityError, match="released_when_approved"), transaction.atomic():
            Distribution.objects.update(released_at=now)

    def test_somebody_else_lets_it_go_once(
        self, asked: Competition, make_treasurer: Callable[[str], User], now: datetime
    ) -> None:
        second = make_treasurer("Uma")
        for _ in range(2):
            approve_distribution(competition_id=asked.id, actor=Actor(second), reason="Checked.", now=now)
        assert run_jobs() == []
        assert sorted(Transfer.objects.values_list("state", "amount_minor")) == [("paid", 66_667), ("paid", 133_333)]
        actions = TreasuryAction.objects.filter(action="approve")
        assert list(actions.values_list("by__name", "reason")) == [("Uma", "Checked.")]

    def test_there_must_be_something_to_approve(
        self, make_finished: MakeFinished, treasurer: User, now: datetime
    ) -> None:
        with pytest.raises(NothingToApprove):
            approve_distribution(competition_id=make_finished(9).id, actor=Actor(treasurer), now=now)

    def test_a_correction_asks_for_an_approval_of_its_own(
        self, asked: Competition, staff: User, make_treasurer: Callable[[str], User], now: datetime
    ) -> None:
        first = asked.participants.get(user__name="Walker 1").user_id
        correct_standings(competition_id=asked.id, by=staff, reason="A car.", disqualify=[first], now=now)
        with pytest.raises(NothingToApprove):
            approve_distribution(competition_id=asked.id, actor=Actor(make_treasurer("Uma")), now=now)


class TestCorrection:
    """Corrected standings make awards of their own; what is on its way already counts."""

    def disqualify_first(self, competition: Competition, staff: User, now: datetime) -> None:
        first = competition.participants.get(user__name="Walker 1").user_id
        correct_standings(competition_id=competition.id, by=staff, reason="A car.", disqualify=[first], now=now)

    def test_before_anything_was_sent_the_old_awards_are_withdrawn(
        self, make_finished: MakeFinished, treasurer: User, staff: User, now: datetime, distribute: Distribute
    ) -> None:
        competition = make_finished(9, 8, 7, 6)
        connect_accounts(competition)
        distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
        self.disqualify_first(competition, staff, now)
        assert distribute(competition) == [6_000, 3_000, 1_000]
        cancelled = Transfer.objects.filter(state=TransferState.CANCELLED)
        assert sorted(cancelled.values_list("amount_minor", flat=True)) == [1_000, 3_000, 6_000]

    def test_what_waits_when_the_standings_are_corrected_does_not_go_out_any_more(
        self, make_finished: MakeFinished, treasurer: User, staff: User, now: datetime, distribute: Distribute
    ) -> None:
        competition = make_finished(9, 8)
        distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
        assert run_jobs() == [], "nobody has an account, so everything waits"
        self.disqualify_first(competition, staff, now)
        connect_accounts(competition)
        for transfer in Transfer.objects.all():
            assert send_transfer(transfer_id=transfer.id, now=now).waits_for == CORRECTED
        assert distribute(competition) == [10_000]

    def test_a_payment_by_hand_that_was_given_up_is_withdrawn_too(
        self, make_finished: MakeFinished, treasurer: User, staff: User, now: datetime, settings: Any
    ) -> None:
        settings.PAYMENT_GATEWAY = "manual"
        competition = make_finished(9, 8)
        distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
        assert run_jobs() == []
        self.disqualify_first(competition, staff, now)
        with pytest.raises(PrizesInDoubt):
            distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
        for transfer in Transfer.objects.all():
            for _ in range(2):
                give_up_transfer(transfer_id=transfer.id, actor=Actor(treasurer), reason="Not wired.", now=now)
        distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
        states = Transfer.objects.order_by("amount_minor").values_list("state", "amount_minor")
        assert list(states) == [("cancelled", 3_333), ("cancelled", 6_667), ("pending", 10_000)]

    @pytest.mark.slow
    def test_after_it_was_paid_only_the_difference_goes_out_and_only_once_it_is_there(
        self, make_finished: MakeFinished, treasurer: User, staff: User, now: datetime, distribute: Distribute
    ) -> None:
        competition = make_finished(9, 8, 7)
        assert distribute(competition) == [6_000, 3_000, 1_000]
        self.disqualify_first(competition, staff, now)
        with pytest.raises(PoolUnfunded, match=r"holds 0\.00 of 60\.00 USD"):
            distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
        fund(competition, 6_000, treasurer, now, reference="recovered")
        assert distribute(competition) == [6_000, 3_000, 1_000, 3_667, 2_333]

    def test_a_correction_that_changes_no_place_pays_nobody_again(
        self, make_finished: MakeFinished, staff: User, now: datetime, distribute: Distribute
    ) -> None:
        competition = make_finished(9, 8, 7)
        distribute(competition)
        third = competition.participants.get(user__name="Walker 3").user_id
        correct_standings(competition_id=competition.id, by=staff, reason="A recount.", adjust={third: -1}, now=now)
        assert distribute(competition) == [6_000, 3_000, 1_000]
        assert AwardList.objects.count() == 2


def fund(competition: Competition, amount_minor: int, by: User, now: datetime, **options: Any) -> None:
    options = {"reference": "bank 2", **options}
    confirm_funding(
        competition_id=competition.id, amount_minor=amount_minor, actor=Actor(by), reason="Seen.", now=now, **options
    )


class TestPlans:
    """What becomes of places that nobody holds, and of fees."""

    @pytest.mark.slow
    def test_places_that_nobody_holds_are_rolled_over_to_the_organisers_next_competition(
        self, make_finished: MakeFinished, treasurer: User, person: User, now: datetime, distribute: Distribute
    ) -> None:
        first = make_finished(9, 8, plan={"leftover": "roll_over"})
        assert distribute(first) == [6_000, 3_000]
        assert balance_minor(pots.reserve(person.id, "USD")) == 1_000
        second = make_finished(9, pool=1_000, funded=False)
        with pytest.raises(ReserveTooSmall):
            fund(second, 1_001, treasurer, now, from_reserve=True)
        fund(second, 1_000, treasurer, now, from_reserve=True)
        assert distribute(second) == [1_000]
        assert balance_minor(pots.reserve(person.id, "USD")) == 0

    def test_or_returned_to_the_organiser(
        self, make_finished: MakeFinished, person: User, distribute: Distribute
    ) -> None:
        assert distribute(make_finished(9, 8, plan={"leftover": "return"})) == [6_000, 3_000]
        assert balance_minor(pots.organiser(person.id, "USD")) == 1_000

    def test_the_plan_that_was_frozen_with_the_awards_stays(
        self, make_finished: MakeFinished, person: User, now: datetime
    ) -> None:
        competition = make_finished(9, 8)
        before = award_prizes(competition_id=competition.id, now=now)
        document = {**DEFAULT, "leftover": "return"}
        long_ago = competition.start_at.replace(year=2000)
        change_plan(competition_id=competition.id, document=document, actor=Actor(person), now=long_ago)
        assert award_prizes(competition_id=competition.id, now=now).plan == before.plan


def test_confirming_the_same_payment_twice_counts_once(
    make_finished: MakeFinished, treasurer: User, now: datetime
) -> None:
    competition = make_finished(9, funded=False)
    for _ in range(2):
        fund(competition, 4_000, treasurer, now)
    competition.refresh_from_db()
    assert (competition.funded_minor, competition.prize_pool_funded) == (4_000, False)
    assert not Payment.objects.exists()
