"""The Stripe gateway against a Stripe on this machine that refuses what the real one does not know."""

import json
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
import stripe as library
from hypothesis import given
from hypothesis import strategies as st

from config.core.money import CURRENCIES, decimals_of
from prizes.gateways.base import (
    BadSignature,
    Charge,
    Checkout,
    CheckoutState,
    CheckoutStatus,
    Event,
    EventKind,
    Gateway,
    GatewayBusy,
    GatewayRefused,
    Order,
    OutcomeUnknown,
    Receipt,
    ReceiptStatus,
)
from prizes.gateways.stripe import StripeGateway, from_stripe, to_stripe
from tests.prizes.stripe_server import Fault, Stripe, running, sign

# The library hands its form to httpx in a way that httpx would rather have another way.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

PAID, PENDING, FAILED = ReceiptStatus.PAID, ReceiptStatus.PENDING, ReceiptStatus.FAILED


@pytest.fixture
def stripe() -> Iterator[Stripe]:
    with running() as server:
        yield server


def connect(stripe: Stripe, **changes: Any) -> StripeGateway:
    usual: dict[str, Any] = {
        "secret_key": stripe.secret_key,
        "webhook_secrets": [stripe.webhook_secret],
        "base_url": stripe.url,
        "timeout_seconds": 0.3,
    }
    return StripeGateway(**(usual | changes))


@pytest.fixture
def gateway(stripe: Stripe) -> StripeGateway:
    return connect(stripe)


def charge(**changes: Any) -> Charge:
    usual: dict[str, Any] = {
        "key": "payment-1",
        "amount_minor": 1050,
        "currency": "EUR",
        "description": "Entry fee: Über die Brücken & back",
        "expires_at": datetime.now(UTC) + timedelta(minutes=40),
        "return_url": "https://pacesetter.test/competitions/1?paid=1",
    }
    return Charge(**(usual | changes))


@pytest.fixture
def order(stripe: Stripe) -> Order:
    return Order("transfer-1", 1, 5_000, "EUR", stripe.connected_account())


def again(order: Order, **changes: Any) -> Order:
    return Order(**(vars(order) | changes))


@pytest.fixture
def paid_intent(stripe: Stripe, gateway: StripeGateway) -> str:
    return stripe.pay(gateway.open_checkout(charge()).reference)


@pytest.fixture
def refund(paid_intent: str) -> Order:
    return Order("refund-1", 1, 1050, "EUR", paid_intent)


def test_it_is_a_gateway_that_pays_to_accounts(stripe: Stripe) -> None:
    gateway: Gateway = connect(stripe)
    assert (gateway.name, gateway.needs_account) == ("stripe", True)


# The server refuses what Stripe would.


def post(stripe: Stripe, path: str, form: dict[str, str], **headers: str) -> tuple[int, dict[str, Any]]:
    answer = httpx.post(
        f"{stripe.url}{path}", data=form, headers={"Authorization": f"Bearer {stripe.secret_key}"} | headers
    )
    return answer.status_code, answer.json().get("error", answer.json())


QUANTITY, REQUESTED = "line_items[0][quantity]", "capabilities[transfers][requested]"
SESSION = {
    "mode": "payment",
    "success_url": "https://pacesetter.test",
    QUANTITY: "1",
    "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "1050",
    "line_items[0][price_data][product_data][name]": "Fee",
}


@pytest.mark.parametrize(
    ("path", "form", "unknown"),
    [
        ("/v1/transfers", {"currency": "eur", "destination": "acct_1", "amount": "1", "key": "k"}, "key"),
        ("/v1/checkout/sessions", SESSION | {"reference": "1"}, "reference"),
        (
            "/v1/checkout/sessions",
            SESSION | {"line_items[0][price_data][name]": "Fee"},
            "line_items[0][price_data][name]",
        ),
        ("/v1/checkout/sessions", SESSION | {"payment_intent_data[key]": "1"}, "payment_intent_data[key]"),
        ("/v1/accounts", {"capabilities[transfer][requested]": "true"}, "capabilities[transfer]"),
        ("/v1/refunds", {"api_key": "sk"}, "api_key"),
    ],
)
def test_the_server_refuses_a_parameter_that_stripe_does_not_know(
    stripe: Stripe, path: str, form: dict[str, str], unknown: str
) -> None:
    status, error = post(stripe, path, form)
    assert (status, error["code"], error["param"]) == (400, "parameter_unknown", unknown)


