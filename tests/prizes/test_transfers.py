"""A transfer through every fault of a gateway: paid once, or said to be in doubt."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from competitions.models import Competition
from config.core.errors import Invalid
from prizes.actors import Actor
from prizes.gateways.base import Receipt, ReceiptStatus
from prizes.models import (
    Entry,
    EntryKind,
    PayoutAccount,
    SandboxFault,
    SandboxOrder,
    Transfer,
    TransferState,
    TreasuryAction,
)
from prizes.services import transfers
from prizes.services.distribution import distribute_prizes
from prizes.services.payouts import connect_payout_account
from prizes.services.transfers import (
    NO_ACCOUNT,
    NotFailed,
    NotForHand,
    look_up_transfer,
    mark_transfer_paid,
    reconcile_transfers,
    retry_transfer,
    send_transfer,
    unfinished_transfers,
)
from tests.leaderboards.test_mirror import run_together
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs

pytestmark = pytest.mark.usefixtures("sound_ledger")

Fault = SandboxFault.Fault


@pytest.fixture
def ordered(make_finished: MakeFinished, treasurer: User, now: datetime) -> Transfer:
    """The only prize of a competition with one player: 100.00 USD, ordered and not sent."""
    competition = make_finished(9)
    connect_accounts(competition)
    return order(competition, treasurer, now)


def order(competition: Competition, treasurer: User, now: datetime) -> Transfer:
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
    return Transfer.objects.get(competition=competition)


def go_wrong(fault: str, times: int = 1) -> None:
    SandboxFault.objects.create(call="transfer", fault=fault, times_left=times)


def sent(transfer: Transfer, now: datetime) -> Transfer:
    send_transfer(transfer_id=transfer.id, now=now)
    return Transfer.objects.get(id=transfer.id)


def sent_quietly(transfer: Transfer, now: datetime) -> None:
    send_transfer(transfer_id=transfer.id, now=now)


def money_moved() -> list[int]:
    return list(SandboxOrder.objects.filter(call="transfer").values_list("amount_minor", flat=True))


def test_the_key_is_made_of_competition_person_and_version_and_of_no_place(ordered: Transfer) -> None:
    assert ordered.key == f"prize:{ordered.competition_id}:{ordered.user_id}:v1"


def test_it_is_paid_and_its_steps_are_kept(ordered: Transfer, now: datetime) -> None:
    paid = sent(ordered, now)
    assert (paid.state, paid.paid_at, money_moved()) == ("paid", now, [10_000])
    assert list(paid.moves.values_list("from_state", "to_state")) == [
        ("", "pending"),
        ("pending", "sent"),
        ("sent", "paid"),
    ]


def test_sending_it_again_changes_nothing(ordered: Transfer, now: datetime) -> None:
    for _ in range(3):
        sent(ordered, now)
    assert money_moved() == [10_000]
    assert Entry.objects.filter(kind=EntryKind.PRIZE_PAID).count() == 1


@pytest.mark.parametrize("fault", [Fault.TIME_OUT_AFTER, Fault.TIME_OUT_BEFORE, Fault.ERROR])
def test_an_unclear_answer_is_unknown_and_looked_up_before_anything_is_sent_again(
    fault: str, ordered: Transfer, now: datetime
) -> None:
    go_wrong(fault)
    assert sent(ordered, now).state == "unknown"
    assert sent(ordered, now).state == "paid"
    assert money_moved() == [10_000]


def test_a_gateway_that_has_forgotten_its_keys_is_asked_what_it_did(ordered: Transfer, now: datetime) -> None:
    """After a day the same request would move the money again."""
    go_wrong(Fault.TIME_OUT_AFTER)
    sent(ordered, now)
    SandboxOrder.objects.update(created_at=now - timedelta(days=2), remembered=False)
    assert sent(ordered, now + timedelta(days=2)).state == "paid"
    assert money_moved() == [10_000]


def test_the_sandbox_really_forgets(ordered: Transfer, now: datetime) -> None:
    """Or the test above would prove nothing."""
    from prizes.gateways import gateway
    from prizes.gateways.base import Order

    same = Order("a key", 1, 500, "EUR", "an account")
    gateway("sandbox").send_transfer(same)
    gateway("sandbox").send_transfer(same)
    SandboxOrder.objects.update(created_at=now - timedelta(hours=25))
    gateway("sandbox").send_transfer(same)
    assert money_moved() == [500, 500]


def test_too_many_requests_leave_it_pending(ordered: Transfer, now: datetime) -> None:
    go_wrong(Fault.BUSY)
    busy = sent(ordered, now)
    assert (busy.state, busy.reason, money_moved()) == ("pending", "The sandbox was told to answer 429.", [])
    assert sent(ordered, now).state == "paid"


def test_what_is_in_doubt_stays_in_doubt_when_the_gateway_gets_busy(ordered: Transfer, now: datetime) -> None:
    go_wrong(Fault.TIME_OUT_BEFORE)
    sent(ordered, now)
    go_wrong(Fault.BUSY)
    assert sent(ordered, now).state == "unknown"


def test_a_refusal_waits_for_a_person_who_may_try_again(ordered: Transfer, treasurer: User, now: datetime) -> None:
    go_wrong(Fault.REFUSE)
    assert sent(ordered, now).state == "failed"
    assert sent(ordered, now).state == "failed"
    retry_transfer(transfer_id=ordered.id, actor=Actor(treasurer), reason="The account is in order now.", now=now)
    assert run_jobs() == []
    again = Transfer.objects.get(id=ordered.id)
    assert (again.state, again.attempt, money_moved()) == ("paid", 2, [10_000])
    action = TreasuryAction.objects.get(action="retry")
    assert (action.by, action.reason) == (treasurer, "The account is in order now.")


def test_only_what_has_failed_is_tried_again(ordered: Transfer, treasurer: User, now: datetime) -> None:
    with pytest.raises(NotFailed):
        retry_transfer(transfer_id=ordered.id, actor=Actor(treasurer), reason="", now=now)


def test_money_that_stands_from_an_earlier_attempt_is_found_by_the_next_one(
    ordered: Transfer, treasurer: User, now: datetime
) -> None:
    """A failure that was none: somebody marked it so, and the gateway had done it after all."""
    go_wrong(Fault.TIME_OUT_AFTER)
    sent(ordered, now)
    Transfer.objects.update(state=TransferState.FAILED)
    retry_transfer(transfer_id=ordered.id, actor=Actor(treasurer), reason="Once more.", now=now)
    assert sent(ordered, now).state == "paid"
    assert money_moved() == [10_000]


def test_a_transfer_that_came_back_is_owed_again_and_can_be_paid_again(
    ordered: Transfer, treasurer: User, now: datetime
) -> None:
    sent(ordered, now)
    SandboxOrder.objects.update(status="failed")
    for _ in range(2):
        look_up_transfer(transfer_id=ordered.id, now=now)
        returned = Transfer.objects.get()
        assert (returned.state, returned.reason) == ("failed", "It was taken back.")
    retry_transfer(transfer_id=ordered.id, actor=Actor(treasurer), reason="To the right account.", now=now)
    assert sent(ordered, now).state == "paid"
    assert SandboxOrder.objects.filter(status="paid").count() == 1
    kinds = [EntryKind.PRIZE_PAID, EntryKind.PAYMENT_RETURNED]
    assert [Entry.objects.filter(kind=kind).count() for kind in kinds] == [2, 1]


def test_a_winner_without_an_account_waits_and_is_told_why_while_the_others_are_paid(
    make_finished: MakeFinished, treasurer: User, now: datetime
) -> None:
    competition = make_finished(9, 8, 7)
    connect_accounts(competition)
    second = competition.participants.get(user__name="Walker 2").user
    PayoutAccount.objects.filter(user=second).delete()
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
    assert run_jobs() == []
    states = Transfer.objects.order_by("user__name").values_list("state", "waits_for")
    assert list(states) == [("paid", ""), ("pending", NO_ACCOUNT), ("paid", "")]

    connect_payout_account(user=second, now=now)
    assert run_jobs() == []
    assert set(Transfer.objects.values_list("state", "waits_for")) == {("paid", "")}


def test_the_worker_tries_again_by_itself_and_the_sweep_finds_what_was_left(ordered: Transfer, now: datetime) -> None:
    go_wrong(Fault.TIME_OUT_BEFORE)
    assert run_jobs() == [
        "prizes.tasks.send_one_transfer: NotSettled: The sandbox did not answer in time.",
    ]
    assert not unfinished_transfers(datetime.now(UTC)).exists(), "somebody may be at it"
    later = datetime.now(UTC) + timedelta(minutes=5)
    assert list(unfinished_transfers(later)) == [Transfer.objects.get()]


def test_a_worker_whose_clock_was_ahead_leaves_nothing_to_wait_until_then(ordered: Transfer, now: datetime) -> None:
    go_wrong(Fault.TIME_OUT_AFTER)
    sent(ordered, now + timedelta(minutes=40))
    assert list(unfinished_transfers(now)) == [Transfer.objects.get()]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_eight_workers_at_one_transfer_pay_once(ordered: Transfer, now: datetime) -> None:
    go_wrong(Fault.TIME_OUT_AFTER, times=2)
    for _ in range(3):
        run_together([lambda: sent_quietly(ordered, now)] * 8)
    assert (Transfer.objects.get().state, money_moved()) == ("paid", [10_000])


def test_a_treasurer_pays_by_hand_under_a_reference(
    make_finished: MakeFinished, treasurer: User, now: datetime, settings: Any
) -> None:
    settings.PAYMENT_GATEWAY = "manual"
    transfer = order(make_finished(9), treasurer, now)
    assert sent(transfer, now).state == "sent"
    with pytest.raises(Invalid):
        mark(transfer, treasurer, now, reference=" ")
    mark(transfer, treasurer, now, reference="SEPA 17")
    mark(transfer, treasurer, now, reference="SEPA 17")
    with pytest.raises(NotForHand):
        mark(transfer, treasurer, now, reference="SEPA 18")
    paid = Transfer.objects.get()
    assert (paid.state, paid.reference) == ("paid", "SEPA 17")
    assert list(TreasuryAction.objects.filter(action="mark_paid").values_list("by__name", "reason")) == [
        ("Tess", "Wired it.")
    ]


def mark(transfer: Transfer, treasurer: User, now: datetime, *, reference: str) -> None:
    mark_transfer_paid(
        transfer_id=transfer.id, reference=reference, actor=Actor(treasurer), reason="Wired it.", now=now
    )


def test_what_failed_at_the_gateway_can_be_paid_by_hand_instead(
    ordered: Transfer, treasurer: User, now: datetime
) -> None:
    go_wrong(Fault.TIME_OUT_BEFORE)
    sent(ordered, now)
    with pytest.raises(NotForHand):
        mark(ordered, treasurer, now, reference="SEPA 1")
    go_wrong(Fault.REFUSE)
    sent(ordered, now)
    mark(ordered, treasurer, now, reference="SEPA 1")
    paid = Transfer.objects.get()
    assert (paid.state, paid.gateway, money_moved()) == ("paid", "manual", [])


def test_nothing_is_sent_inside_a_transaction_of_its_own_making(
    ordered: Transfer, now: datetime, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    """“Sent” must be committed before the gateway is asked; the sandbox would otherwise be rolled back with us."""
    moves = sent(ordered, now).moves.count()
    assert moves == 3


def test_what_has_moved_on_a_moment_ago_is_not_sent(ordered: Transfer, now: datetime) -> None:
    behind = Transfer.objects.get()
    sent(ordered, now)
    SandboxOrder.objects.all().delete()  # so that it would be seen
    transfers._send(behind, now)
    assert (Transfer.objects.get().state, money_moved()) == ("paid", [])


def test_an_answer_that_comes_after_somebody_has_decided_changes_nothing(
    ordered: Transfer, treasurer: User, now: datetime
) -> None:
    go_wrong(Fault.REFUSE)
    sent(ordered, now)
    behind = Transfer.objects.get()
    mark(ordered, treasurer, now, reference="SEPA 1")
    transfers._record(behind, Receipt("late", ReceiptStatus.PAID), now)
    assert Transfer.objects.get().reference == "SEPA 1"
    assert Entry.objects.filter(kind=EntryKind.PRIZE_PAID).count() == 1


def test_one_that_goes_wrong_does_not_keep_the_others(
    make_finished: MakeFinished, treasurer: User, now: datetime
) -> None:
    competition = make_finished(9, 8)
    connect_accounts(competition)
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
    first, second = Transfer.objects.order_by("user__name")
    Transfer.objects.filter(id=first.id).update(gateway="one that is gone")
    found = reconcile_transfers(transfers=[first, second], clock=lambda: now)
    assert [one.state for one in found] == ["pending", "paid"]
    Transfer.objects.filter(id=first.id).update(gateway="sandbox")
    assert sent(first, now).state == "paid"
