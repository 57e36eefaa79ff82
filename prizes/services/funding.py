"""Money that a treasurer says is there, and money that an organiser gets back."""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from competitions.models import Competition
from competitions.services.lifecycle import lock_competition
from config.core.errors import Conflict, Invalid
from prizes import pots
from prizes.actors import Actor
from prizes.limits import above
from prizes.models import EntryKind
from prizes.queries import balance_minor, confirmed_minor
from prizes.services.audit import record_action
from prizes.services.ledger import NewEntry, post_entry

BANK = "bank"
"""The gateway name of cash that never went through a gateway."""


class ReserveTooSmall(Conflict):
    message = "The organiser has not that much left over from earlier competitions."


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
    """Money for the pool has arrived, under the bank's reference, or is taken from what was rolled over. The same
    reference again changes nothing.

    Raises Invalid naming the field, ReserveTooSmall.
    """
    competition = lock_competition(competition_id)
    _refuse_wrong_amount(amount_minor, reference, competition.currency)
    saved = pots.reserve(competition.owner_id, competition.currency)
    if from_reserve and balance_minor(saved) < amount_minor:
        raise ReserveTooSmall
    entry = NewEntry(
        key=f"funding:{competition.id}:{reference}",
        kind=EntryKind.FUNDING,
        postings={
            saved if from_reserve else pots.cash(BANK, competition.currency): amount_minor,
            pots.pool(competition.id, competition.currency): -amount_minor,
        },
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


def _refuse_wrong_amount(amount_minor: int, reference: str, currency: str) -> None:
    if amount_minor <= 0:
        raise Invalid(details={"amount": ["Write an amount above zero."]})
    if above(settings.PAYOUT_CAP, amount_minor, currency):
        raise Invalid(details={"amount": ["This is above the cap that PAYOUT_CAP sets."]})
    if not reference.strip():
        raise Invalid(details={"reference": ["Write the reference of the payment."]})