@pytest.mark.parametrize(
    ("path", "form", "code", "param"),
    [
        ("/v1/transfers", {"currency": "eur", "amount": "1"}, "parameter_missing", "destination"),
        ("/v1/transfers", {"currency": "eur", "destination": "acct_1"}, "parameter_missing", "amount"),
        ("/v1/transfers", {"currency": "eur", "destination": "a", "amount": "1.5"}, "parameter_invalid", "amount"),
        ("/v1/account_links", {"account": "acct_1"}, "parameter_missing", "type"),
        ("/v1/checkout/sessions", SESSION | {QUANTITY: "one"}, "parameter_invalid", QUANTITY),
        ("/v1/accounts", {REQUESTED: "True"}, "parameter_invalid", REQUESTED),
        ("/v1/accounts", {"metadata[user][id]": "1"}, "parameter_invalid", "metadata"),
    ],
)
def test_the_server_refuses_what_is_missing_or_of_another_type(
    stripe: Stripe, path: str, form: dict[str, str], code: str, param: str
) -> None:
    status, error = post(stripe, path, form)
    assert (status, error["code"], error["param"]) == (400, code, param)


def test_the_server_knows_no_list_parameter_of_its_own(stripe: Stripe) -> None:
    headers = {"Authorization": f"Bearer {stripe.secret_key}"}
    answer = httpx.get(f"{stripe.url}/v1/transfers?metadata[transfer]=1", headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "metadata")


