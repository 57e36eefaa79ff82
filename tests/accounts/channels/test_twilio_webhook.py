"""POST /webhooks/messages/twilio"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from accounts.channels.sending import send
from accounts.channels.twilio_events import verify
from accounts.models import Delivery, Suppression
from accounts.notices import Channel
from accounts.services.suppressing import is_suppressed
from tests.accounts.channels.conftest import NUMBER, MakeDelivery, text
from tests.accounts.channels.serving import Object
from tests.accounts.channels.twilio_server import Twilio

pytestmark = pytest.mark.django_db

URL = "https://steps.example.org/webhooks/messages/twilio"


def deliver(url: str, body: bytes, headers: dict[str, str]) -> Any:
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    client = Client(enforce_csrf_checks=True)
    return client.post(path, body, content_type="application/x-www-form-urlencoded", headers=headers)


@pytest.fixture
def delivery(make_delivery: MakeDelivery) -> Delivery:
    return make_delivery("sent", channel=Channel.SMS)


@pytest.fixture
def sent(twilio: Twilio, delivery: Delivery) -> Object:
    """What Twilio knows of a text of ours."""
    send(text(reference=str(delivery.id)))
    return twilio.taken[0]


def told(twilio: Twilio, message: Object, status: str, code: str = "") -> None:
    for _ in range(2):
        assert deliver(*twilio.status(message, status, code)).status_code == 200


def texted(twilio: Twilio, body: str, number: str = NUMBER, **more: str) -> Any:
    return deliver(URL, *twilio.texted(URL, number, body, **more))


@pytest.mark.parametrize("status", ["accepted", "queued", "sending", "sent", "delivered"])
def test_a_text_of_which_nobody_knew_was_taken_after_all(
    twilio: Twilio, sent: Object, delivery: Delivery, status: str
) -> None:
    Delivery.objects.update(state="unknown")
    told(twilio, sent, status)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.provider_id) == ("sent", sent["sid"])


@pytest.mark.parametrize(
    ("code", "suppressed"), [("30003", False), ("30005", True), ("30006", True), ("30007", False), ("21610", True)]
)
def test_a_text_that_did_not_arrive_may_end_its_number(
    twilio: Twilio, sent: Object, delivery: Delivery, code: str, suppressed: bool
) -> None:
    told(twilio, sent, "undelivered", code)
    delivery.refresh_from_db()
    assert delivery.state == "failed"
    assert code in delivery.reason
    assert is_suppressed(Channel.SMS, NUMBER) == suppressed


@pytest.mark.parametrize("word", ["STOP", "stop", " Stop \n", "StopAll", "UNSUBSCRIBE", "cancel", "END", "QUIT"])
def test_who_says_stop_is_left_alone(twilio: Twilio, word: str) -> None:
    answer = texted(twilio, word)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (
        200,
        b"<Response></Response>",
        "text/xml; charset=utf-8",
    )
    texted(twilio, word)
    assert is_suppressed(Channel.SMS, NUMBER)
    assert not is_suppressed(Channel.EMAIL, NUMBER)


@pytest.mark.parametrize("word", ["START", "yes", "Unstop"])
def test_and_may_start_again(twilio: Twilio, word: str) -> None:
    texted(twilio, "STOP")
    texted(twilio, word)
    texted(twilio, word)
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("words", ["Please stop", "end of the month?", "", "HELP", "yes!"])
def test_other_words_change_nothing(twilio: Twilio, words: str) -> None:
    assert texted(twilio, words).status_code == 200
    assert not Suppression.objects.exists()


def test_what_twilio_understood_counts_more_than_the_words(twilio: Twilio) -> None:
    texted(twilio, "Halt", OptOutType="STOP")
    assert is_suppressed(Channel.SMS, NUMBER)
    texted(twilio, "Los", OptOutType="START")
    assert not Suppression.objects.exists()
    texted(twilio, "STOP", OptOutType="HELP")
    assert not Suppression.objects.exists()


def test_the_documented_example_is_right() -> None:
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+12349013030",
        "Digits": "1234",
        "From": "+12349013030",
        "To": "+18005551212",
    }
    verify(
        url="https://mycompany.com/myapp.php?foo=1&bar=2",
        form=form.items(),
        signature="0/KCTR6DLpKmkAf8muzZqo1nDgQ=",
        token="12345",
    )


@pytest.mark.parametrize(
    ("address", "signed"),
    [
        ("https://steps.example.org:443", "https://steps.example.org"),
        ("https://steps.example.org", "https://steps.example.org:443"),
        ("https://steps.example.org:8443", "https://steps.example.org:8443"),
        ("https://Steps.Example.org", "https://Steps.Example.org"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_port_may_stand_in_the_address_or_not(twilio: Twilio, settings: Any, address: str, signed: str) -> None:
    settings.PUBLIC_URL = address
    url = f"{signed}/webhooks/messages/twilio"
    assert deliver(url, *twilio.texted(url, NUMBER, "STOP")).status_code == 200


def forged(twilio: Twilio, how: str) -> tuple[str, bytes, dict[str, str]]:
    body, headers = twilio.texted(URL, NUMBER, "STOP")
    (name,) = headers
    match how:
        case "another body":
            return URL, body.replace(b"STOP", b"QUIT"), headers
        case "another field":
            return URL, body + b"&OptOutType=STOP", headers
        case "another query":
            return f"{URL}?reference=x", body, headers
        case "another host":
            return URL, *twilio.texted(URL.replace("steps.", "evil."), NUMBER, "STOP")
        case "another scheme":
            return URL, *twilio.texted(URL.replace("https", "http"), NUMBER, "STOP")
        case "another token":
            other = Twilio()
            other.token = "of-somebody-else"
            return URL, *other.texted(URL, NUMBER, "STOP")
        case "no signature":
            return URL, body, {}
        case "no ASCII":
            return URL, body, {name: "ä" * 28}
        case _:
            digest = hmac.new(b"", (URL + "x").encode(), hashlib.sha1).digest()
            return URL, body, {name: b64encode(digest).decode()}


@pytest.mark.parametrize(
    "how",
    [
        "another body", "another field", "another query", "another host", "another scheme", "another token",
        "no signature", "no ASCII", "an empty key",
    ],
)  # fmt: skip
def test_what_twilio_did_not_sign_changes_nothing(twilio: Twilio, how: str) -> None:
    answer = deliver(*forged(twilio, how))
    assert (answer.status_code, answer.json()["message"]) == (403, "This webhook is not from Twilio.")
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 403),
        (b"\xff\xfe", 400),
        (b"a=%ff", 400),
        (b"&".join([b"a=1"] * 300), 400),
        (b"a" * (1024 * 1024 + 1), 413),
    ],
)
def test_garbage_is_refused(twilio: Twilio, body: bytes, status: int) -> None:
    assert deliver(URL, body, {"X-Twilio-Signature": "x"}).status_code == status


def test_signed_oddities_change_nothing(twilio: Twilio) -> None:
    for form in ({"MessageStatus": "\x00", "To": "\x00"}, {"Body": "STOP"}, {"Body": "STOP", "From": "+1\x00"}, {}):
        for url in (URL, f"{URL}?reference=%00", f"{URL}?reference=0b0b4b9e-0000-4000-8000-00000000000x"):
            assert deliver(url, *twilio.signed(url, form)).status_code == 200
    assert not Suppression.objects.exists()


def test_without_a_token_nothing_is_believed(twilio: Twilio, settings: Any) -> None:
    settings.TWILIO_AUTH_TOKEN = ""
    assert texted(twilio, "STOP").status_code == 404


def test_webhooks_are_posted(twilio: Twilio) -> None:
    answer = Client().get(urlsplit(URL).path)
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_no_log_line_has_a_number_or_what_was_texted(
    twilio: Twilio, sent: Object, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    texted(twilio, "Please, hush, stop")
    told(twilio, sent, "undelivered", "30005")
    deliver(*forged(twilio, "another body"))
    written = str(log_lines())
    assert "messages_heard_of" in written
    for secret in (NUMBER, NUMBER[1:], "hush", *twilio.secrets):
        assert secret not in written
