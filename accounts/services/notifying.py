"""Writing the outbox: inside the transaction that gives people something to hear of, so that it is told if and only if
that is committed, and once, however often it is written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction

from accounts.models import (
    Delivery,
    DeliveryState,
    Device,
    Notification,
    NotificationPreference,
    NotificationSettings,
    Phone,
)
from accounts.notices import NOTICES, Channel, Event, Hours, due_at
from config.core.clock import zone_named
from config.core.jobs import enqueue_once

Data = Mapping[str, Any]

ACCOUNT_MAIL_LASTS = timedelta(days=1)
"""A link or a code that could not be sent in a day is asked for again."""

_LISTENERS = """
    SELECT u.id, u.timezone, u.email IS NOT NULL,
           u.email IS NOT NULL AND (u.email_verified_at IS NOT NULL OR u.identity_provider <> 'local'),
           s.quiet_from, s.quiet_until, s.digest_at, p.user_id IS NOT NULL, p.verified_at IS NOT NULL,
           ARRAY(SELECT d.id FROM accounts_device d WHERE d.user_id = u.id ORDER BY d.id),
           ARRAY(SELECT w.channel FROM accounts_notificationpreference w
                  WHERE w.user_id = u.id AND w.event = %(event)s AND w.wanted),
           ARRAY(SELECT w.channel FROM accounts_notificationpreference w
                  WHERE w.user_id = u.id AND w.event = %(event)s AND NOT w.wanted)
      FROM accounts_user u
      LEFT JOIN accounts_notificationsettings s ON s.user_id = u.id
      LEFT JOIN accounts_phone p ON p.user_id = u.id
     WHERE u.id = ANY(%(people)s) AND u.is_active AND u.erased_at IS NULL
"""
_TELL = """
    INSERT INTO accounts_notification
           (id, user_id, event, competition_id, data, dedupe_key, listed, created_at, expires_at)
    SELECT n.id, n.user_id, %(event)s, %(competition_id)s, n.data, %(dedupe_key)s, n.listed, %(now)s, %(expires_at)s
      FROM unnest(%(ids)s::uuid[], %(people)s::uuid[], %(data)s::jsonb[], %(listed)s::boolean[])
           AS n (id, user_id, data, listed)
     ORDER BY n.user_id
        ON CONFLICT DO NOTHING
    RETURNING id
"""


@dataclass(frozen=True)
class _Listener:
    """Somebody to tell, and how they want to hear of this event."""

    user_id: UUID
    hours: Hours
    has_email: bool
    email_verified: bool
    has_phone: bool
    phone_verified: bool
    device_ids: list[UUID]
    channels: frozenset[Channel]


@transaction.atomic
def notify_people(
    *,
    event: Event,
    told: Mapping[UUID, Data],
    dedupe_key: str,
    now: datetime,
    competition_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> int:
    """Tells each of these people once under ``dedupe_key``; ``told``: what of it is theirs, by their id. After
    ``expires_at`` it is not sent any more. The number of statements does not depend on how many people they are. Says
    how many were told now."""
    if not told:
        return 0
    if NOTICES[event].account and expires_at is None:
        expires_at = now + ACCOUNT_MAIL_LASTS
    listeners = {uuid4(): listener for listener in _listeners(event, told)}
    parameters = {
        "event": event.value,
        "competition_id": competition_id,
        "dedupe_key": dedupe_key,
        "now": now,
        "expires_at": expires_at,
        "ids": list(listeners),
        "people": [listener.user_id for listener in listeners.values()],
        "data": [json.dumps(dict(told[listener.user_id]), default=str) for listener in listeners.values()],
        "listed": [Channel.IN_APP in listener.channels for listener in listeners.values()],
    }
    with connection.cursor() as cursor:
        cursor.execute(_TELL, parameters)
        new = [notification_id for (notification_id,) in cursor.fetchall()]
    deliveries = [
        delivery
        for notification_id in new
        for delivery in _deliveries(notification_id, listeners[notification_id], event, now, expires_at)
    ]
    Delivery.objects.bulk_create(deliveries, batch_size=5000)
    if any(delivery.due_at <= now for delivery in deliveries):
        wake_deliverer()
    return len(new)


def _listeners(event: Event, told: Mapping[UUID, Data]) -> list[_Listener]:
    with connection.cursor() as cursor:
        cursor.execute(_LISTENERS, {"event": event.value, "people": list(told)})
        return [_listener(event, *row) for row in cursor.fetchall()]


def _listener(
    event: Event,
    user_id: UUID,
    zone: str,
    has_email: bool,
    email_verified: bool,
    quiet_from: time | None,
    quiet_until: time | None,
    digest_at: time | None,
    has_phone: bool,
    phone_verified: bool,
    device_ids: list[UUID],
    wanted: list[str],
    unwanted: list[str],
) -> _Listener:
    notice = NOTICES[event]
    chosen = notice.by_default if notice.account else (notice.by_default | set(wanted)) - set(unwanted)
    hours = Hours(zone_named(zone or "UTC"), quiet_from, quiet_until, digest_at)
    channels = frozenset(Channel(channel) for channel in chosen)
    return _Listener(user_id, hours, has_email, email_verified, has_phone, phone_verified, device_ids, channels)


def _deliveries(
    notification_id: UUID, listener: _Listener, event: Event, now: datetime, expires_at: datetime | None
) -> list[Delivery]:
    """One for each address by which this can still reach them in time."""
    notice = NOTICES[event]
    addresses: list[tuple[Channel, UUID | None]] = []
    if Channel.EMAIL in listener.channels and (listener.email_verified or (notice.account and listener.has_email)):
        addresses.append((Channel.EMAIL, None))
    if Channel.PUSH in listener.channels:
        addresses += [(Channel.PUSH, device_id) for device_id in listener.device_ids]
    if Channel.SMS in listener.channels and (listener.phone_verified or (notice.account and listener.has_phone)):
        addresses.append((Channel.SMS, None))
    made = [
        Delivery(
            notification_id=notification_id,
            channel=channel,
            device_id=device_id,
            digest=channel == Channel.EMAIL and listener.hours.digest_at is not None and not notice.account,
            state=DeliveryState.WAITING,
            due_at=due_at(channel, notice, listener.hours, now),
        )
        for channel, device_id in addresses
    ]
    return [delivery for delivery in made if expires_at is None or delivery.due_at < expires_at]


def forget_notifications(*, user_id: UUID) -> None:
    """Of a person who is erased: what they were told, and where and how they wanted to hear of it."""
    for theirs in (Notification, Device, Phone, NotificationSettings, NotificationPreference):
        theirs._default_manager.filter(user_id=user_id).delete()


def wake_deliverer() -> None:
    from accounts.tasks import deliver_waiting  # tasks call services

    enqueue_once(deliver_waiting.defer)
