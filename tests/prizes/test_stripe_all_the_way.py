"""A paid competition through Stripe, from the fee to the prize: our services, the official library, and a Stripe on
this machine."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition
from leaderboards.scoring import Totals
from leaderboards.services import Total, record_synced_totals
from prizes.actors import Actor
from prizes.gateways import gateway
from prizes.models import Payment, Transfer
from prizes.services.distribution import distribute_prizes
from prizes.verification import CHECKS, faults_of
from tests.conftest import MakeCompetition
from tests.prizes.conftest import run_jobs
from tests.prizes.stripe_server import Stripe, running

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the library's, harmless


@pytest.fixture
def stripe(settings: Any) -> Iterator[Stripe]:
    with running() as server:
        settings.PAYMENT_GATEWAY, settings.GATEWAYS = "stripe", {"stripe"}
        settings.STRIPE_URL, settings.STRIPE_SECRET_KEY = server.url, server.secret_key
        settings.STRIPE_WEBHOOK_SECRETS = (server.webhook_secret,)
        settings.PUBLIC_URL = "https://steps.example.org"
        gateway.cache_clear()
        yield server
    gateway.cache_clear()


def reported(stripe: Stripe, kind: str, thing: dict[str, Any]) -> int:
    body, headers = stripe.webhook(kind, thing)
    return Client().post("/webhooks/stripe", body, content_type="application/json", headers=headers).status_code


def test_a_fee_comes_in_and_a_prize_goes_out(
    stripe: Stripe,
    make_competition: MakeCompetition,
    other: User,
    treasurer: User,
    signed_in: Callable[[User], APIClient],
) -> None:
    now = datetime.now(UTC)
    competition: Competition = make_competition(starts=2, ends=5, entry_fee_minor=1_000, grace_hours=0)
    joined = signed_in(other).post(f"/api/v1/competitions/{competition.id}/join")
    assert (joined.status_code, joined.json()["data"]["checkout_url"][:8]) == (202, "https://")

    payment = Payment.objects.get()
    stripe.pay(payment.checkout_reference)
    for _ in range(2):
        assert reported(stripe, "checkout.session.completed", stripe.sessions[payment.checkout_reference]) == 204
    competition.refresh_from_db()
    assert competition.participant_count == 1

    with transaction.atomic():
        walked = Total(competition.id, other.id, Totals(steps=500))
        record_synced_totals(totals=[walked], now=now + timedelta(days=3))
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now + timedelta(days=9))
    assert run_jobs() == []
    assert "payout account" in Transfer.objects.get().waits_for

    answer = signed_in(other).post("/api/v1/prizes/payout-account").json()["data"]
    assert (answer["ready"], answer["onboarding_url"][:8]) == (False, "https://")
    (account,) = stripe.accounts
    stripe.onboard(account)
    assert reported(stripe, "account.updated", stripe.accounts[account]) == 204
    assert run_jobs() == []

    (sent,) = stripe.transfers.values()
    assert (sent["amount"], sent["destination"], sent["transfer_group"]) == (1_000, account, Transfer.objects.get().key)
    assert Transfer.objects.get().state == "paid"
    stripe.reverse(sent["id"])
    assert reported(stripe, "transfer.reversed", sent) == 204
    assert run_jobs() == []
    assert Transfer.objects.get().state == "failed"
    assert [fault for check in CHECKS for fault in faults_of(check)] == []
