"""A gateway that only pretends: for development, for tests and for trying a whole competition out. It pays by itself,
it can be told to go wrong (`manage.py sandbox`), and it forgets repeated requests after a day as the real ones do."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from prizes.gateways.base import (
    BadSignature,
    Charge,
    Checkout,
    CheckoutState,
    CheckoutStatus,
    Event,
    EventKind,
    GatewayBusy,
    GatewayRefused,
    Order,
    OutcomeUnknown,
    Receipt,
    ReceiptStatus,
)
from prizes.models.sandbox import SandboxCall, SandboxFault, SandboxOrder

_REMEMBERS = timedelta(hours=24)
_Fault = SandboxFault.Fault

SIGNATURE = "sandbox-signature"


class SandboxGateway:
    name = "sandbox"
    needs_account = True

    def open_checkout(self, charge: Charge) -> Checkout:
        fault = _next_fault(SandboxCall.CHECKOUT)
        _refuse_before(fault)
        with transaction.atomic():
            order, new = _order_once(SandboxCall.CHECKOUT, charge.key, 1, charge.amount_minor, charge.currency, "")
            if new and fault != _Fault.ABANDON:
                _pay_soon(order, fault)
        _time_out_after(fault)
        return Checkout(reference=str(order.id), url=f"{settings.PUBLIC_URL}/sandbox/{order.id}")

    def find_checkout(self, reference: str) -> CheckoutState:
        return _checkout_state(SandboxOrder.objects.get(id=UUID(reference)))

    def close_checkout(self, reference: str) -> CheckoutState:
        SandboxOrder.objects.filter(id=UUID(reference), status=CheckoutStatus.OPEN).update(status=CheckoutStatus.CLOSED)
        return self.find_checkout(reference)

    def send_transfer(self, order: Order) -> Receipt:
        return self._send(SandboxCall.TRANSFER, order)

    def find_transfer(self, order: Order) -> Receipt | None:
        return self._find(SandboxCall.TRANSFER, order)

    def send_refund(self, order: Order) -> Receipt:
        return self._send(SandboxCall.REFUND, order)

    def find_refund(self, order: Order) -> Receipt | None:
        return self._find(SandboxCall.REFUND, order)

    def open_account(self, *, key: str, email: str) -> str:
        return f"sandbox-account-{key}"

    def onboarding_url(self, *, account: str, return_url: str) -> str:
        return return_url

    def account_ready(self, account: str) -> bool:
        return True

    def read_webhook(self, body: bytes, headers: Mapping[str, str]) -> Event:
        if not hmac.compare_digest(headers.get(SIGNATURE, "").encode(), sign(body).encode()):
            raise BadSignature("The signature does not fit.")
        fields = orjson.loads(body)
        return Event(**{**fields, "kind": EventKind(fields["kind"])})

    def _send(self, call: SandboxCall, order: Order) -> Receipt:
        fault = _next_fault(call)
        _refuse_before(fault)
        made, _ = _order_once(call, order.key, order.attempt, order.amount_minor, order.currency, order.destination)
        _time_out_after(fault)
        return Receipt(reference=str(made.id), status=ReceiptStatus(made.status))

    def _find(self, call: SandboxCall, order: Order) -> Receipt | None:
        made = SandboxOrder.objects.filter(call=call, key=order.key)
        standing = made.exclude(status=ReceiptStatus.FAILED).first()
        found = standing or made.filter(attempt=order.attempt).first()
        if found is None:
            return None
        return Receipt(str(found.id), ReceiptStatus(found.status), "" if standing else "It was taken back.")


def sign(body: bytes) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), b"sandbox:" + body, hashlib.sha256).hexdigest()


def pay_checkout(reference: str) -> tuple[bytes, dict[str, str]] | None:
    """Somebody pays: the webhook that says so, as body and headers. None when the page was closed before."""
    SandboxOrder.objects.filter(id=UUID(reference), status=CheckoutStatus.OPEN).update(status=CheckoutStatus.PAID)
    order = SandboxOrder.objects.get(id=UUID(reference))
    if order.status != CheckoutStatus.PAID:
        return None
    event: dict[str, Any] = {
        "id": f"paid-{order.id}",
        "kind": EventKind.CHECKOUT_PAID.value,
        "key": order.key,
        "payment_reference": str(order.id),
        "amount_minor": order.amount_minor,
        "currency": order.currency,
    }
    body = orjson.dumps(event)
    return body, {SIGNATURE: sign(body)}


def _order_once(
    call: SandboxCall, key: str, attempt: int, amount_minor: int, currency: str, destination: str
) -> tuple[SandboxOrder, bool]:
    """The order as the first request made it, and whether this was the first."""
    now = timezone.now()
    same = SandboxOrder.objects.filter(call=call, key=key, attempt=attempt, remembered=True)
    same.filter(created_at__lte=now - _REMEMBERS).update(remembered=False)
    order = SandboxOrder(
        call=call,
        key=key,
        attempt=attempt,
        amount_minor=amount_minor,
        currency=currency,
        destination=destination,
        status=CheckoutStatus.OPEN if call == SandboxCall.CHECKOUT else ReceiptStatus.PAID,
        created_at=now,
    )
    SandboxOrder.objects.bulk_create([order], ignore_conflicts=True)
    stands = same.get()
    if (stands.amount_minor, stands.currency, stands.destination) != (amount_minor, currency, destination):
        raise GatewayRefused("This key was used before for something else.")
    return stands, stands.id == order.id


def _checkout_state(order: SandboxOrder) -> CheckoutState:
    status = CheckoutStatus(order.status)
    return CheckoutState(status, str(order.id) if status is CheckoutStatus.PAID else "")


def _pay_soon(order: SandboxOrder, fault: str | None) -> None:
    from prizes.tasks import pay_sandbox_checkout  # a gateway has no business among the jobs, but this one is its world

    delays = [60] if fault == _Fault.WEBHOOK_LATE else [1, 2] if fault == _Fault.WEBHOOK_TWICE else [1]
    for seconds in delays:
        pay_sandbox_checkout.configure(schedule_in={"seconds": seconds}).defer(reference=str(order.id))


def _next_fault(call: SandboxCall) -> str | None:
    """Takes one of the faults that were ordered, each as often as it was ordered, whoever asks at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE prizes_sandboxfault SET times_left = times_left - 1 WHERE id = ("
            " SELECT id FROM prizes_sandboxfault WHERE call = %s AND times_left > 0 ORDER BY id LIMIT 1 FOR UPDATE"
            ") RETURNING fault",
            [call],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _refuse_before(fault: str | None) -> None:
    match fault:
        case _Fault.REFUSE:
            raise GatewayRefused("The sandbox was told to refuse.")
        case _Fault.BUSY:
            raise GatewayBusy("The sandbox was told to answer 429.", retry_after_seconds=1)
        case _Fault.ERROR:
            raise OutcomeUnknown("The sandbox was told to answer 500.")
        case _Fault.TIME_OUT_BEFORE:
            raise OutcomeUnknown("The sandbox did not answer in time.")


def _time_out_after(fault: str | None) -> None:
    if fault == _Fault.TIME_OUT_AFTER:
        raise OutcomeUnknown("The sandbox did not answer in time.")
