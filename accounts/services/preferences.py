"""How people want to hear, and where."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import reduce
from hmac import compare_digest
from operator import or_
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from accounts.models import (
    Delivery,
    DeliveryState,
    Device,
    Notification,
    NotificationPreference,
    NotificationSettings,
    Phone,
)
from accounts.notices import CHOOSABLE, NOTICES, Channel, Event
from accounts.phones import code_for
from accounts.services.notifying import notify_people
from accounts.services.people import lock_people
from accounts.services.suppressing import resume_address
from config.core.errors import Conflict, Invalid, NotFound

MOST_DEVICES = 20
CODE_HOLDS = timedelta(minutes=15)
MOST_GUESSES = 5

Choices = Mapping[Event, Mapping[Channel, bool]]


class CodeSpent(Conflict):
    message = "This code does not hold any more; ask for a new one."


@dataclass(frozen=True)
class Rhythm:
    """Quiet hours and the digest's hour, on the person's own clock. None: without."""

    quiet_from: time | None
    quiet_until: time | None
    digest_at: time | None


@transaction.atomic
def change_preferences(*, user_id: UUID, choices: Choices, rhythm: Mapping[str, time | None] | None = None) -> None:
    """What is not named stays; ``rhythm``: any fields of Rhythm. What waits to be sent and is not wanted any more is
    dropped. Raises Invalid for quiet hours with one end only."""
    _choose_channels(user_id, choices)
    if rhythm:
        changed = replace(rhythm_of(user_id), **rhythm)
        if (changed.quiet_from is None) != (changed.quiet_until is None):
            missing = "quiet_until" if changed.quiet_until is None else "quiet_from"
            raise Invalid(details={missing: ["Quiet hours need a beginning and an end."]})
        NotificationSettings.objects.update_or_create(user_id=user_id, defaults=vars(changed))


def _choose_channels(user_id: UUID, choices: Choices) -> None:
    preferences = [
        NotificationPreference(user_id=user_id, event=event, channel=channel, wanted=wanted)
        for event, channels in choices.items()
        for channel, wanted in channels.items()
    ]
    NotificationPreference.objects.bulk_create(
        preferences, update_conflicts=True, unique_fields=["user", "event", "channel"], update_fields=["wanted"]
    )
    unwanted = [Q(notification__event=p.event, channel=p.channel) for p in preferences if not p.wanted]
    if unwanted:
        might_go = [DeliveryState.WAITING, DeliveryState.UNKNOWN]  # that is: go once more
        waiting = Delivery.objects.filter(notification__user_id=user_id, state__in=might_go)
        waiting.filter(reduce(or_, unwanted)).update(
            state=DeliveryState.DROPPED, reason="The person does not want it any more."
        )


def channels_chosen(user_id: UUID) -> dict[Event, dict[Channel, bool]]:
    """Every event that people choose about, by every channel: one statement."""
    said = {
        (preference.event, preference.channel): preference.wanted
        for preference in NotificationPreference.objects.filter(user_id=user_id)
    }
    return {
        event: {channel: said.get((event, channel), channel in NOTICES[event].by_default) for channel in Channel}
        for event in CHOOSABLE
    }


def rhythm_of(user_id: UUID) -> Rhythm:
    found = NotificationSettings.objects.filter(user_id=user_id).first()
    return Rhythm(found.quiet_from, found.quiet_until, found.digest_at) if found else Rhythm(None, None, None)


def read_notifications(*, user_id: UUID, ids: Collection[UUID] | None, now: datetime) -> int:
    """Marks these as read, with None all of them; what is somebody else's is not there. Says how many are unread."""
    theirs = Notification.objects.filter(user_id=user_id, listed=True, read_at=None)
    (theirs if ids is None else theirs.filter(id__in=list(ids))).update(read_at=now)
    return theirs.count()


def _lock(user_id: UUID) -> None:
    """Or an address would be left of somebody who is erased at this moment."""
    if not lock_people([user_id]):
        raise NotFound("There is no such person.")


@transaction.atomic
def register_device(*, user_id: UUID, token: str, platform: str, now: datetime) -> tuple[Device, bool]:
    """An installation belongs to whoever signed in there last. Says whether it is new. Raises Conflict for too many,
    NotFound for somebody who was erased meanwhile."""
    _lock(user_id)
    known = Device.objects.filter(token=token).first()
    if known is not None and known.user_id == user_id:
        known.seen_at, known.platform = now, platform
        known.save(update_fields=["seen_at", "platform"])
        return known, False
    if known is not None:
        known.delete()
    if Device.objects.filter(user_id=user_id).count() >= MOST_DEVICES:
        raise Conflict(f"At most {MOST_DEVICES} devices hear of news; remove one first.")
    return Device.objects.create(user_id=user_id, token=token, platform=platform, added_at=now, seen_at=now), True


def remove_device(*, user_id: UUID, device_id: UUID) -> None:
    """Raises NotFound, also for somebody else's."""
    removed, _ = Device.objects.filter(id=device_id, user_id=user_id).delete()
    if not removed:
        raise NotFound("There is no such device.")


@transaction.atomic
def ask_for_phone(*, user_id: UUID, number: str, now: datetime) -> Phone:
    """Sends a code to a number, in E.164, which is the person's once they send it back. The one they had before is
    theirs no more. Raises NotFound for somebody who was erased meanwhile."""
    _lock(user_id)
    fresh = {"number": number, "code_sent_at": now, "code_guesses": 0, "verified_at": None}
    phone, _ = Phone.objects.update_or_create(user_id=user_id, defaults=fresh)
    notify_people(
        event=Event.PHONE_CODE,
        told={user_id: {}},
        dedupe_key=f"phone_code:{now.isoformat()}",
        expires_at=now + CODE_HOLDS,
        now=now,
    )
    return phone


def verify_phone(*, user_id: UUID, code: str, now: datetime) -> Phone:
    """Raises NotFound without a number, CodeSpent, and Invalid for another code, of which there are few guesses."""
    live = Phone.objects.filter(user_id=user_id, verified_at=None, code_sent_at__gt=now - CODE_HOLDS)
    counted = live.filter(code_guesses__lt=MOST_GUESSES).update(code_guesses=F("code_guesses") + 1)
    phone = Phone.objects.filter(user_id=user_id).first()
    if phone is None:
        raise NotFound("No number waits for a code.")
    if phone.verified_at is not None:
        return phone
    if not counted:
        raise CodeSpent
    if not compare_digest(code.encode(), code_for(phone).encode()):
        raise Invalid(details={"code": ["This is not the code that was sent."]})
    same = Phone.objects.filter(user_id=user_id, number=phone.number, code_sent_at=phone.code_sent_at)
    if not same.update(verified_at=now):  # another number has taken its place meanwhile
        raise CodeSpent
    phone.verified_at = now
    resume_address(channel=Channel.SMS, address=phone.number)
    return phone


def remove_phone(*, user_id: UUID) -> None:
    """A second time changes nothing."""
    Phone.objects.filter(user_id=user_id).delete()
