"""The links in account mails, made whenever a mail is written and stored nowhere: Django's token holds as long as the
account is as it was then."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts.models import User


def verification_link(person: User) -> str:
    return _link("verify-email", person)


def password_reset_link(person: User) -> str:
    return _link("reset-password", person)


def _link(purpose: str, person: User) -> str:
    whose = urlsafe_base64_encode(force_bytes(person.pk))
    return f"{settings.PUBLIC_URL}/{purpose}/{whose}.{default_token_generator.make_token(person)}"
