"""How local accounts prove their password, over the API and in the admin site alike."""

from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts.models import User
from accounts.rules import DEMO_DOMAIN
from config.core.limits import take_log_in_tokens
from config.core.request import address_of, direct_address_of


class LimitedModelBackend(ModelBackend):
    """Django's own check, after the guess has been counted. Raises TooMany."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if username:
            take_log_in_tokens(address_of(request), username)
            if username.lower().endswith(DEMO_DOMAIN) and not _may_use_demo(request):
                return None
        person = super().authenticate(request, username=username, password=password, **kwargs)
        return person if isinstance(person, User) else None


def _may_use_demo(request: HttpRequest | None) -> bool:
    """The demo's passwords are public: they open nothing without DEBUG, and nothing from another machine with it."""
    address = direct_address_of(request)
    return settings.DEBUG and bool(address) and ip_address(address).is_loopback
