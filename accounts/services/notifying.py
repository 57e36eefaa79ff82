"""Writing the outbox: inside the transaction that gives people something to hear of, so that it is told if and only if
that is committed, and once, however often it is written."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
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

KEPT_FOR = timedelta(days=400)
"""Longer than anything that is told once a year."""

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
    SELECT n.id, n.user_id, %(event)s, n.competition_id, n.data, n.dedupe_key, n.listed, %(now)s, n.expires_at
      FROM unnest(%(ids)s::uuid[], %(people)s::uuid[], %(competitions)s::uuid[], %(data)s::jsonb[], %(keys)s::text[],
                  %(listed)s::boolean[], %(expiries)s::timestamptz[])
           AS n (id, user_id, competition_id, data, dedupe_key, listed, expires_at)
     ORDER BY n.user_id, n.dedupe_key
        ON CONFLICT DO NOTHING
    RETURNING id
"""


@dataclass(frozen=True)
class News:
    """What one person is to be told once under ``dedupe_key``; after ``expires_at`` it is not sent any more."""

    user_id: UUID
    data: Data
    dedupe_key: str
    competition_id: UUID | None = None
    expires_at: datetime | None = None


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


def notify_people(
    *,
    event: Event,
    told: Mapping[UUID, Data],
    dedupe_key: str,
    now: datetime,
    competition_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> int:
    """Tells each of these people once under the same key; ``told``: what of it is theirs, by their id. Says how many
    were told now."""
    news = [News(user_id, data, dedupe_key, competition_id, expires_at) for user_id, data in told.items()]
    return tell_news(event=event, news=news, now=now)


@transaction.atomic
def tell_news(*, event: Event, news: Sequence[News], now: datetime) -> int:
    """The number of statements does not depend on how much there is to tell. Says how much of it is new."""
    if not news:
        return 0
    listeners = _listeners(event, {one.user_id for one in news})
    heard = {uuid4(): _lasting(one, event, now) for one in news if one.user_id in listeners}
    parameters = {
        "event": event.value,
        "now": now,
        "ids": list(heard),
        "people": [one.user_id for one in heard.values()],
        "competitions": [one.competition_id for one in heard.values()],
        "data": [json.dumps(dict(one.data), default=str) for one in heard.values()],
        "keys": [one.dedupe_key for one in heard.values()],
        "listed": [Channel.IN_APP in listeners[one.user_id].channels for one in heard.values()],
        "expiries": [one.expires_at for one in heard.values()],
    }
    with connection.cursor() as cursor:
        cursor.execute(_TELL, parameters)
        new = [notification_id for (notification_id,) in cursor.fetchall()]
    deliveries = [
        delivery
        for notification_id in new
        for delivery in _deliveries(
            notification_id, listeners[heard[notification_id].user_id], event, heard[notification_id], now
        )
    ]
    Delivery.objects.bulk_create(deliveries, batch_size=5000)
    if any(delivery.due_at <= now for delivery in deliveries):
        wake_deliverer()
    return len(new)


def _lasting(news: News, event: Event, now: datetime) -> News:
    if NOTICES[event].account and news.expires_at is None:
        return replace(news, expires_at=now + ACCOUNT_MAIL_LASTS)
    return news


def _listeners(event: Event, user_ids: Collection[UUID]) -> dict[UUID, _Listener]:
    """Those of them who are there."""
    with connection.cursor() as cursor:
        cursor.execute(_LISTENERS, {"event": event.value, "people": list(user_ids)})
        return {row[0]: _listener(event, *row) for row in cursor.fetchall()}


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


def _deliveries(notification_id: UUID, listener: _Listener, event: Event, news: News, now: datetime) -> list[Delivery]:
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
    return [delivery for delivery in made if news.expires_at is None or delivery.due_at < news.expires_at]


def forget_notifications(*, user_id: UUID) -> None:
    """Of a person who is erased: what they were told, and where and how they wanted to hear of it."""
    for theirs in (Notification, Device, Phone, NotificationSettings, NotificationPreference):
        theirs._default_manager.filter(user_id=user_id).delete()


@transaction.atomic
def forget_old_notifications(*, now: datetime) -> int:
    """What was told so long ago that nobody looks for it; says how much that was."""
    Delivery.objects.filter(notification__created_at__lt=now - KEPT_FOR).delete()
    _, removed = Notification.objects.filter(created_at__lt=now - KEPT_FOR).delete()
    return removed.get(Notification._meta.label, 0)


def wake_deliverer() -> None:
    """After this transaction: of two that enqueue the same job the second waits for the first, whatever both hold
    besides. Should it be forgotten, what is due is looked for every few seconds anyway."""
    from accounts.tasks import deliver_waiting  # tasks call services

    transaction.on_commit(lambda: enqueue_once(deliver_waiting.defer), robust=True)
