"""Letters, by SendGrid and without it."""

import sys
from email import message_from_bytes, policy
from errno import ENOSPC
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core import mail as outbox

from accounts.channels.base import AddressDead, MessageRefused, ProviderMisconfigured, ProviderUnavailable
from accounts.channels.sending import send
from tests.accounts.channels.conftest import ADDRESS, BODY, REFERENCE, letter
from tests.accounts.channels.sendgrid_server import SendGrid


def test_a_letter_says_whose_it_is_how_to_stop_it_and_that_nobody_need_answer(sendgrid: SendGrid) -> None:
    assert send(letter(language="de")) == "msg0001-hush"
    (taken,) = sendgrid.taken
    assert taken["personalizations"] == [{"to": [{"email": ADDRESS}]}]
    assert taken["from"] == {"email": "steps@example.org", "name": "Steps"}
    assert taken["content"] == [
        {"type": "text/plain", "value": BODY},
        {"type": "text/html", "value": f"<p>{BODY}</p>"},
    ]
    assert taken["headers"] == {
        "Message-ID": f"<{REFERENCE}@example.org>",
        "Auto-Submitted": "auto-generated",
        "Content-Language": "de",
        "List-Unsubscribe": "<https://steps.example.org/unsubscribe/signed>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert taken["custom_args"] == {"reference": REFERENCE}
    assert "mail_settings" not in taken


def test_a_repeat_is_the_same_message_to_mail_servers(sendgrid: SendGrid) -> None:
    send(letter())
    send(letter())
    first, second = (taken["headers"]["Message-ID"] for taken in sendgrid.taken)
    assert first == second


def test_who_reads_a_letter_or_follows_its_links_is_not_watched(sendgrid: SendGrid) -> None:
    send(letter())
    assert sendgrid.taken[0]["tracking_settings"] == {
        "click_tracking": {"enable": False},
        "open_tracking": {"enable": False},
        "subscription_tracking": {"enable": False},
    }


def test_mail_about_the_account_cannot_be_unsubscribed_from(sendgrid: SendGrid) -> None:
    send(letter(unsubscribe_url="", html=""))
    (taken,) = sendgrid.taken
    assert not [name for name in taken["headers"] if name.startswith("List-")]
    assert taken["mail_settings"] == {"bypass_unsubscribe_management": {"enable": True}}
    assert [part["type"] for part in taken["content"]] == ["text/plain"]


def test_a_sender_that_sendgrid_does_not_know_is_no_fault_of_the_letter(sendgrid: SendGrid, settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "somebody@elsewhere.example"
    with pytest.raises(ProviderMisconfigured):
        send(letter())


@pytest.mark.parametrize("wrong", [{"subject": ""}, {"subject": "two\nlines"}, {"text": "", "html": ""}])
def test_a_letter_that_cannot_be_sent_is_refused_for_itself(sendgrid: SendGrid, wrong: dict[str, str]) -> None:
    with pytest.raises(MessageRefused):
        send(letter(**wrong))
    assert not sendgrid.taken


def test_an_address_that_is_none_never_leaves(sendgrid: SendGrid) -> None:
    with pytest.raises(AddressDead):
        send(letter("not an address"))
    assert not sendgrid.asked


def test_without_a_key_djangos_backend_has_the_letter(settings: Any) -> None:
    assert send(letter()) == f"{REFERENCE}@localhost"
    (sent,) = outbox.outbox
    assert (sent.to, sent.subject, sent.extra_headers["Auto-Submitted"]) == ([ADDRESS], "Your day", "auto-generated")


def test_without_a_key_letters_are_files(settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    send(letter(subject="Dein Tag: übertroffen"))
    (file,) = settings.EMAIL_FILE_PATH.iterdir()
    read = message_from_bytes(file.read_bytes().rpartition(b"\n-----")[0], policy=policy.default)
    assert (read["Subject"], read["Message-ID"]) == ("Dein Tag: übertroffen", f"<{REFERENCE}@localhost>")
    assert BODY in read.get_body(("plain",)).get_content()  # type: ignore[union-attr]  # a letter has one


class FullDisk(StringIO):
    def write(self, text: str) -> int:
        raise OSError(ENOSPC, "No space left on device")


def test_a_backend_that_cannot_take_it_is_for_later(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", FullDisk())
        with pytest.raises(ProviderUnavailable) as raised:
            send(letter())
    assert type(raised.value) is ProviderUnavailable
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = "/proc/nowhere/mail"
    with pytest.raises(ProviderMisconfigured):
        send(letter())
