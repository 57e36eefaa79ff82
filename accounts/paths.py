"""People as paths name them."""

from uuid import UUID

from rest_framework.request import Request

from config.core.api import uuid_of
from config.core.errors import NotFound


def person_named(request: Request, text: str) -> UUID:
    """A user id, or ``me`` for the signed-in person. Raises NotFound for what is neither."""
    return user_id_named(text, me=request.user.id if request.user.is_authenticated else None)


def user_id_named(text: str, *, me: UUID | None) -> UUID:
    """The same for a caller without a request; ``me`` is None for a service."""
    if text != "me":
        return uuid_of(text)
    if me is None:
        raise NotFound("A service has no “me”.")
    return me
