"""POST /webhooks/{gateway}"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from prizes.gateways.sandbox import SIGNATURE, sign
from prizes.models import GatewayEvent

pytestmark = pytest.mark.django_db

URL = "/webhooks/sandbox"


@pytest.fixture
def gateway() -> Client:
    """Whoever it is, it has no form's token."""
    return Client(enforce_csrf_checks=True)


def deliver(client: Client, body: bytes, signature: str | None, url: str = URL) -> Any:
    headers = {} if signature is None else {SIGNATURE: signature}
    return client.post(url, data=body, content_type="application/json", headers=headers)


def event(**changes: Any) -> bytes:
    usual = {"id": "evt-1", "kind": "ignored", "key": ""}
    return json.dumps(usual | changes).encode()


def test_an_event_is_stored_once_however_often_it_is_delivered(gateway: Client) -> None:
    answers = [deliver(gateway, event(), sign(event())) for _ in range(3)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 3
    assert GatewayEvent.objects.get().event_id == "evt-1"
    assert deliver(gateway, event(id="evt-2"), sign(event(id="evt-2"))).status_code == 204
    assert GatewayEvent.objects.count() == 2


@pytest.mark.parametrize("kind", ["checkout_paid", "checkout_closed", "transfer_changed", "account_changed"])
@pytest.mark.parametrize("key", ["", "x", "\x00", "00000000-0000-0000-0000-000000000000"])
def test_what_it_is_about_may_be_unknown(gateway: Client, kind: str, key: str) -> None:
    body = event(kind=kind, key=key)
    assert deliver(gateway, body, sign(body)).status_code in (204, 400)


@pytest.mark.parametrize("signature", [None, "", "0" * 64, "\u00e4\u00f6", "x" * 5000, "t=1,v1=0"])
@pytest.mark.parametrize("url", [URL, "/webhooks/stripe", "/webhooks/manual"])
def test_without_the_right_signature_it_is_a_400_in_the_one_shape(
    gateway: Client, settings: Any, url: str, signature: str | None
) -> None:
    settings.GATEWAYS = {"sandbox", "stripe", "manual"}
    settings.STRIPE_WEBHOOK_SECRETS = ("whsec_1",)
    answer = deliver(gateway, event(), signature, url)
    assert answer.status_code == 400, answer.content
    body = answer.json()
    assert (body["success"], body["error"], body["code"]) == (False, "Bad Request", 400)
    assert "signature" in body["message"]
    assert body["request_id"]
    assert not GatewayEvent.objects.exists()


@pytest.mark.parametrize("signature", [None, "", "\u00e4", "t=1,v1=0", "t=x,v1=", "t=" + "9" * 5000 + ",v1=0", ",,=,"])
def test_odd_signatures_of_stripe_are_a_400(gateway: Client, settings: Any, signature: str | None) -> None:
    settings.GATEWAYS = {"stripe"}
    settings.STRIPE_WEBHOOK_SECRETS = ("whsec_1",)
    headers = {} if signature is None else {"stripe-signature": signature}
    answer = gateway.post("/webhooks/stripe", data=event(), content_type="application/json", headers=headers)
    assert answer.status_code == 400, answer.content


@pytest.mark.parametrize("changed", [event(id="evt-2"), event() + b" ", b"", event().replace(b" ", b"")])
def test_the_signature_is_of_the_very_bytes(gateway: Client, changed: bytes) -> None:
    assert deliver(gateway, changed, sign(event())).status_code == 400
    assert not GatewayEvent.objects.exists()


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"{" * 10_000, b"[" * 100_000 + b"]" * 100_000])
def test_garbage_is_a_400(gateway: Client, body: bytes) -> None:
    assert deliver(gateway, body, "0" * 64).status_code == 400


def test_a_body_beyond_reason_is_a_413(gateway: Client, settings: Any) -> None:
    body = b" " * (settings.MAX_BODY_BYTES + 1)
    answer = deliver(gateway, body, sign(body))
    assert (answer.status_code, answer.json()["code"]) == (413, 413)


@pytest.mark.parametrize("name", ["paypal", "stripe", "SANDBOX", "%00", "sandbox/x", "me"])
def test_a_gateway_that_is_not_in_use_is_a_404(gateway: Client, name: str) -> None:
    answer = deliver(gateway, event(), sign(event()), f"/webhooks/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, 404)


@pytest.mark.parametrize("verb", ["get", "put", "patch", "delete"])
def test_other_verbs_are_a_405_that_says_which(gateway: Client, verb: str) -> None:
    answer = getattr(gateway, verb)(URL)
    assert (answer.status_code, answer.json()["code"], answer["Allow"]) == (405, 405, "POST")


def test_a_person_s_token_is_no_signature(person: User, signed_in: Callable[[User], APIClient]) -> None:
    assert signed_in(person).post(URL, {"id": "evt-1", "kind": "ignored"}).status_code == 400
