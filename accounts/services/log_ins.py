"""Staying logged in by refresh tokens, and ending that."""

from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import User
from config.core.errors import Unauthenticated


@transaction.atomic
def begin_log_in(*, person: User) -> RefreshToken:
    """For somebody whose password was right a moment ago. Raises Unauthenticated if it has been changed since."""
    now_known = User.objects.select_for_update(no_key=True).filter(id=person.id, is_active=True).first()
    if now_known is None or now_known.password != person.password:
        raise Unauthenticated("E-mail or password is wrong.")
    return RefreshToken.for_user(now_known)


@transaction.atomic
def renew_log_in(*, refresh: str) -> RefreshToken:
    """A new refresh token for one that is used up by that. The person is locked, as by whoever ends their log-ins: no
    new token slips past that. Raises Unauthenticated."""
    try:
        old = RefreshToken(refresh)  # type: ignore[arg-type]  # it takes text, whatever its annotation says
        person = User.objects.select_for_update(no_key=True).get(id=old["sub"], is_active=True)
        # get_or_create's insert decides who is first, where a look would not
        _, used_up = old.blacklist()  # type: ignore[misc]  # its annotation forgets the second value
    except (TokenError, KeyError, ValidationError, User.DoesNotExist):
        used_up = False
    if not used_up:
        raise Unauthenticated("This refresh token is not valid any more; log in again.")
    return RefreshToken.for_user(person)


def end_log_ins(*, user_id: UUID, now: datetime) -> None:
    """Voids every refresh token of a locked person. Sessions in a browser end with the password that they were begun
    with, and an access token within its hour."""
    valid = OutstandingToken.objects.filter(user_id=user_id, expires_at__gt=now, blacklistedtoken=None)
    BlacklistedToken.objects.bulk_create([BlacklistedToken(token=token) for token in valid], ignore_conflicts=True)


def forget_log_in_tokens(*, user_id: UUID) -> None:
    """Of a person who is erased, and cannot come in with any of them."""
    OutstandingToken.objects.filter(user_id=user_id).delete()
