"""SendGrid on this machine: POST /v3/mail/send and the signed event webhook, as its documentation has them.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send, its list of errors, and
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event. A parameter that our code makes up is
refused.
"""

import base64
import json
import re
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.accounts.channels.serving import Answer, Asked, Object, Provider, json_answer

PARAMETERS = {
    "personalizations", "from", "reply_to", "reply_to_list", "subject", "content", "attachments", "template_id",
    "headers", "categories", "custom_args", "send_at", "batch_id", "asm", "ip_pool_name", "mail_settings",
    "tracking_settings",
}  # fmt: skip
MAIL_SETTINGS = {
    "bypass_list_management", "bypass_spam_management", "bypass_bounce_management", "bypass_unsubscribe_management",
    "footer", "sandbox_mode",
}  # fmt: skip
TRACKING_SETTINGS = {"click_tracking", "open_tracking", "subscription_tracking", "ganalytics"}
RESERVED_HEADERS = {
    "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding", "to", "from",
    "subject", "reply-to", "cc", "bcc",
}  # fmt: skip


def problem(status: int, message: str, field: str | None = None) -> Answer:
    return json_answer(status, {"errors": [{"message": message, "field": field, "help": None}]})


class SendGrid(Provider):
    def __init__(self) -> None:
        super().__init__()
        self.key = "SG.hush-hush-0001.hush-hush-0002"
        self.sender = "steps@example.org"
        self._private = ec.generate_private_key(ec.SECP256R1())

    @property
    def secrets(self) -> list[str]:
        return [self.key]

    @property
    def verification_key(self) -> bytes:
        return self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def answer(self, asked: Asked) -> Answer:
        if (asked.method, asked.path) != ("POST", "/v3/mail/send"):
            return problem(404, "not found")
        if asked.headers.get("Authorization") != f"Bearer {self.key}":
            return problem(401, "The provided authorization grant is invalid, expired, or revoked")
        letter = json.loads(asked.body)
        if wrong := self.complaint(letter):
            return wrong
        message_id = f"msg{next(self.numbers):04}-hush"
        self.taken.append(letter | {"message_id": message_id})
        return Answer(202, b"", {"X-Message-Id": message_id, "Content-Type": "text/plain; charset=utf-8"})

    def complaint(self, letter: Object) -> Answer | None:
        if unknown := letter.keys() - PARAMETERS:
            return problem(400, f"Additional property {unknown} is not allowed", "(root)")
        for name, known in (("mail_settings", MAIL_SETTINGS), ("tracking_settings", TRACKING_SETTINGS)):
            if unknown := letter.get(name, {}).keys() - known:
                return problem(400, f"Additional property {unknown} is not allowed", name)
        if reserved := {name.lower() for name in letter.get("headers", {})} & RESERVED_HEADERS:
            return problem(400, f"The header {reserved} is a reserved header", "headers")
        if letter["from"]["email"] != self.sender:
            return problem(403, "The from address does not match a verified Sender Identity.", "from")
        for index, one in enumerate(letter["personalizations"][0]["to"]):
            if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", one["email"]):
                return problem(400, "Does not contain a valid address.", f"personalizations.0.to.{index}.email")
        if not letter.get("subject"):
            return problem(400, "The subject is required.", "subject")
        if any(not part["value"] for part in letter.get("content", [{"value": ""}])):
            return problem(
                400, "The content value must be a string at least one character in length.", "content.0.value"
            )
        return None

    def webhook(
        self, *events: Object, at: float | None = None, body: bytes | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """The signature is over the timestamp and the raw body."""
        body = json.dumps(events, indent=0).encode() if body is None else body
        timestamp = str(int(time.time() if at is None else at))
        signature = self._private.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
        return body, {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }

    def event(self, kind: str, reference: str, **more: Any) -> Object:
        """Custom arguments stand among the event's own fields."""
        number = next(self.numbers)
        return {
            "email": "ada@example.org",
            "timestamp": int(time.time()),
            "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
            "event": kind,
            "sg_event_id": f"event-{number}",
            "sg_message_id": "msg0001-hush.recvd-5f54b5d587-pczjm-1-67BADEEA-6.0",
            "reference": reference,
            **more,
        }
