"""Twilio on this machine: messages, status callbacks and what people text back, as its documentation has them.

https://www.twilio.com/docs/messaging/api/message-resource, https://www.twilio.com/docs/api/errors and
https://www.twilio.com/docs/usage/security. A parameter that our code makes up is refused.
"""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlencode

from tests.accounts.channels.serving import Answer, Asked, Object, Provider, json_answer

CREATE = {
    "To", "From", "MessagingServiceSid", "Body", "StatusCallback", "SmartEncoded", "ValidityPeriod", "ForceDelivery",
    "MaxPrice", "ProvideFeedback", "Attempt", "MediaUrl", "ContentSid", "SendAt", "ScheduleType", "ShortenUrls",
    "RiskCheck",
}  # fmt: skip
LIST = {"To", "From", "DateSent", "DateSent<", "DateSent>", "PageSize", "Page", "PageToken"}
REFUSED = {
    "+15005550001": (21211, "Invalid 'To' Phone Number: +15005550001"),
    "+15005550009": (21614, "'To' number is not a valid mobile number: +15005550009"),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient +15005550004"),
    "+15005550002": (21612, "Message cannot be sent with the current combination of 'To' and/or 'From'"),
}


def problem(status: int, code: int, message: str) -> Answer:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return json_answer(status, {"code": code, "message": message, "more_info": more, "status": status})


class Twilio(Provider):
    def __init__(self) -> None:
        super().__init__()
        self.sid = "AC" + "0" * 31 + "1"
        self.token = "hush-hush-auth-token"
        self.number = "+15557122661"
        self.prefix = ""
        """What a trial account puts in front."""

    @property
    def secrets(self) -> list[str]:
        return [self.token, base64.b64encode(f"{self.sid}:{self.token}".encode()).decode()]

    def answer(self, asked: Asked) -> Answer:
        given = base64.b64encode(f"{self.sid}:{self.token}".encode()).decode()
        if asked.headers.get("Authorization") != f"Basic {given}":
            return problem(401, 20003, "Authenticate")
        if asked.path != f"/2010-04-01/Accounts/{self.sid}/Messages.json":
            return problem(404, 20404, "The requested resource was not found")
        if asked.method == "POST":
            return self.create(dict(parse_qsl(asked.body.decode(), keep_blank_values=True)))
        return self.listed(dict(parse_qsl(asked.query, keep_blank_values=True)))

    def create(self, form: dict[str, str]) -> Answer:
        assert form.keys() <= CREATE, form.keys() - CREATE
        if form["To"] in REFUSED:
            return problem(400, *REFUSED[form["To"]])
        if ("From" in form) == ("MessagingServiceSid" in form):
            return problem(400, 21603, "A 'From' phone number is required")
        if form.get("From", self.number) != self.number:
            return problem(400, 21606, "The 'From' phone number is not a valid, SMS-capable number")
        if not form.get("Body"):
            return problem(400, 21602, "Message body is required")
        if len(form["Body"]) > 1600:
            return problem(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        return json_answer(201, self.message(form["To"], form["Body"], form))

    def message(self, to: str, body: str, form: dict[str, str] | None = None, at: datetime | None = None) -> Object:
        """Queued: it has no date_sent yet."""
        message: Object = {
            "sid": f"SM{next(self.numbers):032x}",
            "account_sid": self.sid,
            "to": to,
            "from": (form or {}).get("From"),
            "body": self.prefix + body,
            "status": "queued",
            "direction": "outbound-api",
            "date_created": format_datetime((at or datetime.now(UTC)).replace(microsecond=0)),
            "date_sent": None,
            "error_code": None,
        }
        self.taken.append(message | {"form": form or {}})
        return message

    def listed(self, query: dict[str, str]) -> Answer:
        assert query.keys() <= LIST, query.keys() - LIST
        found = [message for message in self.taken if query.get("To", message["to"]) == message["to"]]
        for name in ("DateSent", "DateSent<", "DateSent>"):
            if name in query:
                found = [message for message in found if message["date_sent"]]
        page = list(reversed(found))[: int(query.get("PageSize", "50"))]
        messages = [{name: value for name, value in message.items() if name != "form"} for message in page]
        return json_answer(200, {"messages": messages, "next_page_uri": None, "page": 0})

    # Webhooks.

    def signed(self, url: str, form: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        text = url + "".join(name + form[name] for name in sorted(form))
        digest = hmac.new(self.token.encode(), text.encode(), hashlib.sha1).digest()
        return urlencode(form).encode(), {"X-Twilio-Signature": base64.b64encode(digest).decode()}

    def status(self, message: Object, status: str, code: str = "") -> tuple[str, bytes, dict[str, str]]:
        """The callback's address, body and headers."""
        url = message["form"]["StatusCallback"]
        form = {
            "AccountSid": self.sid,
            "ApiVersion": "2010-04-01",
            "From": self.number,
            "MessageSid": message["sid"],
            "MessageStatus": status,
            "SmsSid": message["sid"],
            "SmsStatus": status,
            "To": message["to"],
        }
        if code:
            form["ErrorCode"] = code
        return (url, *self.signed(url, form))

    def texted(self, url: str, number: str, body: str, **more: str) -> tuple[bytes, dict[str, str]]:
        form = {
            "AccountSid": self.sid,
            "ApiVersion": "2010-04-01",
            "Body": body,
            "From": number,
            "MessageSid": f"SM{next(self.numbers):032x}",
            "NumMedia": "0",
            "SmsStatus": "received",
            "To": self.number,
            **more,
        }
        return self.signed(url, form)
