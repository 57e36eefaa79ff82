"""What gateways report by themselves. Each event counts once, however often it is delivered, and all but a payment only
make us look, so the order they come in does not matter."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from config.core.errors import Invalid, NotFound
from prizes.gateways import gateway
from prizes.gateways.base import BadSignature, Event, EventKind
from prizes.models import GatewayEvent, Payment, Transfer
from prizes.services.fees import close_payment, record_payment

log = structlog.get_logger(__name__)


def receive_webhook(*, gateway_name: str, body: bytes, headers: Mapping[str, str], now: datetime) -> Event:
    """Raises NotFound for a gateway that is not in use here, Invalid for a wrong signature. What goes wrong later
    leaves no trace, so that the gateway delivers it again."""
    if gateway_name not in settings.GATEWAYS:
        raise NotFound
    try:
        event = gateway(gateway_name).read_webhook(body, headers)
    except BadSignature as error:
        log.warning("webhook_refused", gateway=gateway_name, reason=str(error))
        raise Invalid("The signature of this webhook is not right.") from None
    with transaction.atomic():
        if _is_new(gateway_name, event, now):
            _handle(gateway_name, event, now)
    return event


def _is_new(gateway_name: str, event: Event, now: datetime) -> bool:
    """Stores the event's id. A second delivery at the same moment waits here until the first is committed."""
    _, new = GatewayEvent.objects.get_or_create(
        gateway=gateway_name,
        event_id=event.id,
        defaults={"kind": event.kind, "key": event.key, "received_at": now},
    )
    return new


def _handle(gateway_name: str, event: Event, now: datetime) -> None:
    from prizes import tasks  # tasks call services

    match event.kind:
        case EventKind.CHECKOUT_PAID:
            payment = _payment(gateway_name, event)
            if payment is not None:
                record_payment(
                    payment_id=payment.id,
                    payment_reference=event.payment_reference,
                    amount_minor=event.amount_minor,
                    currency=event.currency,
                    now=now,
                )
        case EventKind.CHECKOUT_CLOSED:
            payment = _payment(gateway_name, event)
            if payment is not None:
                close_payment(payment=payment, now=now)
        case EventKind.TRANSFER_CHANGED | EventKind.REFUND_CHANGED:
            for transfer in Transfer.objects.filter(gateway=gateway_name, key=event.key):
                tasks.look_up_one_transfer.defer(transfer_id=str(transfer.id))
        case EventKind.ACCOUNT_CHANGED:
            tasks.refresh_one_account.defer(gateway_name=gateway_name, reference=event.key)


def _payment(gateway_name: str, event: Event) -> Payment | None:
    try:
        payment = Payment.objects.filter(gateway=gateway_name, id=UUID(event.key)).first()
    except ValueError:
        payment = None
    if payment is None:
        log.warning("webhook_about_unknown_payment", gateway=gateway_name, event_id=event.id)
    return payment
