"""What people were told, and how they want to hear."""

from datetime import datetime, time
from typing import Any

import pytest
from django.test import Client

from accounts.models import Notification, NotificationPreference, Phone, User
from accounts.notices import CHOOSABLE, NOTICES, Event
from accounts.phones import code_for
from accounts.queries import unread_count
from accounts.services.notifying import notify_people
from config.core.environment import Rate
from config.pages.notifications import EVENTS
from tests.pages.conftest import text_of

pytestmark = pytest.mark.django_db

RHYTHM = {"quiet_from": "", "quiet_until": "", "digest_at": ""}


def tell(*people: User, now: datetime, number: int = 1) -> None:
    for key in range(number):
        notify_people(event=Event.STARTED, told={p.id: {} for p in people}, dedupe_key=f"started:{key}", now=now)


def boxes(**changes: bool) -> dict[str, str]:
    """The form as it stands for somebody who has chosen nothing, but for these."""
    on = {f"{event}:{channel}": True for event in CHOOSABLE for channel in NOTICES[event].by_default}
    return {name: "on" for name, wanted in (on | changes).items() if wanted}


def test_messages_wait_until_they_are_read(ben: Client, person: User, other: User, now: datetime) -> None:
    tell(person, other, now=now, number=3)
    assert "Messages 3 unread" in text_of(ben.get("/my-day"))
    mine = Notification.objects.filter(user=other)[0]
    assert ben.get("/notifications/read").status_code == 302
    assert unread_count(other.id) == 3, "looking changes nothing"
    ben.post("/notifications/read", {"id": str(mine.id)})
    assert unread_count(other.id) == 2
    ben.post("/notifications/read", {"id": str(Notification.objects.filter(user=person)[0].id)})
    assert (unread_count(other.id), unread_count(person.id)) == (2, 3), "somebody else's stay unread"
    ben.post("/notifications/read")
    assert unread_count(other.id) == 0
    assert "unread" not in text_of(ben.get("/notifications"))
    assert ben.post("/notifications/read", {"id": "x"}).status_code == 404


def test_older_messages_are_on_further_pages(ben: Client, other: User, now: datetime) -> None:
    tell(other, now=now, number=31)
    first, second = ben.get("/notifications").content.decode(), ben.get("/notifications?page=2").content.decode()
    assert first.count('<li class="panel"') == 30
    assert second.count('<li class="panel"') == 1
    assert 'href="?page=2"' in first
    assert "Nothing yet." in text_of(ben.get("/notifications?page=999"))


def test_a_message_leads_to_what_it_is_about_wherever_the_site_is(
    ben: Client, other: User, now: datetime, settings: Any
) -> None:
    notify_people(event=Event.EXPORT_READY, told={other.id: {}}, dedupe_key="export", now=now)
    for settings.PUBLIC_URL in ("", "https://steps.example.org"):
        assert '<h2><a href="/profile/data">' in ben.get("/notifications").content.decode()


def test_every_event_that_people_choose_about_has_words() -> None:
    assert set(EVENTS) == set(CHOOSABLE)


def test_only_what_was_touched_is_kept(ben: Client, other: User) -> None:
    html = ben.get("/notifications/settings").content.decode()
    assert html.count(" checked") == len(boxes())
    answer = ben.post(
        "/notifications/settings",
        {
            **boxes(**{"overtaken:push": False, "joined:sms": True}),
            "quiet_from": "22:00",
            "quiet_until": "07:00",
            "digest_at": "08:30",
        },
        follow=True,
    )
    assert "You will hear from us that way." in text_of(answer)
    kept = set(NotificationPreference.objects.values_list("event", "channel", "wanted"))
    assert kept == {("overtaken", "push", False), ("joined", "sms", True)}
    other.refresh_from_db()
    rhythm = other.notification_settings
    assert (rhythm.quiet_from, rhythm.quiet_until, rhythm.digest_at) == (time(22), time(7), time(8, 30))
    assert 'value="22:00"' in answer.content.decode()


def test_quiet_hours_with_one_end_are_said_beside_the_other(ben: Client) -> None:
    answer = ben.post("/notifications/settings", {**boxes(**{"joined:sms": True}), **RHYTHM, "quiet_from": "22:00"})
    assert answer.status_code == 400
    assert 'id="id_quiet_until_error"' in answer.content.decode()
    assert 'name="joined:sms" checked' in answer.content.decode(), "what was ticked stays ticked"
    assert not NotificationPreference.objects.exists()


def test_a_phone_is_used_once_its_code_has_come_back(ben: Client, other: User) -> None:
    refused = ben.post("/notifications/phone", {"do": "ask", "number": "12"})
    assert (refused.status_code, "Write a mobile number" in text_of(refused)) == (400, True)
    asked = ben.post("/notifications/phone", {"do": "ask", "number": "+49 151 23456789"}, follow=True)
    assert "We have sent a code to +4915123456789." in text_of(asked)
    wrong = ben.post("/notifications/phone", {"do": "verify", "code": "no code"})
    assert (wrong.status_code, "This is not the code that was sent." in text_of(wrong)) == (400, True)
    code = code_for(Phone.objects.get(user=other))
    assert "This number is yours." in text_of(
        ben.post("/notifications/phone", {"do": "verify", "code": code}, follow=True)
    )
    assert Phone.objects.get(user=other).verified_at is not None
    ben.post("/notifications/phone", {"do": "remove"})
    assert not Phone.objects.exists()


def test_codes_are_sent_only_so_often(ben: Client, settings: Any) -> None:
    settings.RATE_LIMIT = Rate(1000, 1000)
    answers = [ben.post("/notifications/phone", {"do": "ask", "number": "+49 151 23456789"}) for _ in range(12)]
    assert answers[0].status_code == 302
    assert answers[-1].status_code == 429
    assert "Too many requests" in text_of(answers[-1])
