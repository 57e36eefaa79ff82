"""The links in account mails. What they end in says whose it is, and holds while the account is as it was when the link
was made: it is made whenever a mail is written, and stored nowhere.

It is signed, not secret by itself: who has it has read the mail. In a log it is cut out, as every token is.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import IdentityProvider, User
from config.core.errors import Invalid


class Purpose(StrEnum):
    """What a link is good for, as its address says it."""

    VERIFY_EMAIL = "verify-email"
    RESET_PASSWORD = "reset-password"  # noqa: S105 - a name


GOOD_FOR = {Purpose.VERIFY_EMAIL: timedelta(days=3), Purpose.RESET_PASSWORD: timedelta(hours=1)}


class LinkUsedUp(Invalid):
    message = "This link was used, or is too old; ask for a new one."

    def __init__(self) -> None:
        super().__init__(details={"token": [self.message]})


@dataclass(frozen=True)
class _Said:
    user_id: UUID
    mark: str


def verification_link(person: User) -> str:
    return f"{settings.PUBLIC_URL}/{Purpose.VERIFY_EMAIL}/{token_for(person, Purpose.VERIFY_EMAIL)}"


def password_reset_link(person: User) -> str:
    return f"{settings.PUBLIC_URL}/{Purpose.RESET_PASSWORD}/{token_for(person, Purpose.RESET_PASSWORD)}"


def token_for(person: User, purpose: Purpose) -> str:
    said = {"id": str(person.id), "mark": _mark(person, purpose)}
    return signing.dumps(said, salt=_salt(purpose))


def holder_of(token: str, purpose: Purpose, *, locked: bool = False) -> User:
    """Whom the link was sent to; ``locked`` until the transaction ends. Raises LinkUsedUp."""
    said = _read(token, purpose)
    people = User.objects.select_for_update(no_key=True) if locked else User.objects.all()
    person = people.filter(id=said.user_id, is_active=True, identity_provider=IdentityProvider.LOCAL).first()
    if person is None or not constant_time_compare(said.mark, _mark(person, purpose)):
        raise LinkUsedUp
    return person


def _read(token: str, purpose: Purpose) -> _Said:
    try:
        said: Any = signing.loads(token, salt=_salt(purpose), max_age=GOOD_FOR[purpose])
    except (signing.BadSignature, ValueError):  # as what is no base64 says
        raise LinkUsedUp from None
    return _Said(UUID(said["id"]), said["mark"])


def _mark(person: User, purpose: Purpose) -> str:
    """Of what the link hangs on: another address, or for a new password another password, and it holds no more."""
    facts = [str(person.id), person.email or ""]
    if purpose == Purpose.RESET_PASSWORD:
        facts.append(person.password)
    return salted_hmac(_salt(purpose), "\n".join(facts), algorithm="sha256").hexdigest()[:32]


def _salt(purpose: Purpose) -> str:
    return f"accounts.links.{purpose}"
