"""Who may call at all; what exactly they may touch is asked where it is read."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import Scope, ServiceKey, User


def caller(request: Request) -> User:
    """The signed-in person, of whom a view's permissions have made sure."""
    assert isinstance(request.user, User)
    return request.user


def caller_or_key(request: Request) -> User | ServiceKey:
    """The same where a service may call as well."""
    return request.auth if isinstance(request.auth, ServiceKey) else caller(request)


def holds_scope(request: Request, scope: Scope) -> bool:
    return isinstance(request.auth, ServiceKey) and request.auth.allows(scope)


class PersonOnly(BasePermission):
    """Signed-in people; a service key is not a person."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user.is_authenticated)


class PersonOrKey(BasePermission):
    """Signed-in people, and keys that hold the scope that the view names as its ``key_scope``."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user.is_authenticated) or holds_scope(request, view.key_scope)  # type: ignore[attr-defined]  # which such a view has
