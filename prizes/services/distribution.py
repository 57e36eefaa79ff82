"""From final standings to transfers. Everything here happens in one transaction with the competition locked, so of two
who distribute at once the second finds it done."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from competitions.models import Competition
from competitions.services.lifecycle import lock_competition
from config.core.errors import Conflict, Forbidden
from config.core.money import to_decimal
from leaderboards.settling import settle_competition
from prizes import pots
from prizes.actors import Actor
from prizes.allocation import Leftover
from prizes.calculation import calculate
from prizes.limits import above
from prizes.models import (
    Award,
    AwardList,
    Distribution,
    Entry,
    EntryKind,
    Purpose,
    Transfer,
    TransferState,
)
from prizes.queries import balance_minor, fees_paid_minor, has_released_prizes
from prizes.services.audit import record_action
from prizes.services.ledger import NewEntry, empty_pool, post_entries, post_entry
from prizes.services.transfers import order_transfers, unsent_prizes, withdraw_prizes


class PoolUnfunded(Conflict):
    """Not all of the money that the awards need is confirmed."""

    def __init__(self, held_minor: int, needed_minor: int, currency: str) -> None:
        held, needed = to_decimal(held_minor, currency), to_decimal(needed_minor, currency)
        super().__init__(
            f"The pool holds {held} of {needed} {currency} that the awards need; a treasurer confirms the rest first."
        )


class AboveCap(Conflict):
    message = "The awards come to more than PAYOUT_CAP allows for one competition."


class FeesChanged(Conflict):
    message = "Entry fees were given back after the awards were calculated; correct the standings to calculate anew."


class PrizesInDoubt(Conflict):
    message = "Some prizes of earlier standings are under way or in doubt; reconcile them first."


class NothingToApprove(Conflict):
    message = "No distribution of this competition waits for an approval."


@dataclass(frozen=True)
class Distributed:
    award_list: AwardList
    distribution: Distribution

    @property
    def waits_for_approval(self) -> bool:
        return self.distribution.released_at is None


@transaction.atomic
def award_prizes(*, competition_id: UUID, now: datetime, actor: Actor | None = None) -> AwardList:
    """Writes down what the final standings are worth; moves no money. Again for the same standings it changes nothing.

    Raises NotFound, StandingsNotFinal, PoolBelowPlan.
    """
    lock_competition(competition_id)
    standings = settle_competition(competition_id=competition_id, now=now)
    known = AwardList.objects.filter(standings=standings).first()
    if known is not None:
        return known
    competition = Competition.objects.get(id=competition_id)
    found = calculate(competition)
    award_list = AwardList.objects.create(
        competition=competition,
        standings=standings,
        version=standings.number,
        plan=found.plan,
        ties_share=found.ties_share,
        currency=found.currency,
        promised_minor=found.promised_minor,
        fees_minor=found.fees_minor,
        platform_fee_minor=found.split.platform_minor,
        organiser_minor=found.split.organiser_minor,
        pool_minor=found.pool_minor,
        kept_minor=found.allocation.kept_minor,
        created_at=now,
        created_by=actor.user if actor else None,
    )
    Award.objects.bulk_create(
        [
            Award(award_list=award_list, user_id=award.user_id, rank=award.rank, amount_minor=award.amount_minor)
            for award in found.awards
        ]
    )
    return award_list


@transaction.atomic
def distribute_prizes(*, competition_id: UUID, actor: Actor, now: datetime, reason: str = "") -> Distributed:
    """Has the awards of the newest final standings paid, once. Above APPROVAL_OVER it waits for somebody else's word.

    Raises NotFound, StandingsNotFinal, PoolBelowPlan, FeesChanged, PrizesInDoubt, AboveCap, PoolUnfunded.
    """
    award_list = award_prizes(competition_id=competition_id, now=now, actor=actor)
    known = Distribution.objects.filter(award_list=award_list).first()
    if known is not None:
        return Distributed(award_list, known)
    _refuse_impossible(award_list)
    total = _outlay_minor(award_list)
    distribution = Distribution.objects.create(
        award_list=award_list,
        requested_by=actor.user,
        requested_with=actor.service_key,
        requested_at=now,
        needs_approval=above(settings.APPROVAL_OVER, total, award_list.currency),
    )
    record_action(
        competition_id=competition_id,
        action="distribute",
        actor=actor,
        reason=reason,
        now=now,
        version=award_list.version,
        total_minor=total,
    )
    if not distribution.needs_approval:
        _release(distribution, now)
    return Distributed(award_list, distribution)


@transaction.atomic
def approve_distribution(*, competition_id: UUID, actor: Actor, now: datetime, reason: str = "") -> Distributed:
    """The second treasurer's word, never that of the one who asked; the transfers go out. Approved again it changes
    nothing.

    Raises NothingToApprove, Forbidden, and what `distribute_prizes` raises.
    """
    assert actor.user is not None
    award_list = award_prizes(competition_id=competition_id, now=now, actor=actor)
    distribution = Distribution.objects.filter(award_list=award_list).first()
    if distribution is None:
        raise NothingToApprove
    if distribution.released_at is not None:
        return Distributed(award_list, distribution)
    if distribution.requested_by_id == actor.user.id:
        raise Forbidden("Somebody else must approve what you asked for.")
    distribution.approved_by, distribution.approved_at = actor.user, now
    record_action(
        competition_id=competition_id,
        action="approve",
        actor=actor,
        reason=reason,
        now=now,
        version=award_list.version,
        total_minor=_outlay_minor(award_list),
    )
    _refuse_impossible(award_list)
    _release(distribution, now)
    return Distributed(award_list, distribution)


def _release(distribution: Distribution, now: datetime) -> None:
    """Moves the awards from the pool to the winners' accounts and orders their transfers. Of corrected awards only what
    was not paid for earlier standings."""
    award_list = distribution.award_list
    _split_fees(award_list, now)
    withdraw_prizes(competition_id=award_list.competition_id, now=now)
    _order_prizes(award_list, now)
    _keep_remainder(award_list, now)
    distribution.released_at = now
    distribution.save(update_fields=["approved_by", "approved_at", "released_at"])


def _split_fees(award_list: AwardList, now: datetime) -> None:
    competition, currency = award_list.competition, award_list.currency
    in_pool = award_list.pool_minor - award_list.promised_minor
    entry = NewEntry(
        key=f"fees_split:{competition.id}",
        kind=EntryKind.FEES_SPLIT,
        postings={
            pots.fees(competition.id, currency): award_list.fees_minor,
            pots.pool(competition.id, currency): -in_pool,
            pots.platform(currency): -award_list.platform_fee_minor,
            pots.organiser(competition.owner_id, currency): -award_list.organiser_minor,
        },
        competition_id=competition.id,
    )
    post_entry(entry=entry, now=now)


def _due(award_list: AwardList) -> dict[Award, int]:
    """What each award still asks of the pool: all of it, less what the person was paid for earlier standings."""
    paid = _paid_minor(award_list.competition_id)
    due = {award: award.amount_minor - paid.get(award.user_id, 0) for award in award_list.awards.all()}
    return {award: amount for award, amount in due.items() if amount > 0}


def _paid_minor(competition_id: UUID) -> Mapping[UUID, int]:
    paid = Transfer.objects.filter(competition_id=competition_id, purpose=Purpose.PRIZE, state=TransferState.PAID)
    return dict(paid.order_by().values_list("user_id").annotate(sum=Sum("amount_minor")))


def _outlay_minor(award_list: AwardList) -> int:
    """What the competition's prizes come to in all, corrections included; the cap and the approval go by that."""
    return sum(_paid_minor(award_list.competition_id).values()) + sum(_due(award_list).values())


