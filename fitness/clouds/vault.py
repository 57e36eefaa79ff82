"""Tokens at rest: encrypted with the first of TOKEN_KEYS, readable with any of them, so that keys can be replaced."""

from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unreadable(Exception):
    """None of the keys opens it."""


@cache
def _vault(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def seal(text: str) -> str:
    return _vault(settings.TOKEN_KEYS).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Raises Unreadable."""
    try:
        return _vault(settings.TOKEN_KEYS).decrypt(sealed).decode()
    except (InvalidToken, ValueError):
        raise Unreadable("None of TOKEN_KEYS opens this.") from None


def reseal(sealed: str) -> str:
    """The same under the first key; when it was sealed is kept. Raises Unreadable."""
    try:
        return _vault(settings.TOKEN_KEYS).rotate(sealed).decode()
    except (InvalidToken, ValueError):
        raise Unreadable("None of TOKEN_KEYS opens this.") from None