def test_the_server_replays_the_first_answer_of_a_key(stripe: Stripe) -> None:
    account = {"type": "express"}
    headers = {"Authorization": f"Bearer {stripe.secret_key}", "Idempotency-Key": "a"}
    answers = [httpx.post(f"{stripe.url}/v1/accounts", data=account, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true"]
    status, error = post(stripe, "/v1/accounts", {"type": "custom"}, **{"Idempotency-Key": "a"})
    assert (status, error["type"]) == (400, "idempotency_error")


# Checkouts.


def test_a_checkout_says_what_is_paid_for_and_by_whom(stripe: Stripe, gateway: StripeGateway) -> None:
    bill = charge()
    checkout = gateway.open_checkout(bill)
    session = stripe.sessions[checkout.reference]
    assert checkout == Checkout(session["id"], session["url"])
    assert (session["amount_total"], session["currency"]) == (1050, "eur")
    assert (session["client_reference_id"], session["metadata"]) == ("payment-1", {"payment": "payment-1"})
    assert session["expires_at"] == int(bill.expires_at.timestamp())
    assert gateway.find_checkout(checkout.reference) == CheckoutState(CheckoutStatus.OPEN)


def test_the_same_charge_again_gives_the_same_checkout_until_stripe_forgets(
    stripe: Stripe, gateway: StripeGateway
) -> None:
    bill = charge()
    first = gateway.open_checkout(bill)
    assert gateway.open_checkout(bill) == first
    with pytest.raises(GatewayRefused, match="another request under the same key"):
        gateway.open_checkout(charge(amount_minor=1))
    stripe.forget_keys()
    assert gateway.open_checkout(bill) != first


@pytest.mark.parametrize("after", [timedelta(minutes=29), timedelta(hours=25)])
def test_a_checkout_of_minutes_or_days_is_refused_in_stripes_words(gateway: StripeGateway, after: timedelta) -> None:
    with pytest.raises(GatewayRefused, match="expires_at"):
        gateway.open_checkout(charge(expires_at=datetime.now(UTC) + after))


def test_a_paid_checkout_names_the_money(stripe: Stripe, gateway: StripeGateway) -> None:
    reference = gateway.open_checkout(charge()).reference
    intent = stripe.pay(reference)
    assert gateway.find_checkout(reference) == CheckoutState(CheckoutStatus.PAID, intent)
    assert gateway.close_checkout(reference) == CheckoutState(CheckoutStatus.PAID, intent)


def test_a_checkout_is_closed_once_and_stays_closed(stripe: Stripe, gateway: StripeGateway) -> None:
    reference = gateway.open_checkout(charge()).reference
    closed = CheckoutState(CheckoutStatus.CLOSED)
    assert [gateway.close_checkout(reference), gateway.close_checkout(reference)] == [closed, closed]
    assert gateway.find_checkout(reference) == closed


def test_a_bank_debit_is_open_while_it_is_on_its_way(stripe: Stripe, gateway: StripeGateway) -> None:
    reference = gateway.open_checkout(charge()).reference
    stripe.pay(reference, status="processing")
    assert gateway.find_checkout(reference) == CheckoutState(CheckoutStatus.OPEN)
    assert gateway.close_checkout(reference) == CheckoutState(CheckoutStatus.OPEN)
    stripe.pay(reference, status="requires_payment_method")
    assert gateway.find_checkout(reference) == CheckoutState(CheckoutStatus.CLOSED)


def test_a_checkout_that_stripe_will_not_close_though_it_is_open_is_not_called_closed(
    stripe: Stripe, gateway: StripeGateway
) -> None:
    reference = gateway.open_checkout(charge()).reference
    stripe.faults.append(Fault("answer", status=400))
    with pytest.raises(GatewayRefused):
        gateway.close_checkout(reference)
    with pytest.raises(GatewayRefused, match=r"No such checkout\.session"):
        gateway.find_checkout("cs_of_somebody_else")


# Transfers.


def test_a_transfer_arrives_and_is_found_by_its_key(stripe: Stripe, gateway: StripeGateway, order: Order) -> None:
    assert gateway.find_transfer(order) is None
    receipt = gateway.send_transfer(order)
    (transfer,) = stripe.transfers.values()
    assert receipt == Receipt(transfer["id"], PAID)
    assert (transfer["amount"], transfer["currency"], transfer["destination"]) == (5_000, "eur", order.destination)
    assert (transfer["transfer_group"], transfer["metadata"]) == (order.key, {"transfer": order.key, "attempt": "1"})
    assert gateway.find_transfer(order) == receipt
    assert gateway.find_transfer(again(order, key="transfer-2")) is None


def test_the_same_attempt_again_is_the_same_transfer(stripe: Stripe, gateway: StripeGateway, order: Order) -> None:
    assert gateway.send_transfer(order) == gateway.send_transfer(order)
    assert len(stripe.transfers) == 1


def test_after_a_time_out_the_transfer_is_found_and_not_sent_twice(
    stripe: Stripe, gateway: StripeGateway, order: Order
) -> None:
    stripe.faults.append(Fault("hang", done=True))
    with pytest.raises(OutcomeUnknown, match="did not answer in time"):
        gateway.send_transfer(order)
    assert stripe.asked == [("POST", "/v1/transfers")]  # the library repeats nothing by itself
    found = gateway.find_transfer(order)
    assert found is not None
    assert gateway.send_transfer(order) == found
    assert len(stripe.transfers) == 1


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("how", ["close", "answer"])
def test_a_broken_connection_and_an_error_of_theirs_say_nothing_of_what_happened(
    stripe: Stripe, gateway: StripeGateway, order: Order, how: Any, done: bool
) -> None:
    stripe.faults.append(Fault(how, done=done))
    with pytest.raises(OutcomeUnknown):
        gateway.send_transfer(order)
    found = gateway.find_transfer(order)
    assert (found is not None) == done == (len(stripe.transfers) == 1)


def test_an_error_of_theirs_is_repeated_under_its_key_for_a_day(
    stripe: Stripe, gateway: StripeGateway, order: Order
) -> None:
    stripe.faults.append(Fault("answer", done=True))
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match="500"):
            gateway.send_transfer(order)
    assert len(stripe.transfers) == 1
    assert gateway.find_transfer(order) == Receipt(next(iter(stripe.transfers)), PAID)


def test_a_transfer_is_found_long_after_stripe_forgot_its_key(
    stripe: Stripe, gateway: StripeGateway, order: Order
) -> None:
    receipt = gateway.send_transfer(order)
    stripe.forget_keys()
    assert gateway.find_transfer(again(order, attempt=7)) == receipt
    gateway.send_transfer(order)  # which is why nobody may send without having looked
    assert len(stripe.transfers) == 2
    twice = gateway.find_transfer(order)
    assert twice is not None
    assert twice.status == PAID
    assert "more than once" in twice.reason


def test_a_transfer_that_was_taken_back_failed_and_one_that_stands_comes_before_it(
    stripe: Stripe, gateway: StripeGateway, order: Order
) -> None:
    first = gateway.send_transfer(order)
    stripe.reverse(first.reference)
    assert gateway.find_transfer(order) == Receipt(first.reference, FAILED, "The transfer was taken back at Stripe.")
    second = gateway.send_transfer(again(order, attempt=2))
    assert gateway.find_transfer(order) == second
    stripe.reverse(second.reference)
    third = gateway.send_transfer(again(order, attempt=3))
    gateway.send_transfer(again(order, attempt=4))
    stripe.reverse(list(stripe.transfers)[-1])
    assert gateway.find_transfer(order) == third


def test_a_transfer_taken_back_in_part_is_for_a_person_and_says_how_much_is_still_there(
    stripe: Stripe, gateway: StripeGateway, order: Order
) -> None:
    part = gateway.send_transfer(order)
    whole = gateway.send_transfer(again(order, attempt=2))
    stripe.reverse(whole.reference)
    stripe.reverse(part.reference, 2_000)
    for attempt in (1, 2, 3):
        with pytest.raises(GatewayRefused, match=r"30\.00 EUR of 50\.00 EUR is still with the winner"):
            gateway.find_transfer(again(order, attempt=attempt))
    stripe.reverse(part.reference, 3_000)
    assert gateway.find_transfer(again(order, attempt=3)) is None


def test_money_that_went_elsewhere_under_this_key_is_for_a_person_to_look_at(
    stripe: Stripe, gateway: StripeGateway, order: Order
) -> None:
    receipt = gateway.send_transfer(order)
    for changed in ({"amount_minor": 4_000}, {"currency": "USD"}, {"destination": stripe.connected_account()}):
        with pytest.raises(GatewayRefused, match=r"50\.00 EUR .* not what was ordered"):
            gateway.find_transfer(again(order, **changed))
    stripe.reverse(receipt.reference)
    elsewhere = gateway.find_transfer(again(order, destination=stripe.connected_account()))
    assert elsewhere is not None
    assert elsewhere.status == FAILED


def test_the_one_that_stands_is_found_beyond_the_first_page(
    stripe: Stripe, gateway: StripeGateway, order: Order
) -> None:
    standing = gateway.send_transfer(order)
    for number in range(230):
        stripe.transfers[f"tr_taken_{number}"] = stripe.transfers[standing.reference] | {
            "id": f"tr_taken_{number}",
            "amount_reversed": 5_000,
            "reversed": True,
        }
    stripe.asked.clear()
    assert gateway.find_transfer(order) == standing
    assert len(stripe.asked) == 3


def test_an_empty_balance_is_refused_under_its_key_and_paid_under_the_next(
    stripe: Stripe, gateway: StripeGateway, order: Order
) -> None:
    stripe.balance["eur"] = 10
    with pytest.raises(GatewayRefused, match="insufficient available funds"):
        gateway.send_transfer(order)
    stripe.balance["eur"] = 10_000
    with pytest.raises(GatewayRefused, match="insufficient available funds"):
        gateway.send_transfer(order)
    assert gateway.find_transfer(order) is None
    assert gateway.send_transfer(again(order, attempt=2)).status == PAID


def test_an_account_that_cannot_receive_is_refused(stripe: Stripe, gateway: StripeGateway, order: Order) -> None:
    account = gateway.open_account(key="person-1", email="")
    with pytest.raises(GatewayRefused, match="capabilities"):
        gateway.send_transfer(again(order, destination=account))
    with pytest.raises(GatewayRefused, match="No such destination"):
        gateway.send_transfer(again(order, destination="acct_gone", attempt=2))


# Refunds.


def test_a_refund_arrives_and_is_found_by_its_key(stripe: Stripe, gateway: StripeGateway, refund: Order) -> None:
    assert gateway.find_refund(refund) is None
    receipt = gateway.send_refund(refund)
    assert receipt.status == PAID
    assert gateway.send_refund(refund) == gateway.find_refund(refund) == receipt
    assert stripe.refunds[receipt.reference]["amount"] == 1050
    assert gateway.find_refund(again(refund, key="refund-2")) is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pending", PENDING),
        ("requires_action", PENDING),
        (None, PENDING),
        ("succeeded", PAID),
        ("failed", FAILED),
        ("canceled", FAILED),
    ],
)
def test_a_refund_is_what_stripe_says_it_is(
    stripe: Stripe, gateway: StripeGateway, refund: Order, status: str, expected: ReceiptStatus
) -> None:
    stripe.refund_status = status
    assert gateway.send_refund(refund).status == expected


