"""Stripe: entry fees through Checkout, prizes through Connect transfers, refunds.

The official library writes the requests and knows the version of the API that it was generated for. It repeats nothing
by itself: what is sent again, and when, is decided by whoever wrote down the order. What Stripe promises is cited
where it is relied upon; `docs/decisions/0013-stripe.md` says what was chosen and what it costs.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import stripe

from config.core.breaker import CircuitOpen
from config.core.money import CURRENCIES, decimals_of, to_decimal
from config.core.outgoing import breaker
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

Fields = Mapping[str, object]

CIRCUIT = "stripe"
TIMEOUT_SECONDS = 10.0
WEBHOOK_TOLERANCE_SECONDS = 300
PAGE = 100  # the longest that Stripe gives

# https://docs.stripe.com/currencies ("Minor units", "Special cases"), where it differs from ISO 4217.
_WITH_TWO_ZEROS = frozenset({"ISK", "UGX"})  # no decimals, yet written with two that are always 00
_WITHOUT_DECIMALS = frozenset({"MGA"})  # two decimals in ISO 4217, none there
_WITH_THREE = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})  # the last digit must be 0


def to_stripe(amount_minor: int, currency: str) -> int:
    """Our minor units → the ``amount`` of a request. Raises GatewayRefused for what Stripe cannot express.

    HUF and TWD stay as they are: only payouts to a bank must be whole there, and those are not ours to make.
    """
    _check_known(currency)
    if currency in _WITH_TWO_ZEROS:
        return amount_minor * 100
    if currency in _WITHOUT_DECIMALS:
        return _whole(amount_minor, 100, f"Stripe takes only whole {currency}.")
    if currency in _WITH_THREE:
        _whole(amount_minor, 10, f"The third decimal of an amount in {currency} must be 0 for Stripe.")
    return amount_minor


def from_stripe(amount: int, currency: str) -> int:
    """The other way. Raises GatewayRefused for an amount that has no whole number of our minor units."""
    _check_known(currency)
    if currency in _WITH_TWO_ZEROS:
        return _whole(amount, 100, f"Stripe named a fraction of {currency}, which has none.")
    return amount * 100 if currency in _WITHOUT_DECIMALS else amount


def _check_known(currency: str) -> None:
    # How Stripe would write IQD and LYD is not documented; a guess could be wrong by ten.
    if currency not in CURRENCIES or (decimals_of(currency) == 3 and currency not in _WITH_THREE):
        raise GatewayRefused(f"Stripe does not handle {currency}.")


def _whole(amount: int, unit: int, complaint: str) -> int:
    if amount % unit:
        raise GatewayRefused(complaint)
    return amount // unit


class _Refused(GatewayRefused):
    """With Stripe's own ``code``, empty where it gave none: https://docs.stripe.com/error-codes."""

    def __init__(self, message: str, code: str = "") -> None:
        self.code = code
        super().__init__(message)


class _NoAnswer(OutcomeUnknown):
    """Which speaks against Stripe."""


