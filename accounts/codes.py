"""One-time codes of staff: an authenticator each, and recovery codes for the day when the phone is lost."""

import math
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.utils import timezone
from django_otp import verify_token
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from config.core.errors import Conflict, Invalid, TooMany

RECOVERY_CODES = 10
_DIGITS = 6


class WrongCode(Invalid):
    message = "This code is wrong, or was used before. Codes of the app change every 30 seconds."


class AlreadyEnrolled(Conflict):
    message = "One-time codes are set up already."


def authenticator_of(person: User) -> TOTPDevice | None:
    return TOTPDevice.objects.filter(user=person, confirmed=True).first()


def recovery_codes_left(person: User) -> int:
    return int(StaticToken.objects.filter(device__user=person).count())


def is_verified(person: User | AnonymousUser) -> bool:
    """Whether whoever is behind this request has given the code that is asked of them: of everybody outside DEBUG,
    and with it of those who have set up codes."""
    if getattr(person, "otp_device", None) is not None:
        return True
    return isinstance(person, User) and not settings.STAFF_CODES_REQUIRED and authenticator_of(person) is None


def verify_code(*, person: User, code: str) -> TOTPDevice | StaticDevice:
    """The device that has made this code, which works once. Not for use inside a transaction, which would take back
    the count of wrong ones. Raises WrongCode, and TooMany while a device waits after wrong ones."""
    typed = "".join(code.split()).lower()
    kind: Any = TOTPDevice if typed.isdigit() and len(typed) == _DIGITS else StaticDevice
    device = kind.objects.filter(user=person, confirmed=True).first()
    if device is None:
        raise WrongCode
    if verified := verify_token(person, device.persistent_id, typed):
        return verified
    allowed, why = device.verify_is_allowed()  # as it was before this code
    if not allowed:
        seconds = max(1, math.ceil((why["locked_until"] - timezone.now()).total_seconds()))
        raise TooMany(f"After a wrong code the next one has to wait: {seconds} seconds.", retry_after=seconds)
    raise WrongCode


def new_authenticator(*, person: User, key: str = "") -> TOTPDevice:
    """Not saved: it is kept when a code of it has come back. ``key``: hexadecimal, as it was shown; else a new one."""
    device = TOTPDevice(user=person, name="authenticator")
    device.key = key or device.key
    return device


@transaction.atomic
def enrol_authenticator(*, person: User, key: str, code: str, replacing: bool) -> tuple[TOTPDevice, list[str]]:
    """The person's authenticator from now on, instead of any other if that is meant, and recovery codes, of which
    earlier ones are void. Raises WrongCode, AlreadyEnrolled."""
    User.objects.select_for_update(no_key=True).get(id=person.id)
    known = TOTPDevice.objects.filter(user=person)
    if known.exists() and not replacing:
        raise AlreadyEnrolled
    known.delete()
    device = new_authenticator(person=person, key=key)
    device.save()
    if not device.verify_token("".join(code.split())):
        raise WrongCode
    return device, renew_recovery_codes(person=person)


@transaction.atomic
def renew_recovery_codes(*, person: User) -> list[str]:
    """In clear, this once; earlier ones are void."""
    User.objects.select_for_update(no_key=True).get(id=person.id)
    StaticDevice.objects.filter(user=person).delete()
    device = StaticDevice.objects.create(user=person, name="recovery codes")
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


@transaction.atomic
def forget_codes(*, person: User) -> bool:
    """Lets somebody set up their codes anew; whether they had any. Whoever is signed in as them has to do so too, with
    the password."""
    User.objects.select_for_update(no_key=True).get(id=person.id)
    forgotten, _ = TOTPDevice.objects.filter(user=person).delete()
    StaticDevice.objects.filter(user=person).delete()
    return bool(forgotten)
