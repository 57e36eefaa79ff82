"""The link at the end of a letter."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.core import signing
from django.test import Client

from accounts.messages import digest_of, letter_of
from accounts.models import Delivery, NotificationPreference, User
from accounts.notices import CHOOSABLE, NOTICES, Channel, Event
from accounts.services.notifying import notify_people
from accounts.services.people import erase_person
from accounts.unsubscribing import Subscription, unsubscribe_link, unsubscribe_token
from config.core.logging import without_secrets
from config.panel.messages.samples import sample_notification
from tests.conftest import MakePerson

pytestmark = pytest.mark.django_db

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def ada(make_person: MakePerson, now: datetime) -> User:
    return make_person("Ada", email_verified_at=now, language="de")


@pytest.fixture
def mail_program() -> Client:
    """A stranger to the site, whose requests are checked as a browser's are."""
    return Client(enforce_csrf_checks=True, HTTP_ACCEPT="text/html")


@pytest.fixture
def is_mailed(ada: User, now: datetime) -> Callable[[Event], bool]:
    def ask(event: Event) -> bool:
        notify_people(event=event, told={ada.id: {}}, dedupe_key=uuid4().hex, now=now)
        newest = Delivery.objects.filter(notification__user=ada, channel=Channel.EMAIL)
        found = newest.filter(notification__event=event).exists()
        newest.delete()
        return found

    return ask


def link_of(person: User, event: Event | None) -> str:
    return f"/unsubscribe/{unsubscribe_token(Subscription(person.id, event))}"


def test_the_button_ends_this_mail_alone_and_another_brings_it_back(
    ada: User, mail_program: Client, is_mailed: Callable[[Event], bool]
) -> None:
    link = link_of(ada, Event.STARTED)
    asked = mail_program.get(link)
    assert asked.status_code == 200
    assert "Ein Wettbewerb von dir beginnt" in asked.content.decode()
    assert 'lang="de"' in asked.content.decode()
    assert not NotificationPreference.objects.exists(), "looking changes nothing"
    for _ in range(2):  # a second press changes nothing
        done = mail_program.post(link, {"do": "unsubscribe"})
        assert "Du bekommst keine mehr" in done.content.decode()
    assert NotificationPreference.objects.get(user=ada).wanted is False
    assert not is_mailed(Event.STARTED)
    assert is_mailed(Event.FINAL_RESULT)
    assert "Du bekommst keine mehr" in mail_program.get(link).content.decode()
    assert "Du bekommst sie wieder" in mail_program.post(link, {"again": "1"}).content.decode()
    assert is_mailed(Event.STARTED)


def test_a_mail_program_may_do_it_with_one_click(
    ada: User, mail_program: Client, is_mailed: Callable[[Event], bool]
) -> None:
    link = link_of(ada, Event.PRIZE_SENT)
    for _ in range(2):
        assert mail_program.post(link, ONE_CLICK).status_code == 200
    assert not is_mailed(Event.PRIZE_SENT)


def test_the_link_of_a_digest_ends_all_mail_but_that_about_the_account(
    ada: User, mail_program: Client, is_mailed: Callable[[Event], bool]
) -> None:
    link = link_of(ada, None)
    mail_program.post(link, ONE_CLICK)
    assert not any(is_mailed(event) for event in CHOOSABLE)
    assert is_mailed(Event.PASSWORD_RESET)
    mail_program.post(link, {"again": "1"})
    assert {event for event in CHOOSABLE if is_mailed(event)} == {
        event for event in CHOOSABLE if Channel.EMAIL in NOTICES[event].by_default
    }


def test_what_waits_for_the_next_digest_is_not_sent_any_more(
    ada: User, other: User, mail_program: Client, now: datetime
) -> None:
    User.objects.filter(id=other.id).update(email_verified_at=now)
    for event in (Event.STARTED, Event.PRIZE_SENT, Event.PASSWORD_RESET):
        notify_people(event=event, told={ada.id: {}, other.id: {}}, dedupe_key=event, now=now)
    states = Delivery.objects.filter(channel=Channel.EMAIL).order_by("notification__event")
    mine = states.filter(notification__user=ada).values_list("state", flat=True)
    mail_program.post(link_of(ada, Event.STARTED), ONE_CLICK)
    assert list(mine.all()) == ["waiting", "waiting", "dropped"], "password reset, prize sent, started"
    mail_program.post(link_of(ada, None), ONE_CLICK)
    assert list(mine.all()) == ["waiting", "dropped", "dropped"]
    assert set(states.filter(notification__user=other).values_list("state", flat=True)) == {"waiting"}


