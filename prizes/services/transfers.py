"""Sending money, exactly once.

A transfer is written down, with the ledger entry that promises it, in one transaction with its job. Whoever carries it
out first commits that it is being sent, then asks the gateway, then commits the answer. Between any two of these steps
a process may die: what was “sent” without an answer is looked up at the gateway before anything is sent again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Value
from procrastinate.types import JSONDict

from accounts.notices import Event
from accounts.services.notifying import notify_people
from competitions.models import Competition
from config.core.errors import Conflict, Invalid
from config.core.sql import alone_with
from leaderboards.queries import final_standings
from prizes import pots
from prizes.actors import Actor
from prizes.gateways import gateway
from prizes.gateways.base import (
    GatewayBusy,
    GatewayRefused,
    Order,
    OutcomeUnknown,
    Receipt,
    ReceiptStatus,
)
from prizes.models import EntryKind, PayoutAccount, Purpose, Transfer, TransferMove, TransferState
from prizes.models.transfers import UNFINISHED
from prizes.services.audit import record_action
from prizes.services.ledger import NewEntry, post_entries, post_entry
from prizes.signals import prizes_settled

log = structlog.get_logger(__name__)

NO_ACCOUNT = "The winner has not connected a payout account."
NO_REFERENCE = "The fee has no reference at the gateway, so it can only be given back by hand."
CORRECTED = "The standings were corrected since; distribute the new awards."
_STALE = timedelta(minutes=2)


class NotFailed(Conflict):
    message = "Only a transfer that has failed can be tried again."


class NotByHand(Conflict):
    message = "Only a transfer that a treasurer makes by hand can be given up."


class NotForHand(Conflict):
    message = "What the gateway was asked to pay is for the gateway to pay, unless it has failed."


def order_transfers(*, transfers: Sequence[Transfer], now: datetime) -> None:
    """Writes transfers down and has them sent once that is committed."""
    Transfer.objects.bulk_create(transfers)
    TransferMove.objects.bulk_create(
        [TransferMove(transfer=t, to_state=t.state, attempt=t.attempt, moved_at=now) for t in transfers]
    )
    enqueue_transfers(transfer.id for transfer in transfers)


def enqueue_transfers(transfer_ids: Iterable[UUID]) -> None:
    """In the transaction at hand: the job exists if and only if that is committed."""
    from prizes.tasks import send_one_transfer  # tasks call services

    jobs: list[JSONDict] = [{"transfer_id": str(transfer_id)} for transfer_id in transfer_ids]
    if jobs:
        send_one_transfer.batch_defer(*jobs)


def send_transfer(*, transfer_id: UUID, now: datetime) -> Transfer:
    """Brings an unfinished transfer as far as it goes, and says how it stands. Never inside a transaction: each step is
    committed before the next. Safe to call at any time, any number of times, from anywhere."""
    with alone_with(str(transfer_id)) as alone:
        transfer = Transfer.objects.select_related("payment", "award__award_list").get(id=transfer_id)
        if alone and transfer.state in UNFINISHED and _may_go(transfer, now):
            _carry_out(transfer, now)
    return transfer


def look_up_transfer(*, transfer_id: UUID, now: datetime) -> Transfer | None:
    """Asks the gateway how a transfer stands, also one that counted as paid: it may have come back. None while somebody
    else is at it. May raise what a gateway raises."""
    with alone_with(str(transfer_id)) as alone:
        if not alone:
            return None
        transfer = Transfer.objects.select_related("payment").get(id=transfer_id)
        asked = transfer.state not in (TransferState.PENDING, TransferState.CANCELLED)
        if asked and transfer.gateway != "manual":
            receipt = _found(transfer)
            if receipt is not None:
                _record(transfer, receipt, now)
    return transfer


def _may_go(transfer: Transfer, now: datetime) -> bool:
    """What was asked for once is seen through. Anything else needs somewhere to go, and no correction in its way."""
    if transfer.state != TransferState.PENDING:
        return True
    waits_for = CORRECTED if _is_outdated(transfer) else _without_destination(transfer)
    with transaction.atomic():
        Transfer.objects.filter(id=transfer.id, state=TransferState.PENDING).update(
            destination=transfer.destination, waits_for=waits_for, updated_at=now
        )
        if waits_for == NO_ACCOUNT:
            _tell_winner(Event.PRIZE_WAITING, transfer, now)
    transfer.waits_for = waits_for
    return not waits_for


def _tell_winner(event: Event, transfer: Transfer, now: datetime) -> None:
    """Once of each attempt to pay a prize. A refund is told with what it follows from."""
    if transfer.purpose != Purpose.PRIZE:
        return
    competition = Competition.objects.get(id=transfer.competition_id)
    notify_people(
        event=event,
        told={
            transfer.user_id: {
                "competition": competition.name,
                "amount_minor": transfer.amount_minor,
                "currency": transfer.currency,
            }
        },
        dedupe_key=f"{event}:{transfer.id}:{transfer.attempt}",
        competition_id=competition.id,
        now=now,
    )


def _is_outdated(transfer: Transfer) -> bool:
    if transfer.award is None:
        return False
    standings = final_standings(transfer.competition_id)
    return standings is not None and standings.number > transfer.award.award_list.version


def _without_destination(transfer: Transfer) -> str:
    """Finds out where the money goes, once: a repeat goes to the same place. Says what is missing."""
    if transfer.destination:
        return ""
    if transfer.purpose == Purpose.REFUND:
        assert transfer.payment is not None
        transfer.destination = transfer.payment.payment_reference
    elif gateway(transfer.gateway).needs_account:
        account = PayoutAccount.objects.filter(user=transfer.user_id, gateway=transfer.gateway, ready=True).first()
        transfer.destination = account.reference if account else ""
    else:
        transfer.destination = "by hand"
    if transfer.destination:
        return ""
    return NO_ACCOUNT if transfer.purpose == Purpose.PRIZE else NO_REFERENCE


def _carry_out(transfer: Transfer, now: datetime) -> None:
    """Looks for what may have been done before, and sends only what the gateway knows nothing of."""
    never_asked = transfer.state == TransferState.PENDING and transfer.attempt == 1
    try:
        receipt = None if never_asked else _found(transfer)
    except (GatewayBusy, GatewayRefused, OutcomeUnknown) as error:
        _move(transfer, TransferState(transfer.state), now, reason=str(error))  # as much in doubt as before
        return
    if receipt is not None:
        _record(transfer, receipt, now)
    elif _is_outdated(transfer):
        _move(transfer, TransferState.PENDING, now, waits_for=CORRECTED)  # nothing was sent, and nothing should be
    else:
        _send(transfer, now)


def _send(transfer: Transfer, now: datetime) -> None:
    before = TransferState(transfer.state)
    if not _move(transfer, TransferState.SENT, now):
        return  # withdrawn a moment ago
    try:
        receipt = _sent(transfer)
    except GatewayRefused as error:
        receipt = Receipt("", ReceiptStatus.FAILED, str(error))
    except GatewayBusy as error:
        _move(transfer, before, now, reason=str(error))
        return
    except OutcomeUnknown as error:
        _move(transfer, TransferState.UNKNOWN, now, reason=str(error))
        return
    _record(transfer, receipt, now)


def _order(transfer: Transfer) -> Order:
    return Order(transfer.key, transfer.attempt, transfer.amount_minor, transfer.currency, transfer.destination)


def _sent(transfer: Transfer) -> Receipt:
    through = gateway(transfer.gateway)
    send = through.send_transfer if transfer.purpose == Purpose.PRIZE else through.send_refund
    return send(_order(transfer))


def _found(transfer: Transfer) -> Receipt | None:
    through = gateway(transfer.gateway)
    find = through.find_transfer if transfer.purpose == Purpose.PRIZE else through.find_refund
    return find(_order(transfer))


@transaction.atomic
def _record(transfer: Transfer, receipt: Receipt, now: datetime) -> None:
    """Writes the gateway's answer down, with its entry in the ledger, unless somebody has decided meanwhile."""
    if not Transfer.objects.select_for_update(no_key=True).filter(id=transfer.id, state=transfer.state).exists():
        return
    transfer.reference = receipt.reference or transfer.reference
    match receipt.status:
        case ReceiptStatus.PENDING if transfer.state != TransferState.PAID:
            _move(transfer, TransferState.SENT, now)
        case ReceiptStatus.PAID if transfer.state != TransferState.PAID:
            _post_paid(transfer, now)
            _move(transfer, TransferState.PAID, now)
            _tell_winner(Event.PRIZE_SENT, transfer, now)
        case ReceiptStatus.FAILED:
            if transfer.state == TransferState.PAID:
                _post_returned(transfer, now)
            _move(transfer, TransferState.FAILED, now, reason=receipt.reason)


