"""Notifications about nobody, to look at: a made-up person, in a made-up competition."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from accounts.models import Notification, User
from accounts.notices import Event

_DAY = timedelta(days=1)


def sample_person(language: str) -> User:
    return User(
        name="Ada Walker",
        email="ada@example.org",
        language=language,
        timezone="Europe/Berlin",
        password="!",  # noqa: S106 - none
    )


def sample_notification(event: Event, person: User, *, rival: User, now: datetime, **other: Any) -> Notification:
    """``rival``: somebody there is, for the event in which a person is named. ``other``: data instead of the usual."""
    data = {**sample_data(rival, now)[event], **other}
    return Notification(user=person, event=event, competition_id=uuid4(), data=data, created_at=now)


def sample_data(rival: User, now: datetime) -> Mapping[Event, Mapping[str, Any]]:
    """As whoever causes the event writes it."""
    where = {"competition": "Around the lake"}
    placed = {**where, "rank": 3, "of": 1_248, "score": 84_210, "metric": "steps"}
    won = {**where, "amount_minor": 12_500, "currency": "EUR"}
    return {
        Event.JOINED: {
            **where,
            "starts_at": _at(now + 3 * _DAY),
            "starts_on": f"{now + 3 * _DAY:%Y-%m-%d}",
            "zone": "Europe/Berlin",
        },
        Event.STARTS_SOON: {**where, "starts_at": _at(now + _DAY)},
        Event.STARTED: {**where, "ends_at": _at(now + 14 * _DAY)},
        Event.OVERTAKEN: {**where, "by": str(rival.pk)},
        Event.STREAK_AT_RISK: {"days": 12, "steps": 5_790, "goal": 8_000},
        Event.GRACE_ENDS: {**where, "closes_at": _at(now + timedelta(hours=6))},
        Event.PROVISIONAL_RESULT: {**placed, "closes_at": _at(now + _DAY)},
        Event.FINAL_RESULT: {**placed, "corrected": False, "disqualified": False},
        Event.CANCELLED: {**where, "refunded": True},
        Event.PRIZE_SENT: won,
        Event.PRIZE_WAITING: won,
        Event.FLAG_OPENED: {**where, "day": f"{now - _DAY:%Y-%m-%d}", "held": True, "check": "cadence"},
        Event.FLAG_DECIDED: {**where, "decision": "exclude", "reason": "The watch rode along in a car."},
        Event.CORRECTION: {**where, "points": -500, "reason": "One walk was counted twice.", "metric": "steps"},
        Event.CONSENT_NEEDED: {"provider": "Google Health"},
        Event.EXPORT_READY: {},
        Event.VERIFY_EMAIL: {},
        Event.PASSWORD_RESET: {},
        Event.PASSWORD_CHANGED: {},
        Event.PHONE_CODE: {"code": "048213"},
    }


def _at(moment: datetime) -> str:
    return moment.isoformat()
