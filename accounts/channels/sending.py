"""Sending a message by the provider that is set up for it, once."""

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings

from accounts.channels import console, fcm, mail, twilio
from accounts.channels.base import Letter, Push, Text
from config.core.circuit import CircuitState
from config.core.outgoing import breaker


def send(message: Letter | Push | Text) -> str:
    """The provider's id of it. One attempt, never inside a transaction. Raises ChannelError."""
    match message:
        case Letter():
            return mail.send_letter(message)
        case Push():
            return fcm.send_push(message) if settings.FCM_SERVICE_ACCOUNT else console.show_push(message)
        case Text():
            return twilio.send_text(message) if settings.TWILIO_ACCOUNT_SID else console.show_text(message)


def sent_already(message: Text, *, since: datetime) -> str | None:
    """The provider's id of this text if it was taken after ``since``, a moment before the first attempt: somebody may
    have been sent the very same words earlier. The words must be those of that attempt. Raises ChannelError, which then
    says that it is still unknown."""
    return twilio.found_text(message, since=since) if settings.TWILIO_ACCOUNT_SID else None


def circuits() -> Mapping[str, CircuitState]:
    """Of the providers that are set up."""
    in_use = {
        mail.PROVIDER: settings.SENDGRID_API_KEY,
        fcm.PROVIDER: settings.FCM_SERVICE_ACCOUNT,
        twilio.PROVIDER: settings.TWILIO_ACCOUNT_SID,
    }
    return {provider.lower(): breaker(provider.lower()).state() for provider, key in in_use.items() if key}
