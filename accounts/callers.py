"""Whose token this is, remembered until it expires, so that somebody who comes every second is not verified every
second.

Only *who* is remembered. Whether they are still active, and what they may see, is asked anew by whoever answers them.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from accounts.models import User
from accounts.queries import active_service_key
from accounts.services.people import admit_people
from accounts.tokens import Claims, InvalidToken, signing_keys_version, verify_token
from config.core.gathering import Gatherer, one_per_loop
from config.core.threads import in_thread

_REMEMBERED = 10_000
_LONGEST = 2_048
"""Of a token in characters: longer ones are verified each time, so that strangers cannot fill the memory."""
_VERIFIED_FOR_SECONDS = 600.0
"""Then anew: only that asks the issuer whether the key that signed it has been withdrawn."""


class Caller(NamedTuple):
    """A person until ``expires_at``, in seconds since 1970; ``subject`` is what their requests are counted against."""

    person_id: UUID
    expires_at: float
    subject: str


class Service(NamedTuple):
    """The holder of a service key."""

    key_id: UUID
    subject: str


class _Remembered(NamedTuple):
    caller: Caller
    until: float
    keys: int


_callers: OrderedDict[str, _Remembered] = OrderedDict()


def remembered_caller(token: str) -> Caller | None:
    """None for a token that has expired, or was not verified lately and with the signing keys of now."""
    known = _callers.get(token)
    if known is None or known.until <= time.time() or known.keys != signing_keys_version():
        return None
    return known.caller


async def recognise(token: str) -> Caller:
    """Raises InvalidToken."""
    caller = remembered_caller(token)
    while caller is None:
        keys = signing_keys_version()
        found = await _verifications().put(token)
        if keys == signing_keys_version():  # otherwise it may have been verified by a key that is withdrawn by now
            caller = found
            _remember(token, caller, keys)
    return caller


def _remember(token: str, caller: Caller, keys: int) -> None:
    if len(token) <= _LONGEST:
        _callers[token] = _Remembered(caller, min(caller.expires_at, time.time() + _VERIFIED_FOR_SECONDS), keys)
        if len(_callers) > _REMEMBERED:
            _callers.popitem(last=False)


_services: OrderedDict[str, Service] = OrderedDict()


async def recognised_service(secret: str) -> Service | None:
    """Whose key this is, None for nobody's. It is remembered; whether it still holds is asked by whoever answers."""
    service = _services.get(secret)
    if service is None:
        key = await in_thread(active_service_key)(secret)
        if key is None:
            return None
        service = _services[secret] = Service(key.id, f"caller:{key.id}")
        if len(_services) > _REMEMBERED:
            _services.popitem(last=False)
    return service


async def recognised(token: str) -> Caller | None:
    """As `recognise`; None for nobody's."""
    try:
        return await recognise(token)
    except InvalidToken:
        return None


async def person_recognised(token: str) -> UUID | None:
    """Whose token this is, by their id."""
    caller = await recognised(token)
    return caller.person_id if caller else None


def verify_callers(tokens: Sequence[str]) -> list[Caller | Exception]:
    """Whose these tokens are, or InvalidToken for each that is nobody's."""
    claims: list[Claims | Exception] = []
    for token in tokens:
        try:
            claims.append(verify_token(token))
        except InvalidToken as error:
            claims.append(error)
    people = admit_people([found for found in claims if isinstance(found, Claims)])
    return [found if isinstance(found, Exception) else _caller(found, people.get(found.subject)) for found in claims]


def _caller(claims: Claims, person: User | None) -> Caller | Exception:
    if person is None or person.identity_provider != claims.issuer:
        return InvalidToken("nobody active")
    return Caller(person.id, claims.expires_at.timestamp(), f"caller:{person.id}")


_verifications = one_per_loop(lambda: Gatherer(in_thread(verify_callers)))
