"""Notifications as people read them, in their own language."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.channels.base import Letter, Push, Text
from accounts.models import Notification, User


@dataclass(frozen=True)
class Shown:
    """A notification as the app lists it."""

    title: str
    body: str
    url: str


def shown(notifications: Sequence[Notification], person: User) -> list[Shown]:
    return [Shown(notification.event, "", "") for notification in notifications]


def letter_of(notification: Notification, person: User, *, reference: str) -> Letter:
    return Letter(person.email or "", notification.event, notification.event, "", "", reference, person.language)


def digest_of(notifications: Sequence[Notification], person: User, *, reference: str) -> Letter:
    """One letter about several, the oldest first."""
    lines = "\n".join(notification.event for notification in notifications)
    return Letter(person.email or "", "Your day", lines, "", "", reference, person.language)


def push_of(notification: Notification, person: User, *, token: str, reference: str) -> Push:
    return Push(token, notification.event, "", "", reference, str(notification.id))


def text_of(notification: Notification, person: User, *, number: str, reference: str) -> Text:
    return Text(number, notification.event, reference)
