"""Texts by Twilio: https://www.twilio.com/docs/messaging/api/message-resource.

There is no idempotency key, so what may have been taken is looked for before it is sent again. What becomes of a text
afterwards comes to us by its status callback.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import httpx
from django.conf import settings

from accounts.channels.attempts import Fields, answered, attempt, fields_of, guarded, refuse_failures
from accounts.channels.base import (
    AddressDead,
    AddressStopped,
    ChannelError,
    MessageRefused,
    OutcomeUnknown,
    ProviderMisconfigured,
    ProviderUnavailable,
    Text,
)

PROVIDER = "Twilio"
WEBHOOK_PATH = "/webhooks/messages/twilio"

STOPPED = 21610
DEAD_NUMBERS: Mapping[int, str] = {
    21211: "is no valid number",
    21217: "is no valid number",
    21265: "is a short code",
    21268: "is a premium number",
    21614: "is no mobile number",
    21635: "is a landline",
}
"""https://www.twilio.com/docs/api/errors. Twilio splits codes now and then; one that is not known here refuses the
message and leaves the number alone."""
_OURS = frozenset({20003, 20404, 21212, 21603, 21606, 21609, 21659, 21660, 21661, 21701, 21703})
"""Of our account, our sender or our callback: no text would go out."""

_SID = re.compile(r"(SM|MM)[0-9a-f]{32}")
_MOST_LISTED = 100
_CLOCKS_DIFFER = timedelta(minutes=2)


def send_text(text: Text) -> str:
    with attempt(PROVIDER, text.reference):
        answer = answered(PROVIDER, _request("POST", data=_form(text)))
        refuse_failures(PROVIDER, answer.status_code, answer.headers)
        fields = fields_of(answer.content)
        if answer.status_code >= 400:
            raise _refusal(answer.status_code, fields)
        sid = _sid(fields)
        if sid is None:
            raise OutcomeUnknown(f"{PROVIDER} gave an answer that cannot be read.")
        return sid


def found_text(text: Text, *, since: datetime) -> str | None:
    """The latest one to this number with these words. Not filtered by DateSent, which one that still waits in Twilio's
    queue does not have; a person gets far fewer than a page of them."""
    query = {"To": text.to, "PageSize": str(_MOST_LISTED)}
    with guarded(PROVIDER):
        try:
            answer = answered(PROVIDER, _request("GET", params=query))
            refuse_failures(PROVIDER, answer.status_code, answer.headers)
        except OutcomeUnknown as unknown:  # a question changes nothing
            raise ProviderUnavailable(str(unknown)) from None
        if answer.status_code >= 400:
            raise ProviderMisconfigured(f"{PROVIDER} does not let us look for messages ({answer.status_code}).")
        listed = fields_of(answer.content).get("messages")
        if not isinstance(listed, list):
            raise ProviderUnavailable(f"{PROVIDER} gave an answer that cannot be read.")
    return _same_words(text, listed, since - _CLOCKS_DIFFER)


def _same_words(text: Text, listed: Iterable[Any], since: datetime) -> str | None:
    """A trial account puts words of its own in front."""
    for item in listed:
        if not isinstance(item, dict) or not str(item.get("direction", "")).startswith("outbound"):
            continue
        made_at = _moment(item.get("date_created"))
        if made_at and made_at >= since and str(item.get("body", "")).endswith(text.body):
            return _sid(item)
    return None


def _moment(value: object) -> datetime | None:
    """RFC 2822, in GMT."""
    try:
        at = parsedate_to_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or UTC) if at else None


def _request(method: str, *, data: Mapping[str, str] | None = None, params: Fields | None = None) -> httpx.Request:
    sid, token = settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN
    url = f"{settings.TWILIO_URL}/2010-04-01/Accounts/{sid}/Messages.json"
    request = httpx.Request(method, url, data=data, params=params, headers={"Accept": "application/json"})
    return next(httpx.BasicAuth(sid, token).auth_flow(request))


def _form(text: Text) -> dict[str, str]:
    """SmartEncoded would change the words by which it is found again."""
    sender = settings.TWILIO_FROM
    return {
        "To": text.to,
        "Body": text.body,
        "MessagingServiceSid" if sender.startswith("MG") else "From": sender,
        "SmartEncoded": "false",
        "StatusCallback": f"{settings.PUBLIC_URL}{WEBHOOK_PATH}?{urlencode({'reference': text.reference})}",
    }


def _sid(fields: Fields) -> str | None:
    sid = fields.get("sid")
    return sid if isinstance(sid, str) and _SID.fullmatch(sid) else None


def _refusal(status: int, fields: Fields) -> ChannelError:
    code = fields.get("code")
    shown = f"{status}, {code}" if isinstance(code, int) else f"{status}"
    if code == STOPPED:
        return AddressStopped(f"The owner of the number said stop ({shown}).")
    if isinstance(code, int) and code in DEAD_NUMBERS:
        return AddressDead(f"{PROVIDER} says that it {DEAD_NUMBERS[code]} ({shown}).")
    if status in (401, 403, 404) or code in _OURS:
        return ProviderMisconfigured(f"{PROVIDER} does not accept our account or sender ({shown}).")
    return MessageRefused(f"{PROVIDER} refused the message ({shown}).")