def test_a_failed_refund_says_why_and_the_next_attempt_comes_before_it(
    stripe: Stripe, gateway: StripeGateway, refund: Order
) -> None:
    first = gateway.send_refund(refund)
    stripe.refunds[first.reference] |= {"status": "failed", "failure_reason": "lost_or_stolen_card"}
    found = gateway.find_refund(refund)
    assert found == Receipt(first.reference, FAILED, "The refund did not go through: lost or stolen card.")
    second = gateway.send_refund(again(refund, attempt=2))
    assert gateway.find_refund(refund) == second


def test_a_fee_that_was_given_back_already_is_looked_up(stripe: Stripe, gateway: StripeGateway, refund: Order) -> None:
    receipt = gateway.send_refund(refund)
    stripe.forget_keys()
    assert gateway.send_refund(refund) == receipt
    with pytest.raises(GatewayRefused, match="already been refunded"):  # by somebody else, not under this key
        gateway.send_refund(again(refund, key="refund-2"))
    assert len(stripe.refunds) == 1


def test_a_refund_is_found_after_a_time_out_and_one_of_another_amount_is_for_a_person(
    stripe: Stripe, gateway: StripeGateway, refund: Order
) -> None:
    stripe.faults.append(Fault("hang", done=True))
    with pytest.raises(OutcomeUnknown):
        gateway.send_refund(refund)
    assert gateway.find_refund(refund) == Receipt(next(iter(stripe.refunds)), PAID)
    with pytest.raises(GatewayRefused, match=r"10\.50 EUR .* not what was ordered"):
        gateway.find_refund(again(refund, amount_minor=1000))


