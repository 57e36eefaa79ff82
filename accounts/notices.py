"""What people are told of, by which channel unless they say otherwise, and when a message may reach them. Pure.

Times of day are those of the person's own zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum


class Event(StrEnum):
    JOINED = "joined"
    STARTS_SOON = "starts_soon"
    STARTED = "started"
    OVERTAKEN = "overtaken"
    STREAK_AT_RISK = "streak_at_risk"
    GRACE_ENDS = "grace_ends"
    PROVISIONAL_RESULT = "provisional_result"
    FINAL_RESULT = "final_result"
    CANCELLED = "cancelled"
    PRIZE_SENT = "prize_sent"
    PRIZE_WAITING = "prize_waiting"
    FLAG_OPENED = "flag_opened"
    FLAG_DECIDED = "flag_decided"
    CORRECTION = "correction"
    CONSENT_NEEDED = "consent_needed"
    EXPORT_READY = "export_ready"
    VERIFY_EMAIL = "verify_email"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a name
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a name
    PHONE_CODE = "phone_code"


class Channel(StrEnum):
    IN_APP = "in_app"
    EMAIL = "email"
    PUSH = "push"
    SMS = "sms"


@dataclass(frozen=True)
class Notice:
    """How an event is told. ``by_default``: the channels of somebody who has not chosen. ``account``: it is about the
    account itself, and its person has just asked for it, so it goes by these channels whatever was chosen, at any hour,
    and also to an address that is not verified."""

    by_default: frozenset[Channel] = frozenset({Channel.IN_APP, Channel.EMAIL, Channel.PUSH})
    account: bool = False


_GENTLY = Notice(frozenset({Channel.IN_APP, Channel.PUSH}))
_ACCOUNT = Notice(frozenset({Channel.EMAIL}), account=True)

NOTICES: Mapping[Event, Notice] = {
    Event.JOINED: Notice(frozenset({Channel.IN_APP, Channel.EMAIL})),
    Event.STARTS_SOON: _GENTLY,
    Event.STARTED: Notice(),
    Event.OVERTAKEN: _GENTLY,
    Event.STREAK_AT_RISK: _GENTLY,
    Event.GRACE_ENDS: Notice(),
    Event.PROVISIONAL_RESULT: _GENTLY,
    Event.FINAL_RESULT: Notice(),
    Event.CANCELLED: Notice(),
    Event.PRIZE_SENT: Notice(),
    Event.PRIZE_WAITING: Notice(),
    Event.FLAG_OPENED: Notice(frozenset({Channel.IN_APP, Channel.EMAIL})),
    Event.FLAG_DECIDED: Notice(),
    Event.CORRECTION: Notice(),
    Event.CONSENT_NEEDED: Notice(),
    Event.EXPORT_READY: Notice(frozenset({Channel.IN_APP, Channel.EMAIL})),
    Event.VERIFY_EMAIL: _ACCOUNT,
    Event.PASSWORD_RESET: _ACCOUNT,
    Event.PASSWORD_CHANGED: _ACCOUNT,
    Event.PHONE_CODE: Notice(frozenset({Channel.SMS}), account=True),
}

CHOOSABLE = tuple(event for event, notice in NOTICES.items() if not notice.account)
"""Those of which people say how they want to hear, in the order of the settings."""


@dataclass(frozen=True)
class Hours:
    """When somebody wants to be left alone, and when their digest comes. ``quiet_from`` may be later than
    ``quiet_until``: then it is quiet over midnight. Equal, or None: never quiet. ``digest_at``: None for mail at
    once."""

    zone: tzinfo
    quiet_from: time | None = None
    quiet_until: time | None = None
    digest_at: time | None = None


def is_quiet(at: datetime, hours: Hours) -> bool:
    if hours.quiet_from is None or hours.quiet_until is None or hours.quiet_from == hours.quiet_until:
        return False
    clock = at.astimezone(hours.zone).time()
    if hours.quiet_from < hours.quiet_until:
        return hours.quiet_from <= clock < hours.quiet_until
    return clock >= hours.quiet_from or clock < hours.quiet_until


def due_at(channel: Channel, notice: Notice, hours: Hours, now: datetime) -> datetime:
    """When to send it: mail with the next digest where there is one, and nothing in quiet hours."""
    if notice.account:
        return now
    at = _next(hours.digest_at, hours.zone, now) if channel == Channel.EMAIL and hours.digest_at is not None else now
    return _next(hours.quiet_until, hours.zone, at) if hours.quiet_until is not None and is_quiet(at, hours) else at


def _next(clock: time, zone: tzinfo, after: datetime) -> datetime:
    """The first moment from ``after`` on at which it is so late there; where clocks are put forward over it, the
    moment that they show instead. In an hour that comes twice it is so late twice."""
    day = after.astimezone(zone).date()
    while True:
        for fold in (0, 1):
            at = datetime.combine(day, clock.replace(fold=fold), zone).astimezone(after.tzinfo)
            if at >= after:
                return at
        day += timedelta(days=1)
