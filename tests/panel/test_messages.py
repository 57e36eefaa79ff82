"""Messages in the panel: what was told and how it went, how it reads, and a second try."""

import html
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import Delivery, DeliveryState, Device, Notification, Phone, User
from accounts.notices import Channel, Event
from accounts.services.suppressing import suppress_address
from config.panel.cockpit import told as told_module
from config.panel.cockpit.told import told_of
from tests.conftest import MakeCompetition, open_panel
from tests.panel.desk import messages_of, text_of

pytestmark = pytest.mark.django_db

PREVIEW = "/admin/messages/"
MakeStaff = Callable[..., User]
Deliver = Callable[..., Delivery]


@pytest.fixture
def deliver(person: User, now: datetime) -> Deliver:
    """A message to ``person``, in this state."""

    def make(state: DeliveryState, *, channel: Channel = Channel.EMAIL, **fields: Any) -> Delivery:
        about = {name: fields.pop(name) for name in ("event", "competition_id", "expires_at", "data") if name in fields}
        usual: dict[str, Any] = {"user": person, "event": Event.STARTED, "data": {"competition": "Lake walk"}}
        notification = Notification.objects.create(
            **usual | about,
            dedupe_key=uuid4().hex,
            listed=True,
            created_at=now,
        )
        return Delivery.objects.create(notification=notification, channel=channel, state=state, due_at=now, **fields)

    return make


# --- The tables ---


@pytest.mark.slow
def test_support_sees_what_was_told_and_how_it_went(make_staff: MakeStaff, deliver: Deliver, person: User) -> None:
    desk = open_panel(make_staff("support"))
    deliver(DeliveryState.FAILED, reason="The address is unknown.")
    deliver(DeliveryState.SENT, channel=Channel.SMS)
    told = text_of(desk.get("/admin/accounts/notification/"))
    assert "Ada" in told
    assert "Lake walk" in told
    listed = text_of(desk.get("/admin/accounts/delivery/"))
    assert "The address is unknown." in listed
    failed = desk.get("/admin/accounts/delivery/?state__exact=failed").context["cl"]
    assert [row.state for row in failed.result_list] == ["failed"]
    for text, count in (("ada", 2), ("nobody", 0), (str(person.id), 2)):
        assert len(desk.get(f"/admin/accounts/delivery/?q={text}").context["cl"].result_list) == count
    row = Delivery.objects.first()
    assert row is not None
    assert "Ada" in text_of(desk.get(f"/admin/accounts/delivery/{row.pk}/change/"))


@pytest.mark.slow
def test_no_token_no_whole_number_and_no_digest_is_shown(make_staff: MakeStaff, person: User, now: datetime) -> None:
    device = Device.objects.create(user=person, token="hush-token", platform="android", added_at=now, seen_at=now)
    Phone.objects.create(user=person, number="+4915112345678", code_sent_at=now)
    suppress_address(channel=Channel.EMAIL, address="gone@example.org", reason="Bounced.", now=now)
    for member in (make_staff("support"), make_staff("support", is_superuser=True)):
        desk = open_panel(member)
        pages = [
            desk.get(f"/admin/accounts/{path}").content.decode()
            for path in (
                "device/",
                f"device/{device.pk}/change/",
                "phone/",
                f"phone/{person.pk}/change/",
                "suppression/",
            )
        ]
        assert "…678" in pages[2]
        assert "Bounced." in pages[4]
        assert not any(re.search(r"hush|\+4915|gone@example", page) for page in pages)


def test_organisers_reviewers_and_treasurers_see_nobodys_messages(make_staff: MakeStaff, deliver: Deliver) -> None:
    deliver(DeliveryState.SENT)
    for role in ("organiser", "reviewer", "treasurer"):
        desk = open_panel(make_staff(role))
        for table in ("notification", "delivery", "device", "phone", "suppression"):
            assert desk.get(f"/admin/accounts/{table}/").status_code == 403


# --- A second try ---


def test_what_failed_is_tried_again_and_nothing_else(
    staff: User, deliver: Deliver, now: datetime, django_capture_on_commit_callbacks: Any
) -> None:
    failed = deliver(DeliveryState.FAILED, reason="No.", digest=True, letter_id=uuid4(), done_at=now, attempts=3)
    sent, waiting = deliver(DeliveryState.SENT), deliver(DeliveryState.WAITING)
    late = deliver(DeliveryState.FAILED, expires_at=now - timedelta(minutes=1))
    desk = open_panel(staff)
    form = {"action": "retry", "_selected_action": [str(row.pk) for row in (failed, sent, waiting, late)]}
    with django_capture_on_commit_callbacks(execute=True):
        said = messages_of(desk.post("/admin/accounts/delivery/", form, follow=True))
    assert "1 of 4 wait to be sent again." in said
    assert "3 had not failed" in said
    for row in (failed, sent, waiting, late):
        row.refresh_from_db()
    assert (failed.state, failed.letter_id, failed.done_at, failed.attempts) == ("waiting", None, None, 3)
    assert (sent.state, waiting.state, late.state) == ("sent", "waiting", "failed")
    assert ProcrastinateJob.objects.filter(task_name="accounts.tasks.deliver_waiting").exists(), "somebody is woken"


