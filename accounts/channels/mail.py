"""Letters, through Django's mail: SendGrid by Anymail where its key is set, else what EMAIL_BACKEND says.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send. SendGrid takes no idempotency key and cannot be
asked whether it has a letter: that is told by its event webhook, which names our reference.
"""

import re
import warnings
from email.utils import parseaddr
from typing import Any

import requests
from anymail.exceptions import AnymailError, AnymailInvalidAddress, AnymailNotSupportedWarning, AnymailRequestsAPIError
from anymail.message import AnymailMessage
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from urllib3.exceptions import MaxRetryError, NewConnectionError

from accounts.channels.attempts import Fields, attempt, fields_of, refuse_failures
from accounts.channels.base import (
    AddressDead,
    ChannelError,
    Letter,
    MessageRefused,
    OutcomeUnknown,
    ProviderMisconfigured,
    ProviderUnavailable,
)

# Anymail's own tests do not reach SendGrid any more (its issue 432), so ours do the checking.
warnings.filterwarnings("ignore", category=AnymailNotSupportedWarning)

PROVIDER = "SendGrid"
_BACKEND = "anymail.backends.sendgrid.EmailBackend"
_LOCAL = "mail"
_ABOUT_THE_ADDRESS = re.compile(r"personalizations\.\d+\.to\b")
_ABOUT_THE_SENDER = re.compile(r"from\b")


def send_letter(letter: Letter) -> str:
    """SendGrid's X-Message-Id, with which the ids in its events begin; the Message-ID with other backends."""
    if any(len(value.splitlines()) > 1 for value in (letter.subject, *_headers(letter).values())):
        raise MessageRefused("A header of the letter has more than one line.")
    if settings.SENDGRID_API_KEY:
        with attempt(PROVIDER, letter.reference):
            return _send_by_sendgrid(letter)
    with attempt(_LOCAL, letter.reference):
        return _send_locally(letter)


def _message(letter: Letter, kind: Any = EmailMultiAlternatives) -> Any:
    """``kind``: the class; Anymail's has attributes of its own, and no types."""
    message = kind(
        subject=letter.subject,
        body=letter.text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[letter.to],
        headers=_headers(letter),
    )
    if letter.html:
        message.attach_alternative(letter.html, "text/html")
    return message


def _headers(letter: Letter) -> dict[str, str]:
    """One click unsubscribes (https://www.rfc-editor.org/rfc/rfc8058, which wants https), and nobody's holiday answers
    (https://www.rfc-editor.org/rfc/rfc3834)."""
    headers = {
        "Message-ID": f"<{letter.reference}@{_domain()}>",
        "Auto-Submitted": "auto-generated",
        "Content-Language": letter.language or settings.LANGUAGE_CODE,
    }
    if letter.unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
        if letter.unsubscribe_url.startswith("https://"):
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"


def _send_locally(letter: Letter) -> str:
    message = _message(letter)
    try:
        message.send()
    except ImproperlyConfigured:
        raise ProviderMisconfigured("The mail backend is not set up.") from None
    except OSError:
        raise ProviderUnavailable("The mail backend could not take the letter.") from None
    return str(message.extra_headers["Message-ID"]).strip("<>")


def _send_by_sendgrid(letter: Letter) -> str:
    message = _message(letter, AnymailMessage)
    message.connection = _sendgrid()
    message.metadata = {"reference": letter.reference}
    message.track_clicks = message.track_opens = False  # who reads when is not our business
    message.esp_extra = _extra(letter)
    try:
        message.send()
    except requests.RequestException as error:
        raise _verdict(error) from None
    except AnymailInvalidAddress:
        raise AddressDead("The address is none.") from None
    except AnymailError:
        raise MessageRefused("The letter has what SendGrid's API cannot express.") from None
    answer: requests.Response = message.anymail_status.esp_response
    message_id = answer.headers.get("X-Message-Id", "")
    if answer.status_code != 202 or not message_id:
        raise OutcomeUnknown(f"{PROVIDER} gave an answer that cannot be read ({answer.status_code}).")
    return message_id


def _sendgrid() -> BaseEmailBackend:
    """A connection for each letter. One that was kept might have been closed meanwhile, and then nobody would know
    whether the letter was taken."""
    return get_connection(
        _BACKEND,
        api_key=settings.SENDGRID_API_KEY,
        api_url=f"{settings.SENDGRID_URL}/v3/",
        timeout=settings.MESSAGE_TIMEOUT_SECONDS,
        generate_message_id=False,  # ours does
    )


def _extra(letter: Letter) -> Fields:
    """Our own link unsubscribes; and mail about the account reaches those too who unsubscribed from everything."""
    extra: dict[str, Any] = {"tracking_settings": {"subscription_tracking": {"enable": False}}}
    if not letter.unsubscribe_url:
        extra["mail_settings"] = {"bypass_unsubscribe_management": {"enable": True}}
    return extra


def _verdict(error: requests.RequestException) -> ChannelError:
    if isinstance(error, AnymailRequestsAPIError) and error.response is not None:
        return _refusal(error.response)
    if _never_left(error):
        return ProviderUnavailable(f"{PROVIDER} could not be reached.")
    if isinstance(error, requests.Timeout):
        return OutcomeUnknown(f"{PROVIDER} did not answer in time.")
    return OutcomeUnknown(f"The connection to {PROVIDER} broke before it answered.")


def _never_left(error: requests.RequestException) -> bool:
    """requests calls every broken connection a ConnectionError; only one that was never made is urllib3's
    NewConnectionError, or a time-out while connecting."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    cause = error.__cause__.args[0] if error.__cause__ and error.__cause__.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _refusal(answer: requests.Response) -> ChannelError:
    """https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors. A 401 also says that the plan is used
    up, a 403 that the sender is not verified."""
    status = answer.status_code
    try:
        refuse_failures(PROVIDER, status, answer.headers)
    except ChannelError as verdict:
        return verdict
    fields = _complaints(fields_of(answer.content))
    if status == 400 and any(_ABOUT_THE_ADDRESS.match(field) for field in fields):
        return AddressDead(f"{PROVIDER} says that the address is none ({status}).")
    if status in (401, 403, 404) or any(_ABOUT_THE_SENDER.match(field) for field in fields):
        return ProviderMisconfigured(f"{PROVIDER} does not accept our key, plan or sender ({status}).")
    return MessageRefused(f"{PROVIDER} refused the letter ({status}).")


def _complaints(body: Fields) -> list[str]:
    """The fields that are wrong."""
    errors = body.get("errors")
    items = [item for item in errors if isinstance(item, dict)] if isinstance(errors, list) else []
    return [field for item in items if isinstance(field := item.get("field"), str)]
