"""Where money was once paid twice, to the wrong person, or not at all: each way is closed by name."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Event, Thread
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from competitions.models import Competition, Participant, Seat
from competitions.services.enrolment import leave_competition
from competitions.services.lifecycle import cancel_competition
from competitions.services.seats import reserve_seat
from config.core.errors import Conflict, Invalid
from config.core.sql import alone_with
from leaderboards.scoring import Totals
from leaderboards.services import Total, record_synced_totals
from leaderboards.settling import correct_standings
from prizes import pots, tasks
from prizes.actors import Actor
from prizes.gateways.base import GatewayRefused
from prizes.gateways.sandbox import SIGNATURE, SandboxGateway, pay_checkout, sign
from prizes.models import (
    AwardList,
    Entry,
    EntryKind,
    Payment,
    SandboxFault,
    SandboxOrder,
    Transfer,
    TreasuryAction,
)
from prizes.plans import DEFAULT
from prizes.queries import balance_minor
from prizes.services import transfers
from prizes.services.distribution import (
    AboveCap,
    FeesChanged,
    PrizesInDoubt,
    approve_distribution,
    award_prizes,
    distribute_prizes,
)
from prizes.services.fees import (
    NotRefundable,
    mark_payment_paid,
    open_checkout,
    record_payment,
    refund_competition,
    release_expired_seats,
)
from prizes.services.funding import FundingClosed, NothingToPay, ReserveTooSmall, confirm_funding, pay_organiser
from prizes.services.ledger import AnotherEntry, NewEntry, post_entry
from prizes.services.payouts import connect_payout_account
from prizes.services.plans import change_plan
from prizes.services.transfers import (
    CORRECTED,
    look_up_transfer,
    mark_transfer_paid,
    send_transfer,
    unfinished_transfers,
)
from prizes.services.webhooks import receive_webhook
from prizes.verification import CHECKS, faults_of
from tests.conftest import MakeCompetition, MakePerson
from tests.leaderboards.test_mirror import run_together
from tests.prizes.conftest import MakeFinished, connect_accounts, forget_jobs, run_jobs

pytestmark = pytest.mark.usefixtures("sound_ledger")

Fault = SandboxFault.Fault


def faults() -> list[object]:
    return [fault for check in CHECKS for fault in faults_of(check)]


def go_wrong(fault: str, call: str = "transfer") -> None:
    SandboxFault.objects.create(call=call, fault=fault)


def money_at(person: User) -> int:
    """What the gateway has sent to somebody, and not taken back."""
    orders = SandboxOrder.objects.filter(call="transfer", status="paid", destination=f"sandbox-account-{person.id}")
    return sum(orders.values_list("amount_minor", flat=True))


def fund(competition: Competition, amount_minor: int, by: User, now: datetime, **options: Any) -> None:
    options = {"reference": "bank 2", **options}
    confirm_funding(
        competition_id=competition.id, amount_minor=amount_minor, actor=Actor(by), reason="Seen.", now=now, **options
    )


def place(competition: Competition, number: int) -> User:
    return competition.participants.get(user__name=f"Walker {number}").user


class Treasury:
    """A treasurer at work, at one moment."""

    def __init__(self, treasurer: User, staff: User, now: datetime) -> None:
        self.treasurer, self.staff, self.now = treasurer, staff, now

    def distribute(self, competition: Competition) -> bool:
        """Whether it waits for an approval."""
        done = distribute_prizes(competition_id=competition.id, actor=Actor(self.treasurer), now=self.now)
        return done.waits_for_approval

    def send(self, transfer: Transfer) -> Transfer:
        send_transfer(transfer_id=transfer.id, now=self.now)
        return Transfer.objects.get(id=transfer.id)

    def mark(self, transfer: Transfer) -> Transfer:
        mark_transfer_paid(
            transfer_id=transfer.id, reference="SEPA 1", actor=Actor(self.treasurer), reason="Wired.", now=self.now
        )
        return Transfer.objects.get(id=transfer.id)

    def disqualify(self, competition: Competition, person: User) -> None:
        correct_standings(
            competition_id=competition.id, by=self.staff, reason="A car.", disqualify=[person.id], now=self.now
        )

    def adjust(self, competition: Competition, person: User, points: int) -> None:
        correct_standings(
            competition_id=competition.id, by=self.staff, reason="A recount.", adjust={person.id: points}, now=self.now
        )


@pytest.fixture
def treasury(treasurer: User, staff: User, now: datetime) -> Treasury:
    return Treasury(treasurer, staff, now)


@pytest.fixture
def finished(make_finished: MakeFinished) -> Competition:
    """Three people with accounts: 60.00, 30.00, 10.00."""
    competition = make_finished(9, 8, 7)
    connect_accounts(competition)
    return competition


class TestLookUps:
    @pytest.fixture
    def unknown(self, finished: Competition, treasury: Treasury) -> Transfer:
        """The money has moved, and nobody knows."""
        treasury.distribute(finished)
        go_wrong(Fault.TIME_OUT_AFTER)
        transfer = treasury.send(Transfer.objects.get(user=place(finished, 1)))
        assert transfer.state == "unknown"
        return transfer

    @pytest.fixture
    def refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A key that was revoked, or money at the gateway that is not what was ordered."""

        def refuse(gateway: SandboxGateway, order: object) -> None:
            raise GatewayRefused("Look into it at the gateway.")

        monkeypatch.setattr(SandboxGateway, "find_transfer", refuse)

    def test_a_look_up_that_is_refused_leaves_it_as_much_in_doubt_as_before(
        self, unknown: Transfer, refused: None, treasury: Treasury, finished: Competition
    ) -> None:
        assert (treasury.send(unknown).state, treasury.send(unknown).reason) == (
            "unknown",
            "Look into it at the gateway.",
        )
        with pytest.raises(transfers.NotForHand):
            treasury.mark(unknown)
        treasury.adjust(finished, place(finished, 1), 1)
        with pytest.raises(PrizesInDoubt):
            treasury.distribute(finished)

    def test_one_that_finds_somebody_else_at_work_is_made_again(
        self, finished: Competition, treasury: Treasury, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        treasury.distribute(finished)
        monkeypatch.setattr(tasks, "look_up_transfer", lambda **_: None)
        with pytest.raises(tasks.NotSettled):
            tasks.look_up_one_transfer(transfer_id=str(Transfer.objects.all()[0].id))

    def test_a_late_look_up_does_not_undo_what_was_paid_by_hand(
        self, finished: Competition, treasury: Treasury, now: datetime
    ) -> None:
        treasury.distribute(finished)
        for _ in range(3):
            go_wrong(Fault.REFUSE)
        assert run_jobs() == []
        failed = Transfer.objects.all()[0]
        body = orjson.dumps({"id": "1", "kind": "transfer_changed", "key": failed.key})
        receive_webhook(gateway_name="sandbox", body=body, headers={SIGNATURE: sign(body)}, now=now)
        treasury.mark(failed)
        assert run_jobs() == []
        assert Transfer.objects.get(id=failed.id).state == "paid"

    def test_what_came_back_and_was_then_paid_by_hand_is_in_the_ledger_as_that(
        self, finished: Competition, treasury: Treasury, now: datetime
    ) -> None:
        treasury.distribute(finished)
        paid = treasury.send(Transfer.objects.get(user=place(finished, 1)))
        SandboxOrder.objects.update(status="failed")
        look_up_transfer(transfer_id=paid.id, now=now)
        assert treasury.mark(paid).state == "paid"
        assert balance_minor(pots.prizes_owed(finished.id, paid.user_id, "USD")) == 0
        assert balance_minor(pots.cash("manual", "USD")) == -6_000


class TestCorrections:
    def test_nobody_who_was_disqualified_is_paid_afterwards(
        self, make_finished: MakeFinished, treasury: Treasury, now: datetime
    ) -> None:
        competition = make_finished(9, 8, 7)
        treasury.distribute(competition)
        assert run_jobs() == []
        treasury.disqualify(competition, place(competition, 1))
        connect_payout_account(user=place(competition, 1), now=now)
        assert run_jobs() == []
        assert money_at(place(competition, 1)) == 0

    def test_not_even_when_it_was_in_doubt_and_nothing_had_left(
        self, finished: Competition, treasury: Treasury
    ) -> None:
        treasury.distribute(finished)
        go_wrong(Fault.TIME_OUT_BEFORE)
        transfer = treasury.send(Transfer.objects.get(user=place(finished, 1)))
        treasury.disqualify(finished, place(finished, 1))
        held = treasury.send(transfer)
        assert (held.state, held.waits_for) == ("pending", CORRECTED)
        treasury.distribute(finished)
        assert run_jobs() == []
        assert [money_at(place(finished, number)) for number in (1, 2, 3)] == [0, 6_667, 3_333]

    def test_approval_and_cap_go_by_what_the_competition_costs_in_all(
        self, make_finished: MakeFinished, treasury: Treasury, treasurer: User, now: datetime, settings: Any
    ) -> None:
        winner_takes_all = {"places": [{"first": 1, "last": 1, "percent": "100"}]}
        competition = make_finished(9, 8, pool=90_000, plan=winner_takes_all)
        connect_accounts(competition)
        assert not treasury.distribute(competition)
        assert run_jobs() == []
        treasury.disqualify(competition, place(competition, 1))
        fund(competition, 90_000, treasurer, now)
        settings.PAYOUT_CAP = {"*": Decimal(1_000)}
        with pytest.raises(AboveCap):
            treasury.distribute(competition)
        settings.PAYOUT_CAP = {"*": Decimal(2_000)}
        assert treasury.distribute(competition), "1,800.00 in all are for two to decide"

    def test_large_prizes_that_were_not_sent_can_be_corrected(
        self, make_finished: MakeFinished, treasury: Treasury, make_treasurer: Callable[[str], User], now: datetime
    ) -> None:
        competition = make_finished(9, 8, 7, pool=200_000)
        treasury.distribute(competition)
        approve_distribution(competition_id=competition.id, actor=Actor(make_treasurer("Uma")), now=now)
        treasury.disqualify(competition, place(competition, 1))
        assert treasury.distribute(competition)

    @pytest.mark.slow
    def test_a_correction_costs_as_many_statements_for_many_prizes_as_for_few(
        self, make_finished: MakeFinished, treasury: Treasury
    ) -> None:
        counts = []
        for winners in (2, 12):
            one_each = {"places": [{"first": 1, "last": winners, "percent": "1"}]}
            competition = make_finished(*range(20, 20 - winners, -1), plan=one_each)
            treasury.distribute(competition)
            treasury.adjust(competition, place(competition, 1), 1)
            with CaptureQueriesContext(connection) as queries:
                treasury.distribute(competition)
            counts.append(len(queries))
        assert counts[0] == counts[1]


class TestWaiting:
    def test_a_winner_who_will_not_connect_an_account_can_be_paid_by_hand(
        self, make_finished: MakeFinished, treasury: Treasury
    ) -> None:
        treasury.distribute(make_finished(9))
        assert run_jobs() == []
        assert treasury.mark(Transfer.objects.get()).state == "paid"

    def test_an_account_that_is_connected_at_this_very_moment_is_not_overlooked(
        self, make_finished: MakeFinished, treasury: Treasury, now: datetime
    ) -> None:
        competition = make_finished(9)
        treasury.distribute(competition)
        assert run_jobs() == []
        connect_accounts(competition)  # and nobody enqueues what waits for it
        assert unfinished_transfers(now + timedelta(minutes=5)).count() == 1

    def test_one_transfer_beside_many_accounts_reads_only_its_own(
        self, finished: Competition, treasury: Treasury
    ) -> None:
        treasury.distribute(finished)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO prizes_account (kind, currency, gateway, competition_id, user_id)"
                " SELECT 'prizes_owed', 'USD', '', %s, id FROM accounts_user"
                " WHERE id NOT IN (SELECT user_id FROM prizes_account WHERE user_id IS NOT NULL)",
                [finished.id],
            )
        with CaptureQueriesContext(connection) as queries:
            treasury.send(Transfer.objects.get(user=place(finished, 1)))
        reads = [query["sql"] for query in queries if query["sql"].startswith('SELECT "prizes_account"')]
        owed = [sql for sql in reads if "prizes_owed" in sql]
        assert len(owed) == 1
        assert place(finished, 1).id.hex in owed[0]