class StripeGateway:
    """``webhook_secrets``: all that are valid; several while they are rotated, and one for each of two endpoints (our
    own account's events and those of connected accounts). ``base_url`` empty: Stripe's own."""

    name: str = "stripe"
    needs_account: bool = True

    def __init__(
        self,
        *,
        secret_key: str,
        webhook_secrets: Sequence[str],
        base_url: str = "",
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._webhook_secrets = tuple(webhook_secrets)
        self._api = stripe.StripeClient(
            secret_key,
            base_addresses={"api": base_url} if base_url else None,
            max_network_retries=0,
            http_client=stripe.HTTPXClient(timeout=timeout_seconds, allow_sync_methods=True),
        ).v1

    def open_checkout(self, charge: Charge) -> Checkout:
        """Stripe wants ``expires_at`` between 30 minutes and 24 hours from now. A repeat must be the same in every
        field: https://docs.stripe.com/api/checkout/sessions/create, https://docs.stripe.com/api/idempotent_requests."""
        currency, amount = charge.currency.lower(), to_stripe(charge.amount_minor, charge.currency)
        with _outcomes():
            session = self._api.checkout.sessions.create(
                {
                    "mode": "payment",
                    "line_items": [
                        {
                            "price_data": {
                                "currency": currency,
                                "unit_amount": amount,
                                "product_data": {"name": charge.description},
                            },
                            "quantity": 1,
                        }
                    ],
                    "client_reference_id": charge.key,
                    "metadata": {"payment": charge.key},
                    "payment_intent_data": {"metadata": {"payment": charge.key}},
                    "success_url": charge.return_url,
                    "cancel_url": charge.return_url,
                    "expires_at": int(charge.expires_at.timestamp()),
                },
                {"idempotency_key": f"checkout:{charge.key}"},
            )
            return Checkout(session.id, session.url or "")

    def find_checkout(self, reference: str) -> CheckoutState:
        with _outcomes():
            return _state(self._session(reference))

    def close_checkout(self, reference: str) -> CheckoutState:
        """OPEN where somebody paid by a bank debit that has not arrived: nothing can take that back now.

        Only an open session can be expired (https://docs.stripe.com/api/checkout/sessions/expire), so a refusal
        mostly means that it was paid or had expired already.
        """
        try:
            with _outcomes():
                return _state(self._api.checkout.sessions.expire(reference))
        except GatewayRefused:
            with _outcomes():
                session = self._session(reference)
                state = _state(session)
            if session.status == "open":
                raise
            return state

    def _session(self, reference: str) -> stripe.checkout.Session:
        return self._api.checkout.sessions.retrieve(reference, {"expand": ["payment_intent"]})

    def send_transfer(self, order: Order) -> Receipt:
        """Money from our balance at Stripe to the winner's account, there at once:
        https://docs.stripe.com/api/transfers/create."""
        currency, amount = order.currency.lower(), to_stripe(order.amount_minor, order.currency)
        with _outcomes():
            transfer = self._api.transfers.create(
                {
                    "amount": amount,
                    "currency": currency,
                    "destination": order.destination,
                    "transfer_group": order.key,
                    "metadata": {"transfer": order.key, "attempt": str(order.attempt)},
                },
                {"idempotency_key": f"{order.key}:{order.attempt}"},
            )
            return _transfer_receipt(transfer)

    def find_transfer(self, order: Order) -> Receipt | None:
        """Raises GatewayRefused as well when money went elsewhere than the order says, or another amount of it: a
        person has to look, and nothing may be sent until then."""
        with _outcomes():
            group = self._api.transfers.list({"transfer_group": order.key, "limit": PAGE})
            found = sorted(group.auto_paging_iter(), key=_standing, reverse=True)
            for transfer in found:
                _check_transfer(transfer, order)
            return _best([_transfer_receipt(one) for one in found if _standing(one) or _is_attempt(one, order)])

    def send_refund(self, order: Order) -> Receipt:
        """``order.destination`` is a PaymentIntent. https://docs.stripe.com/api/refunds/create"""
        amount = to_stripe(order.amount_minor, order.currency)
        try:
            with _outcomes():
                refund = self._api.refunds.create(
                    {
                        "payment_intent": order.destination,
                        "amount": amount,
                        "metadata": {"refund": order.key, "attempt": str(order.attempt)},
                    },
                    {"idempotency_key": f"{order.key}:{order.attempt}"},
                )
                return _refund_receipt(refund)
        except _Refused as refusal:
            found = self.find_refund(order) if refusal.code == "charge_already_refunded" else None
            if found is None:
                raise
            return found

    def find_refund(self, order: Order) -> Receipt | None:
        with _outcomes():
            refunds = self._api.refunds.list({"payment_intent": order.destination, "limit": PAGE})
            found = [one for one in refunds.auto_paging_iter() if _metadata(one).get("refund") == order.key]
            for refund in found:
                _check_refund(refund, order)
            return _best([_refund_receipt(one) for one in found if _stands(one) or _is_attempt(one, order)])

    def open_account(self, *, key: str, email: str) -> str:
        """An Express account that can receive transfers and nothing else, for which Stripe asks the platform to have
        its approval once. https://docs.stripe.com/api/accounts/create"""
        with _outcomes():
            account = self._api.accounts.create(
                {
                    "type": "express",
                    "capabilities": {"transfers": {"requested": True}},
                    "metadata": {"user": key},
                    **({"email": email} if email else {}),
                },
                {"idempotency_key": f"account:{key}"},
            )
            return account.id

    def onboarding_url(self, *, account: str, return_url: str) -> str:
        """https://docs.stripe.com/api/account_links/create. Good for one visit, too: a person whose link was used up
        comes back to ``return_url`` like one who is done."""
        with _outcomes():
            link = self._api.account_links.create(
                {
                    "account": account,
                    "type": "account_onboarding",
                    "refresh_url": return_url,
                    "return_url": return_url,
                }
            )
            return link.url

    def account_ready(self, account: str) -> bool:
        with _outcomes():
            capabilities = self._api.accounts.retrieve(account).capabilities
            return getattr(capabilities, "transfers", None) == "active"

    def read_webhook(self, body: bytes, headers: Mapping[str, str]) -> Event:
        """The signature is over the bytes as they came: https://docs.stripe.com/webhooks/signature."""
        signature = headers.get("stripe-signature", "")
        if not any(_signed(body, signature, secret) for secret in self._webhook_secrets):
            raise BadSignature("Stripe did not sign this, or more than five minutes ago.")
        try:
            event = json.loads(body)
        except ValueError as error:
            raise BadSignature("Signed, but not readable.") from error
        return _event(_fields(event))


@contextmanager
def _outcomes() -> Iterator[None]:
    """Around one request, under the circuit breaker. Turns whatever the library raises into one of the three ways in
    which a gateway fails; what the circuit keeps from leaving did not happen.

    No cause is kept: the library's errors carry what was sent and answered, which is not for logs.
    """
    try:
        with breaker(CIRCUIT).call(_NoAnswer):
            try:
                yield
            except stripe.StripeError as error:
                raise _failure(error) from None
    except CircuitOpen as circuit:
        waiting = math.ceil(circuit.retry_after)
        raise GatewayBusy("Stripe failed too often and is left alone for a while.", waiting) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The library reads an answer as what it should be. One that is something else says nothing of what happened.
        raise OutcomeUnknown(f"Stripe's answer could not be read ({type(error).__name__}).") from None


def _failure(error: stripe.StripeError) -> Exception:
    """https://docs.stripe.com/error-low-level: 4xx did not happen, and 5xx or no answer may have."""
    code = _code(error)
    if isinstance(error, stripe.APIConnectionError):
        return _NoAnswer("Stripe did not answer in time, or the connection broke.")
    if code == "idempotency_key_in_use":
        return OutcomeUnknown("Stripe is still at work on the same request.")
    if error.http_status == 429 or code in {"lock_timeout", "rate_limit"}:
        return GatewayBusy("Stripe asks for patience: too many requests at once.", _retry_after(error))
    if isinstance(error, stripe.AuthenticationError):
        return _Refused("Stripe does not accept the secret key that is configured here.", code)
    if isinstance(error, stripe.PermissionError):  # Stripe's message repeats parts of the key
        return _Refused("The secret key may not do this, or the account is no longer connected to ours.", code)
    if isinstance(error, stripe.IdempotencyError):
        return _Refused("Stripe has had another request under the same key. Something in it was changed.", code)
    if isinstance(error, stripe.InvalidRequestError | stripe.CardError):
        return _Refused(error.user_message or "Stripe refused this, and did not say why.", code)
    return _NoAnswer(f"Stripe answered with an error of its own ({error.http_status}).")


def _code(error: stripe.StripeError) -> str:
    # Of the library's errors only some have the code as an attribute.
    return _text(_fields(_fields(error.json_body).get("error")), "code")


def _retry_after(error: stripe.StripeError) -> int | None:
    seconds = (error.headers or {}).get("retry-after", "")
    return int(seconds) if seconds.isdecimal() and len(seconds) < 6 else None


def _state(session: stripe.checkout.Session) -> CheckoutState:
    """A complete session is paid at once, or by a debit that takes days and may fail without making the session open
    again; only its PaymentIntent tells: https://docs.stripe.com/checkout/fulfillment (delayed payment methods)."""
    if session.payment_status == "paid":
        return CheckoutState(CheckoutStatus.PAID, _id(session.payment_intent))
    if session.status == "expired" or (session.status == "complete" and _debit_failed(session.payment_intent)):
        return CheckoutState(CheckoutStatus.CLOSED)
    return CheckoutState(CheckoutStatus.OPEN)


def _debit_failed(intent: object) -> bool:
    return getattr(intent, "status", None) in {"requires_payment_method", "canceled"}


def _transfer_receipt(transfer: stripe.Transfer) -> Receipt:
    """Raises GatewayRefused for one that was taken back in part: some money stays where it went, so it is neither paid
    nor free to be sent again, and a person takes back the rest at Stripe."""
    if not transfer.amount_reversed and not transfer.reversed:
        return Receipt(transfer.id, ReceiptStatus.PAID)
    if not _standing(transfer):
        return Receipt(transfer.id, ReceiptStatus.FAILED, "The transfer was taken back at Stripe.")
    stands, sent = (_money(amount, transfer.currency) for amount in (_standing(transfer), transfer.amount))
    raise GatewayRefused(
        f"The transfer was taken back at Stripe in part: {stands} of {sent} is still with the winner."
        " Take back the rest."
    )


def _standing(transfer: stripe.Transfer) -> int:
    """What is still with the winner, in Stripe's units."""
    return 0 if transfer.reversed else transfer.amount - transfer.amount_reversed


def _check_transfer(transfer: stripe.Transfer, order: Order) -> None:
    """One that was wholly taken back may have been anything: the winner may have connected another account since."""
    agrees = _agrees(transfer, order) and _id(transfer.destination) == order.destination
    if _standing(transfer) and not agrees:
        raise GatewayRefused(
            f"Stripe has a transfer {transfer.id} of {_money(transfer.amount, transfer.currency)} to "
            f"{_id(transfer.destination)} for this, which is not what was ordered. Look into it at Stripe."
        )


def _refund_receipt(refund: stripe.Refund) -> Receipt:
    """https://docs.stripe.com/api/refunds/object#refund_object-status; pending and requires_action are on their way."""
    if refund.status == "succeeded":
        return Receipt(refund.id, ReceiptStatus.PAID)
    if _stands(refund):
        return Receipt(refund.id, ReceiptStatus.PENDING)
    reason = str(getattr(refund, "failure_reason", None) or refund.status).replace("_", " ")
    return Receipt(refund.id, ReceiptStatus.FAILED, f"The refund did not go through: {reason}.")


def _stands(refund: stripe.Refund) -> bool:
    return refund.status not in {"failed", "canceled"}


def _check_refund(refund: stripe.Refund, order: Order) -> None:
    if _stands(refund) and not _agrees(refund, order):
        raise GatewayRefused(
            f"Stripe has a refund {refund.id} of {_money(refund.amount, refund.currency)} for this, "
            "which is not what was ordered. Look into it at Stripe."
        )


def _agrees(made: stripe.Transfer | stripe.Refund, order: Order) -> bool:
    ordered = to_stripe(order.amount_minor, order.currency), order.currency.lower()
    return (made.amount, made.currency) == ordered


def _is_attempt(made: stripe.Transfer | stripe.Refund, order: Order) -> bool:
    """What became of an earlier attempt says nothing about this one, unless its money still stands."""
    return _metadata(made).get("attempt") == str(order.attempt)


def _best(receipts: Sequence[Receipt]) -> Receipt | None:
    """The first that did not fail, else the first. Should two stand, the reason says so."""
    good = [receipt for receipt in receipts if receipt.status != ReceiptStatus.FAILED]
    if len(good) > 1:
        names = ", ".join(receipt.reference for receipt in good)
        return replace(good[0], reason=f"This was sent more than once: {names}.")
    return next(iter(good or receipts), None)


def _money(amount: int, currency: str) -> str:
    """``1050, "eur"`` → ``10.50 EUR``"""
    code = currency.upper()
    return f"{to_decimal(from_stripe(amount, code), code)} {code}"


def _id(thing: object) -> str:
    """Of what Stripe gives as an id or, when asked to expand it, as the whole object; empty for null."""
    return thing if isinstance(thing, str) else cast("str", getattr(thing, "id", ""))


def _metadata(made: stripe.Transfer | stripe.Refund) -> Fields:
    return made.metadata.to_dict() if made.metadata else {}


def _signed(body: bytes, signature: str, secret: str) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(body, signature, secret, WEBHOOK_TOLERANCE_SECONDS))
    except (stripe.SignatureVerificationError, TypeError, ValueError):  # the latter: letters that no signature has
        return False


