"""What every payment gateway does for us, and the three ways in which it can fail.

A gateway moves money outside of our database, so it is never called inside a transaction, and whoever calls it has
written down beforehand what is about to happen.

Our keys are durable: the gateway keeps ``key`` with what it made, and finds it again by that. Its own memory for
repeated requests is short (Stripe forgets after 24 hours), so that one only protects a repeat that follows at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class GatewayRefused(Exception):
    """It did not happen, and the same request again would not happen either; from a look-up: a person must look. The
    text is for the treasurer."""


class GatewayBusy(Exception):
    """It did not happen, for now: too many requests. ``retry_after_seconds`` as the gateway says, else None."""

    def __init__(self, message: str, retry_after_seconds: int | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class OutcomeUnknown(Exception):
    """It may have happened or not: no answer in time, a broken connection, an answer of the 500s."""


class BadSignature(Exception):
    """A webhook that the gateway did not sign, or too long ago."""


@dataclass(frozen=True)
class Charge:
    """An entry fee that somebody is to pay. ``key`` is the payment's id."""

    key: str
    amount_minor: int
    currency: str
    description: str
    expires_at: datetime
    return_url: str


@dataclass(frozen=True)
class Checkout:
    """A page on which the fee can be paid. ``url`` is empty where a treasurer takes the money."""

    reference: str
    url: str


class CheckoutStatus(StrEnum):
    OPEN = "open"
    PAID = "paid"
    CLOSED = "closed"


@dataclass(frozen=True)
class CheckoutState:
    """``payment_reference`` names the money that came in; a refund asks for it. Empty while it is not paid."""

    status: CheckoutStatus
    payment_reference: str = ""


@dataclass(frozen=True)
class Order:
    """Money to send: a prize to a payout account, or a fee back to where it came from.

    ``key`` is the same for ever; ``attempt`` grows after a definite failure, for gateways that would otherwise repeat
    their refusal. ``destination`` is the reference of the payout account, or of the payment to give back.
    """

    key: str
    attempt: int
    amount_minor: int
    currency: str
    destination: str


class ReceiptStatus(StrEnum):
    PENDING = "pending"  # accepted, not there yet
    PAID = "paid"
    FAILED = "failed"  # it went wrong after it was accepted, or was taken back


@dataclass(frozen=True)
class Receipt:
    """What the gateway says of an order. ``reason`` for a failure, in words for the treasurer."""

    reference: str
    status: ReceiptStatus
    reason: str = ""


class EventKind(StrEnum):
    """What a webhook can be about. All but the first only say that something should be looked up, so it does not
    matter in which order or how often they arrive."""

    CHECKOUT_PAID = "checkout_paid"
    CHECKOUT_CLOSED = "checkout_closed"
    TRANSFER_CHANGED = "transfer_changed"
    REFUND_CHANGED = "refund_changed"
    ACCOUNT_CHANGED = "account_changed"
    IGNORED = "ignored"


@dataclass(frozen=True)
class Event:
    """A webhook, verified. ``id`` is the gateway's own, the same for every delivery of one event.

    ``key``: our key of the payment, transfer or refund; of an account event the account's reference.
    ``payment_reference``, ``amount_minor`` and ``currency`` of a checkout that was paid.
    """

    id: str
    kind: EventKind
    key: str = ""
    payment_reference: str = ""
    amount_minor: int = 0
    currency: str = ""


class Gateway(Protocol):
    """Every call may raise GatewayRefused, GatewayBusy or OutcomeUnknown, and nothing else for what happens outside."""

    name: str
    needs_account: bool
    """Whether a winner must connect a payout account before a prize can be sent."""

    def open_checkout(self, charge: Charge) -> Checkout:
        """The same ``charge.key`` again gives the same checkout while the gateway remembers it."""
        ...

    def find_checkout(self, reference: str) -> CheckoutState: ...

    def close_checkout(self, reference: str) -> CheckoutState:
        """Nobody can pay it any more; says PAID when somebody was faster."""
        ...

    def send_transfer(self, order: Order) -> Receipt:
        """The same key and attempt again gives the same transfer while the gateway remembers it."""
        ...

    def find_transfer(self, order: Order) -> Receipt | None:
        """By its key, however long ago it was made: one that stands, under whichever attempt, before one of this
        attempt that failed or was taken back. None: there is neither. GatewayRefused: what stands is not what was
        ordered."""
        ...

    def send_refund(self, order: Order) -> Receipt: ...

    def find_refund(self, order: Order) -> Receipt | None: ...

    def open_account(self, *, key: str, email: str) -> str:
        """A payout account for the person with the id ``key``; its reference. ``email`` may be empty."""
        ...

    def onboarding_url(self, *, account: str, return_url: str) -> str:
        """Where the person connects a bank to the account; good for a few minutes."""
        ...

    def account_ready(self, account: str) -> bool:
        """Whether prizes can be sent to it."""
        ...

    def read_webhook(self, body: bytes, headers: Mapping[str, str]) -> Event:
        """``headers`` with names in small letters. Raises BadSignature; anything signed but unknown is IGNORED."""
        ...
