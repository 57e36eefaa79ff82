"""What accounts knows of a person, for their export. Never tokens, codes or passwords, in whatever form."""

from collections.abc import Iterator
from uuid import UUID

from axes.models import AccessLog
from django.core.files.storage import storages

from accounts.models import (
    Delivery,
    Device,
    Notification,
    NotificationPreference,
    NotificationSettings,
    Phone,
    User,
)
from accounts.pictures.names import LARGE, picture_name
from config.core.exports import Table
from config.core.json import dump_json
from config.core.storage import reaching_store

_CHUNK = 2_000


def picture_of(person: User) -> bytes | None:
    """The large one. Raises StoreOut."""
    if not person.avatar:
        return None
    with reaching_store():
        try:
            with storages["default"].open(picture_name(person.id, person.avatar, LARGE)) as file:
                return bytes(file.read())
        except FileNotFoundError:  # another one took its place a moment ago
            return None


def tables_of(user_id: UUID) -> Iterator[Table]:
    yield Table(
        "messages/notifications",
        "What you were told, as the app shows it.",
        ["created_at", "event", "competition_id", "data", "read_at"],
        (
            [told.created_at, told.event, told.competition_id, dump_json(told.data).decode(), told.read_at]
            for told in Notification.objects.filter(user_id=user_id).order_by("created_at", "id").iterator(_CHUNK)
        ),
    )
    yield Table(
        "messages/deliveries",
        "By which way each of these went out, and when.",
        ["event", "channel", "state", "due_at", "done_at"],
        Delivery.objects.filter(notification__user_id=user_id)
        .order_by("due_at", "id")
        .values_list("notification__event", "channel", "state", "due_at", "done_at")
        .iterator(_CHUNK),
    )
    yield Table(
        "messages/preferences",
        "Where you wanted messages otherwise than by default.",
        ["event", "channel", "wanted"],
        NotificationPreference.objects.filter(user_id=user_id)
        .order_by("event", "channel")
        .values_list("event", "channel", "wanted"),
    )
    yield Table(
        "messages/hours",
        "Your quiet hours, and when your daily letter comes.",
        ["quiet_from", "quiet_until", "digest_at"],
        NotificationSettings.objects.filter(user_id=user_id).values_list("quiet_from", "quiet_until", "digest_at"),
    )
    yield Table(
        "messages/devices",
        "Where push messages go.",
        ["platform", "added_at", "seen_at"],
        Device.objects.filter(user_id=user_id).order_by("added_at").values_list("platform", "added_at", "seen_at"),
    )
    yield Table(
        "messages/phone",
        "Where text messages go.",
        ["number", "verified_at"],
        Phone.objects.filter(user_id=user_id).values_list("number", "verified_at"),
    )
    email = User.objects.values_list("email", flat=True).get(id=user_id)
    yield Table(
        "log_ins",
        "When you came in to the panel for staff, within the last year, and from where.",
        ["at", "address", "browser", "left_at"],
        AccessLog.objects.filter(username=(email or "").lower())
        .exclude(username="")
        .order_by("attempt_time")
        .values_list("attempt_time", "ip_address", "user_agent", "logout_time"),
    )
