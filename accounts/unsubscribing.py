"""Saying no to mail by the link in it: whoever has the letter may, without signing in.

The link holds for good, because letters are kept for years. It says whose it is and which event's mail it came with,
and can do nothing but switch that mail off and on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db import transaction

from accounts.models import Delivery, DeliveryState, NotificationPreference, User
from accounts.notices import CHOOSABLE, NOTICES, Channel, Event
from config.core.errors import NotFound

_SALT = "accounts.unsubscribing"


class NoSuchLink(NotFound):
    message = "This link leads nowhere: perhaps a part of it is missing, or the account is gone."


@dataclass(frozen=True)
class Subscription:
    """Mail of one kind to one person. ``event``: None for all of it, as a digest is about anything."""

    user_id: UUID
    event: Event | None

    @property
    def events(self) -> Sequence[Event]:
        return CHOOSABLE if self.event is None else (self.event,)


def unsubscribe_link(user_id: UUID, event: Event | None) -> str:
    return f"{settings.PUBLIC_URL}/unsubscribe/{unsubscribe_token(Subscription(user_id, event))}"


def unsubscribe_token(subscription: Subscription) -> str:
    return signing.dumps({"id": str(subscription.user_id), "event": subscription.event}, salt=_SALT)


def subscription_of(token: str) -> Subscription:
    """Raises NoSuchLink."""
    try:
        said = signing.loads(token, salt=_SALT)
        return Subscription(UUID(said["id"]), Event(said["event"]) if said["event"] is not None else None)
    except (signing.BadSignature, ValueError):  # what is no base64 says the latter, and so does an event that was
        raise NoSuchLink from None


def subscriber(subscription: Subscription) -> User:
    """Raises NoSuchLink for somebody who was erased."""
    person = User.objects.filter(id=subscription.user_id, erased_at=None).first()
    if person is None:
        raise NoSuchLink
    return person


def is_subscribed(subscription: Subscription) -> bool:
    """Whether any of this mail is still wanted."""
    chosen = dict(
        NotificationPreference.objects.filter(
            user=subscription.user_id, event__in=subscription.events, channel=Channel.EMAIL
        ).values_list("event", "wanted")
    )
    return any(chosen.get(event, Channel.EMAIL in NOTICES[event].by_default) for event in subscription.events)


@transaction.atomic
def unsubscribe(*, subscription: Subscription, now: datetime) -> None:
    """What waits to be sent is not sent any more. A second time changes nothing. Raises NoSuchLink."""
    _choose(subscription, subscription.events, wanted=False)
    waiting = Delivery.objects.filter(
        notification__user=subscription.user_id,
        notification__event__in=subscription.events,
        channel=Channel.EMAIL,
        state__in=[DeliveryState.WAITING, DeliveryState.UNKNOWN],  # that one would go once more
    )
    waiting.update(state=DeliveryState.DROPPED, done_at=now, reason="Its reader wants no such mail any more.")


@transaction.atomic
def resubscribe(*, subscription: Subscription) -> None:
    """To what the letter was about; to all mail: to what people get who have not chosen. Raises NoSuchLink."""
    by_default = [event for event in CHOOSABLE if Channel.EMAIL in NOTICES[event].by_default]
    _choose(subscription, by_default if subscription.event is None else subscription.events, wanted=True)


def _choose(subscription: Subscription, events: Sequence[Event], *, wanted: bool) -> None:
    person = User.objects.select_for_update(no_key=True).filter(id=subscription.user_id, erased_at=None).first()
    if person is None:
        raise NoSuchLink
    NotificationPreference.objects.bulk_create(
        [NotificationPreference(user=person, event=event, channel=Channel.EMAIL, wanted=wanted) for event in events],
        update_conflicts=True,
        unique_fields=["user", "event", "channel"],
        update_fields=["wanted"],
    )
