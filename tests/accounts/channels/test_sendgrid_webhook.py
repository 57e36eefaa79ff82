"""POST /webhooks/messages/sendgrid"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.models import Delivery, Suppression
from accounts.notices import Channel
from accounts.services.suppressing import is_suppressed
from tests.accounts.channels.conftest import MakeDelivery
from tests.accounts.channels.sendgrid_server import SendGrid

pytestmark = pytest.mark.django_db

URL = "/webhooks/messages/sendgrid"
ADA = "ada@example.org"


def deliver(body: bytes, headers: dict[str, str]) -> Any:
    """Whoever it is, it has no form's token."""
    return Client(enforce_csrf_checks=True).post(URL, body, content_type="application/json", headers=headers)


def told(sendgrid: SendGrid, *events: dict[str, Any]) -> None:
    """As SendGrid does it: the same again, now and then."""
    for _ in range(2):
        assert deliver(*sendgrid.webhook(*events)).status_code == 204


def states() -> list[tuple[str, str]]:
    return list(Delivery.objects.order_by("due_at").values_list("state", "provider_id"))


@pytest.mark.parametrize("kind", ["processed", "deferred", "delivered"])
@pytest.mark.parametrize("state", ["unknown", "sending", "waiting"])
def test_a_letter_of_which_nobody_knew_was_taken_after_all(
    sendgrid: SendGrid, make_delivery: MakeDelivery, kind: str, state: str
) -> None:
    delivery, other = make_delivery(state), make_delivery(state)
    told(sendgrid, sendgrid.event(kind, str(delivery.id)))
    delivery.refresh_from_db()
    other.refresh_from_db()
    assert (delivery.state, delivery.provider_id, bool(delivery.done_at)) == ("sent", "msg0001-hush", True)
    assert (other.state, other.done_at) == (state, None)


def test_a_letter_with_several_deliveries_is_taken_with_all_of_them(
    sendgrid: SendGrid, make_delivery: MakeDelivery
) -> None:
    head = make_delivery("unknown", digest=True)
    Delivery.objects.filter(id=head.id).update(letter_id=head.id)
    make_delivery("unknown", digest=True, letter_id=head.id)
    told(sendgrid, sendgrid.event("processed", str(head.id)))
    assert {state for state, _ in states()} == {"sent"}


def test_a_letter_that_came_back_ends_its_address(sendgrid: SendGrid, make_delivery: MakeDelivery) -> None:
    delivery = make_delivery("sent")
    bounce = sendgrid.event("bounce", str(delivery.id), type="bounce", status="5.1.1", reason="550 5.1.1 <ada@…> gone")
    told(sendgrid, bounce, sendgrid.event("processed", str(delivery.id)))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == ("failed", "The letter came back (5.1.1).")
    assert is_suppressed(Channel.EMAIL, ADA)
    assert not is_suppressed(Channel.SMS, ADA)
    assert Suppression.objects.get().reason == "The letter came back (5.1.1)."


def test_a_server_that_did_not_like_a_letter_says_nothing_of_the_address(
    sendgrid: SendGrid, make_delivery: MakeDelivery
) -> None:
    delivery = make_delivery("sent")
    told(sendgrid, sendgrid.event("bounce", str(delivery.id), type="blocked", reason="550 spam"))
    delivery.refresh_from_db()
    assert delivery.state == "failed"
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("reason", "state", "suppressed"),
    [
        ("Bounced Address", "failed", True),
        ("Invalid", "failed", True),
        ("Spam Reporting Address", "failed", True),
        ("Unsubscribed Address", "failed", True),
        ("Spam Content", "failed", False),
        ("Invalid SMTPAPI header", "failed", False),
    ],
)
def test_a_letter_that_sendgrid_dropped_did_not_go_out(
    sendgrid: SendGrid, make_delivery: MakeDelivery, reason: str, state: str, suppressed: bool
) -> None:
    delivery = make_delivery("sent")
    told(sendgrid, sendgrid.event("dropped", str(delivery.id), reason=reason))
    delivery.refresh_from_db()
    assert (delivery.state, is_suppressed(Channel.EMAIL, ADA)) == (state, suppressed)


@pytest.mark.parametrize("kind", ["spamreport", "unsubscribe", "group_unsubscribe"])
def test_who_wants_no_more_gets_no_more(sendgrid: SendGrid, make_delivery: MakeDelivery, kind: str) -> None:
    delivery = make_delivery("sent")
    told(sendgrid, sendgrid.event(kind, str(delivery.id)))
    delivery.refresh_from_db()
    assert delivery.state == "sent", "it did arrive"
    assert is_suppressed(Channel.EMAIL, ADA)