def test_more_than_was_paid_cannot_be_given_back(gateway: StripeGateway, refund: Order) -> None:
    with pytest.raises(GatewayRefused, match="greater than"):
        gateway.send_refund(again(refund, amount_minor=1051))
    gateway.send_refund(again(refund, amount_minor=600, attempt=2))
    with pytest.raises(GatewayRefused, match="greater than"):  # and the one before does not pass for it
        gateway.send_refund(again(refund, amount_minor=600, attempt=3))


def test_a_refund_is_found_beyond_the_first_page(stripe: Stripe, gateway: StripeGateway, refund: Order) -> None:
    receipt = gateway.send_refund(refund)
    for number in range(120):
        other = {"id": f"re_other_{number}", "metadata": {"refund": "refund-2"}}
        stripe.refunds[f"re_other_{number}"] = stripe.refunds[receipt.reference] | other
    assert gateway.find_refund(refund) == receipt


# Payout accounts.


def test_an_account_becomes_ready_when_the_person_has_connected_a_bank(stripe: Stripe, gateway: StripeGateway) -> None:
    account = gateway.open_account(key="person-1", email="walker@example.org")
    made = stripe.accounts[account]
    assert (made["type"], made["email"], made["metadata"]) == ("express", "walker@example.org", {"user": "person-1"})
    assert gateway.open_account(key="person-1", email="walker@example.org") == account
    assert gateway.onboarding_url(account=account, return_url="https://pacesetter.test/me").startswith("https://")
    assert not gateway.account_ready(account)
    stripe.onboard(account)
    assert gateway.account_ready(account)


def test_an_account_without_an_address_or_without_capabilities(stripe: Stripe, gateway: StripeGateway) -> None:
    account = gateway.open_account(key="person-1", email="")
    assert stripe.accounts[account]["email"] is None
    nothing: tuple[dict[str, str] | None, ...] = ({}, None)
    for capabilities in nothing:
        stripe.accounts[account]["capabilities"] = capabilities
        assert not gateway.account_ready(account)


# Failures, wherever they happen.


CALLS: dict[str, Callable[[StripeGateway, Order], object]] = {
    "open_checkout": lambda gateway, order: gateway.open_checkout(charge()),
    "find_checkout": lambda gateway, order: gateway.find_checkout("cs_1"),
    "close_checkout": lambda gateway, order: gateway.close_checkout("cs_1"),
    "send_transfer": lambda gateway, order: gateway.send_transfer(order),
    "find_transfer": lambda gateway, order: gateway.find_transfer(order),
    "send_refund": lambda gateway, order: gateway.send_refund(order),
    "find_refund": lambda gateway, order: gateway.find_refund(order),
    "open_account": lambda gateway, order: gateway.open_account(key="p", email=""),
    "onboarding_url": lambda gateway, order: gateway.onboarding_url(account="acct_1", return_url="https://a.test"),
    "account_ready": lambda gateway, order: gateway.account_ready("acct_1"),
}


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest, gateway: StripeGateway, order: Order) -> Callable[[], object]:
    return lambda: CALLS[request.param](gateway, order)


