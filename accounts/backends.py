"""How local accounts prove their password, over the API and in the admin site alike."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts.models import User
from config.core.limits import take_log_in_token


class LimitedModelBackend(ModelBackend):
    """Django's own check, after the guess has been counted against the account. Raises TooMany."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if username:
            take_log_in_token(username)
        person = super().authenticate(request, username=username, password=password, **kwargs)
        return person if isinstance(person, User) else None