def _refuse_impossible(award_list: AwardList) -> None:
    """Raises FeesChanged, PrizesInDoubt, AboveCap, PoolUnfunded."""
    competition_id, currency = award_list.competition_id, award_list.currency
    if fees_paid_minor(competition_id) != award_list.fees_minor:
        raise FeesChanged
    # Held from here on: no worker sends what is counted as unsent below, and withdrawn in a moment.
    unsent = list(unsent_prizes(competition_id).select_for_update(no_key=True))
    asked = [TransferState.SENT, TransferState.UNKNOWN]
    if Transfer.objects.filter(competition_id=competition_id, purpose=Purpose.PRIZE, state__in=asked).exists():
        raise PrizesInDoubt
    if above(settings.PAYOUT_CAP, _outlay_minor(award_list), currency):
        raise AboveCap
    held = _available_minor(award_list) + sum(transfer.amount_minor for transfer in unsent)
    needed = sum(_due(award_list).values())
    if not has_released_prizes(competition_id):
        needed = award_list.pool_minor  # what was promised is there as a whole, whoever gets it
    if held < needed:
        raise PoolUnfunded(held, needed, currency)


def _available_minor(award_list: AwardList) -> int:
    """What the pool holds, with its part of fees that are not split yet."""
    held = balance_minor(pots.pool(award_list.competition_id, award_list.currency))
    if not Entry.objects.filter(key=f"fees_split:{award_list.competition_id}").exists():
        held += award_list.pool_minor - award_list.promised_minor
    return held


def _order_prizes(award_list: AwardList, now: datetime) -> None:
    competition_id, currency = award_list.competition_id, award_list.currency
    due = _due(award_list)
    keys = {award: f"prize:{competition_id}:{award.user_id}:v{award_list.version}" for award in due}
    owed = post_entries(
        entries=[
            NewEntry(
                key=keys[award],
                kind=EntryKind.PRIZE_OWED,
                postings={
                    pots.pool(competition_id, currency): amount,
                    pots.prizes_owed(competition_id, award.user_id, currency): -amount,
                },
                competition_id=competition_id,
                user_id=award.user_id,
            )
            for award, amount in due.items()
        ],
        now=now,
    )
    order_transfers(
        transfers=[
            Transfer(
                key=keys[award],
                purpose=Purpose.PRIZE,
                competition_id=competition_id,
                user_id=award.user_id,
                award=award,
                owed=owed[keys[award]],
                amount_minor=amount,
                currency=currency,
                gateway=settings.PAYMENT_GATEWAY,
                created_at=now,
                updated_at=now,
            )
            for award, amount in due.items()
        ],
        now=now,
    )


def _keep_remainder(award_list: AwardList, now: datetime) -> None:
    """Whatever the awards have left goes where the plan says."""
    competition, currency = award_list.competition, award_list.currency
    rolls_over = award_list.plan["leftover"] == Leftover.ROLL_OVER
    keeper = (pots.reserve if rolls_over else pots.organiser)(competition.owner_id, currency)
    empty_pool(competition=competition, into=keeper, key=f"remainder:{competition.id}:v{award_list.version}", now=now)