def test_every_call_can_end_in_each_of_the_three_ways(stripe: Stripe, call: Callable[[], object]) -> None:
    endings: list[tuple[Fault, type[Exception]]] = [
        (Fault("close"), OutcomeUnknown),
        (Fault("answer", status=503), OutcomeUnknown),
        (Fault("answer", status=409, code="idempotency_key_in_use"), OutcomeUnknown),
        (Fault("answer", status=400, code="idempotency_key_in_use"), OutcomeUnknown),
        (Fault("answer", status=429, headers={"Retry-After": "7"}), GatewayBusy),
        (Fault("answer", status=400, code="lock_timeout"), GatewayBusy),
        (Fault("answer", status=402), GatewayRefused),
        (Fault("answer", status=403), GatewayRefused),
    ]
    for fault, expected in endings:
        # Closing looks a refusal up, which is then refused likewise.
        stripe.faults.extend([fault, fault] if expected is GatewayRefused else [fault])
        with pytest.raises(expected):
            call()
        stripe.faults.clear()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"1", b"{}", b'{"object":"list","data":7}', b"\xff"])
@pytest.mark.parametrize("status", [200, 302, 500, 403])
def test_an_answer_that_is_none_of_stripes_says_nothing_of_what_happened(
    stripe: Stripe, gateway: StripeGateway, order: Order, status: int, body: bytes
) -> None:
    stripe.faults.append(Fault("answer", status=status, body=body))
    with pytest.raises(OutcomeUnknown):
        gateway.send_transfer(order)


@pytest.mark.parametrize("body", [b'{"error":"unauthorised"}', b'{"error":[]}', b'{"error":{}}'])
def test_an_error_of_an_odd_shape_is_one_of_the_three(
    stripe: Stripe, gateway: StripeGateway, order: Order, body: bytes
) -> None:
    stripe.faults.append(Fault("answer", status=400, body=body))
    with pytest.raises((OutcomeUnknown, GatewayRefused)):
        gateway.send_transfer(order)


def test_how_long_to_wait_is_as_stripe_says(stripe: Stripe, gateway: StripeGateway, order: Order) -> None:
    waits = {"7": 7, "": None, "soon": None, "-1": None, "9" * 99: None}
    for said, expected in waits.items():
        stripe.faults.append(Fault("answer", status=429, headers={"Retry-After": said}))
        with pytest.raises(GatewayBusy) as busy:
            gateway.send_transfer(order)
        assert busy.value.retry_after_seconds == expected
    stripe.faults.append(Fault("answer", status=429, body=b"Too many requests"))
    with pytest.raises(GatewayBusy):
        gateway.send_transfer(order)
    assert gateway.send_transfer(order).status == PAID


def test_nobody_listening_is_no_answer() -> None:
    gateway = StripeGateway(secret_key="sk_test_1", webhook_secrets=[], base_url="http://127.0.0.1:9")
    with pytest.raises(OutcomeUnknown):
        gateway.account_ready("acct_1")