def test_an_address_counts_whichever_message_it_was(sendgrid: SendGrid) -> None:
    told(sendgrid, sendgrid.event("bounce", "of-somebody-else", type="bounce"))
    assert is_suppressed(Channel.EMAIL, ADA)


def test_a_whole_batch_takes_a_few_statements(
    sendgrid: SendGrid, make_delivery: MakeDelivery, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    deliveries = [make_delivery("unknown") for _ in range(12)]
    events = [
        sendgrid.event(kind, str(delivery.id)) for delivery in deliveries for kind in ("processed", "delivered", "open")
    ]
    with django_assert_max_num_queries(4):
        assert deliver(*sendgrid.webhook(*events)).status_code == 204
    assert {state for state, _ in states()} == {"sent"}


def forged(sendgrid: SendGrid, how: str) -> tuple[bytes, dict[str, str]]:
    body, headers = sendgrid.webhook(sendgrid.event("spamreport", ""))
    signature, timestamp = list(headers)
    match how:
        case "another body":
            body = body.replace(b"ada@", b"ben@")
        case "a space more":
            body += b" "
        case "another time":
            headers[timestamp] = str(int(headers[timestamp]) - 1)
        case "another key":
            other = SendGrid()
            body, headers = other.webhook(other.event("spamreport", ""))
        case "no signature":
            del headers[signature]
        case "no time":
            del headers[timestamp]
        case "no base64":
            headers[signature] = "ä\u0020!" * 20
        case "no DER":
            headers[signature] = "aGVsbG8="
        case "no number":
            headers[timestamp] = "9" * 5000
        case "letters":
            headers[timestamp] = "yesterday"
    return body, headers


@pytest.mark.parametrize(
    "how",
    [
        "another body", "a space more", "another time", "another key", "no signature", "no time", "no base64", "no DER",
        "no number", "letters",
    ],
)  # fmt: skip
def test_what_sendgrid_did_not_sign_changes_nothing(sendgrid: SendGrid, how: str) -> None:
    answer: HttpResponse = deliver(*forged(sendgrid, how))
    assert answer.status_code == 403
    assert json.loads(answer.content)["message"] == "This webhook is not from SendGrid."
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(("hours", "status"), [(-26, 403), (-24, 204), (0, 204), (1, 403)])
def test_what_was_signed_too_long_ago_changes_nothing(sendgrid: SendGrid, hours: int, status: int) -> None:
    at = datetime.now(UTC) + timedelta(hours=hours)
    body, headers = sendgrid.webhook(sendgrid.event("spamreport", ""), at=at.timestamp())
    assert deliver(body, headers).status_code == status
    assert Suppression.objects.exists() == (status == 204)


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"{}", b"null", b"[null, 5, [], {}]", b'[{"event": ["x"]}]',
        b'[{"event": "bounce", "email": {"$ne": 1}, "reference": 7}]',
        b'[{"event": "bounce", "email": "\\u0000@x", "reference": "\\u0000"}]',
        b'[{"event": "delivered", "sg_message_id": "\\ud800", "reference": "\xc2\xb2"}]',
        b'[{"event": "spamreport", "email": ""}, {"event": "click", "email": "ada@example.org"}]',
    ],
)  # fmt: skip
def test_odd_news_change_nothing(sendgrid: SendGrid, body: bytes) -> None:
    assert deliver(*sendgrid.webhook(body=body)).status_code == 204
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_a_400(sendgrid: SendGrid, body: bytes) -> None:
    assert deliver(*sendgrid.webhook(body=body)).status_code == 400


def test_a_body_without_end_is_a_413(sendgrid: SendGrid) -> None:
    assert deliver(*sendgrid.webhook(body=b" " * (1024 * 1024 + 1))).status_code == 413


def test_without_a_key_nothing_is_believed(sendgrid: SendGrid, settings: Any) -> None:
    settings.SENDGRID_WEBHOOK_KEY = b""
    assert deliver(*sendgrid.webhook(sendgrid.event("spamreport", ""))).status_code == 404


def test_webhooks_are_posted(sendgrid: SendGrid) -> None:
    answer = Client().get(URL)
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_the_log_counts_and_names_nobody(
    sendgrid: SendGrid, make_delivery: MakeDelivery, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    told(sendgrid, sendgrid.event("bounce", str(make_delivery("sent").id), type="bounce"))
    line = next(line for line in log_lines() if line["event"] == "messages_heard_of")
    assert line["bounced"] == 1
    assert ADA not in str(log_lines())