def _event(event: Fields) -> Event:
    """https://docs.stripe.com/api/events/types. The body was signed; fields that are missing or odd make it IGNORED."""
    event_id, kind = _text(event, "id"), _text(event, "type")
    thing = _fields(_fields(event.get("data")).get("object"))
    if not event_id:
        raise BadSignature("Signed, but not an event.")
    # ``account`` is on events of connected accounts. What they sell or give back for themselves is none of ours, and
    # could name any payment of ours as its own.
    readers = _OF_ACCOUNTS if event.get("account") else {**_OF_ACCOUNTS, **_OF_OURS}
    ignored = Event(event_id, EventKind.IGNORED)
    return readers[kind](event_id, thing) or ignored if kind in readers else ignored


Reader = Callable[[str, Fields], Event | None]


def _changed(kind: EventKind, key_of: Callable[[Fields], str]) -> Reader:
    def read(event_id: str, thing: Fields) -> Event | None:
        key = key_of(thing)
        return Event(event_id, kind, key=key) if key else None

    return read


def _paid(event_id: str, session: Fields) -> Event | None:
    """None as well for a session that is complete and not paid: the money is on its way, another event follows."""
    key, intent, currency = (_text(session, name) for name in ("client_reference_id", "payment_intent", "currency"))
    amount = session.get("amount_total")
    if session.get("payment_status") != "paid" or not key or not intent or not isinstance(amount, int):
        return None
    try:
        amount_minor = from_stripe(amount, currency.upper())
    except GatewayRefused:
        return None
    return Event(event_id, EventKind.CHECKOUT_PAID, key, intent, amount_minor, currency.upper())


