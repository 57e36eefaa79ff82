"""Everything that changes people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, connection, transaction

from accounts.codes import forget_codes
from accounts.lockout import forget_log_ins
from accounts.models import IdentityProvider, User
from accounts.services.addresses import send_verification
from accounts.services.exports import forget_exports
from accounts.services.log_ins import forget_log_in_tokens
from accounts.services.notifying import forget_notifications
from accounts.services.passwords import set_password
from accounts.services.pictures import remove_picture_after_commit
from accounts.signals import person_erased, profile_changed
from accounts.tokens import Claims
from config.core.errors import Conflict, NotFound

ERASED_NAME = "Former participant"

_PLACEHOLDERS = UUID("6f2f1c9e-5f0b-4e0e-9c57-3a4b5d1d7a10")


class EmailTaken(Conflict):
    message = "There is already an account with this e-mail."


@transaction.atomic
def register_person(*, email: str, password: str, name: str, now: datetime) -> User:
    """A local account, whose e-mail is asked to be verified. Raises Invalid for a weak password, EmailTaken."""
    person = User(email=email.lower(), name=name)
    set_password(person=person, password=password)
    try:
        with transaction.atomic():
            person.save(force_insert=True)
    except IntegrityError:
        raise EmailTaken from None
    send_verification(person=person, now=now)
    return person


def admit_person(claims: Claims) -> User | None:
    """Whose token this is. The first valid Supabase token creates the person, once, however many arrive together.

    None for someone who is deactivated or erased, and for a subject that another issuer has used: an id
    belongs to the issuer that brought it.
    """
    person = admit_people([claims]).get(claims.subject)
    return person if person is not None and person.identity_provider == claims.issuer else None


def admit_people(claims: Sequence[Claims]) -> dict[UUID, User]:
    """The active people whose tokens say this, by their ids, and whatever issuer they came from; newcomers of
    Supabase's are created. The number of statements does not depend on how many they are."""
    subjects = {said.subject for said in claims}
    people = User.objects.in_bulk(subjects)
    newcomers = {
        said.subject: said for said in claims if said.subject not in people and said.issuer == IdentityProvider.SUPABASE
    }
    if newcomers:
        User.objects.bulk_create([_newcomer(said) for said in newcomers.values()], ignore_conflicts=True)
        people |= User.objects.in_bulk(newcomers.keys())
    return {user_id: person for user_id, person in people.items() if person.is_active}


def _newcomer(claims: Claims) -> User:
    newcomer = User(
        id=claims.subject,
        identity_provider=IdentityProvider.SUPABASE,
        email=claims.email,
        name=_name_from(claims),
    )
    newcomer.set_unusable_password()
    return newcomer


def _name_from(claims: Claims) -> str:
    return f"Walker {claims.subject.hex[:6]}"  # never the e-mail's local part: names are public, e-mails are not


@transaction.atomic
def change_profile(*, user_id: UUID, changes: Mapping[str, str]) -> User:
    """``changes``: any of name, bio, country, timezone, language, already checked. Raises NotFound for somebody who was
    erased meanwhile."""
    if not lock_people([user_id]):
        raise NotFound("There is no such person.")
    person = User.objects.get(id=user_id)
    shown_differently = "name" in changes and changes["name"] != person.name
    for field, value in changes.items():
        setattr(person, field, value)
    person.save(update_fields=[*changes, "updated_at"])
    if shown_differently:
        profile_changed.send(User, user=person)
    return person


@transaction.atomic
def erase_person(*, user_id: UUID, now: datetime) -> User:
    """Forgets who this was, for good; the id stays, because finished boards and the ledger refer to it. What becomes of
    each table stands in docs/decisions/0027-erasure.md. A second time changes nothing. Raises NotFound, and what those
    raise who listen: nobody who organises a competition that is not over can go."""
    person = User.objects.select_for_update(no_key=True).filter(id=user_id).first()
    if person is None:
        raise NotFound("There is no such person.")
    if person.erased_at is None:
        _forget_what_hangs_on(person)
        person.name, person.email, person.is_active, person.erased_at = ERASED_NAME, None, False, now
        person.is_staff = person.is_superuser = False
        person.email_verified_at = person.last_login = None
        person.bio = person.avatar = person.country = person.timezone = person.language = ""
        person.set_unusable_password()
        person.save()
        person_erased.send(User, user_id=person.id, erased_at=now)
        profile_changed.send(User, user=person)
    return person


def _forget_what_hangs_on(person: User) -> None:
    if person.email:
        forget_log_ins(email=person.email)
    forget_log_in_tokens(user_id=person.id)
    forget_codes(person=person)
    person.groups.clear()
    person.user_permissions.clear()
    forget_notifications(user_id=person.id)
    forget_exports(user_id=person.id)
    remove_picture_after_commit(user_id=person.id, digest=person.avatar)
    LogEntry.objects.filter(content_type__model="user", object_id=str(person.id)).delete()  # it writes down names


def lock_people(user_ids: Iterable[UUID]) -> set[UUID]:
    """Locks these people until the transaction ends, always in the same order, and says who of them exists and
    was not erased meanwhile.

    Whatever moves a person's totals takes this lock first: two syncs of one person would otherwise each
    add up the day without seeing the other.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, erased_at FROM accounts_user WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [list(user_ids)]
        )
        return {user_id for user_id, erased_at in cursor.fetchall() if erased_at is None}


def make_placeholder_people(*, origin: str, names: Mapping[str, str], dry_run: bool = False) -> dict[str, UUID]:
    """People known only from somebody else's file, by their name there; ``names`` maps that to the name to show.

    Their id is made of both, so the same file gives the same people. They cannot log in."""
    people = {known_as: uuid5(_PLACEHOLDERS, f"{origin}:{known_as}") for known_as in names}
    if not dry_run:
        newcomers = [
            User(id=people[known_as], name=name, password=make_password(None)) for known_as, name in names.items()
        ]
        User.objects.bulk_create(newcomers, ignore_conflicts=True)
    return people
