"""What is written into the outbox, for whom, and once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Delivery, Device, IdentityProvider, Notification, NotificationSettings, Phone, User
from accounts.notices import Channel, Event
from accounts.services.notifying import forget_old_notifications, notify_people
from accounts.services.preferences import change_preferences

MakePerson = Callable[..., User]


@pytest.fixture
def reachable(make_person: MakePerson, now: datetime) -> Callable[..., User]:
    """Somebody with a verified address, a device and a verified number."""

    def make(name: str = "Ada", **fields: Any) -> User:
        person = make_person(name, email_verified_at=now, **fields)
        Device.objects.create(user=person, token=f"device of {person.id}", platform="ios", added_at=now, seen_at=now)
        Phone.objects.create(user=person, number="+4915123456789", code_sent_at=now, verified_at=now)
        return person

    return make


def tell(*people: User, now: datetime, event: Event = Event.STARTED, key: str = "key", **options: Any) -> int:
    return notify_people(
        event=event,
        told={person.id: {"competition": "Lake walk"} for person in people},
        dedupe_key=key,
        now=now,
        **options,
    )


def channels_of(person: User) -> list[str]:
    return sorted(Delivery.objects.filter(notification__user=person).values_list("channel", flat=True))


def test_somebody_hears_by_the_channels_of_the_event(reachable: Callable[..., User], now: datetime) -> None:
    person = reachable()
    assert tell(person, now=now) == 1
    assert channels_of(person) == [Channel.EMAIL, Channel.PUSH]
    assert Notification.objects.get(user=person).listed


def test_the_same_is_told_once_however_often_it_is_written(reachable: Callable[..., User], now: datetime) -> None:
    person = reachable()
    assert [tell(person, now=now), tell(person, now=now), tell(person, now=now, key="another")] == [1, 0, 1]
    assert Delivery.objects.filter(notification__user=person).count() == 4


def test_what_a_person_chose_goes_before_what_is_usual(reachable: Callable[..., User], now: datetime) -> None:
    person = reachable()
    chosen = {Channel.EMAIL: False, Channel.SMS: True, Channel.IN_APP: False}
    change_preferences(user_id=person.id, choices={Event.STARTED: chosen})
    tell(person, now=now)
    assert channels_of(person) == [Channel.PUSH, Channel.SMS]
    assert not Notification.objects.get(user=person).listed


def test_an_address_that_nobody_has_verified_gets_mail_about_the_account_only(
    make_person: MakePerson, now: datetime
) -> None:
    local, supabase = make_person("Ada"), make_person("Ben", identity_provider=IdentityProvider.SUPABASE)
    tell(local, supabase, now=now)
    assert (channels_of(local), channels_of(supabase)) == ([], [Channel.EMAIL])
    tell(local, now=now, event=Event.PASSWORD_RESET, key="reset")
    assert channels_of(local) == [Channel.EMAIL]
    assert not Notification.objects.get(user=local, event=Event.PASSWORD_RESET).listed


def test_who_is_gone_or_deactivated_is_told_nothing(make_person: MakePerson, now: datetime) -> None:
    assert tell(make_person("Ada", is_active=False), make_person("Ben", erased_at=now), now=now) == 0


def test_it_is_told_if_and_only_if_the_transaction_is_committed(reachable: Callable[..., User], now: datetime) -> None:
    person = reachable()
    with transaction.atomic():
        tell(person, now=now)
        transaction.set_rollback(True)
    assert not Notification.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'accounts.tasks.deliver_waiting'")
        assert cursor.fetchone() == (0,)


def test_a_message_waits_for_the_end_of_quiet_hours_unless_it_is_stale_by_then(
    reachable: Callable[..., User], now: datetime
) -> None:
    person = reachable(timezone="Pacific/Auckland")
    NotificationSettings.objects.create(user=person, quiet_from=time(0), quiet_until=time(23, 59))
    tell(person, now=now)
    waits = Delivery.objects.filter(notification__user=person)
    assert all(delivery.due_at > now for delivery in waits)
    tell(person, now=now, key="stale", expires_at=now + timedelta(seconds=1))
    assert Notification.objects.filter(dedupe_key="stale").exists()
    assert not waits.filter(notification__dedupe_key="stale").exists()


def test_telling_many_takes_as_many_statements_as_telling_one(reachable: Callable[..., User], now: datetime) -> None:
    one, many = reachable("One"), [reachable(f"Walker {number}") for number in range(30)]
    counts = []
    for key, people in (("one", [one]), ("many", many)):
        with CaptureQueriesContext(connection) as queries:
            assert tell(*people, now=now, key=key) == len(people)
        counts.append(len(queries))
    assert counts[1] <= counts[0] + 1  # that the job which sends is there already takes one to find out


def test_what_was_told_long_ago_is_forgotten_with_its_deliveries(reachable: Callable[..., User], now: datetime) -> None:
    person = reachable()
    tell(person, now=now - timedelta(days=401), key="old")
    tell(person, now=now - timedelta(days=399), key="new")
    assert forget_old_notifications(now=now) == 1
    assert Notification.objects.get().dedupe_key == "new"
    assert Delivery.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_many_who_write_the_same_at_once_one_is_told(reachable: Callable[..., User], now: datetime) -> None:
    people = [reachable(f"Walker {number}") for number in range(5)]

    def write(turn: int) -> int:
        try:
            return tell(*(people if turn % 2 else reversed(people)), now=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(write, range(16))) == len(people)
    assert Delivery.objects.count() == 2 * len(people)
