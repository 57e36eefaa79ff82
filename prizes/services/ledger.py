"""Writing to the ledger. Every entry is written in the transaction of what it is about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

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


@transaction.atomic
def post_entries(*, entries: Sequence[NewEntry], now: datetime) -> dict[str, Entry]:
    """Writes what is not written yet, however many entries there are in a handful of statements, and says what each key
    now stands for. An entry that moves nothing is left out."""
    moving = {entry.key: entry for entry in entries if any(entry.postings.values())}
    written = {entry.key: entry for entry in Entry.objects.filter(key__in=moving)}
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


def empty_pool(*, competition: Competition, into: Pot, key: str, now: datetime) -> None:
    """Moves whatever a competition's pool still holds."""
    pool = pots.pool(competition.id, competition.currency)
    left = balance_minor(pool)
    entry = NewEntry(
        key=key, kind=EntryKind.REMAINDER, postings={pool: left, into: -left}, competition_id=competition.id
    )
    post_entry(entry=entry, now=now)


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


def _accounts(pots: Iterable[Pot]) -> dict[Pot, int]:
    """The ids of these accounts; those that do not exist are opened."""
    wanted = set(pots)
    Account.objects.bulk_create([Account(**vars(pot)) for pot in wanted], ignore_conflicts=True)
    candidates = Account.objects.filter(
        kind__in={pot.kind for pot in wanted}, currency__in={pot.currency for pot in wanted}
    )
    people = {pot.user_id for pot in wanted if pot.user_id}
    if all(pot.user_id for pot in wanted):
        candidates = candidates.filter(user_id__in=people)
    return {pot: account.pk for account in candidates if (pot := _pot(account)) in wanted}


def _pot(account: Account) -> Pot:
    return Pot(AccountKind(account.kind), account.currency, account.gateway, account.competition_id, account.user_id)