class TestFees:
    @pytest.fixture
    def paid(self, make_competition: MakeCompetition, make_person: MakePerson, now: datetime) -> Competition:
        """Three people have paid 10.00 each; nothing has begun."""
        competition = make_competition(starts=2, ends=5, entry_fee_minor=1_000, grace_hours=0)
        for number in (1, 2, 3):
            self.pay(competition, make_person(f"Walker {number}"), now)
        return competition

    def pay(self, competition: Competition, who: User, now: datetime) -> Payment:
        payment = self.hold(competition, who, now)
        record_payment(payment_id=payment.id, payment_reference="x", amount_minor=1_000, currency="USD", now=now)
        return payment

    def hold(self, competition: Competition, who: User, now: datetime) -> Payment:
        go_wrong(Fault.ABANDON, "checkout")
        seat = reserve_seat(competition=competition, user_id=who.id, join_code=None, now=now)
        open_checkout(seat=seat, now=now)
        return Payment.objects.get(seat=seat)

    def test_fees_that_were_given_back_are_not_paid_out_as_prizes_too(
        self, paid: Competition, treasurer: User, now: datetime
    ) -> None:
        later = now + timedelta(days=10)
        with transaction.atomic():
            totals = [Total(paid.id, one.user_id, Totals(steps=5)) for one in paid.participants.all()]
            record_synced_totals(totals=totals, now=now + timedelta(days=3))
        award_prizes(competition_id=paid.id, now=later)
        assert refund_competition(competition_id=paid.id, actor=Actor(treasurer), reason="Rain.", now=later) == 3
        with pytest.raises(FeesChanged):
            distribute_prizes(competition_id=paid.id, actor=Actor(treasurer), now=later)

    def test_once_somebody_has_asked_to_pay_the_prizes_the_fees_stay(
        self, paid: Competition, treasurer: User, now: datetime
    ) -> None:
        later = now + timedelta(days=10)
        distribute_prizes(competition_id=paid.id, actor=Actor(treasurer), now=later)
        with pytest.raises(NotRefundable):
            refund_competition(competition_id=paid.id, actor=Actor(treasurer), reason="Rain.", now=later)

    def test_fixed_amounts_that_counted_on_fees_can_be_filled_up_or_given_up(
        self, make_competition: MakeCompetition, treasurer: User, person: User, now: datetime
    ) -> None:
        first_place = {**DEFAULT, "places": [{"first": 1, "last": 1, "amount_minor": 15_000}]}
        filled, given_up = (
            make_competition(starts=2, ends=5, entry_fee_minor=1_000, prize_pool_minor=10_000, grace_hours=0)
            for _ in range(2)
        )
        later = now + timedelta(days=10)
        for competition, money in ((filled, 15_000), (given_up, 10_000)):
            change_plan(competition_id=competition.id, document=first_place, actor=Actor(person), now=now)
            fund(competition, money, treasurer, now)
        assert distribute_prizes(competition_id=filled.id, actor=Actor(treasurer), now=later).distribution.released_at
        with pytest.raises(Conflict, match="give everything back"):
            distribute_prizes(competition_id=given_up.id, actor=Actor(treasurer), now=later)
        refund_competition(competition_id=given_up.id, actor=Actor(treasurer), reason="Nobody came.", now=later)
        assert balance_minor(pots.pool(given_up.id, "USD")) == 0
        action = TreasuryAction.objects.get(competition=given_up, action="refund")
        assert (action.reason, action.details["returned_minor"]) == ("Nobody came.", 10_000)

    def test_whoever_pays_and_leaves_before_it_is_known_has_left_and_gets_it_back(
        self, make_competition: MakeCompetition, other: User, now: datetime
    ) -> None:
        competition = make_competition(starts=2, ends=5, entry_fee_minor=1_000)
        webhook = pay_checkout(self.hold(competition, other, now).checkout_reference)
        leave_competition(competition=competition, user_id=other.id, now=now)
        assert webhook is not None
        receive_webhook(gateway_name="sandbox", body=webhook[0], headers=webhook[1], now=now)
        assert run_jobs() == []
        assert not Participant.objects.filter(competition=competition, left_at=None).exists()
        assert Transfer.objects.get().state == "paid"

    def test_one_seat_that_cannot_be_released_does_not_keep_the_others(
        self,
        make_competition: MakeCompetition,
        make_person: MakePerson,
        now: datetime,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        competition = make_competition(starts=2, ends=5, entry_fee_minor=1_000)
        payments = [self.hold(competition, make_person(name), now) for name in "abc"]
        close = SandboxGateway.close_checkout

        def fails_for_one(gateway: SandboxGateway, reference: str) -> object:
            if reference == payments[0].checkout_reference:
                raise ValueError("An answer that nobody expected.")
            return close(gateway, reference)

        monkeypatch.setattr(SandboxGateway, "close_checkout", fails_for_one)
        assert release_expired_seats(now=now + timedelta(hours=2)) == 2
        assert Seat.objects.filter(state="reserved").get() == payments[0].seat

    def test_a_fee_is_marked_as_paid_under_one_reference(
        self, make_competition: MakeCompetition, other: User, treasurer: User, now: datetime, settings: Any
    ) -> None:
        settings.PAYMENT_GATEWAY = "manual"
        competition = make_competition(starts=2, ends=5, entry_fee_minor=1_000)
        seat = reserve_seat(competition=competition, user_id=other.id, join_code=None, now=now)
        open_checkout(seat=seat, now=now)
        by, payment = Actor(treasurer), Payment.objects.get()
        for _ in range(2):
            mark_payment_paid(payment_id=payment.id, reference="A", actor=by, reason="", now=now)
        with pytest.raises(Conflict):
            mark_payment_paid(payment_id=payment.id, reference="B", actor=by, reason="", now=now)
        assert TreasuryAction.objects.filter(action="mark_fee_paid").count() == 1

    @pytest.mark.slow
    def test_cancelling_costs_as_many_statements_for_many_fees_as_for_few(
        self, make_competition: MakeCompetition, make_person: MakePerson, person: User, now: datetime
    ) -> None:
        counts = []
        for people in (2, 12):
            competition = make_competition(starts=2, ends=5, entry_fee_minor=1_000)
            for _ in range(people):
                self.pay(competition, make_person(), now)
            forget_jobs()
            with CaptureQueriesContext(connection) as queries:
                cancel_competition(competition_id=competition.id, by=person, now=now)
            counts.append(len(queries))
        assert counts[0] == counts[1]


class TestFunding:
    @pytest.mark.slow
    @pytest.mark.django_db(transaction=True)
    def test_what_was_rolled_over_is_spent_once(
        self, make_finished: MakeFinished, treasury: Treasury, treasurer: User, person: User, now: datetime
    ) -> None:
        first = make_finished(9, 8, plan={"leftover": "roll_over"})
        treasury.distribute(first)
        others = [make_finished(9, pool=1_000, funded=False) for _ in range(6)]
        refused: list[Competition] = []

        def spend(competition: Competition) -> None:
            try:
                fund(competition, 1_000, treasurer, now, from_reserve=True)
            except ReserveTooSmall:
                refused.append(competition)

        run_together([lambda one=one: spend(one) for one in others])  # type: ignore[misc]  # mypy infers no lambda with a default
        assert len(refused) == 5
        assert balance_minor(pots.reserve(person.id, "USD")) == 0

    @pytest.mark.slow
    def test_what_was_returned_can_be_taken_back_for_a_correction_or_paid_out(
        self, make_finished: MakeFinished, treasury: Treasury, treasurer: User, person: User, now: datetime
    ) -> None:
        competition = make_finished(9, 8, 0, plan={"leftover": "return"})
        connect_accounts(competition)
        treasury.distribute(competition)
        assert run_jobs() == []
        treasury.adjust(competition, place(competition, 3), 5)
        fund(competition, 1_000, treasurer, now, from_reserve=True)
        treasury.distribute(competition)
        assert run_jobs() == []
        assert money_at(place(competition, 3)) == 1_000

        other = make_finished(9, 8, plan={"leftover": "return"})
        treasury.distribute(other)
        for _ in range(2):
            pay_organiser(
                competition_id=other.id,
                amount_minor=1_000,
                reference="SEPA 9",
                actor=Actor(treasurer),
                reason="It is theirs.",
                now=now,
            )
        assert balance_minor(pots.organiser(person.id, "USD")) == 0
        with pytest.raises(NothingToPay):
            pay_organiser(
                competition_id=other.id, amount_minor=1, reference="x", actor=Actor(treasurer), reason="", now=now
            )

    def test_the_same_reference_is_the_same_payment(
        self, make_finished: MakeFinished, treasurer: User, now: datetime
    ) -> None:
        competition = make_finished(9, funded=False)
        for _ in range(2):
            fund(competition, 4_000, treasurer, now)
        with pytest.raises(Invalid) as refused:
            fund(competition, 6_000, treasurer, now)
        assert set(refused.value.details or {}) == {"reference"}
        assert TreasuryAction.objects.filter(action="fund").count() == 1

    def test_money_that_could_only_lie_there_is_not_taken(
        self, finished: Competition, treasury: Treasury, treasurer: User, person: User, now: datetime
    ) -> None:
        treasury.distribute(finished)
        with pytest.raises(FundingClosed):
            fund(finished, 500, treasurer, now)

    def test_nor_for_a_competition_that_was_cancelled(
        self, make_competition: MakeCompetition, treasurer: User, person: User, now: datetime
    ) -> None:
        competition = make_competition(starts=2, ends=5, prize_pool_minor=500)
        cancel_competition(competition_id=competition.id, by=person, now=now)
        with pytest.raises(FundingClosed):
            fund(competition, 500, treasurer, now)


class TestLedger:
    def test_a_key_never_stands_for_two_events(self, make_competition: MakeCompetition, now: datetime) -> None:
        pot = pots.pool(make_competition().id, "USD")
        for amount in (500, 500):
            post_entry(entry=funding(pot, amount), now=now)
        with pytest.raises(AnotherEntry):
            post_entry(entry=funding(pot, 600), now=now)
        Competition.objects.update(funded_minor=500)

    def test_postgresql_lets_nobody_take_out_more_than_there_is(
        self, make_competition: MakeCompetition, person: User, now: datetime
    ) -> None:
        pool = pots.pool(make_competition().id, "USD")
        taken = {pool: 1, pots.organiser(person.id, "USD"): -1}
        with pytest.raises(IntegrityError, match="less than is taken out"), transaction.atomic():
            post_entry(entry=NewEntry(key="theft", kind=EntryKind.REMAINDER, postings=taken), now=now)

    def test_entries_that_belong_to_nothing_are_found(
        self, finished: Competition, treasury: Treasury, other: User, now: datetime
    ) -> None:
        treasury.distribute(finished)
        with transaction.atomic():
            fee = {pots.cash("sandbox", "USD"): 777, pots.fees(finished.id, "USD"): -777}
            post(EntryKind.ENTRY_FEE, fee, finished, now)
            post(EntryKind.FEES_SPLIT, {pots.fees(finished.id, "USD"): 777, pots.platform("USD"): -777}, finished, now)
            winner = pots.prizes_owed(finished.id, other.id, "USD")
            post(EntryKind.PRIZE_OWED, {pots.cash("bank", "USD"): 5, winner: -5}, finished, now, other)
            post(EntryKind.PRIZE_PAID, {winner: 5, pots.cash("bank", "USD"): -5}, finished, now, other)
            found = {fault.id: fault.check for check in CHECKS for fault in faults_of(check)}
            made_up = Entry.objects.filter(key__startswith="made up")
            assert {str(entry.id) for entry in made_up} == set(found)
            transaction.set_rollback(True)


def funding(pot: pots.Pot, amount: int) -> NewEntry:
    postings = {pots.cash("bank", "USD"): amount, pot: -amount}
    return NewEntry(key="f", kind=EntryKind.FUNDING, postings=postings, competition_id=pot.competition_id)


def post(
    kind: EntryKind, postings: dict[pots.Pot, int], competition: Competition, now: datetime, user: User | None = None
) -> None:
    entry = NewEntry(
        key=f"made up: {kind}",
        kind=kind,
        postings=postings,
        competition_id=competition.id,
        user_id=user.id if user else None,
    )
    post_entry(entry=entry, now=now)


def test_a_reason_that_is_too_long_is_a_sentence_on_the_command_line(finished: Competition, treasurer: User) -> None:
    with pytest.raises(CommandError, match="500 letters at most"):
        call_command("distribute_prizes", str(finished.id), "--by", str(treasurer.id), "--reason", "x" * 501)
    assert not AwardList.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_look_up_waits_for_whoever_is_at_the_transfer(
    finished: Competition, treasury: Treasury, now: datetime
) -> None:
    treasury.distribute(finished)
    transfer = treasury.send(Transfer.objects.get(user=place(finished, 1)))
    held, done = Event(), Event()

    def hold() -> None:
        with alone_with(str(transfer.id)):
            held.set()
            done.wait(10)
        connection.close()

    thread = Thread(target=hold)
    thread.start()
    held.wait(10)
    try:
        assert look_up_transfer(transfer_id=transfer.id, now=now) is None
    finally:
        done.set()
        thread.join()
    assert look_up_transfer(transfer_id=transfer.id, now=now) is not None
