"""Claims and letters where things cross: a worker that was stopped, people who change their mind, and digests."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction

from accounts.channels.events import Bounced, Stopped
from accounts.models import Delivery, Device, Notification, Phone, User
from accounts.notices import Channel, Event
from accounts.phones import code_for
from accounts.services import delivering, preferences
from accounts.services.delivering import deliver_due
from accounts.services.notifying import notify_people
from accounts.services.outcomes import record_events
from accounts.services.preferences import CodeSpent, ask_for_phone, change_preferences, remove_device, verify_phone
from accounts.tasks import DELIVERERS, deliver_waiting
from accounts.unsubscribing import Subscription, unsubscribe
from config.core.sql import alone_with
from tests.accounts.channels.conftest import NUMBER, MakeDelivery
from tests.accounts.channels.sendgrid_server import SendGrid
from tests.accounts.channels.serving import Answer, Fault
from tests.conftest import MakePerson

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def reader(person: User, now: datetime) -> User:
    User.objects.filter(id=person.id).update(email="ada@example.org", email_verified_at=now)
    return person


@pytest.fixture
def digest(make_delivery: MakeDelivery, now: datetime) -> list[Delivery]:
    """Three of a letter that a provider could not take; each of an event of its own."""
    three = [make_delivery("waiting", digest=True) for _ in range(3)]
    events = (Event.STARTED, Event.JOINED, Event.FINAL_RESULT)
    for hours, (delivery, event) in enumerate(zip(three, events, strict=True)):
        delivery.notification.event, delivery.notification.created_at = event, now + timedelta(hours=hours)
        delivery.notification.save()
        delivery.letter_id = three[0].id
        delivery.save()
    return three


def states(deliveries: list[Delivery]) -> list[str]:
    found = dict(Delivery.objects.values_list("id", "state"))
    return [found[delivery.id] for delivery in deliveries]


def deliver_at(at: datetime) -> None:
    deliver_due(clock=lambda: at)


def test_all_devices_of_a_person_may_go(person: User, make_delivery: MakeDelivery, now: datetime) -> None:
    devices = [
        Device.objects.create(user=person, token=token, platform="ios", added_at=now, seen_at=now) for token in "ab"
    ]
    first = make_delivery("waiting", channel=Channel.PUSH, device=devices[0])
    second = Delivery.objects.create(
        notification=first.notification, channel=Channel.PUSH, device=devices[1], state="waiting", due_at=now
    )
    for device in devices:
        remove_device(user_id=person.id, device_id=device.id)
    deliver_at(now)
    assert states([first, second]) == ["dropped", "dropped"]


def test_the_rest_of_a_digest_arrives_without_what_is_not_wanted_any_more(
    person: User, digest: list[Delivery], now: datetime
) -> None:
    change_preferences(user_id=person.id, choices={Event.STARTED: {Channel.EMAIL: False}})
    deliver_at(now)
    assert states(digest) == ["dropped", "sent", "sent"]
    assert len(mail.outbox) == 1


def test_what_was_taken_out_of_a_digest_stays_out(person: User, digest: list[Delivery], now: datetime) -> None:
    unsubscribe(subscription=Subscription(person.id, Event.FINAL_RESULT), now=now)
    deliver_at(now)
    assert states(digest) == ["sent", "sent", "dropped"]
    assert len(mail.outbox) == 1


def test_a_digest_is_given_up_as_one(digest: list[Delivery], now: datetime, settings: Any) -> None:
    settings.EMAIL_BACKEND = "no.such.Backend"
    for hours in range(72, 79):
        deliver_at(now + timedelta(hours=hours))
    assert states(digest) == ["failed"] * 3


def test_nobody_sends_what_they_claimed_too_long_ago(make_delivery: MakeDelivery, now: datetime) -> None:
    """A process that was stopped for so long may not be the only one with it any more."""
    delivery = make_delivery("waiting")
    (bundle,) = delivering._claimed(now)
    delivering._deliver_alone(bundle, lambda: now + delivering.LEASE)
    assert not mail.outbox
    deliver_at(now + delivering.LEASE)
    assert (states([delivery]), len(mail.outbox)) == (["sent"], 1)


def test_unsubscribing_holds_for_what_is_perhaps_sent_again(
    person: User, make_delivery: MakeDelivery, now: datetime
) -> None:
    by_link, by_choice = make_delivery("unknown"), make_delivery("unknown", channel=Channel.SMS)
    unsubscribe(subscription=Subscription(person.id, Event.STARTED), now=now)
    change_preferences(user_id=person.id, choices={Event.STARTED: {Channel.SMS: False}})
    assert states([by_link, by_choice]) == ["dropped", "dropped"]


def test_a_letter_whose_sending_cannot_be_written_down_is_not_sent_at_once_again(
    sendgrid: SendGrid, make_delivery: MakeDelivery, now: datetime
) -> None:
    delivery = make_delivery("waiting")
    sendgrid.faults.append(Fault("answer", done=True, answer=Answer(202, headers={"X-Message-Id": "x" * 300})))
    for minutes in range(5):
        deliver_at(now + timedelta(minutes=minutes))
    assert (states([delivery]), len(sendgrid.taken)) == (["sent"], 1)


def test_transactions_that_tell_somebody_do_not_wait_for_each_other(make_person: MakePerson, now: datetime) -> None:
    """Each may hold what the other wants next."""
    ada, ben = (make_person(name, email=f"{name}@example.org", email_verified_at=now) for name in ("Cleo", "Ben"))

    def tell(person: User) -> int:
        return notify_people(event=Event.STARTED, told={person.id: {}}, dedupe_key="started", now=now)

    def tell_ben() -> int:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
                return tell(ben)
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as thread:
        assert tell(ada) == 1
        assert thread.submit(tell_ben).result() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'accounts.tasks.deliver_waiting'")
        assert cursor.fetchone() == (1,)


def test_a_code_proves_only_the_number_that_it_was_sent_to(
    person: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_for_phone(user_id=person.id, number=NUMBER, now=now)
    code = code_for(Phone.objects.get(user=person))

    def asking_for_another_meanwhile(one: bytes, other: bytes) -> bool:
        ask_for_phone(user_id=person.id, number="+4915100000000", now=now + timedelta(seconds=1))
        return compare_digest(one, other)

    monkeypatch.setattr(preferences, "compare_digest", asking_for_another_meanwhile)
    with pytest.raises(CodeSpent):
        verify_phone(user_id=person.id, code=code, now=now)
    assert Phone.objects.get(user=person).verified_at is None


def test_a_full_outbox_leaves_workers_for_other_things(make_delivery: MakeDelivery) -> None:
    delivery = make_delivery("waiting")

    def deliver_elsewhere() -> None:
        deliver_waiting()
        connection.close()

    with ThreadPoolExecutor(1) as thread, ExitStack() as others:
        for number in range(DELIVERERS):
            assert others.enter_context(alone_with(f"deliverer:{number}"))
        thread.submit(deliver_elsewhere).result()
        assert states([delivery]) == ["waiting"]
    deliver_waiting()
    assert states([delivery]) == ["sent"]


def test_who_unsubscribed_at_the_provider_can_still_set_a_new_password(
    make_delivery: MakeDelivery, now: datetime
) -> None:
    def reset_at(at: datetime) -> list[str]:
        two = [make_delivery("waiting"), make_delivery("waiting")]
        Notification.objects.filter(id=two[1].notification_id).update(event=Event.PASSWORD_RESET)
        deliver_at(at)
        return states(two)

    record_events(events=[Stopped(Channel.EMAIL, "ada@example.org")], now=now)
    assert reset_at(now) == ["dropped", "sent"]
    record_events(events=[Bounced("", Channel.EMAIL, "ada@example.org", "It came back.")], now=now)
    assert reset_at(now) == ["dropped", "dropped"]


def test_a_claim_looks_at_what_it_takes_and_not_at_all_that_was_ever_sent(now: datetime) -> None:
    asked: dict[str, Any] = {"now": now, "look_again_at": now, "batch": 100}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # the table is small here
        cursor.execute(f"EXPLAIN {delivering._CLAIM}", asked)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Scan" in plan
    assert "SubPlan" not in plan, "which is asked of every row"
