"""Writing to the ledger. Every entry is written in the transaction of what it is about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from competitions.models import Competition
from prizes import pots
from prizes.models import Account, AccountKind, Entry, EntryKind, Posting
from prizes.pots import Pot
from prizes.queries import balance_minor


@dataclass(frozen=True)
class NewEntry:
    """``postings`` are minor units, debits positive, and add up to zero in each currency; PostgreSQL refuses any other
    when the transaction ends. ``user_id``: whose fee, prize or refund it is; ``by_id``: who caused it."""

    key: str
    kind: EntryKind
    postings: Mapping[Pot, int]
    competition_id: UUID | None = None
    user_id: UUID | None = None
    by_id: UUID | None = None
    note: str = ""


def hold_accounts(wanted: Iterable[Pot]) -> None:
    """Nobody else takes money out of these until the transaction ends."""
    ids = _accounts(wanted).values()
    list(Account.objects.select_for_update(no_key=True).filter(id__in=ids).order_by("id"))


class AnotherEntry(Exception):
    """The key stands for another event already: a fault of ours, never a caller's."""


@transaction.atomic
def post_entries(*, entries: Sequence[NewEntry], now: datetime) -> dict[str, Entry]:
    """Writes what is not written yet, however many entries there are in a handful of statements, and says what each key
    now stands for. An entry that moves nothing is left out."""
    moving = {entry.key: entry for entry in entries if any(entry.postings.values())}
    written = {entry.key: entry for entry in Entry.objects.filter(key__in=moving).prefetch_related("postings__account")}
    _refuse_another(moving, written)
    missing = [entry for key, entry in moving.items() if key not in written]
    made = Entry.objects.bulk_create([_entry(entry, now) for entry in missing])
    accounts = _accounts(pot for entry in missing for pot in entry.postings)
    Posting.objects.bulk_create(
        [
            Posting(entry=entry, account_id=accounts[pot], amount_minor=amount)
            for new, entry in zip(missing, made, strict=True)
            for pot, amount in new.postings.items()
            if amount
        ]
    )
    return written | {entry.key: entry for entry in made}


def post_entry(*, entry: NewEntry, now: datetime) -> None:
    post_entries(entries=[entry], now=now)


def _refuse_another(entries: Mapping[str, NewEntry], written: Mapping[str, Entry]) -> None:
    """Raises AnotherEntry when what is written under a key is not what is to be written."""
    for key, entry in written.items():
        said = {pot: amount for pot, amount in entries[key].postings.items() if amount}
        if {_pot(posting.account): posting.amount_minor for posting in entry.postings.all()} != said:
            raise AnotherEntry(key)


def empty_pool(
    *, competition: Competition, into: Pot, key: str, now: datetime, by_id: UUID | None = None, note: str = ""
) -> int:
    """Moves whatever a competition's pool still holds, and says how much that was, in minor units."""
    pool = pots.pool(competition.id, competition.currency)
    left = balance_minor(pool)
    entry = NewEntry(
        key=key,
        kind=EntryKind.REMAINDER,
        postings={pool: left, into: -left},
        competition_id=competition.id,
        by_id=by_id,
        note=note,
    )
    if left:
        post_entry(entry=entry, now=now)
    return left


def _entry(entry: NewEntry, now: datetime) -> Entry:
    return Entry(
        key=entry.key,
        kind=entry.kind,
        competition_id=entry.competition_id,
        user_id=entry.user_id,
        by_id=entry.by_id,
        note=entry.note,
        created_at=now,
        posting_count=sum(amount != 0 for amount in entry.postings.values()),
    )


def _accounts(pots_of_entries: Iterable[Pot]) -> dict[Pot, int]:
    """The ids of these accounts; those that do not exist are opened."""
    wanted = set(pots_of_entries)
    in_order = sorted(wanted, key=str)  # two who open the same ones do so in the same order
    Account.objects.bulk_create([Account(**vars(pot)) for pot in in_order], ignore_conflicts=True)
    known: dict[Pot, int] = {}
    for kind in {pot.kind for pot in wanted}:
        known |= {_pot(account): account.pk for account in _candidates([pot for pot in wanted if pot.kind == kind])}
    return {pot: known[pot] for pot in wanted}


def _candidates(pots_of_kind: Sequence[Pot]) -> QuerySet[Account]:
    """Accounts of one kind, hardly more than are asked for: all of a kind say whose they are in the same columns."""
    found = Account.objects.filter(kind=pots_of_kind[0].kind, currency__in={pot.currency for pot in pots_of_kind})
    for column in ("gateway", "competition_id", "user_id"):
        values = {getattr(pot, column) for pot in pots_of_kind} - {None}
        found = found.filter(**({f"{column}__in": values} if values else {f"{column}__isnull": True}))
    return found


def _pot(account: Account) -> Pot:
    return Pot(AccountKind(account.kind), account.currency, account.gateway, account.competition_id, account.user_id)
