"""Ending what somebody has open elsewhere."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.services.log_ins import end_log_ins
from accounts.services.passwords import require_password


def end_sessions(*, user_id: UUID, password: str, address: str, now: datetime) -> User:
    """Ends every session of a local account and every way to a new token; tokens that are out live on for their hour.
    The caller begins theirs anew.

    A session holds a hash of the password as it is stored, so storing the same one with fresh salt ends it. Raises
    NoPasswordHere, TooMany, and Invalid at ``password``.
    """
    require_password(user_id=user_id, password=password, field="password", address=address)
    with transaction.atomic():
        person = User.objects.select_for_update(no_key=True).get(id=user_id)
        if person.check_password(password):  # else it was changed a moment ago, which has ended them too
            person.set_password(password)
            person.save(update_fields=["password"])
        end_log_ins(user_id=user_id, now=now)
    return person