def test_what_was_asked_for_beyond_the_usual_comes_back_too(
    ada: User, mail_program: Client, is_mailed: Callable[[Event], bool]
) -> None:
    NotificationPreference.objects.create(user=ada, event=Event.OVERTAKEN, channel=Channel.EMAIL, wanted=True)
    link = link_of(ada, Event.OVERTAKEN)
    mail_program.post(link, ONE_CLICK)
    assert not is_mailed(Event.OVERTAKEN)
    mail_program.post(link, {"again": "1"})
    assert is_mailed(Event.OVERTAKEN)


def test_the_letter_carries_this_very_link(ada: User, mail_program: Client, settings: Any, now: datetime) -> None:
    settings.PUBLIC_URL = "https://steps.example.org"
    told = [sample_notification(event, ada, rival=ada, now=now) for event in (Event.STARTED, Event.CANCELLED)]
    for letter, event in (
        (letter_of(told[0], ada, reference="r"), Event.STARTED),
        (digest_of(told, ada, reference="r"), None),
    ):
        assert (
            letter.unsubscribe_url.rpartition(":")[0].rpartition(":")[0]
            == (unsubscribe_link(ada.id, event).rpartition(":")[0].rpartition(":")[0])
        )
        assert mail_program.get(letter.unsubscribe_url.removeprefix(settings.PUBLIC_URL)).status_code == 200


def test_other_peoples_choices_stay(ada: User, other: User, mail_program: Client) -> None:
    NotificationPreference.objects.create(user=other, event=Event.STARTED, channel=Channel.EMAIL, wanted=True)
    NotificationPreference.objects.create(user=ada, event=Event.STARTED, channel=Channel.PUSH, wanted=True)
    mail_program.post(link_of(ada, Event.STARTED), ONE_CLICK)
    kept = NotificationPreference.objects.exclude(user=ada, channel=Channel.EMAIL)
    assert list(kept.values_list("wanted", flat=True)) == [True, True]


@pytest.mark.parametrize("token", ["x", "eyJpZCI6IjEifQ:1:2", "%00", "é", "a" * 3000, "..:..:.."])
def test_a_token_that_is_none_leads_to_a_page_that_says_so(mail_program: Client, token: str) -> None:
    for answer in (mail_program.get(f"/unsubscribe/{token}"), mail_program.post(f"/unsubscribe/{token}", ONE_CLICK)):
        assert answer.status_code == 404
        assert "This link leads nowhere" in answer.content.decode()


def test_a_token_made_for_something_else_is_none_here(ada: User, mail_program: Client) -> None:
    said = {"id": str(ada.id), "event": "started"}
    gone = signing.dumps({**said, "event": "an event that was"}, salt="accounts.unsubscribing")
    for token in (
        signing.dumps(said, salt="accounts.links.verify-email"),
        gone,
        unsubscribe_token(Subscription(ada.id, Event.STARTED))[:-1],
    ):
        assert mail_program.post(f"/unsubscribe/{token}", ONE_CLICK).status_code == 404
    assert not NotificationPreference.objects.exists()


def test_of_somebody_who_was_erased_it_changes_nothing(ada: User, mail_program: Client, now: datetime) -> None:
    link = link_of(ada, Event.STARTED)
    erase_person(user_id=ada.id, now=now)
    assert mail_program.get(link).status_code == 404
    assert mail_program.post(link, ONE_CLICK).status_code == 404
    assert mail_program.post(link, {"again": "1"}).status_code == 404
    assert not NotificationPreference.objects.exists()


def test_other_methods_are_refused_and_nothing_is_kept_or_passed_on(ada: User, mail_program: Client) -> None:
    link = link_of(ada, Event.STARTED)
    assert mail_program.delete(link).status_code == 405
    answer = mail_program.get(link)
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert not answer.cookies
    logged = without_secrets(None, "info", {"path": link})["path"]
    assert logged == "/unsubscribe/[token]"