@pytest.mark.parametrize("key", ["sk_live_a_secret_of_another_account", "", "sk_live_ünicode", "sk_live_a\nsecret"])
def test_a_wrong_key_is_refused_without_repeating_it(
    stripe: Stripe, order: Order, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with pytest.raises((GatewayRefused, OutcomeUnknown)) as refused:
        connect(stripe, secret_key=key).send_transfer(order)
    told = "".join(traceback.format_exception(refused.value)) + caplog.text
    assert "sk_live" not in told
    assert "p7dc" not in str(refused.value)
    assert not stripe.transfers


def test_stripe_itself_is_asked_where_no_other_address_is_given() -> None:
    gateway = StripeGateway(secret_key="sk_test_1", webhook_secrets=[])
    requestor = cast("Any", gateway)._api._requestor
    assert requestor.base_addresses["api"] == library.DEFAULT_API_BASE == "https://api.stripe.com"


# Webhooks.


def session(**changes: Any) -> dict[str, Any]:
    usual = {
        "id": "cs_1",
        "object": "checkout.session",
        "client_reference_id": "payment-1",
        "payment_status": "paid",
        "payment_intent": "pi_1",
        "amount_total": 1050,
        "currency": "eur",
    }
    return {name: value for name, value in (usual | changes).items() if value is not ...}


KINDS: list[tuple[str, dict[str, Any], EventKind, str]] = [
    ("checkout.session.expired", session(payment_status="unpaid"), EventKind.CHECKOUT_CLOSED, "payment-1"),
    ("checkout.session.async_payment_failed", session(payment_status="unpaid"), EventKind.CHECKOUT_CLOSED, "payment-1"),
    *[
        (f"transfer.{what}", {"id": "tr_1", "transfer_group": "transfer-1"}, EventKind.TRANSFER_CHANGED, "transfer-1")
        for what in ("created", "updated", "reversed")
    ],
    *[
        (kind, {"id": "re_1", "metadata": {"refund": "refund-1"}}, EventKind.REFUND_CHANGED, "refund-1")
        for kind in ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
    ],
    ("account.updated", {"id": "acct_1"}, EventKind.ACCOUNT_CHANGED, "acct_1"),
    ("capability.updated", {"id": "transfers", "account": "acct_1"}, EventKind.ACCOUNT_CHANGED, "acct_1"),
]


@pytest.mark.parametrize(("kind", "thing", "expected", "key"), KINDS)
def test_a_webhook_says_what_to_look_up(
    stripe: Stripe, gateway: StripeGateway, kind: str, thing: dict[str, Any], expected: EventKind, key: str
) -> None:
    event = gateway.read_webhook(*stripe.webhook(kind, thing))
    assert (event.id[:4], event.kind, event.key) == ("evt_", expected, key)
    assert (event.payment_reference, event.amount_minor, event.currency) == ("", 0, "")


@pytest.mark.parametrize("kind", ["checkout.session.completed", "checkout.session.async_payment_succeeded"])
def test_a_paid_checkout_says_how_much_and_in_what(stripe: Stripe, gateway: StripeGateway, kind: str) -> None:
    body, headers = stripe.webhook(kind, session(currency="isk", amount_total=50_000))
    event_id = json.loads(body)["id"]
    expected = Event(event_id, EventKind.CHECKOUT_PAID, "payment-1", "pi_1", 500, "ISK")
    assert gateway.read_webhook(body, headers) == expected


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("checkout.session.completed", session(payment_status="unpaid")),  # a debit that is on its way
        ("checkout.session.completed", session(client_reference_id=None)),  # of something else that is sold there
        ("checkout.session.completed", session(payment_intent=...)),
        ("checkout.session.completed", session(amount_total=...)),
        ("checkout.session.completed", session(amount_total="1050")),
        ("checkout.session.completed", session(currency=...)),
        ("checkout.session.completed", session(currency="doge")),
        ("checkout.session.completed", session(currency="isk")),
        ("checkout.session.expired", session(client_reference_id=["payment-1"])),
        ("transfer.created", {"id": "tr_1", "transfer_group": None}),
        ("refund.updated", {"id": "re_1", "metadata": {}}),
        ("refund.updated", {"id": "re_1", "metadata": None}),
        ("account.updated", {}),
        ("account.updated", "acct_1"),
        ("account.updated", None),
        ("charge.refunded", {"id": "ch_1", "metadata": {"refund": "refund-1"}}),
        ("something.new", {"id": "new_1"}),
    ],
)
def test_what_is_signed_and_not_ours_is_ignored(
    stripe: Stripe, gateway: StripeGateway, kind: str, thing: object
) -> None:
    assert gateway.read_webhook(*stripe.webhook(kind, thing)).kind == EventKind.IGNORED


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"null", b'"evt_1"', b"{}", b'{"id": 7}', b"\xff\xfe"])
def test_what_is_signed_and_no_event_is_refused(stripe: Stripe, gateway: StripeGateway, body: bytes) -> None:
    with pytest.raises(BadSignature):
        gateway.read_webhook(body, sign(body, stripe.webhook_secret))


@pytest.mark.parametrize("more", [{"data": None}, {"data": []}, {"data": {}}, {"type": None}, {"type": ["a"]}])
def test_an_event_without_its_parts_is_ignored(stripe: Stripe, gateway: StripeGateway, more: dict[str, Any]) -> None:
    body = json.dumps({"id": "evt_1", "type": "account.updated"} | more).encode()
    event = gateway.read_webhook(body, sign(body, stripe.webhook_secret))
    assert event == Event("evt_1", EventKind.IGNORED)


def test_a_connected_account_cannot_say_that_our_fee_was_paid(stripe: Stripe, gateway: StripeGateway) -> None:
    for kind, thing, expected, _key in [*KINDS, ("checkout.session.completed", session(), EventKind.IGNORED, "")]:
        seen = gateway.read_webhook(*stripe.webhook(kind, thing, account="acct_of_a_winner")).kind
        assert seen == (expected if expected == EventKind.ACCOUNT_CHANGED else EventKind.IGNORED)
        assert gateway.read_webhook(*stripe.webhook(kind, thing, account=None)).kind != EventKind.IGNORED


