"""The outbox with the providers' faults: nothing is lost, and nothing is shown twice."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import Delivery, Device, Notification, Phone, User
from accounts.notices import Channel, Event
from accounts.services.delivering import deliver_due
from tests.accounts.channels.conftest import NUMBER, SOON, TOKEN, MakeDelivery
from tests.accounts.channels.fcm_server import FCM
from tests.accounts.channels.sendgrid_server import SendGrid
from tests.accounts.channels.serving import Answer, Fault
from tests.accounts.channels.twilio_server import Twilio

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "ada@example.org"
FAULTS = {
    "429": Fault("answer", answer=Answer(429, headers={"Retry-After": "40"})),
    "503": Fault("answer", answer=Answer(503)),
    "500": Fault("answer"),
    "500 after it was taken": Fault("answer", done=True),
    "a time-out": Fault("hang"),
    "a time-out after it was taken": Fault("hang", done=True),
    "a broken connection": Fault("close"),
    "a broken connection after it was taken": Fault("close", done=True),
    "half an answer": Fault("cut", done=True),
}


@dataclass
class Providers:
    sendgrid: SendGrid
    fcm: FCM
    twilio: Twilio

    def tell_of_letters(self) -> None:
        """SendGrid's webhook, some seconds later."""
        events = [self.sendgrid.event("processed", one["custom_args"]["reference"]) for one in self.sendgrid.taken]
        post("/webhooks/messages/sendgrid", *self.sendgrid.webhook(*events))


def post(path: str, body: bytes, headers: dict[str, str], content_type: str = "application/json") -> None:
    assert Client().post(path, body, content_type=content_type, headers=headers).status_code in (200, 204)


@pytest.fixture
def providers(sendgrid: SendGrid, fcm: FCM, twilio: Twilio) -> Providers:
    return Providers(sendgrid, fcm, twilio)


@pytest.fixture
def three(person: User, make_delivery: MakeDelivery, now: datetime) -> list[Delivery]:
    """A letter, a push message and a text, all due."""
    User.objects.filter(id=person.id).update(email=ADDRESS, email_verified_at=now)
    device = Device.objects.create(user=person, token=TOKEN, platform="ios", added_at=now, seen_at=now)
    Phone.objects.create(user=person, number=NUMBER, code_sent_at=now, verified_at=now)
    return [
        make_delivery("waiting"),
        make_delivery("waiting", channel=Channel.PUSH, device=device),
        make_delivery("waiting", channel=Channel.SMS),
    ]


def deliver_at(at: datetime) -> None:
    deliver_due(clock=lambda: at)


def states() -> dict[str, str]:
    return dict(Delivery.objects.values_list("channel", "state"))


@pytest.mark.parametrize("name", FAULTS)
def test_each_message_arrives_once_whatever_goes_wrong(
    providers: Providers, three: list[Delivery], now: datetime, settings: Any, name: str
) -> None:
    fault = FAULTS[name]
    for provider, at in ((providers.sendgrid, ""), (providers.fcm, "messages"), (providers.twilio, "")):
        provider.faults.append(Fault(fault.how, fault.done, fault.answer, at=at))
    settings.MESSAGE_TIMEOUT_SECONDS = SOON if fault.how == "hang" else 5.0
    deliver_at(now)
    assert "sent" not in states().values()
    settings.MESSAGE_TIMEOUT_SECONDS = 5.0
    providers.tell_of_letters()
    for minutes in (1, 5, 20, 60):
        deliver_at(now + timedelta(minutes=minutes))
        providers.tell_of_letters()
    assert set(states().values()) == {"sent"}
    assert (len(providers.sendgrid.taken), len(providers.twilio.taken)) == (1, 1)
    assert len({pushed["apns"]["headers"]["apns-collapse-id"] for pushed in providers.fcm.taken}) == 1


def test_a_provider_that_says_when_is_asked_then(providers: Providers, three: list[Delivery], now: datetime) -> None:
    for provider, at in ((providers.sendgrid, ""), (providers.fcm, "messages"), (providers.twilio, "")):
        provider.faults.append(Fault("answer", answer=Answer(503, headers={"Retry-After": "400"}), at=at))
    deliver_at(now)
    assert set(Delivery.objects.values_list("due_at", flat=True)) == {now + timedelta(seconds=400)}


def test_dead_addresses_are_left_alone(
    providers: Providers, three: list[Delivery], person: User, make_delivery: MakeDelivery, now: datetime
) -> None:
    Phone.objects.update(number="+15005550001")
    Device.objects.update(token="unregistered")
    User.objects.filter(id=person.id).update(email="ada@nowhere")
    deliver_at(now)
    assert set(states().values()) == {"failed"}
    assert not Device.objects.exists()
    asked = len(providers.twilio.asked) + len(providers.sendgrid.asked)
    make_delivery("waiting")
    make_delivery("waiting", channel=Channel.SMS)
    deliver_at(now)
    assert Delivery.objects.filter(state="dropped").count() == 2
    assert len(providers.twilio.asked) + len(providers.sendgrid.asked) == asked


def test_who_bounced_or_said_stop_hears_no_more_there(
    providers: Providers, three: list[Delivery], make_delivery: MakeDelivery, now: datetime
) -> None:
    deliver_at(now)
    assert set(states().values()) == {"sent"}
    bounce = providers.sendgrid.event("bounce", str(three[0].id), type="bounce", status="5.1.1")
    post("/webhooks/messages/sendgrid", *providers.sendgrid.webhook(bounce))
    path = "/webhooks/messages/twilio"
    stop = providers.twilio.texted(f"https://steps.example.org{path}", NUMBER, "STOP")
    post(path, *stop, content_type="application/x-www-form-urlencoded")
    assert states()[Channel.EMAIL] == "failed"
    Notification.objects.update(event=Event.FINAL_RESULT)
    later = [make_delivery("waiting"), make_delivery("waiting", channel=Channel.SMS)]
    deliver_at(now)
    assert set(Delivery.objects.filter(id__in=[one.id for one in later]).values_list("state", flat=True)) == {"dropped"}
    assert (len(providers.sendgrid.taken), len(providers.twilio.taken)) == (1, 1)


def test_a_provider_with_wrong_credentials_loses_nothing(
    providers: Providers, three: list[Delivery], now: datetime, settings: Any
) -> None:
    right, settings.TWILIO_AUTH_TOKEN = settings.TWILIO_AUTH_TOKEN, "mistyped"
    for hours in (0, 1, 2):
        deliver_at(now + timedelta(hours=hours))
    assert states()[Channel.SMS] == "waiting"
    settings.TWILIO_AUTH_TOKEN = right
    deliver_at(now + timedelta(hours=4))
    assert states()[Channel.SMS] == "sent"
