"""The lockout at the panel's door: so many wrong passwords and codes for one name from one address, then a pause.

Kept in PostgreSQL by django-axes. How fast anybody may guess at either door is another rule: `config.core.limits`.
"""

import math
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.auth.signals import user_login_failed
from django.db.models import Max
from django.http import HttpRequest

from accounts.models import User
from config.core.errors import TooMany
from config.core.request import address_of


class LockedOut(TooMany):
    """Says for how long."""


class PanelDoor(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Counts at the panel's door only; the API's has the limits on guesses, and nobody there types one-time codes."""

    def user_login_failed(self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any) -> None:
        if request is not None and self.is_admin_request(request):
            super().user_login_failed(sender, credentials, request, **kwargs)

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        if self.is_admin_request(request):
            super().user_logged_in(sender, request, user, **kwargs)

    def user_logged_out(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Nothing is kept of it."""


def name_of(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """What was typed as the name, in the one way of writing it."""
    typed = (credentials or {}).get("username") or request.POST.get("username") or ""
    return str(typed).strip().lower()[:255]


def address_to_lock(request: HttpRequest) -> str | None:
    """As PROXY_COUNT has it found out."""
    return address_of(request) or None


def count_wrong_code(request: HttpRequest, person: User) -> None:
    """A wrong code is a guess as a wrong password is."""
    user_login_failed.send(__name__, credentials={"username": person.get_username()}, request=request)


def refuse_locked_out(request: HttpRequest, person: User) -> None:
    """Raises LockedOut."""
    credentials = {"username": person.get_username()}
    if not AxesProxyHandler.is_allowed(request, credentials):
        raise lockout_of(request, credentials)


def lockout_of(request: HttpRequest, credentials: dict[str, Any] | None) -> LockedOut:
    """What whoever sent this request is told when they are locked out."""
    handler = AxesProxyHandler.get_implementation()
    AxesProxyHandler.update_request(request)
    threshold = get_cool_off_threshold(request)
    (attempts,) = handler.get_user_attempts(request, credentials)
    latest = attempts.aggregate(latest=Max("attempt_time"))["latest"] or threshold
    seconds = max(1, math.ceil((latest - threshold).total_seconds()))
    minutes = math.ceil(seconds / 60)
    return LockedOut(
        "Too many wrong passwords or codes were given for this account from where you are."
        f" Try again in {minutes} minute{'' if minutes == 1 else 's'}.",
        retry_after=seconds,
    )


def forget_log_ins(*, email: str) -> None:
    """Erases who tried to log in, and did, under this name."""
    for table in (AccessAttempt, AccessFailureLog, AccessLog):
        table.objects.filter(username=email.lower()).delete()