def test_only_what_stripe_signed_lately_is_believed(stripe: Stripe, gateway: StripeGateway) -> None:
    body, headers = stripe.webhook("account.updated", {"id": "acct_1"})
    assert gateway.read_webhook(body, headers).key == "acct_1"
    _, by_another = stripe.webhook("account.updated", {"id": "acct_1"}, secret="whsec_of_another_endpoint")
    refused: list[tuple[bytes, dict[str, str]]] = [
        (body.replace(b"acct_1", b"acct_2"), headers),
        (json.dumps(json.loads(body)).encode(), headers),  # the same, written otherwise
        (body, sign(body, stripe.webhook_secret, time.time() - 301)),
        (body, sign(body, "")),
        (body, by_another),
        (body, {}),
        *[
            (body, {"stripe-signature": odd})
            for odd in ("", "t=1", "v1=2", "t=a,v1=b", "t=1,v1=é", ",", "t,v1", "é" * 9)
        ],
    ]
    for tampered, with_headers in refused:
        with pytest.raises(BadSignature):
            gateway.read_webhook(tampered, with_headers)
    assert gateway.read_webhook(body, sign(body, stripe.webhook_secret, time.time() - 290)).key == "acct_1"


def test_while_a_secret_is_rotated_both_are_good(stripe: Stripe) -> None:
    body, headers = stripe.webhook("account.updated", {"id": "acct_1"})
    for secrets, good in ((["new", stripe.webhook_secret], True), (["new"], False), ([], False), ([""], False)):
        gateway = connect(stripe, webhook_secrets=secrets)
        if good:
            assert gateway.read_webhook(body, headers).key == "acct_1"
        else:
            with pytest.raises(BadSignature):
                gateway.read_webhook(body, headers)


# Amounts, as https://docs.stripe.com/currencies writes them.


@pytest.mark.parametrize(
    ("currency", "ours", "theirs"),
    [
        ("USD", 1000, 1000),
        ("JPY", 500, 500),
        ("ISK", 5, 500),
        ("UGX", 5, 500),
        ("MGA", 500, 5),
        ("KWD", 5120, 5120),
        ("HUF", 1045, 1045),
        ("TWD", 80045, 80045),
    ],
)
def test_an_amount_is_written_as_stripe_has_it(currency: str, ours: int, theirs: int) -> None:
    assert (to_stripe(ours, currency), from_stripe(theirs, currency)) == (theirs, ours)


@pytest.mark.parametrize(("currency", "ours"), [("MGA", 550), ("KWD", 5124), ("IQD", 1000), ("LYD", 10), ("XXX", 1)])
def test_an_amount_that_stripe_cannot_express_is_refused(currency: str, ours: int) -> None:
    with pytest.raises(GatewayRefused):
        to_stripe(ours, currency)


@given(st.integers(0, 10**15), st.sampled_from(sorted(CURRENCIES)))
def test_an_amount_comes_back_as_it_went(amount: int, currency: str) -> None:
    whole = amount - amount % 10 ** decimals_of(currency)
    for ours in (amount, whole):
        try:
            theirs = to_stripe(ours, currency)
        except GatewayRefused:
            assert currency in {"IQD", "LYD", "MGA", "BHD", "JOD", "KWD", "OMR", "TND"}
            assert ours != whole or currency in {"IQD", "LYD"}
        else:
            assert from_stripe(theirs, currency) == ours


@pytest.mark.parametrize("currency", ["ISK", "UGX", "MGA", "KWD", "JPY"])
def test_every_special_currency_is_taken_by_the_server_as_we_write_it(
    stripe: Stripe, gateway: StripeGateway, currency: str
) -> None:
    account = stripe.connected_account()
    stripe.balance[currency.lower()] = 10**9
    order = Order(f"transfer-{currency}", 1, 7_000, currency, account)
    assert gateway.find_transfer(order) is None
    assert gateway.send_transfer(order) == gateway.find_transfer(order)
    reference = gateway.open_checkout(
        charge(key=f"payment-{currency}", currency=currency, amount_minor=7_000)
    ).reference
    paid = gateway.read_webhook(
        *stripe.webhook("checkout.session.completed", stripe.sessions[reference] | session_paid(stripe, reference))
    )
    assert (paid.amount_minor, paid.currency) == (7_000, currency)


def session_paid(stripe: Stripe, reference: str) -> dict[str, Any]:
    stripe.pay(reference)
    return stripe.sessions[reference]
