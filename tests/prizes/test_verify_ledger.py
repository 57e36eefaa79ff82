"""`verify_ledger` finds each kind of fault that somebody with all of PostgreSQL's powers could plant, and names it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from competitions.models import Competition
from prizes.actors import Actor
from prizes.models import Account, AwardList, Entry, Posting, Transfer
from prizes.services.distribution import distribute_prizes
from prizes.verification import CHECKS, faults_of
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs


@pytest.fixture
def paid(make_finished: MakeFinished, treasurer: User) -> Competition:
    competition = make_finished(9, 8, 7)
    connect_accounts(competition)
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=datetime.now(UTC))
    assert run_jobs() == []
    return competition


@contextmanager
def tampering() -> Iterator[None]:
    """As the database's superuser, with every trigger off."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")


def found() -> dict[str, list[str]]:
    """The ids at fault, by check."""
    faults = {check: [fault.id for fault in faults_of(check)] for check in CHECKS}
    return {check: ids for check, ids in faults.items() if ids}


def test_a_sound_ledger_is_said_to_be_sound(paid: Competition, capsys: pytest.CaptureFixture[str]) -> None:
    assert found() == {}
    call_command("verify_ledger", "--json")
    assert {row["state"] for row in json.loads(capsys.readouterr().out)} == {"right"}


def test_a_changed_amount_is_named(paid: Competition, capsys: pytest.CaptureFixture[str]) -> None:
    posting = Posting.objects.filter(account__kind="pool", amount_minor=6_000).get()
    with tampering():
        Posting.objects.filter(id=posting.id).update(amount_minor=6_001)
    assert found()["entries come to zero in each currency"] == [str(posting.entry_id)]
    assert found()["all accounts come to zero in each currency"] == ["USD"]
    assert found()["nobody was given more than they had"] == [str(posting.account_id)]
    with pytest.raises(CommandError, match="faults"):
        call_command("verify_ledger", "--json")
    assert str(posting.entry_id) in capsys.readouterr().out


def test_a_missing_posting_is_named(paid: Competition) -> None:
    posting = Posting.objects.order_by("id")[0]
    with tampering():
        Posting.objects.filter(id=posting.id).delete()
    assert found()["entries have all their postings"] == [str(posting.entry_id)]


def test_money_out_of_nowhere_is_named_even_when_it_balances(paid: Competition) -> None:
    """Both sides changed: the sums are right, and yet the winner is owed more than is to be sent."""
    entry = Entry.objects.filter(kind="prize_owed").order_by("key")[0]
    with tampering():
        for posting in entry.postings.all():
            Posting.objects.filter(id=posting.id).update(amount_minor=posting.amount_minor * 2)
    owed = Account.objects.get(kind="prizes_owed", user=entry.user)
    assert found()["what is owed is what transfers are to pay"] == [str(owed.id)]


def test_a_payment_that_the_ledger_does_not_know_is_named(paid: Competition) -> None:
    transfer = Transfer.objects.order_by("key")[0]
    with tampering():
        Entry.objects.filter(key=f"{transfer.key}/paid/1").update(key="something else")
    assert str(transfer.id) in found()["paid transfers are in the ledger once"]


def test_a_transfer_that_only_says_that_it_is_paid_is_named(make_finished: MakeFinished, treasurer: User) -> None:
    competition = make_finished(9)
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=datetime.now(UTC))
    Transfer.objects.update(state="paid", paid_at=datetime.now(UTC))
    transfer = Transfer.objects.get()
    assert found()["paid transfers are in the ledger once"] == [str(transfer.id)]


def test_awards_that_are_not_the_pool_are_named(paid: Competition) -> None:
    award_list = AwardList.objects.get()
    with tampering():
        AwardList.objects.update(kept_minor=1)
    assert found() == {"awards and what is kept come to the pool": [str(award_list.id)]}


def test_funding_that_is_only_shown_is_named(paid: Competition) -> None:
    Competition.objects.update(funded_minor=10_001)
    assert found() == {"competitions show the money that was confirmed": [str(paid.id)]}
