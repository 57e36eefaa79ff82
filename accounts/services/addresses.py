"""Showing that mail to an address reaches its person."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.links import Purpose, holder_of
from accounts.models import User
from accounts.notices import Event
from accounts.services.notifying import notify_people
from config.core.errors import Conflict
from config.core.limits import take_mail_tokens


class NothingToVerify(Conflict):
    message = "There is no address of yours that still waits to be verified."


@transaction.atomic
def verify_email(*, token: str, now: datetime) -> User:
    """A second time changes nothing. Raises LinkUsedUp."""
    person = holder_of(token, Purpose.VERIFY_EMAIL, locked=True)
    if person.email_verified_at is None:
        person.email_verified_at = now
        person.save(update_fields=["email_verified_at"])
    return person


def request_verification(*, user_id: UUID, address: str, now: datetime) -> None:
    """Sends the link once more. Raises NothingToVerify, TooMany."""
    person = User.objects.get(id=user_id)
    if person.email is None or person.has_verified_email:
        raise NothingToVerify
    take_mail_tokens(address, person.email)
    send_verification(person=person, now=now)


def send_verification(*, person: User, now: datetime) -> None:
    """In the transaction at hand."""
    key = f"verify_email:{now.isoformat()}"
    notify_people(event=Event.VERIFY_EMAIL, told={person.id: {}}, dedupe_key=key, now=now)
