"""Who may look at how the server is doing."""

from ipaddress import ip_address

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.authentication import CallerAuthentication
from accounts.models import Scope, ServiceKey, User
from config.core.errors import Forbidden
from config.core.request import direct_address_of


def operators_only(request: HttpRequest) -> None:
    """The configured networks, keys with the scope, and staff. Raises Forbidden."""
    if is_in_operations(direct_address_of(request)):
        return
    try:
        caller, key = CallerAuthentication().authenticate(Request(request)) or (AnonymousUser(), None)
    except AuthenticationFailed:
        raise Forbidden from None
    if isinstance(key, ServiceKey) and key.allows(Scope.OPERATIONS_READ):
        return
    if isinstance(caller, User) and caller.has_perm("accounts.read_operations"):
        return
    raise Forbidden("Operators only.")


def is_in_operations(address: str) -> bool:
    return bool(address) and any(ip_address(address) in network for network in settings.OPERATIONS_NETWORKS)
