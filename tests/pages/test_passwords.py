"""A forgotten password, another one, an address of one's own; and what is known of somebody, theirs to take along."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounts.links import password_reset_link, verification_link
from accounts.models import Export, ExportState, Notification, User
from accounts.services.people import register_person
from config.people.exports import write_exports
from tests.pages.conftest import PASSWORD, SignedIn, text_of

pytestmark = pytest.mark.django_db

OTHER = "another-long-walk"


@pytest.fixture
def local(db: None) -> User:
    return register_person(email="ada@example.org", password=PASSWORD, name="Ada", now=datetime.now(UTC))


@pytest.fixture
def at_home(local: User, browser_of: SignedIn) -> Client:
    return browser_of(local)


def test_asking_for_a_link_says_the_same_to_everybody(stranger: Client, local: User) -> None:
    for email in ("ada@example.org", "nobody@example.org"):
        answer = stranger.post("/forgot-password", {"email": email})
        assert (answer.status_code, f"If {email} has an account here" in text_of(answer)) == (200, True)
    assert stranger.post("/forgot-password", {"email": "no address"}).status_code == 400


def test_a_link_sets_a_new_password_once(stranger: Client, at_home: Client, local: User, settings: Any) -> None:
    settings.PUBLIC_URL = ""
    link = password_reset_link(local)
    token = link.rpartition("/")[2]
    page = stranger.get(link).content.decode()
    assert f'value="{token}"' in page
    assert 'action="/reset-password"' in page, "the token is in no address that is posted to"
    weak = stranger.post("/reset-password", {"token": token, "password": "short"})
    assert (weak.status_code, 'id="id_password_error"' in weak.content.decode()) == (400, True)
    assert stranger.post("/reset-password", {"token": token, "password": OTHER})["Location"] == "/sign-in"
    assert stranger.post("/sign-in", {"email": "ada@example.org", "password": OTHER})["Location"] == "/my-day"
    assert at_home.get("/my-day").status_code == 302, "what was open before has ended"
    again = stranger.post("/reset-password", {"token": token, "password": PASSWORD})
    assert (again.status_code, "This link was used, or is too old" in text_of(again)) == (400, True)


def test_looking_at_a_link_verifies_nothing_and_the_button_does(stranger: Client, local: User, settings: Any) -> None:
    settings.PUBLIC_URL = ""
    link = verification_link(local)
    stranger.get(link)
    local.refresh_from_db()
    assert local.email_verified_at is None
    assert stranger.post("/verify-email", {"token": link.rpartition("/")[2]})["Location"] == "/sign-in"
    local.refresh_from_db()
    assert local.email_verified_at is not None
    assert stranger.post("/verify-email", {"token": "forged"}).status_code == 400


def test_the_link_is_sent_again_when_asked_for(at_home: Client, local: User) -> None:
    sent = Notification.objects.filter(user=local, event="verify_email")
    before = sent.count()
    assert "Send me the link again" in text_of(at_home.get("/profile"))
    assert "A link is on its way" in text_of(at_home.post("/profile/verify-email", follow=True))
    assert sent.count() == before + 1


def test_another_password_takes_the_old_one_and_ends_what_is_open_elsewhere(
    at_home: Client, local: User, browser_of: SignedIn
) -> None:
    elsewhere = browser_of(local)
    refused = at_home.post("/profile/password", {"current": "a guess", "password": OTHER})
    assert (refused.status_code, 'id="id_current_error"' in refused.content.decode()) == (400, True)
    assert at_home.post("/profile/password", {"current": PASSWORD, "password": OTHER})["Location"] == "/profile"
    assert at_home.get("/my-day").status_code == 200
    assert elsewhere.get("/my-day").status_code == 302
    local.refresh_from_db()
    assert local.check_password(OTHER)


@pytest.mark.django_db(transaction=True)
def test_everything_is_written_into_a_file_that_only_its_person_fetches(
    at_home: Client, local: User, ben: Client, tmp_path: Any, settings: Any
) -> None:
    private = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "private": private}
    assert at_home.get("/profile/data/file").status_code == 404
    assert "It is being written." in text_of(at_home.post("/profile/data", follow=True))
    assert at_home.get("/profile/data/file").status_code == 409
    write_exports(clock=lambda: datetime.now(UTC))
    assert Export.objects.get(user=local).state == ExportState.READY
    assert "Download it" in text_of(at_home.get("/profile/data"))
    answer = at_home.get("/profile/data/file")
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("application/zip", "private, no-store")
    assert b"".join(answer).startswith(b"PK")
    assert ben.get("/profile/data/file").status_code == 404


def test_being_forgotten_takes_the_password_and_is_for_good(at_home: Client, local: User) -> None:
    assert at_home.post("/profile/erase", {"password": "a guess"}).status_code == 400
    assert User.objects.get(id=local.id).erased_at is None
    gone = at_home.post("/profile/erase", {"password": PASSWORD}, follow=True)
    assert "Everything about you was forgotten." in text_of(gone)
    assert User.objects.get(id=local.id).erased_at is not None
    assert at_home.get("/my-day").status_code == 302


def test_whoever_organises_cannot_go_before_it_is_over(at_home: Client, local: User, make_competition: Any) -> None:
    make_competition(owner=local)
    answer = at_home.post("/profile/erase", {"password": PASSWORD})
    assert answer.status_code == 409
    assert 'role="alert"' in answer.content.decode()
    assert User.objects.get(id=local.id).erased_at is None
