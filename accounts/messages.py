"""Notifications as people read them, in their own language and zone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.text import capfirst
from django.utils.translation import gettext

from accounts.channels.base import Letter, Push, Text
from accounts.gsm import gsm_text, loses_letters
from accounts.links import password_reset_link, verification_link
from accounts.models import Notification, User
from accounts.notices import NOTICES, Event
from accounts.phones import code_for
from accounts.unsubscribing import unsubscribe_link
from accounts.wording import Words, digest_words, language_of, one_line, shortened, words_of

LONGEST_NAME = 80
"""Of a competition or a person, as far as it is written out."""
LONGEST_NAME_IN_TEXT = 30
"""In a text message, so that the whole is one."""

_PLACES: Mapping[Event, str] = {
    Event.JOINED: "/competitions/{competition}",
    Event.STARTS_SOON: "/competitions/{competition}",
    Event.STARTED: "/competitions/{competition}/board",
    Event.OVERTAKEN: "/competitions/{competition}/board",
    Event.STREAK_AT_RISK: "/my-day",
    Event.GRACE_ENDS: "/my-day",
    Event.PROVISIONAL_RESULT: "/competitions/{competition}/board",
    Event.FINAL_RESULT: "/competitions/{competition}/board",
    Event.CANCELLED: "/competitions/{competition}",
    Event.PRIZE_SENT: "/profile",
    Event.PRIZE_WAITING: "/profile",
    Event.FLAG_OPENED: "/competitions/{competition}/why",
    Event.FLAG_DECIDED: "/competitions/{competition}/why",
    Event.CORRECTION: "/competitions/{competition}/why",
    Event.CONSENT_NEEDED: "/profile",
    Event.EXPORT_READY: "/profile/data",
}
"""Where a message leads."""
_LINKS: Mapping[Event, Callable[[User], str]] = {
    Event.VERIFY_EMAIL: verification_link,
    Event.PASSWORD_RESET: password_reset_link,
    Event.PASSWORD_CHANGED: password_reset_link,
}
"""Where a letter about the account leads: made for that letter, and kept nowhere."""


@dataclass(frozen=True)
class Shown:
    """A notification as the app lists it."""

    title: str
    body: str
    url: str


@dataclass(frozen=True)
class _Item:
    """What a letter tells, and where it leads."""

    words: Words
    url: str


def letter_of(notification: Notification, person: User, *, reference: str) -> Letter:
    event, language = Event(notification.event), language_of(person.language)
    with translation.override(language):
        words = _words(notification, names_in([notification]), person.timezone)
        url = _LINKS[event](person) if event in _LINKS else _url(notification)
        unsubscribe_url = "" if NOTICES[event].account else unsubscribe_link(person.id, event)
        return _letter(person, words, [_Item(words, url)], unsubscribe_url, reference, language)


def digest_of(notifications: Sequence[Notification], person: User, *, reference: str) -> Letter:
    """One letter about several, the oldest first."""
    language, names = language_of(person.language), names_in(notifications)
    with translation.override(language):
        items = [_Item(_words(one, names, person.timezone), _url(one)) for one in notifications]
        words = digest_words(len(items), items[0].words.title)
        return _letter(person, words, items, unsubscribe_link(person.id, None), reference, language)


def push_of(notification: Notification, person: User, *, token: str, reference: str) -> Push:
    with translation.override(language_of(person.language)):
        words = _words(notification, names_in([notification]), person.timezone)
    return Push(token, words.title, words.line, _url(notification), reference, str(notification.id))


def text_of(notification: Notification, person: User, *, number: str, reference: str) -> Text:
    """One message of the GSM alphabet; there is no room for a link."""
    with translation.override(language_of(person.language)):
        secret = _secret(notification, person)
        words = _words(notification, names_in([notification]), person.timezone, secret=secret, written=_in_text)
    return Text(number, f"Pacesetter: {gsm_text(capfirst(words.line))}", reference)


def shown(notifications: Sequence[Notification], language: str, zone: str = "") -> list[Shown]:
    """As the app lists them; ``language`` and ``zone`` are the reader's. One statement at most, however many they
    are."""
    names = names_in(notifications)
    with translation.override(language_of(language)):
        listed = [_words(one, names, zone) for one in notifications]
    return [Shown(words.title, words.line, _url(one)) for one, words in zip(notifications, listed, strict=True)]


def names_in(notifications: Sequence[Notification]) -> Mapping[str, str]:
    """Of the people whom these are about, by their ids, as far as there still is a name."""
    ids = {one.data["by"] for one in notifications if "by" in one.data}
    if not ids:
        return {}
    known = User.objects.filter(id__in=ids, erased_at=None).values_list("id", "name")
    return {str(user_id): name for user_id, name in known}


def _words(
    notification: Notification,
    names: Mapping[str, str],
    zone: str,
    *,
    secret: Mapping[str, str] = MappingProxyType({}),
    written: Callable[[str, str], str] = lambda _, name: shortened(name, LONGEST_NAME),
) -> Words:
    """``secret``: what is told and kept nowhere. ``written``: how a name is, given what it is the name of."""
    data = {**notification.data, **secret}
    if "by" in data:
        data["by"] = names.get(data["by"]) or gettext("A former participant")
    for kind in {"competition", "by", "provider"} & data.keys():
        data[kind] = written(kind, one_line(data[kind]))
    return words_of(Event(notification.event), data, told_at=notification.created_at, zone=zone)


def _secret(notification: Notification, person: User) -> Mapping[str, str]:
    phone = getattr(person, "phone", None)
    return {"code": code_for(phone)} if phone and notification.event == Event.PHONE_CODE else {}


def _in_text(kind: str, name: str) -> str:
    """What the alphabet of text messages cannot write is not named."""
    if not loses_letters(name):
        return shortened(gsm_text(name).strip(), LONGEST_NAME_IN_TEXT)
    return {"by": gettext("Somebody"), "provider": gettext("a service")}.get(kind) or gettext("your competition")


def _letter(
    person: User, words: Words, items: Sequence[_Item], unsubscribe_url: str, reference: str, language: str
) -> Letter:
    said = {
        "words": words,
        "items": items,
        "is_digest": words is not items[0].words,
        "unsubscribe_url": unsubscribe_url,
        "language": language,
        "site_url": f"{settings.PUBLIC_URL}/",
    }
    return Letter(
        to=person.email or "",
        subject=words.title,
        text=render_to_string("letters/letter.txt", said).strip() + "\n",
        html=render_to_string("letters/letter.html", said),
        unsubscribe_url=unsubscribe_url,
        reference=reference,
        language=language,
    )


def _url(notification: Notification) -> str:
    disqualified = notification.event == Event.FINAL_RESULT and notification.data.get("disqualified")
    place = _PLACES.get(Event.CORRECTION if disqualified else Event(notification.event), "/")
    if notification.competition_id is None and "{competition}" in place:
        place = "/"
    return settings.PUBLIC_URL + place.format(competition=notification.competition_id)
