"""No gateway at all: a treasurer takes and pays the money, and marks it with a reference."""

from collections.abc import Mapping

from prizes.gateways.base import (
    BadSignature,
    Charge,
    Checkout,
    CheckoutState,
    CheckoutStatus,
    Event,
    GatewayRefused,
    Order,
    Receipt,
    ReceiptStatus,
)


class ManualGateway:
    """Nothing happens by itself; everything stays as it is until somebody marks it."""

    name = "manual"
    needs_account = False

    def open_checkout(self, charge: Charge) -> Checkout:
        return Checkout(reference=charge.key, url="")

    def find_checkout(self, reference: str) -> CheckoutState:
        return CheckoutState(CheckoutStatus.OPEN)

    def close_checkout(self, reference: str) -> CheckoutState:
        return CheckoutState(CheckoutStatus.CLOSED)

    def send_transfer(self, order: Order) -> Receipt:
        return Receipt(reference="", status=ReceiptStatus.PENDING)

    def find_transfer(self, order: Order) -> Receipt | None:
        return Receipt(reference="", status=ReceiptStatus.PENDING)

    send_refund = send_transfer
    find_refund = find_transfer

    def open_account(self, *, key: str, email: str) -> str:
        raise GatewayRefused("Prizes are paid by a treasurer here; no account is needed.")

    def onboarding_url(self, *, account: str, return_url: str) -> str:
        raise GatewayRefused("Prizes are paid by a treasurer here; no account is needed.")

    def account_ready(self, account: str) -> bool:
        return True

    def read_webhook(self, body: bytes, headers: Mapping[str, str]) -> Event:
        raise BadSignature("Nobody sends webhooks for payments that are made by hand.")
