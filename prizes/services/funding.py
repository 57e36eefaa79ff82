"""Money that a treasurer says is there, and money that an organiser gets back."""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from competitions.models import Competition
from competitions.services.lifecycle import lock_competition
from config.core.errors import Conflict, Invalid
from leaderboards.queries import final_standings
from prizes import pots
from prizes.actors import Actor
from prizes.limits import above
from prizes.models import Entry, EntryKind
from prizes.queries import balance_minor, confirmed_minor, funded_under, is_released
from prizes.services.audit import record_action
from prizes.services.ledger import NewEntry, hold_accounts, post_entry

BANK = "bank"
"""The gateway name of cash that never went through a gateway."""


class FundingClosed(Conflict):
    message = "The prizes of this competition are on their way already; nothing more is needed."


class ReserveTooSmall(Conflict):
    message = "The organiser has not that much left over from earlier competitions."


class NothingToPay(Conflict):
    message = "That is more than the organiser is owed."


@transaction.atomic
def confirm_funding(
    *,
    competition_id: UUID,
    amount_minor: int,
    reference: str,
    actor: Actor,
    reason: str,
    now: datetime,
    from_reserve: bool = False,
) -> Competition:
    """Money for the pool has arrived, under the bank's reference, or is taken from what earlier competitions left to
    their organiser. The same again changes nothing.

    Raises NotFound, FundingClosed, ReserveTooSmall, and Invalid naming the field, also for a reference that stands for
    another amount.
    """
    competition = lock_competition(competition_id)
    _refuse_wrong_amount(amount_minor, reference, competition.currency)
    key = f"funding:{competition.id}:{reference}"
    if (known := funded_under(key)) is not None:
        if known != amount_minor:
            raise Invalid(details={"reference": ["This reference stands for another amount already."]})
        return competition
    _refuse_closed(competition)
    source = (
        _from_organiser(competition, amount_minor)
        if from_reserve
        else {pots.cash(BANK, competition.currency): amount_minor}
    )
    entry = NewEntry(
        key=key,
        kind=EntryKind.FUNDING,
        postings={**source, pots.pool(competition.id, competition.currency): -amount_minor},
        competition_id=competition.id,
        by_id=actor.user_id,
        note=reason,
    )
    post_entry(entry=entry, now=now)
    competition.funded_minor = confirmed_minor(competition.id)
    competition.save(update_fields=["funded_minor", "updated_at"])
    record_action(
        competition_id=competition.id,
        action="fund",
        actor=actor,
        reason=reason,
        now=now,
        amount_minor=amount_minor,
        reference=reference,
    )
    return competition


def _refuse_closed(competition: Competition) -> None:
    """Money that came later would lie in the pool for ever. A correction opens it again."""
    if competition.cancelled_at is not None:
        raise FundingClosed("The competition was cancelled.")
    standings = final_standings(competition.id)
    if standings is not None and is_released(standings):
        raise FundingClosed


def _from_organiser(competition: Competition, amount_minor: int) -> dict[pots.Pot, int]:
    """What was rolled over first, then what was returned. The accounts are held, so that nobody spends it twice."""
    rolled_over = pots.reserve(competition.owner_id, competition.currency)
    returned = pots.organiser(competition.owner_id, competition.currency)
    hold_accounts([rolled_over, returned])
    out_of_first = min(amount_minor, balance_minor(rolled_over))
    if amount_minor - out_of_first > balance_minor(returned):
        raise ReserveTooSmall
    return {rolled_over: out_of_first, returned: amount_minor - out_of_first}


@transaction.atomic
def pay_organiser(
    *, competition_id: UUID, amount_minor: int, reference: str, actor: Actor, reason: str, now: datetime
) -> None:
    """What the competition's organiser is owed has left our bank, under this reference. The same again changes nothing.

    Raises NotFound, NothingToPay, Invalid naming the field.
    """
    competition = lock_competition(competition_id)
    _refuse_wrong_amount(amount_minor, reference, competition.currency)
    owed = pots.organiser(competition.owner_id, competition.currency)
    hold_accounts([owed])
    key = f"organiser:{competition.owner_id}:{reference}"
    if Entry.objects.filter(key=key).exists():
        return
    if balance_minor(owed) < amount_minor:
        raise NothingToPay
    entry = NewEntry(
        key=key,
        kind=EntryKind.ORGANISER_PAID,
        postings={owed: amount_minor, pots.cash(BANK, competition.currency): -amount_minor},
        competition_id=competition.id,
        by_id=actor.user_id,
        note=reason,
    )
    post_entry(entry=entry, now=now)
    record_action(
        competition_id=competition.id,
        action="pay_organiser",
        actor=actor,
        reason=reason,
        now=now,
        amount_minor=amount_minor,
        reference=reference,
    )


def _refuse_wrong_amount(amount_minor: int, reference: str, currency: str) -> None:
    if amount_minor <= 0:
        raise Invalid(details={"amount": ["Write an amount above zero."]})
    if above(settings.PAYOUT_CAP, amount_minor, currency):
        raise Invalid(details={"amount": ["This is above the cap that PAYOUT_CAP sets."]})
    if not reference.strip():
        raise Invalid(details={"reference": ["Write the reference of the payment."]})
