"""The ledger refuses, in PostgreSQL itself, whatever would make it wrong."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from accounts.models import User
from competitions.models import Competition
from prizes import pots
from prizes.models import (
    Account,
    Award,
    AwardList,
    Entry,
    EntryKind,
    Posting,
    TransferMove,
    TreasuryAction,
)
from prizes.queries import balance_minor
from prizes.services.ledger import NewEntry, post_entries, post_entry
from tests.conftest import MakeCompetition

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def competition(make_competition: MakeCompetition) -> Competition:
    return make_competition()


@pytest.fixture
def fee(competition: Competition, person: User) -> NewEntry:
    return NewEntry(
        key="fee:1",
        kind=EntryKind.ENTRY_FEE,
        postings={pots.cash("sandbox", "EUR"): 500, pots.fees(competition.id, "EUR"): -500},
        competition_id=competition.id,
        user_id=person.id,
    )


def checked() -> None:
    """What PostgreSQL says when a transaction ends."""
    connection.check_constraints()


@contextmanager
def refused(match: str) -> Iterator[None]:
    """PostgreSQL refuses what happens inside, at the latest when the transaction ends."""
    with pytest.raises(IntegrityError, match=match), transaction.atomic():  # noqa: PT012 - both are one transaction
        yield
        checked()


def test_an_entry_is_written_once_however_often_it_is_posted(fee: NewEntry, competition: Competition) -> None:
    post_entry(entry=fee, now=NOW)
    post_entry(entry=fee, now=NOW)
    checked()
    assert Posting.objects.count() == 2
    assert balance_minor(pots.cash("sandbox", "EUR")) == 500
    assert balance_minor(pots.fees(competition.id, "EUR")) == 500


def test_an_entry_that_moves_nothing_is_left_out(fee: NewEntry) -> None:
    nothing = NewEntry(key="nothing", kind=EntryKind.REMAINDER, postings=dict.fromkeys(fee.postings, 0))
    post_entries(entries=[nothing, fee], now=NOW)
    assert list(Entry.objects.values_list("key", flat=True)) == ["fee:1"]


def test_many_entries_take_as_many_statements_as_one(
    competition: Competition, django_assert_num_queries: Callable[..., Any]
) -> None:
    def entries(letter: str, count: int) -> list[NewEntry]:
        postings = {pots.cash("sandbox", "EUR"): 1, pots.fees(competition.id, "EUR"): -1}
        return [
            NewEntry(key=f"{letter}{number}", kind=EntryKind.ENTRY_FEE, postings=postings) for number in range(count)
        ]

    with django_assert_num_queries(8):
        post_entries(entries=entries("a", 1), now=NOW)
    with django_assert_num_queries(8):
        post_entries(entries=entries("b", 200), now=NOW)


def test_an_entry_that_does_not_come_to_zero_is_refused(fee: NewEntry) -> None:
    pot, _ = fee.postings
    with refused("does not come to zero"):
        post_entry(entry=NewEntry(key="odd", kind=fee.kind, postings={**fee.postings, pot: 501}), now=NOW)


def test_each_currency_must_come_to_zero_by_itself(competition: Competition) -> None:
    exchanged = {pots.cash("sandbox", "EUR"): 500, pots.fees(competition.id, "USD"): -500}
    with refused("does not come to zero"):
        post_entry(entry=NewEntry(key="odd", kind=EntryKind.ENTRY_FEE, postings=exchanged), now=NOW)


def test_an_entry_without_its_postings_is_refused(fee: NewEntry) -> None:
    with refused("says 2 postings and has 0"):
        Entry.objects.create(key="empty", kind=fee.kind, created_at=NOW, posting_count=2)


def test_postings_cannot_be_added_to_an_entry_later_not_even_in_pairs(fee: NewEntry) -> None:
    post_entry(entry=fee, now=NOW)
    entry, (cash, fees) = Entry.objects.get(), Account.objects.order_by("kind")
    with refused("says 2 postings and has 4"):
        Posting.objects.create(entry=entry, account=cash, amount_minor=100)
        Posting.objects.create(entry=entry, account=fees, amount_minor=-100)


@pytest.mark.parametrize("model", [Account, Entry, Posting, AwardList, Award, TransferMove, TreasuryAction])
def test_nobody_changes_deletes_or_empties_what_is_written(model: type[models.Model], fee: NewEntry, db: None) -> None:
    post_entry(entry=fee, now=NOW)
    table = model._meta.db_table
    triggers = {"UPDATE": f"{table}_append_only", "DELETE": f"{table}_append_only", "TRUNCATE": f"{table}_no_truncate"}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_manipulation, trigger_name FROM information_schema.triggers WHERE event_object_table = %s"
            " AND action_statement LIKE '%%refuse_change%%'",
            [table],
        )
        watched = dict(cursor.fetchall())
    assert {event: name for event, name in triggers.items() if event != "TRUNCATE"} == watched


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE prizes_posting SET amount_minor = amount_minor * 2",
        "DELETE FROM prizes_posting",
        "UPDATE prizes_entry SET note = 'x'",
        "DELETE FROM prizes_entry",
        "UPDATE prizes_account SET currency = 'USD'",
    ],
)
def test_the_ledger_itself_refuses_a_change(statement: str, fee: NewEntry) -> None:
    post_entry(entry=fee, now=NOW)
    with refused("is append-only"), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_ledger_refuses_to_be_emptied(fee: NewEntry) -> None:
    post_entry(entry=fee, now=NOW)
    checked()
    with refused("TRUNCATE refused"), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE prizes_posting ENABLE TRIGGER prizes_posting_no_truncate")  # off in tests
        cursor.execute("TRUNCATE prizes_posting")


def test_an_account_says_whose_it_is(competition: Competition) -> None:
    with refused("account_says_whose"):
        Account.objects.create(kind="pool", currency="EUR")
    Account.objects.create(kind="pool", currency="EUR", competition=competition)
    with refused("one_account_per_pot"):
        Account.objects.create(kind="pool", currency="EUR", competition=competition)
