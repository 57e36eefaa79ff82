"""Who may do what, as the table says it (matrix.txt), asked of every door of the site."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings
from django.urls import path

from config import urls
from config.api.profiles import ProfileView
from config.core import limits
from prizes.api.views import FundingView
from tests.doors.asking import Found, ask
from tests.doors.doors import Door, all_doors, route_at
from tests.doors.matrix import TABLE, Line, read_table
from tests.doors.world import World

LINES = read_table(TABLE.read_text())
HTTP = [line for line in LINES if line.method not in ("WS", "SSE")]
LIVE = [line for line in LINES if line.method in ("WS", "SSE")]
REFUSED = {"401", "403", "404"}
EXPECTED = {*REFUSED, "200", "201", "202", "204", "302", "in", "400", "409"}
SAYS_SO = {
    "POST /api/v1/competitions/{running}/join": "409: takes part already",
    "POST /api/v1/competitions/{running}/leave": "409: does not take part",
    "POST /competitions/{running}/join": "409: takes part already",
    "POST /competitions/{running}/leave": "409: does not take part",
    "POST /profile/erase": "409: organises something that is not over",
    "POST /webhooks/sandbox": "400: not signed",
}
WRITES_NOTHING = {
    "POST /api/v1/prizes/calculate/{over}": "what it would be",
    "POST /api/v1/auth/ticket": "signed, not stored",
    "POST /api/v1/notifications/read": "somebody else's is passed over",
    "DELETE /api/v1/notifications/phone": "without a number there is nothing to forget",
    "DELETE /api/v1/users/{part}/avatar": "has none",
    "POST /api/v1/users/{part}/export": "the one of yesterday still holds",
}


def undeclared() -> set[Door]:
    """Doors that the table says nothing about."""
    declared, known = set(), {}
    for line in LINES:
        method = "GET" if line.method == "SSE" else line.method
        address = line.pattern.format_map(_Anything())
        route = route_at(method, address)
        declared.add(Door(method, route))
        known[route] = address
    return all_doors(known) ^ declared


class _Anything(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return PICTURE if name == "picture" else "11111111-2222-4333-8444-555555555555"


PICTURE = f"avatars/00/{'0' * 8}-0000-4000-8000-{'0' * 12}-{'0' * 32}-96.webp"


@pytest.fixture
def webhooks_are_read(settings: Any) -> None:
    """Those that are not set up answer nothing at all."""
    settings.SENDGRID_WEBHOOK_KEY = settings.TWILIO_AUTH_TOKEN = "of the account"


@pytest.mark.slow
@pytest.mark.usefixtures("webhooks_are_read")
@pytest.mark.django_db
def test_every_door_stands_in_the_table_and_the_table_has_no_other() -> None:
    assert undeclared() == set()


@pytest.mark.slow
@pytest.mark.usefixtures("webhooks_are_read")
@pytest.mark.django_db
def test_a_door_that_nobody_thought_of_is_found() -> None:
    class Forgotten:
        urlpatterns = [path("api/v1/forgotten", ProfileView.as_view()), *urls.urlpatterns]

    with override_settings(ROOT_URLCONF=Forgotten):
        found = undeclared()
    assert found == {Door(method, "api/v1/forgotten") for method in ("GET", "PUT", "PATCH")}


def test_the_table_says_of_everybody_what_they_are_told() -> None:
    assert {cell for line in HTTP for cell in line.expected.values()} <= EXPECTED
    for line in HTTP:
        told = set(line.expected.values())
        assert not told & {"400", "409"} or line.name in SAYS_SO, line.name
        assert line.method == "GET" or told & {"200", "201", "202", "204", "302"} or line.name in SIGNED, line.name


SIGNED = {
    "POST /webhooks/sandbox": "tests/prizes/test_webhook.py",
    "POST /webhooks/messages/sendgrid": "tests/accounts/channels/test_sendgrid_webhook.py",
    "POST /webhooks/messages/twilio": "tests/accounts/channels/test_twilio_webhook.py",
    "POST /api/v1/fitness/webhooks/google_health": "tests/fitness/test_cloud_webhooks.py",
}
"""Doors for whoever can sign, which nobody of the table can; where the signed ones succeed."""


# --- The cells ---


def wrong_cells(line: Line, world: World) -> Iterator[str]:
    """What is not as the table says, in words."""
    for who, expected in line.expected.items():
        found = ask(line, who, world)
        if found.cell != expected:
            yield f"{line.name}: {who} is told {found.cell}, not {expected}: {found.answer.content[:200]!r}"
        elif expected in REFUSED | {"in"} and found.wrote:
            yield f"{line.name}: {who} is refused by {expected} and wrote {found.wrote} rows"
        elif not _is_proper(line, found):
            yield f"{line.name}: {who} is answered {expected} with {found.answer.content[:200]!r}"


def _is_proper(line: Line, found: Found) -> bool:
    """A success is one: it says what it should, and has written what it says."""
    answer = found.answer
    if not found.cell.startswith("2"):
        return True
    if line.method != "GET" and not line.is_page and not found.wrote and line.name not in WRITES_NOTHING:
        return False
    if answer.streaming:
        return bool(b"".join(answer.streaming_content))
    if answer.headers.get("Content-Type", "").startswith("application/json") and line.pattern.startswith("/api/v1/"):
        return answer.json()["success"] is True
    return bool(answer.content)


@pytest.mark.slow  # two thousand requests
def test_everybody_is_told_what_the_table_says_and_who_is_refused_changes_nothing(world: World, db: None) -> None:
    assert [wrong for line in HTTP for wrong in wrong_cells(line, world)] == []


@pytest.mark.slow
def test_a_permission_that_is_taken_away_is_noticed(world: World, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    line = next(line for line in LINES if line.name == "POST /api/v1/prizes/funding/{upcoming}")
    assert list(wrong_cells(line, world)) == []
    monkeypatch.setattr(FundingView, "permission_classes", ProfileView.permission_classes)
    told = {wrong.split(": ")[1].split()[0] for wrong in wrong_cells(line, world)}
    assert told == {"other", "part", "owner", "organ", "review", "supp"}


@pytest.mark.slow
def test_a_refusal_that_writes_all_the_same_is_noticed(world: World, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    line = next(line for line in LINES if line.name == "GET /api/v1/users/{part}/dashboard")

    def curious(*_: Any, **__: Any) -> bool:
        type(world.people["other"]).objects.filter(name="Other").update(bio="was here")
        return True

    monkeypatch.setattr(limits.CallerThrottle, "allow_request", curious)
    assert any("and wrote 1 rows" in wrong for wrong in wrong_cells(line, world))
