"""The queue of flags in the admin site."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils.html import strip_tags

from accounts.models import User
from fitness.models import Flag
from fitness.services.decisions import appeal_flag
from tests.conftest import open_panel
from tests.fitness.walking import measured, sync

pytestmark = pytest.mark.django_db
QUEUE = "/admin/fitness/flag/"
Desk = Callable[..., Client]


@pytest.fixture
def desk(make_person: Any) -> Desk:
    """Staff with these permissions, in front of the admin site."""

    def sit_down(*permissions: str) -> Client:
        person = make_person("Judge", is_staff=True)
        person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        return open_panel(person)

    return sit_down


@pytest.fixture
def yesterday(now: datetime) -> datetime:
    return datetime.combine(now.date() - timedelta(days=1), time(8), UTC)


@pytest.fixture
def flags(person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime) -> list[Flag]:
    """Of three days, the latest first."""
    join(make_competition(), person)
    for ago in range(3):
        sync(person, measured(yesterday - timedelta(days=ago), 10_000, 600), now=now + timedelta(seconds=ago))
    return list(Flag.objects.order_by("-day"))


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", strip_tags(answer.content.decode()))


def asks(client: Client, action: str, *flags: Flag, **fields: str) -> Any:
    return client.post(
        QUEUE, {"action": action, "_selected_action": [str(flag.id) for flag in flags], **fields}, follow=True
    )


def confirms(client: Client, action: str, *flags: Flag, reason: str = "Not that fast.") -> Any:
    seen = re.search(r'name="seen" value="(\w+)"', asks(client, action, *flags).content.decode())
    assert seen
    return asks(client, action, *flags, seen=seen.group(1), reason=reason)


def test_what_waits_comes_first_and_appeals_before_everything(desk: Desk, flags: list[Flag], now: datetime) -> None:
    judge = desk("decide_flag")
    confirms(judge, "exclude_flags", flags[0])
    appeal_flag(flag_id=flags[2].id, text="A race.", by=flags[2].user, now=now)
    page = judge.get(QUEUE).content.decode()
    assert sorted(flags, key=lambda flag: page.index(f"{flag.id}/change")) == [flags[2], flags[1], flags[0]]
    assert "1,000 steps per minute were measured" in page


def test_a_flags_page_shows_the_evidence_and_what_happened(desk: Desk, flags: list[Flag]) -> None:
    answer = desk("decide_flag").get(f"{QUEUE}{flags[0].id}/change/")
    text = text_of(answer)
    assert answer.status_code == 200
    for told in ("1,000 steps per minute", "apple_health Watch (watch)", "opened", "Accept", "Disqualify"):
        assert told in text
    assert 'name="_save"' not in answer.content.decode()


def test_a_decision_is_read_given_a_reason_and_confirmed(desk: Desk, flags: list[Flag]) -> None:
    judge = desk("decide_flag")
    text = text_of(asks(judge, "exclude_flags", flags[0]))
    assert "What was seen does not count" in text
    assert "1,000 steps per minute" in text
    assert Flag.objects.filter(state="open").count() == 3
    assert "Cadence of Ada" in text_of(confirms(judge, "exclude_flags", flags[0]))
    flags[0].refresh_from_db()
    assert (flags[0].state, flags[0].reason) == ("excluded", "Not that fast.")
    assert flags[0].decided_by is not None
    assert flags[0].decided_by.name == "Judge"


@pytest.mark.parametrize(
    ("action", "state"),
    [("accept_flags", "accepted"), ("exclude_flags", "excluded"), ("disqualify_flags", "disqualified")],
)
def test_many_are_decided_at_once(desk: Desk, flags: list[Flag], action: str, state: str) -> None:
    confirms(desk("decide_flag"), action, *flags)
    assert {flag.state for flag in Flag.objects.all()} == {state}


def test_without_a_reason_nothing_is_decided(desk: Desk, flags: list[Flag]) -> None:
    assert "Nothing was done." in text_of(confirms(desk("decide_flag"), "accept_flags", flags[0], reason=" "))
    assert Flag.objects.filter(state="open").count() == 3


def test_what_came_meanwhile_is_read_first(
    desk: Desk, flags: list[Flag], person: User, yesterday: datetime, now: datetime
) -> None:
    judge = desk("decide_flag")
    seen = re.search(r'name="seen" value="(\w+)"', asks(judge, "accept_flags", flags[0]).content.decode())
    assert seen
    sync(person, measured(yesterday + timedelta(hours=5), 10_000, 600), now=now)
    answer = asks(judge, "accept_flags", flags[0], seen=seen.group(1), reason="Fine.")
    assert "More was found since you opened this page." in text_of(answer)
    assert Flag.objects.filter(state="open").count() == 3


def test_what_was_decided_otherwise_is_said(desk: Desk, flags: list[Flag]) -> None:
    judge = desk("decide_flag")
    confirms(judge, "accept_flags", flags[0])
    answer = confirms(judge, "exclude_flags", flags[0])
    assert "Somebody has decided about this flag: accepted." in text_of(answer)


def test_who_may_only_look_decides_nothing(desk: Desk, flags: list[Flag]) -> None:
    viewer, stranger = desk("view_flag"), desk("view_activity")
    page = viewer.get(f"{QUEUE}{flags[0].id}/change/")
    assert "1,000 steps per minute" in text_of(page)
    assert 'value="accept_flags"' not in page.content.decode()
    asks(viewer, "accept_flags", flags[0], seen="1", reason="I say so.")
    assert Flag.objects.filter(state="open").count() == 3
    assert stranger.get(QUEUE).status_code == 403


def test_odd_questions_are_no_server_error(desk: Desk, flags: list[Flag]) -> None:
    judge = desk("decide_flag")
    for query in ("?q=%00", "?state__exact=%00", "?competition__status=x", "?p=999"):
        assert judge.get(f"{QUEUE}{query}").status_code < 500
    assert judge.get(f"{QUEUE}nothing/change/").status_code == 302
    assert asks(judge, "accept_flags").status_code == 200


def test_ones_own_flags_are_not_in_the_queue(desk: Desk, flags: list[Flag], person: User) -> None:
    """Nobody decides about themself, and who else has the same samples is for staff to know about others."""
    judge = desk("view_flag", "decide_flag")
    assert judge.get(f"{QUEUE}{flags[0].id}/change/").status_code == 200
    person.is_staff = True
    person.save()
    person.user_permissions.set(Permission.objects.filter(codename__in=["view_flag", "decide_flag"]))
    judge = open_panel(person)
    assert "0 flags" in text_of(judge.get(QUEUE))
    assert judge.get(f"{QUEUE}{flags[0].id}/change/").status_code == 302
