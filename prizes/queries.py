"""Reading plans, awards, transfers and the ledger."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import QuerySet, Sum

from leaderboards.models import FinalStandings
from prizes import plans
from prizes.models import (
    Account,
    AccountKind,
    AwardList,
    Distribution,
    Entry,
    EntryKind,
    Payment,
    Posting,
    PrizePlan,
    Purpose,
    Transfer,
    TransferState,
)
from prizes.pots import Pot

SHOWN_TO_PERSON = {
    EntryKind.ENTRY_FEE: "entry_fee",
    EntryKind.PRIZE_OWED: "prize",
    EntryKind.REFUND_OWED: "refund",
}
"""Entries that a person sees, and what the wire calls them."""


def plan_document(competition_id: UUID) -> plans.Document:
    """The competition's plan; the default where nobody chose one."""
    chosen = PrizePlan.objects.filter(competition_id=competition_id).first()
    return chosen.document if chosen else plans.DEFAULT


def balance_minor(pot: Pot) -> int:
    """What an account holds for whom it is named after: credits less debits, and the other way round for cash."""
    account = Account.objects.filter(**vars(pot)).first()
    return account_balance_minor(account) if account else 0


def account_balance_minor(account: Account) -> int:
    debits = account.postings.aggregate(sum=Sum("amount_minor"))["sum"] or 0
    return int(debits) if account.kind == AccountKind.CASH else -int(debits)


def fees_paid_minor(competition_id: UUID) -> int:
    """Entry fees that were paid and not promised back, whether they have been split already or not."""
    postings = Posting.objects.filter(account__kind=AccountKind.FEES, account__competition_id=competition_id)
    debits = postings.exclude(entry__kind=EntryKind.FEES_SPLIT).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    return -int(debits)


def confirmed_minor(competition_id: UUID) -> int:
    """What treasurers have confirmed to be there for the competition's pool, over all time."""
    funding = Posting.objects.filter(
        account__kind=AccountKind.POOL, account__competition_id=competition_id, entry__kind=EntryKind.FUNDING
    )
    return -int(funding.aggregate(sum=Sum("amount_minor"))["sum"] or 0)


def checkout_url_of(seat_id: UUID) -> str:
    """The page where this seat is paid; empty before it was opened, and where a treasurer takes the money."""
    return Payment.objects.filter(seat_id=seat_id).values_list("checkout_url", flat=True).first() or ""


def competition_paid_at(reference: str) -> UUID | None:
    """Whose fee is paid at the gateway's page of this reference."""
    return Payment.objects.filter(checkout_reference=reference).values_list("competition_id", flat=True).first()


def newest_award_list(competition_id: UUID) -> AwardList | None:
    lists = AwardList.objects.filter(competition_id=competition_id).select_related("distribution")
    return lists.order_by("-version").first()


def funded_under(key: str) -> int | None:
    """How much the funding entry with this key brought into its pool, in minor units; None when there is none."""
    posting = Posting.objects.filter(entry__key=key, account__kind=AccountKind.POOL).first()
    return -posting.amount_minor if posting else None


def is_released(standings: FinalStandings) -> bool:
    """Whether the transfers for these very standings were ordered."""
    return Distribution.objects.filter(award_list__standings=standings, released_at__isnull=False).exists()


def has_released_prizes(competition_id: UUID) -> bool:
    released = Distribution.objects.filter(award_list__competition_id=competition_id, released_at__isnull=False)
    return released.exists()


def transfers_of(competition_id: UUID) -> QuerySet[Transfer]:
    return Transfer.objects.filter(competition_id=competition_id).select_related("user", "award__award_list")


def transactions_of(user_id: UUID) -> QuerySet[Entry]:
    """A person's fees, prizes and refunds, the latest first: the ledger's entries about them, with the transfer that
    carries each out."""
    return _entries_of(user_id, SHOWN_TO_PERSON.keys())


def prizes_won(user_id: UUID) -> int:
    """How many prizes the person was paid. Their sum would add up currencies."""
    return Transfer.objects.filter(user_id=user_id, purpose=Purpose.PRIZE, state=TransferState.PAID).count()


def prizes_of(user_id: UUID) -> QuerySet[Entry]:
    return _entries_of(user_id, [EntryKind.PRIZE_OWED])


def _entries_of(user_id: UUID, kinds: Collection[str]) -> QuerySet[Entry]:
    entries = Entry.objects.filter(user_id=user_id, kind__in=list(kinds))
    return entries.select_related("competition", "transfer__award__award_list").prefetch_related("postings__account")
