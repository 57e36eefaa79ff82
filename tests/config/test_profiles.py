"""GET, PUT, PATCH /api/v1/users/{user_id}/profile"""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from accounts.models import Scope, User

OWN = {"email", "email_verified", "language"}
FIELDS = OWN | {
    "id", "name", "avatar", "bio", "country", "timezone", "total_steps", "total_calories", "total_distance",
    "competitions_won", "total_prizes", "joined_at", "updated_at",
}  # fmt: skip
pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def url(person: object) -> str:
    return f"/api/v1/users/{getattr(person, 'id', person)}/profile"


@pytest.fixture
def me(person: User, signed_in: SignIn) -> APIClient:
    return signed_in(person)


def test_ones_own_profile_is_complete(me: APIClient, person: User) -> None:
    answer = me.get(url(person))
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert data.keys() == FIELDS
    assert (data["email"], data["name"], data["timezone"], data["avatar"]) == (person.email, "Ada", "UTC", None)
    assert data["joined_at"].endswith("Z")


def test_me_is_whoever_asks(me: APIClient, person: User) -> None:
    assert me.get(url("me")).json() == me.get(url(person)).json()


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_trailing_slash_is_accepted(me: APIClient, ending: str) -> None:
    assert me.get(url("me") + ending).status_code == 200


def test_somebody_elses_profile_shows_no_email(me: APIClient, other: User) -> None:
    answer = me.get(url(other))
    assert answer.status_code == 200
    assert answer.json()["data"].keys() == FIELDS - OWN
    assert other.email is not None
    assert other.email not in answer.content.decode()


def test_staff_see_the_email(signed_in: SignIn, staff: User, other: User) -> None:
    assert signed_in(staff).get(url(other)).json()["data"]["email"] == other.email


def test_opening_the_admin_site_alone_shows_no_email(signed_in: SignIn, make_person: Any, other: User) -> None:
    clerk = make_person("Clerk", is_staff=True)
    assert "email" not in signed_in(clerk).get(url(other)).json()["data"]


@pytest.mark.django_db(transaction=True)
def test_totals_follow_what_was_synced(me: APIClient, person: User) -> None:
    assert me.get(url(person)).json()["data"]["total_steps"] == 0
    me.post("/api/v1/fitness/sync", {"steps": 12000, "distance": 8500.5, "calories": 430.25, "source": "garmin"})
    data = me.get(url(person)).json()["data"]
    assert (data["total_steps"], data["total_distance"], data["total_calories"]) == (12000, 8500.5, 430.25)


def test_it_takes_a_token(anonymous: APIClient, person: User) -> None:
    assert anonymous.get(url(person)).status_code == 401
    assert anonymous.patch(url(person), {"name": "Eve"}).status_code == 401


def test_a_service_key_is_no_person(with_key: Callable[..., APIClient], person: User) -> None:
    assert with_key(*Scope).get(url(person)).status_code == 403


@pytest.mark.parametrize("name", [uuid4(), "17", "Me", "00000000", "%00", "a" * 300, "{}", "null"])
def test_an_id_that_names_nobody_is_a_404(me: APIClient, name: object) -> None:
    for answer in (me.get(url(name)), me.patch(url(name), {"name": "Eve"})):
        assert answer.status_code == 404
        assert answer.json()["code"] == 404


def test_everything_about_oneself_can_be_changed(me: APIClient, person: User) -> None:
    changes = {"name": "Ada L.", "bio": "Walks.", "country": "GB", "timezone": "Europe/London", "language": "en-GB"}
    answer = me.put(url(person), changes)
    assert answer.status_code == 200
    assert answer.json()["data"].items() >= changes.items()
    assert me.get(url("me")).json()["data"].items() >= changes.items()
    assert answer.json()["data"]["email"] == person.email


def test_a_patch_changes_what_it_names(me: APIClient, person: User) -> None:
    me.put(url(person), {"name": "Ada L.", "bio": "Walks."})
    answer = me.patch(url(person), {"bio": "Runs."})
    assert answer.status_code == 200
    assert (answer.json()["data"]["name"], answer.json()["data"]["bio"]) == ("Ada L.", "Runs.")


def test_a_put_needs_the_name(me: APIClient, person: User) -> None:
    answer = me.put(url(person), {"bio": "Walks."})
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {"name"}


def test_what_was_set_can_be_emptied(me: APIClient, person: User) -> None:
    me.patch(url(person), {"bio": "Walks.", "country": "GB", "timezone": "Europe/London"})
    data = me.patch(url(person), {"bio": "", "country": "", "timezone": ""}).json()["data"]
    assert (data["bio"], data["country"], data["timezone"]) == ("", "", "UTC")


def test_nothing_else_can_be_changed(me: APIClient, person: User) -> None:
    before = User.objects.filter(id=person.id).values("id", "email", "is_staff", "is_superuser", "joined_at").get()
    me.patch(
        url(person),
        {
            "id": str(uuid4()),
            "email": "x@example.org",
            "is_staff": True,
            "is_superuser": True,
            "joined_at": "2020-01-01",
        },
    )
    assert User.objects.filter(id=person.id).values(*before).get() == before


def test_nobody_changes_somebody_else(me: APIClient, other: User) -> None:
    for answer in (me.patch(url(other), {"name": "Eve"}), me.put(url(other), {"name": "Eve"})):
        assert answer.status_code == 403
    other.refresh_from_db()
    assert other.name == "Ben"


def test_staff_change_anybody(signed_in: SignIn, staff: User, other: User) -> None:
    assert signed_in(staff).patch(url(other), {"name": "Benjamin"}).status_code == 200
    other.refresh_from_db()
    assert other.name == "Benjamin"


def test_changing_others_takes_the_named_permission(signed_in: SignIn, make_person: Any, other: User) -> None:
    clerk = make_person("Clerk", is_staff=True)
    assert signed_in(clerk).patch(url(other), {"name": "Eve"}).status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="change_user"))
    assert signed_in(clerk).patch(url(other), {"name": "Benjamin"}).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 81),
        ("name", None),
        ("name", {"first": "Ada"}),
        ("name", "A\x00da"),
        ("name", "\ud800"),
        ("bio", "x" * 501),
        ("bio", "\x00"),
        ("bio", "\udfff"),
        ("country", "XX"),
        ("country", "Germany"),
        ("country", "D\x00"),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../../etc/passwd"),
        ("timezone", "localtime"),
        ("timezone", "\ud800"),
        ("language", "klingon"),
        ("language", "de_DE"),
        ("language", "d\x00"),
        ("language", "en-GB-oxendict-1996"),
    ],
)
def test_a_wrong_field_is_named(me: APIClient, field: str, value: Any) -> None:
    # Written by hand: a lone surrogate can stand in JSON, but our own encoder would not write one.
    answer = me.generic("PATCH", url("me"), json.dumps({field: value}), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {field}


def test_a_country_is_kept_in_capitals(me: APIClient) -> None:
    assert me.patch(url("me"), {"country": "de"}).json()["data"]["country"] == "DE"


@pytest.mark.parametrize(("sent", "kept"), [("DE", "de"), ("pt-br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"), ("", "")])
def test_a_language_is_kept_as_it_is_usually_written(sent: str, kept: str, me: APIClient) -> None:
    assert me.patch(url("me"), {"language": sent}).json()["data"]["language"] == kept


def test_a_profile_is_neither_made_nor_deleted_here(me: APIClient) -> None:
    assert me.post(url("me"), {}).status_code == 405
    assert me.delete(url("me")).status_code == 405
