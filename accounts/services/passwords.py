"""Setting a password: for a newcomer, with the link of a mail, and in place of one that is known."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.links import Purpose, holder_of
from accounts.models import IdentityProvider, User
from accounts.notices import Event
from accounts.queries import local_account_id
from accounts.services.log_ins import end_log_ins
from accounts.services.notifying import notify_people
from config.core.errors import Conflict, Invalid
from config.core.limits import take_log_in_tokens, take_mail_tokens


class NoPasswordHere(Conflict):
    message = "Your account is Supabase's; its password and address are changed there."


def set_password(*, person: User, password: str) -> None:
    """On the object only. Raises Invalid for a weak one."""
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise Invalid(details={"password": list(error.messages)}) from None
    person.set_password(password)


def request_password_reset(*, email: str, address: str) -> None:
    """Has a link sent to whoever has a local account with this e-mail. Raises TooMany.

    Nobody learns whether there is one: the same statements run and a job is enqueued either way, the limits count
    either way, and the job is nobody's to watch.
    """
    from accounts.tasks import mail_password_reset  # tasks call services

    take_mail_tokens(address, email)
    user_id = local_account_id(email)
    mail_password_reset.defer(user_id=str(user_id) if user_id else None)


def send_password_reset(*, user_id: UUID, now: datetime) -> None:
    """A link of its own each time; how often is for `request_password_reset` to limit."""
    notify_people(
        event=Event.PASSWORD_RESET, told={user_id: {}}, dedupe_key=f"password_reset:{now.isoformat()}", now=now
    )


@transaction.atomic
def reset_password(*, token: str, password: str, now: datetime) -> User:
    """Sets the password of whoever has the link, once, and ends every log-in. They have read their mail by that, so the
    address counts as verified. Raises LinkUsedUp, Invalid for a weak password."""
    person = holder_of(token, Purpose.RESET_PASSWORD, locked=True)
    set_password(person=person, password=password)
    person.email_verified_at = person.email_verified_at or now
    _store(person, now)
    return person


def change_password(*, user_id: UUID, current: str, password: str, address: str, now: datetime) -> User:
    """Ends every log-in but what the caller begins anew. Raises NoPasswordHere, TooMany, Invalid."""
    require_password(user_id=user_id, password=current, field="current", address=address)
    with transaction.atomic():
        person = User.objects.select_for_update(no_key=True).get(id=user_id)
        if not person.check_password(current):  # changed a moment ago
            raise _wrong("current")
        set_password(person=person, password=password)
        _store(person, now)
    return person


def require_password(*, user_id: UUID, password: str, field: str, address: str) -> None:
    """Whether the person knows their password, for what a stolen token must not do. A guess is counted as at log-in, so
    never inside a transaction that could take that back. Raises NoPasswordHere, TooMany, and Invalid at ``field``."""
    person = User.objects.get(id=user_id)
    if person.identity_provider != IdentityProvider.LOCAL:
        raise NoPasswordHere
    take_log_in_tokens(address, person.email or str(person.id))
    if not person.check_password(password):
        raise _wrong(field)


def _wrong(field: str) -> Invalid:
    return Invalid(details={field: ["This is not your password."]})


def _store(person: User, now: datetime) -> None:
    person.save(update_fields=["password", "email_verified_at"])
    end_log_ins(user_id=person.id, now=now)
    key = f"password_changed:{now.isoformat()}"
    notify_people(event=Event.PASSWORD_CHANGED, told={person.id: {}}, dedupe_key=key, now=now)