def _field(name: str) -> Callable[[Fields], str]:
    return lambda thing: _text(thing, name)


def _refund_key(refund: Fields) -> str:
    return _text(_fields(refund.get("metadata")), "refund")


_CLOSED = _changed(EventKind.CHECKOUT_CLOSED, _field("client_reference_id"))
_TRANSFER = _changed(EventKind.TRANSFER_CHANGED, _field("transfer_group"))
_REFUND = _changed(EventKind.REFUND_CHANGED, _refund_key)

_OF_OURS: Mapping[str, Reader] = {
    "checkout.session.completed": _paid,
    "checkout.session.async_payment_succeeded": _paid,
    "checkout.session.expired": _CLOSED,
    "checkout.session.async_payment_failed": _CLOSED,
    "transfer.created": _TRANSFER,
    "transfer.updated": _TRANSFER,
    "transfer.reversed": _TRANSFER,
    "refund.created": _REFUND,
    "refund.updated": _REFUND,
    "refund.failed": _REFUND,
    "charge.refund.updated": _REFUND,
}
_OF_ACCOUNTS: Mapping[str, Reader] = {
    "account.updated": _changed(EventKind.ACCOUNT_CHANGED, _field("id")),
    "capability.updated": _changed(EventKind.ACCOUNT_CHANGED, _field("account")),
}


def _fields(thing: object) -> Fields:
    return thing if isinstance(thing, dict) else {}


def _text(thing: Fields, name: str) -> str:
    value = thing.get(name)
    return value if isinstance(value, str) else ""
