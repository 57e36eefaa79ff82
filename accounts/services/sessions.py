"""Ending what somebody has open elsewhere."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User
from config.core.errors import Invalid


class WrongPassword(Invalid):
    message = "This is not your password."


@transaction.atomic
def end_sessions(*, user_id: UUID, password: str, now: datetime) -> User:
    """Ends every session of a local account and every way to a new token; tokens that are out live on for their hour.

    A session holds a hash of the password as it is stored, so storing the same one with fresh salt ends it. Raises
    WrongPassword.
    """
    person = User.objects.select_for_update(no_key=True).get(id=user_id)
    if not person.check_password(password):
        raise WrongPassword(details={"password": [WrongPassword.message]})
    person.set_password(password)
    person.save(update_fields=["password"])
    tokens = OutstandingToken.objects.filter(user=person, expires_at__gt=now, blacklistedtoken=None)
    BlacklistedToken.objects.bulk_create([BlacklistedToken(token=token) for token in tokens], ignore_conflicts=True)
    return person