def test_support_reads_and_changes_nothing(make_staff: MakeStaff, deliver: Deliver) -> None:
    failed = deliver(DeliveryState.FAILED)
    desk = open_panel(make_staff("support"))
    desk.post("/admin/accounts/delivery/", {"action": "retry", "_selected_action": [str(failed.pk)]})
    assert desk.post(f"/admin/accounts/delivery/{failed.pk}/change/", {"state": "sent"}).status_code == 403
    failed.refresh_from_db()
    assert failed.state == "failed"


# --- How they read ---


@pytest.mark.slow
def test_every_message_can_be_looked_at_before_anybody_gets_it(make_staff: MakeStaff) -> None:
    member = make_staff("organiser", name="Orla")
    desk, seen = open_panel(member), set()
    for event in (*Event, "digest"):
        for language, _ in configured.LANGUAGES:
            page = desk.get(PREVIEW, {"event": event, "language": language, "channel": "email"})
            seen.add(html.unescape(re.findall(r'<h2 id="letter"[^>]*>(.*?)</h2>', page.content.decode())[0]))
    assert len(seen) == 2 * (len(Event) + 1)
    assert {"Orla has overtaken you", "Orla hat dich überholt", "Dein Tag: 3 Nachrichten"} <= seen
    for channel, said in (("push", "On a lock screen"), ("sms", "of 160 signs"), ("in_app", "In the app’s list")):
        asked = desk.get(PREVIEW, {"event": "overtaken", "language": "de", "channel": channel})
        assert said in text_of(asked)
        assert "Orla hat dich bei Around the lake überholt." in text_of(asked)
    assert not Notification.objects.exists(), "nothing is kept of it"


def test_a_letter_is_shown_where_it_can_do_nothing(staff: User) -> None:
    page = open_panel(staff).get(PREVIEW, {"event": "started", "language": "en", "channel": "email"}).content.decode()
    frames = re.findall(r"<iframe [^>]*>", page)
    assert len(frames) == 2, "light and dark"
    assert all(re.search(r" sandbox srcdoc=\"&lt;!doctype", frame) for frame in frames)
    assert ["@media all {" in frame for frame in frames] == [False, True]
    assert not any("prefers-color-scheme" in frame for frame in frames), "it is not as the reader's screen is"


def test_a_choice_that_there_is_not_shows_another_one(staff: User) -> None:
    desk = open_panel(staff)
    for asked in ({}, {"event": "nonsense"}, {"language": "xx"}, {"channel": "%00"}, {"event": "started\x00"}):
        assert "has overtaken you" in text_of(desk.get(PREVIEW, asked))
    assert desk.post(PREVIEW).status_code in (403, 405)


@pytest.mark.parametrize(
    ("role", "status"), [("support", 200), ("organiser", 200), ("reviewer", 403), ("treasurer", 403)]
)
def test_who_may_look_at_it(make_staff: MakeStaff, role: str, status: int) -> None:
    assert open_panel(make_staff(role)).get(PREVIEW).status_code == status


# --- On the page of a competition ---


@pytest.mark.slow
def test_an_organiser_sees_how_many_were_reached(
    make_staff: MakeStaff, make_competition: MakeCompetition, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    organiser = make_staff("organiser")
    mine, theirs = make_competition(owner=organiser), make_competition(owner=organiser)
    desk = open_panel(organiser)
    assert "What people were told" not in text_of(desk.get(f"/admin/competitions/competition/{mine.pk}/change/"))
    about = {"competition_id": mine.id}
    for state in (DeliveryState.SENT, DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.DROPPED):
        deliver(state, **about)
    deliver(DeliveryState.UNKNOWN, channel=Channel.PUSH, **about)
    deliver(DeliveryState.SENT, channel=Channel.SMS, event=Event.CANCELLED, **about)
    deliver(DeliveryState.SENT, competition_id=theirs.id)
    with CaptureQueriesContext(connection) as asked:
        started, cancelled = told_of(mine.id)
    assert len(asked) == 1
    assert (started.event, started.people, started.email, started.push, started.waiting, started.failed) == (
        Event.STARTED,
        5,
        2,
        0,
        1,
        1,
    )
    assert (cancelled.event, cancelled.people, cancelled.sms, cancelled.email) == (Event.CANCELLED, 1, 1, 0)
    page = text_of(desk.get(f"/admin/competitions/competition/{mine.pk}/change/"))
    assert "Started 5 2 0 0 1 1 Cancelled 1 0 0 1 0 0" in page
    monkeypatch.setattr(told_module, "MOST_TOLD", 3)
    assert "Started 3 or more" in text_of(desk.get(f"/admin/competitions/competition/{mine.pk}/change/"))
