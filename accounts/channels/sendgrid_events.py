"""SendGrid's signed event webhook: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event. Pure.

Anymail has a view for it, which this is not: that one accepts everything while no key is set, looks at no timestamp,
reads bodies of any size and answers odd JSON with a 500.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from accounts.channels.events import (
    Accepted,
    BadSignature,
    Bounced,
    Complained,
    Delivered,
    Failed,
    MessageEvent,
    Stopped,
)

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
EMAIL = "email"

STALE_AFTER = timedelta(hours=25)
"""SendGrid repeats for 24 hours what we did not take, and does not say that it signs anew: with a few minutes, an hour
in which we were out would lose an hour of bounces. Whatever is replayed changes nothing the second time."""
_CLOCKS_DIFFER = timedelta(minutes=10)


def verify(*, body: bytes, signature: str, timestamp: str, key: bytes, now: datetime) -> None:
    """ECDSA over the timestamp and the very bytes of the body. ``key``: in DER. Raises BadSignature.

    https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
    """
    if not re.fullmatch(r"[0-9]{1,11}", timestamp):
        raise BadSignature
    signed_at = datetime.fromtimestamp(int(timestamp), UTC)
    if not -_CLOCKS_DIFFER <= now - signed_at <= STALE_AFTER:
        raise BadSignature
    public_key = load_der_public_key(key)
    assert isinstance(public_key, EllipticCurvePublicKey)
    try:
        public_key.verify(base64.b64decode(signature, validate=True), timestamp.encode() + body, ECDSA(SHA256()))
    except (ValueError, InvalidSignature):
        raise BadSignature from None


def read_events(items: object) -> Iterator[MessageEvent]:
    """Of a list of objects; what is none of those, or says nothing that matters to us, is left out."""
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict):
            yield from _events(item)


def _events(item: Mapping[str, Any]) -> Iterator[MessageEvent]:
    reference, address = _reference(item), _word(item, "email")
    match item.get("event"):
        case "processed" | "deferred":
            yield Accepted(reference, _message_id(item))
        case "delivered":
            yield Delivered(reference, _message_id(item))
        case "bounce":
            yield _bounce(item, reference, address)
        case "dropped":
            yield from _drop(item, reference, address)
        case "spamreport":
            yield Complained(reference, EMAIL, address)
        case "unsubscribe" | "group_unsubscribe":
            yield Stopped(EMAIL, address)


def _bounce(item: Mapping[str, Any], reference: str, address: str) -> MessageEvent:
    """“blocked” is the other server's opinion of this message or of us; only “bounce” is about the address."""
    if item.get("type") == "blocked":
        return Failed(reference, "The other side's server did not take the letter.")
    return Bounced(reference, EMAIL, address, f"The letter came back{_status(item)}.")


def _drop(item: Mapping[str, Any], reference: str, address: str) -> Iterator[MessageEvent]:
    """SendGrid did not even try, for what it remembers of the address or finds wrong with the letter."""
    match _word(item, "reason").lower():
        case "bounced address" | "invalid":
            yield Bounced(reference, EMAIL, address, "Letters to this address came back before.")
            return
        case "unsubscribed address":
            yield Stopped(EMAIL, address)
        case "spam reporting address":
            yield Complained(reference, EMAIL, address)
    yield Failed(reference, "SendGrid dropped the letter.")


def _status(item: Mapping[str, Any]) -> str:
    """The enhanced status code alone (https://www.rfc-editor.org/rfc/rfc3463): the other server's words name
    addresses."""
    found = re.match(r"[245]\.\d{1,3}\.\d{1,3}", _word(item, "status"))
    return f" ({found.group()})" if found else ""


def _message_id(item: Mapping[str, Any]) -> str:
    """What the send was answered with; events have more behind it."""
    return _word(item, "sg_message_id").partition(".")[0]


def _reference(item: Mapping[str, Any]) -> str:
    """From our custom argument, which SendGrid puts among the event's own fields."""
    return reference_of(item.get("reference"))


def reference_of(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[\w-]{1,64}", value, re.ASCII) else ""


def _word(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) and len(value) <= 320 and value.isprintable() else ""
