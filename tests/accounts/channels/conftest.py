"""The three providers on this machine, each set up as an operator would."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from accounts.channels.base import Letter, Push, Text
from accounts.channels.sending import send
from accounts.models import Delivery, DeliveryState, Notification, User
from accounts.notices import Channel, Event
from config.core import breaker
from tests.accounts.channels.fcm_server import FCM
from tests.accounts.channels.sendgrid_server import SendGrid
from tests.accounts.channels.serving import Provider, running
from tests.accounts.channels.twilio_server import Twilio
from tests.fitness.conftest import log_lines as log_lines

REFERENCE = "0b0b4b9e-0000-4000-8000-000000000001"
ADDRESS, TOKEN, NUMBER = "ada.hush@example.org", "device-token-hush", "+4915123456789"
SOON = 0.3
"""Seconds, where no answer comes anyway."""
BODY = "You walked 10,000 steps, hush."


@pytest.fixture(autouse=True)
def set_up(settings: Any) -> None:
    settings.MESSAGE_TIMEOUT_SECONDS = 5.0
    settings.PUBLIC_URL = "https://steps.example.org"
    breaker._local.clear()


@pytest.fixture
def sendgrid(settings: Any) -> Iterator[SendGrid]:
    with running(SendGrid()) as server:
        settings.SENDGRID_URL, settings.SENDGRID_API_KEY = server.url, server.key
        settings.SENDGRID_WEBHOOK_KEY = server.verification_key
        settings.DEFAULT_FROM_EMAIL = f"Steps <{server.sender}>"
        yield server


@pytest.fixture
def fcm(settings: Any) -> Iterator[FCM]:
    with running(FCM()) as server:
        settings.FCM_URL, settings.FCM_SERVICE_ACCOUNT = server.url, server.service_account()
        yield server


@pytest.fixture
def twilio(settings: Any) -> Iterator[Twilio]:
    with running(Twilio()) as server:
        settings.TWILIO_URL, settings.TWILIO_ACCOUNT_SID = server.url, server.sid
        settings.TWILIO_AUTH_TOKEN, settings.TWILIO_FROM = server.token, server.number
        yield server


def letter(to: str = ADDRESS, **changes: Any) -> Letter:
    usual: dict[str, Any] = {
        "subject": "Your day",
        "text": BODY,
        "html": f"<p>{BODY}</p>",
        "unsubscribe_url": "https://steps.example.org/unsubscribe/signed",
        "reference": REFERENCE,
        "language": "en",
    }
    return Letter(to=to, **usual | changes)


def push(token: str = TOKEN, **changes: Any) -> Push:
    usual = {"title": "Your day", "body": BODY, "url": "https://steps.example.org/me", "reference": REFERENCE}
    return Push(token=token, **usual | {"collapse_key": REFERENCE} | changes)


def text(to: str = NUMBER, **changes: Any) -> Text:
    return Text(to=to, **{"body": BODY, "reference": REFERENCE} | changes)


@dataclass(frozen=True)
class Side:
    """A provider, and a message for it."""

    name: str
    provider: Provider
    message: Callable[..., Letter | Push | Text]
    url_setting: str
    dead: tuple[str, ...]

    def send(self, *address: str) -> str:
        return send(self.message(*address))

    def attempts(self) -> int:
        return sum(asked.path != "/token" for asked in self.provider.asked)

    def lock_out(self, settings: Any) -> None:
        """The operator has mistyped something."""
        match self.provider:
            case SendGrid():
                settings.SENDGRID_API_KEY = "SG.mistyped"
            case FCM():
                settings.FCM_SERVICE_ACCOUNT = self.provider.service_account(client_email="nobody@example.org")
            case Twilio():
                settings.TWILIO_AUTH_TOKEN = "mistyped"


@pytest.fixture(params=["sendgrid", "fcm", "twilio"])
def side(request: pytest.FixtureRequest) -> Side:
    provider = request.getfixturevalue(request.param)
    match provider:
        case SendGrid():
            return Side("sendgrid", provider, letter, "SENDGRID_URL", ("nobody@nowhere", "two@at@example.org"))
        case FCM():
            return Side("fcm", provider, push, "FCM_URL", ("unregistered", "elsewhere", "malformed", "misnamed"))
        case _:
            return Side("twilio", provider, text, "TWILIO_URL", ("+15005550001", "+15005550009", "+15005550004"))


MakeDelivery = Callable[..., Delivery]


@pytest.fixture
def make_delivery(person: User, now: datetime) -> MakeDelivery:
    """A delivery in this state, of a notification of its own."""

    def make(state: str, *, channel: Channel = Channel.EMAIL, **fields: Any) -> Delivery:
        notification = Notification.objects.create(
            user=person, event=Event.STARTED, dedupe_key=uuid4().hex, listed=True, created_at=now
        )
        return Delivery.objects.create(
            notification=notification, channel=channel, state=DeliveryState(state), due_at=now, **fields
        )

    return make
