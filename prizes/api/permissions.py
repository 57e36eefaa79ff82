"""Who may move money."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import Scope, ServiceKey
from accounts.permissions import caller, holds_scope
from prizes.actors import Actor

TREASURER = "prizes.distribute_prizes"


class TreasurerOnly(BasePermission):
    message = "Only a treasurer may do this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user.is_authenticated and caller(request).has_perm(TREASURER))


class TreasurerOrKey(TreasurerOnly):
    """Also keys that hold the scope that the view names as its ``key_scope``."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        scope: Scope = view.key_scope  # type: ignore[attr-defined]  # which such a view has
        return holds_scope(request, scope) or super().has_permission(request, view)


def actor_of(request: Request) -> Actor:
    if isinstance(request.auth, ServiceKey):
        return Actor(service_key=request.auth.name)
    return Actor(user=caller(request))
