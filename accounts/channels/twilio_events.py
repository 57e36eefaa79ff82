"""Twilio's status callbacks and what people text back: https://www.twilio.com/docs/usage/webhooks/messaging-webhooks.
Pure.
"""

import base64
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha1
from urllib.parse import urlsplit

from accounts.channels.events import (
    Accepted,
    BadSignature,
    Bounced,
    Delivered,
    Failed,
    MessageEvent,
    Resumed,
    Stopped,
)

SIGNATURE = "X-Twilio-Signature"
SMS = "sms"

STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
"""https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out. A keyword stands alone: nobody who writes “end of
the month?” wants to hear no more."""

_STOPPED = "21610"
_DEAD_NUMBERS = {
    "21211": "is no valid number",
    "21614": "is no mobile number",
    "30005": "is unknown or out of service",
    "30006": "is a landline or cannot be reached by its carrier",
}
"""https://www.twilio.com/docs/api/errors. Not 30003, which a telephone that is switched off gives as well."""
_NUMBER = re.compile(r"\+[1-9][0-9]{4,14}")


def verify(*, url: str, form: Iterable[tuple[str, str]], signature: str, token: str) -> None:
    """HMAC-SHA1 over the address that Twilio called and the fields in the order of their names. Raises BadSignature.

    https://www.twilio.com/docs/usage/security. Whether the port stands in the address depends on who made the callback,
    so both are right.
    """
    fields = "".join(name + value for name, value in sorted(set(form)))
    given = signature.encode()
    if not any(hmac.compare_digest(_signature(address + fields, token), given) for address in _spellings(url)):
        raise BadSignature


def _signature(text: str, token: str) -> bytes:
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), sha1))


def _spellings(url: str) -> Iterator[str]:
    """Without the port, and with it; the host's name as it is written."""
    parts = urlsplit(url)
    host = re.sub(r":[0-9]+$", "", parts.netloc)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    yield parts._replace(netloc=host).geturl()
    yield parts._replace(netloc=f"{host}:{port}").geturl()


def read_events(reference: str, form: Mapping[str, str]) -> list[MessageEvent]:
    """``reference``: as our callback's address has it; "" for what somebody texted."""
    if "MessageStatus" in form:
        return list(_status_events(reference, form))
    return list(_word_events(form))


def _status_events(reference: str, form: Mapping[str, str]) -> Iterator[MessageEvent]:
    """https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks"""
    match form["MessageStatus"]:
        case "accepted" | "scheduled" | "queued" | "sending" | "sent":
            yield Accepted(reference, form.get("MessageSid", ""))
        case "delivered" | "read":
            yield Delivered(reference, form.get("MessageSid", ""))
        case "undelivered" | "failed" | "canceled":
            yield from _failure(reference, form.get("ErrorCode", ""), _number(form, "To"))


def _failure(reference: str, code: str, number: str) -> Iterator[MessageEvent]:
    shown = f" ({code})" if code.isdecimal() and len(code) < 9 else ""
    if code in _DEAD_NUMBERS:
        yield Bounced(reference, SMS, number, f"Twilio says that it {_DEAD_NUMBERS[code]}{shown}.")
        return
    yield Failed(reference, f"The text did not arrive{shown}.")
    if code == _STOPPED:
        yield Stopped(SMS, number)


def _word_events(form: Mapping[str, str]) -> Iterator[MessageEvent]:
    """OptOutType is Twilio's own reading, where Advanced Opt-Out knows words of other languages too."""
    number = _number(form, "From")
    word = form.get("Body", "").strip().upper()
    meant = form.get("OptOutType", "")
    if not number:
        return
    if meant == "STOP" or (not meant and word in STOP_WORDS):
        yield Stopped(SMS, number)
    elif meant == "START" or (not meant and word in START_WORDS):
        yield Resumed(SMS, number)


def _number(form: Mapping[str, str], name: str) -> str:
    number = form.get(name, "")
    return number if _NUMBER.fullmatch(number) else ""