def _post_paid(transfer: Transfer, now: datetime) -> None:
    prize = transfer.purpose == Purpose.PRIZE
    held = pots.cash(transfer.gateway, transfer.currency)
    entry = NewEntry(
        key=f"{transfer.key}/paid/{transfer.attempt}",
        kind=EntryKind.PRIZE_PAID if prize else EntryKind.REFUND_PAID,
        postings={_owed(transfer): transfer.amount_minor, held: -transfer.amount_minor},
        competition_id=transfer.competition_id,
        user_id=transfer.user_id,
    )
    post_entry(entry=entry, now=now)
    if prize:
        prizes_settled.send(Transfer, user_ids=[transfer.user_id])


def _post_returned(transfer: Transfer, now: datetime) -> None:
    held = pots.cash(transfer.gateway, transfer.currency)
    entry = NewEntry(
        key=f"{transfer.key}/returned/{transfer.attempt}",
        kind=EntryKind.PAYMENT_RETURNED,
        postings={held: transfer.amount_minor, _owed(transfer): -transfer.amount_minor},
        competition_id=transfer.competition_id,
        user_id=transfer.user_id,
    )
    post_entry(entry=entry, now=now)
    prizes_settled.send(Transfer, user_ids=[transfer.user_id])


def _owed(transfer: Transfer) -> pots.Pot:
    owed = pots.prizes_owed if transfer.purpose == Purpose.PRIZE else pots.refunds_owed
    return owed(transfer.competition_id, transfer.user_id, transfer.currency)


