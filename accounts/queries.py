from collections.abc import Collection, Iterable
from hashlib import sha256
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Lower

from accounts.models import IdentityProvider, Notification, ServiceKey, User
from config.core.errors import Forbidden, NotFound


def person(user_id: UUID) -> User:
    """Raises NotFound."""
    try:
        return User.objects.get(id=user_id)
    except User.DoesNotExist:
        raise NotFound("There is no such person.") from None


def person_called(called: str) -> User:
    """An active person by id or e-mail, as operators name people. Raises NotFound, also for an e-mail that several
    share: those of other issuers are not unique."""
    active = User.objects.filter(is_active=True)
    try:
        found = list(active.filter(id=UUID(called)))
    except ValueError:
        found = list(active.filter(email__iexact=called)[:2])
    if len(found) != 1:
        raise NotFound(f"{'Several people have' if found else 'Nobody has'} the e-mail or id {called}.")
    return found[0]


def local_account_id(email: str) -> UUID | None:
    """Of whoever logs in here with this e-mail, however it is written."""
    by_email = User.objects.annotate(in_small_letters=Lower("email"))  # as the unique index has them
    found = by_email.filter(
        identity_provider=IdentityProvider.LOCAL, in_small_letters=email.strip().lower(), is_active=True
    )
    return found.values_list("id", flat=True).first()


def people_by_id(user_ids: Iterable[UUID]) -> dict[UUID, User]:
    """Those of them who exist and were not erased."""
    return User.objects.filter(erased_at=None).in_bulk(list(user_ids))


def access_person(viewer: User, user_id: UUID) -> User:
    """The person whose private data ``viewer`` asks for: oneself, or anybody for staff who may view people.

    Raises NotFound for nobody and Forbidden for somebody else.
    """
    found = viewer if viewer.id == user_id else person(user_id)
    if found.id != viewer.id and not viewer.has_perm("accounts.view_user"):
        raise Forbidden("This belongs to somebody else.")
    return found


def access_person_to_change(viewer: User, user_id: UUID) -> User:
    """As access_person, for staff who may change people."""
    found = viewer if viewer.id == user_id else person(user_id)
    if found.id != viewer.id and not viewer.has_perm("accounts.change_user"):
        raise Forbidden("This belongs to somebody else.")
    return found


def active_service_key(secret: str) -> ServiceKey | None:
    digest = sha256(secret.encode()).hexdigest()
    return ServiceKey.objects.filter(digest=digest, revoked_at=None).first()


def callers_by_id(ids: Collection[UUID]) -> dict[UUID, User | ServiceKey]:
    """Those of these people who are active, and those of these keys that still hold."""
    people: dict[UUID, User | ServiceKey] = {**User.objects.filter(is_active=True).in_bulk(ids)}
    return people | ServiceKey.objects.filter(revoked_at=None).in_bulk([id_ for id_ in ids if id_ not in people])


def notifications_of(user_id: UUID, *, unread_only: bool = False) -> QuerySet[Notification]:
    """What the app shows this person, the newest first."""
    listed = Notification.objects.filter(user_id=user_id, listed=True)
    return listed.filter(read_at=None) if unread_only else listed


def unread_count(user_id: UUID) -> int:
    return notifications_of(user_id, unread_only=True).count()
