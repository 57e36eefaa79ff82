"""The gateway that does nothing: a treasurer pays, and says so."""

from datetime import UTC, datetime

import pytest

from prizes.gateways import gateway
from prizes.gateways.base import BadSignature, Charge, CheckoutStatus, GatewayRefused, Order, ReceiptStatus


def test_nothing_happens_by_itself() -> None:
    by_hand = gateway("manual")
    page = by_hand.open_checkout(Charge("fee 1", 1_000, "EUR", "Lake walk", datetime(2026, 1, 1, tzinfo=UTC), ""))
    assert (page.reference, page.url) == ("fee 1", "")
    assert by_hand.find_checkout("fee 1").status == CheckoutStatus.OPEN
    assert by_hand.close_checkout("fee 1").status == CheckoutStatus.CLOSED
    order = Order("prize 1", 1, 1_000, "EUR", "by hand")
    for answer in (
        by_hand.send_transfer(order),
        by_hand.find_transfer(order),
        by_hand.send_refund(order),
        by_hand.find_refund(order),
    ):
        assert answer
        assert answer.status == ReceiptStatus.PENDING


def test_there_are_no_accounts_and_no_webhooks() -> None:
    by_hand = gateway("manual")
    assert by_hand.account_ready("anything")
    with pytest.raises(GatewayRefused):
        by_hand.open_account(key="1", email="ada@example.org")
    with pytest.raises(GatewayRefused):
        by_hand.onboarding_url(account="1", return_url="https://steps.example.org")
    with pytest.raises(BadSignature):
        by_hand.read_webhook(b"{}", {})


def test_there_is_no_other_than_those_there_are() -> None:
    with pytest.raises(KeyError):
        gateway("paypal")