@transaction.atomic
def _move(
    transfer: Transfer,
    state: TransferState,
    now: datetime,
    *,
    reason: str = "",
    waits_for: str = "",
    by: Actor | None = None,
) -> bool:
    """Compare and set: False when the transfer is not in the state any more that it was read in."""
    before = transfer.state
    transfer.state, transfer.reason, transfer.updated_at, transfer.waits_for = state, reason[:500], now, waits_for
    transfer.paid_at = now if state == TransferState.PAID else None
    moved = Transfer.objects.filter(id=transfer.id, state=before).update(
        state=state,
        reason=transfer.reason,
        waits_for=waits_for,
        gateway=transfer.gateway,
        attempt=transfer.attempt,
        destination=transfer.destination,
        reference=transfer.reference,
        paid_at=transfer.paid_at,
        updated_at=now,
    )
    if moved and before != state:
        TransferMove.objects.create(
            transfer=transfer,
            from_state=before,
            to_state=state,
            attempt=transfer.attempt,
            reason=transfer.reason,
            by=by.user if by else None,
            moved_at=now,
        )
    return bool(moved)


@transaction.atomic
def retry_transfer(*, transfer_id: UUID, actor: Actor, reason: str, now: datetime) -> Transfer:
    """After a failure, a person's decision: sent again as a new attempt, to the account that is connected now. What may
    still stand at the gateway from before is looked up first. Raises NotFailed."""
    transfer = Transfer.objects.select_for_update(no_key=True).get(id=transfer_id)
    if transfer.state != TransferState.FAILED:
        raise NotFailed
    transfer.attempt += 1
    transfer.destination = transfer.reference = ""
    _move(transfer, TransferState.PENDING, now, reason=reason, by=actor)
    enqueue_transfers([transfer.id])
    _audit("retry", transfer, actor, reason, now)
    return transfer


@transaction.atomic
def mark_transfer_paid(*, transfer_id: UUID, reference: str, actor: Actor, reason: str, now: datetime) -> Transfer:
    """A treasurer has paid it by hand, under this reference. The same again changes nothing. Raises NotForHand, and
    Invalid without a reference."""
    if not reference.strip():
        raise Invalid(details={"reference": ["Write the reference of the payment."]})
    transfer = Transfer.objects.select_for_update(no_key=True).get(id=transfer_id)
    if transfer.state == TransferState.PAID and transfer.reference == reference:
        return transfer
    by_hand = transfer.gateway == "manual" and transfer.state in UNFINISHED
    never_asked = transfer.state == TransferState.PENDING and transfer.attempt == 1
    if not (by_hand or never_asked or transfer.state == TransferState.FAILED):
        raise NotForHand
    if transfer.state == TransferState.FAILED:
        transfer.attempt += 1  # the one before may be in the ledger: paid, and come back
    transfer.gateway, transfer.destination = "manual", transfer.destination or "by hand"
    transfer.reference = reference
    _post_paid(transfer, now)
    _move(transfer, TransferState.PAID, now, by=actor)
    _audit("mark_paid", transfer, actor, reason, now, reference=reference)
    return transfer


