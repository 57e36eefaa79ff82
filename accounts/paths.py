"""People as paths name them."""

from uuid import UUID

from rest_framework.request import Request

from config.core.api import uuid_of
from config.core.errors import NotFound


def person_named(request: Request, text: str) -> UUID:
    """A user id, or ``me`` for the signed-in person. Raises NotFound for what is neither."""
    if text != "me":
        return uuid_of(text)
    if not request.user.is_authenticated:
        raise NotFound("A service has no “me”.")
    return request.user.id
