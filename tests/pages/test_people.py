"""The person's own profile, and what others see of somebody."""

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from accounts.models import User
from tests.pages.conftest import text_of

pytestmark = pytest.mark.django_db

PROFILE = {
    "name": "Benjamin",
    "bio": "At night.",
    "country": "DE",
    "timezone": "Europe/Berlin",
    "language": "de",
}


def test_a_profile_is_changed_by_the_rules_of_the_api(ben: Client, other: User) -> None:
    assert "Kept." in text_of(ben.post("/profile", PROFILE, follow=True))
    other.refresh_from_db()
    assert {name: getattr(other, name) for name in PROFILE} == PROFILE
    refused = ben.post("/profile", {**PROFILE, "name": "", "timezone": "Mars/Olympus", "country": "ZZ"})
    html = refused.content.decode()
    assert refused.status_code == 400
    for field in ("name", "timezone", "country"):
        assert f'id="id_{field}_error"' in html
    other.refresh_from_db()
    assert other.name == "Benjamin"


@pytest.mark.slow
def test_the_form_shows_what_is_kept_even_a_zones_old_name(ben: Client, other: User) -> None:
    User.objects.filter(id=other.id).update(timezone="US/Pacific", country="US")
    html = ben.get("/profile").content.decode()
    assert '<option value="US/Pacific" selected>' in html
    assert '<option value="US" selected>United States</option>' in html
    assert (other.email or "?") in html


def test_others_see_the_public_part_alone(ben: Client, person: User) -> None:
    User.objects.filter(id=person.id).update(country="NG", bio="Likes <hills>.", timezone="Africa/Lagos")
    page = ben.get(f"/people/{person.id}")
    assert "Nigeria" in text_of(page)
    assert "Likes &lt;hills&gt;." in page.content.decode()
    for hidden in (person.email, "Lagos"):
        assert str(hidden) not in page.content.decode()


@pytest.mark.parametrize("user_id", ["7b0c0f0e-53a5-4d3c-9b3f-0a6a5d8f1c2e", "somebody", "%00"])
def test_nobody_is_a_404_page(ben: Client, user_id: str) -> None:
    answer = ben.get(f"/people/{user_id}")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_a_cloud_that_is_not_offered_is_a_refusal(ben: Client) -> None:
    assert ben.post("/profile/sources/google_health", {"do": "connect"}).status_code in (404, 409)
    assert ben.post("/profile/sources/nobodys", {"do": "disconnect"}).status_code == 404


def test_a_cloud_is_connected_on_its_own_page(ben: Client, settings: Any) -> None:
    from cryptography.fernet import Fernet

    settings.GOOGLE_HEALTH_CLIENT_ID = settings.GOOGLE_HEALTH_CLIENT_SECRET = "ours"
    settings.TOKEN_KEYS, settings.PUBLIC_URL = (Fernet.generate_key().decode(),), "https://steps.example.org"
    assert "Google Health" in text_of(ben.get("/profile"))
    answer = ben.post("/profile/sources/google_health", {"do": "connect"})
    assert 'href="https://accounts.google.com/' in answer.content.decode()
    assert answer["Cache-Control"] == "private, no-store"


def test_a_picture_is_shown_and_taken_away(ben: Client, other: User, tmp_path: Any, settings: Any) -> None:
    folder = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "default": folder}
    drawn = io.BytesIO()
    Image.new("RGB", (300, 200), "teal").save(drawn, "PNG")
    changed = ben.post("/profile/picture", {"avatar": SimpleUploadedFile("me.png", drawn.getvalue())}, follow=True)
    assert "This is your picture now." in text_of(changed)
    other.refresh_from_db()
    assert other.avatar in changed.content.decode()
    assert "Your picture is removed." in text_of(ben.post("/profile/picture", {"do": "remove"}, follow=True))
    other.refresh_from_db()
    assert other.avatar == ""


def test_what_is_no_picture_is_said_beside_the_field(ben: Client, other: User) -> None:
    for sent in ({}, {"avatar": SimpleUploadedFile("me.png", b"GIF89a but not really")}):
        refused = ben.post("/profile/picture", sent)
        assert refused.status_code == 400
        assert 'id="id_picture_error"' in refused.content.decode()
    other.refresh_from_db()
    assert other.avatar == ""


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/my-day", {"steps": "1\x00", "date": ""}),
        ("/profile", {"name": "Ada\x00"}),
        ("/profile/erase", {"password": "\x00"}),
        ("/profile/sign-out-everywhere", {"password": "\x00"}),
        ("/profile/password", {"current": "\x00", "password": "\x00"}),
        ("/notifications/settings", {"quiet_from": "\x00"}),
        ("/notifications/phone", {"number": "\x00"}),
        ("/forgot-password", {"email": "\x00"}),
        ("/sign-up", {"name": "Eve", "email": "eve@example.org", "password": "a-long-walk-home", "timezone": "\x00"}),
    ],
)
def test_what_no_text_may_hold_is_refused_in_the_form(ada: Client, path: str, fields: dict[str, str]) -> None:
    answer = ada.post(path, fields)
    assert answer.status_code == 400
    assert text_of(answer).count("Null characters are not allowed.") == len([x for x in fields.values() if "\x00" in x])
    assert not User.objects.filter(email="eve@example.org").exists()


def test_a_code_with_a_slash_in_it_is_looked_for_without(ada: Client) -> None:
    assert ada.get("/join", {"code": "AB/C"}).headers["Location"] == "/join/ABC"
    assert ada.get("/join", {"code": "/"}).headers["Location"] == "/competitions"