@transaction.atomic
def give_up_transfer(*, transfer_id: UUID, actor: Actor, reason: str, now: datetime) -> Transfer:
    """A treasurer will not make this payment by hand: it has failed, and can be tried again, or withdrawn by a
    correction. Given up again it changes nothing. Raises NotByHand."""
    transfer = Transfer.objects.select_for_update(no_key=True).get(id=transfer_id)
    if transfer.gateway != "manual" or transfer.state not in (*UNFINISHED, TransferState.FAILED):
        raise NotByHand
    if transfer.state != TransferState.FAILED:
        _move(transfer, TransferState.FAILED, now, reason=reason, by=actor)
        _audit("give_up", transfer, actor, reason, now)
    return transfer


@transaction.atomic
def withdraw_prizes(*, competition_id: UUID, now: datetime) -> None:
    """Takes back what was awarded and certainly not sent, before corrected awards are ordered."""
    withdrawn = list(unsent_prizes(competition_id).select_for_update(no_key=True))
    reason = "The standings were corrected."
    TransferMove.objects.bulk_create(
        [
            TransferMove(
                transfer=t,
                from_state=t.state,
                to_state=TransferState.CANCELLED,
                attempt=t.attempt,
                reason=reason,
                moved_at=now,
            )
            for t in withdrawn
        ]
    )
    Transfer.objects.filter(id__in=[t.id for t in withdrawn]).update(
        state=TransferState.CANCELLED, reason=reason, waits_for="", updated_at=now
    )
    post_entries(
        entries=[
            NewEntry(
                key=f"{t.key}/withdrawn",
                kind=EntryKind.PRIZE_WITHDRAWN,
                postings={
                    _owed(t): t.amount_minor,
                    pots.pool(competition_id, t.currency): -t.amount_minor,
                },
                competition_id=competition_id,
                user_id=t.user_id,
            )
            for t in withdrawn
        ],
        now=now,
    )


def unsent_prizes(competition_id: UUID) -> QuerySet[Transfer]:
    """What was awarded and certainly has not left: not asked for yet, or refused, or wholly taken back."""
    unsent = [TransferState.PENDING, TransferState.FAILED]
    return Transfer.objects.filter(state__in=unsent, competition_id=competition_id, purpose=Purpose.PRIZE)


def unfinished_transfers(now: datetime) -> QuerySet[Transfer]:
    """Those that nobody seems to be at; the older one is, the more rarely it is asked after. Transfers by hand and
    those that wait for something are nobody's to push, unless the account has come that they wait for."""
    accounts = PayoutAccount.objects.filter(user=OuterRef("user"), gateway=OuterRef("gateway"), ready=True)
    can_go = Q(waits_for="") | Q(waits_for=NO_ACCOUNT) & Exists(accounts)
    rarely = ExpressionWrapper(
        Value(now) - F("updated_at") - (F("updated_at") - F("created_at")) / Value(10), output_field=DurationField()
    )
    long_ago = Q(updated_at__lt=now - _STALE, idle__gt=_STALE)
    in_the_future = Q(updated_at__gt=now + _STALE)  # by a worker whose clock was ahead, and has been set since
    unfinished = Transfer.objects.filter(can_go, state__in=UNFINISHED).annotate(idle=rarely)
    return unfinished.exclude(gateway="manual", state=TransferState.SENT).filter(long_ago | in_the_future)


def reconcile_transfers(*, transfers: Iterable[Transfer], clock: Callable[[], datetime]) -> Iterator[Transfer]:
    """Brings each as far as it goes; one that goes wrong does not keep the others."""
    for transfer in transfers:
        try:
            yield send_transfer(transfer_id=transfer.id, now=clock())
        except Exception:
            log.exception("transfer_not_reconciled", transfer_id=str(transfer.id))
            yield transfer


def _audit(action: str, transfer: Transfer, actor: Actor, reason: str, now: datetime, **details: str) -> None:
    record_action(
        competition_id=transfer.competition_id,
        action=action,
        actor=actor,
        reason=reason,
        now=now,
        transfer=transfer.key,
        **details,
    )
