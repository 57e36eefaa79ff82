"""Where winners' prizes go."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts.models import User
from competitions.models import Competition, Participant
from config.core.errors import Conflict, Unavailable
from prizes.gateways import gateway
from prizes.gateways.base import Gateway, GatewayBusy, GatewayRefused, OutcomeUnknown
from prizes.models import PayoutAccount, Purpose, Transfer, TransferState
from prizes.models.transfers import UNFINISHED
from prizes.services.transfers import NO_ACCOUNT, enqueue_transfers
from prizes.waiting import unsettled

OWED = (*UNFINISHED, TransferState.FAILED)
"""What may still be sent: of a failed one a treasurer decides."""


@dataclass(frozen=True)
class Onboarding:
    """``url``: where the person connects a bank; empty once the account is ready."""

    account: PayoutAccount
    url: str


def connect_payout_account(*, user: User, now: datetime) -> Onboarding:
    """Opens the person's account at the gateway, once, and says where to go on. Never inside a transaction.

    Raises Unavailable when the gateway does not answer, Conflict when it refuses or needs no account.
    """
    through = gateway(settings.PAYMENT_GATEWAY)
    try:
        account = _account_at(through, user, now)
        refresh_payout_account(gateway_name=through.name, reference=account.reference, now=now)
        account.refresh_from_db()
        url = "" if account.ready else through.onboarding_url(account=account.reference, return_url=_home())
    except (GatewayBusy, OutcomeUnknown):
        raise Unavailable("The payment gateway does not answer for a moment; try again.") from None
    except GatewayRefused as error:
        raise Conflict(str(error)) from None
    return Onboarding(account, url)


def _account_at(through: Gateway, user: User, now: datetime) -> PayoutAccount:
    known = PayoutAccount.objects.filter(user=user, gateway=through.name).first()
    if known is not None:
        return known
    reference = through.open_account(key=str(user.id), email=user.email or "")
    opened = PayoutAccount(user=user, gateway=through.name, reference=reference, created_at=now, updated_at=now)
    PayoutAccount.objects.bulk_create([opened], ignore_conflicts=True)
    return PayoutAccount.objects.get(user=user, gateway=through.name)


def _home() -> str:
    return f"{settings.PUBLIC_URL}/"


def refresh_payout_account(*, gateway_name: str, reference: str, now: datetime) -> None:
    """Asks the gateway whether the account is ready, and lets go the prizes that have waited for it. May raise what a
    gateway raises."""
    ready = gateway(gateway_name).account_ready(reference)
    with transaction.atomic():
        account = PayoutAccount.objects.select_for_update(no_key=True).filter(gateway=gateway_name, reference=reference)
        for known in account:
            known.ready, known.updated_at = ready, now
            known.save(update_fields=["ready", "updated_at"])
            if ready:
                enqueue_transfers(_waiting(known.user_id, gateway_name))


def _waiting(user_id: UUID, gateway_name: str) -> list[UUID]:
    waiting = Transfer.objects.filter(
        user_id=user_id, gateway=gateway_name, state=TransferState.PENDING, waits_for=NO_ACCOUNT
    )
    return list(waiting.values_list("id", flat=True))


@transaction.atomic
def forget_payout_accounts(*, now: datetime) -> int:
    """Of people who were erased, once nothing is owed to them and nothing can be any more: a prize that was won stays
    won, and where it goes is known until it is there. Says how many."""
    owed = Transfer.objects.filter(user=OuterRef("user"), purpose=Purpose.PRIZE, state__in=OWED)
    hopes = Participant.objects.filter(
        user=OuterRef("user"), left_at=None, competition__in=unsettled(Competition.objects.all(), now).values("id")
    )
    erased = PayoutAccount.objects.filter(user__erased_at__isnull=False)
    forgotten, _ = erased.filter(~Exists(owed), ~Exists(hopes)).delete()
    return forgotten
