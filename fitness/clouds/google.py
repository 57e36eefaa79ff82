"""What Google's clouds have in common: OAuth 2.0 for web servers, lists in pages, and errors.

https://developers.google.com/identity/protocols/oauth2/web-server, https://google.aip.dev/158 and
https://google.aip.dev/193.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode

import structlog
from django.conf import settings

from config.core.outgoing import USUAL_WAIT_SECONDS
from fitness.clouds.base import CloudBusy, CloudRefused, ConsentNeeded, Grant, fields_of
from fitness.clouds.web import CloudAnswer, CloudWeb, Fields

log = structlog.get_logger(__name__)

MOST_PAGES = 100
MISSING_SCOPE = frozenset({"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"})
OVER_QUOTA = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"})
"""Older interfaces of Google say so with a 403: https://developers.google.com/drive/api/guides/handle-errors."""

Read = TypeVar("Read")


class GoogleCloud:
    """``scopes``: all of them are needed; people may tick off single ones."""

    name: str
    title: str
    scopes: frozenset[str]

    def __init__(self, web: CloudWeb) -> None:
        self._web = web
        self._client_id = str(getattr(settings, f"{self.name.upper()}_CLIENT_ID"))
        secret = str(getattr(settings, f"{self.name.upper()}_CLIENT_SECRET"))
        self._client = {"client_id": self._client_id, "client_secret": secret}

    def authorize_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        """``access_type=offline`` and ``prompt=consent``: else there is no refresh token when the person has consented
        before."""
        query = {
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": " ".join(sorted(self.scopes)),
            "access_type": "offline",
            "prompt": "consent",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{settings.GOOGLE_CONSENT_URL}/o/oauth2/v2/auth?{urlencode(query)}"

    def exchange(self, *, code: str, verifier: str, redirect_uri: str, now: datetime) -> Grant:
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        answer = self._token({**form, "redirect_uri": redirect_uri})
        if not self.scopes <= set(_text(answer, "scope").split()):
            raise ConsentNeeded(f"Not all that we need was allowed at {self.title}; connect again and allow it.")
        if not _text(answer, "refresh_token"):
            raise ConsentNeeded(f"{self.title} gave no lasting permission; connect again.")
        return self._grant(answer, _text(answer, "refresh_token"), now)

    def refresh(self, refresh_token: str, *, now: datetime) -> Grant:
        """Google keeps the refresh token as it is, and says so by not sending another."""
        answer = self._token({"grant_type": "refresh_token", "refresh_token": refresh_token})
        return self._grant(answer, _text(answer, "refresh_token") or refresh_token, now)

    def revoke(self, refresh_token: str) -> None:
        """Takes back everything that this client was allowed. ``invalid_token``: it was taken back before."""
        try:
            self._web.post(f"{settings.GOOGLE_TOKEN_URL}/revoke", form={"token": refresh_token}, repeat=True)
        except CloudAnswer as answer:
            if _text(answer.body, "error") != "invalid_token":
                raise CloudRefused(f"{self.title} did not take our permission back.") from None

    def _token(self, form: dict[str, str]) -> Fields:
        """``invalid_grant``: the code or the refresh token is not accepted, RFC 6749, section 5.2."""
        try:
            return self._web.post(f"{settings.GOOGLE_TOKEN_URL}/token", form={**self._client, **form})
        except CloudAnswer as answer:
            if _text(answer.body, "error") == "invalid_grant":
                raise ConsentNeeded(f"The permission at {self.title} has ended; connect again.") from None
            raise CloudRefused(f"{self.title} does not accept this server's credentials.") from None

    def _get(self, url: str, query: Mapping[str, str], access: str) -> Fields:
        try:
            return self._web.get(url, params=query, access=access)
        except CloudAnswer as answer:
            reasons = _reasons(answer.body)
            if reasons & MISSING_SCOPE:
                raise ConsentNeeded(f"Not all that we need was allowed at {self.title}; connect again.") from None
            if reasons & OVER_QUOTA:
                raise CloudBusy(f"{self.title} asks us to wait.", USUAL_WAIT_SECONDS) from None
            if answer.status == 404:
                raise
            log.warning("cloud_refused", provider=self.name, status=answer.status, reasons=sorted(reasons))
            raise CloudRefused(str(answer)) from None

    def _listed(self, url: str, query: Mapping[str, str], access: str, *, items: str) -> list[Any]:
        """The ``items`` of all pages."""
        found: list[Any] = []
        page: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            answer = self._get(url, {**query, **page}, access)
            some, token = answer.get(items, []), answer.get("nextPageToken", "")
            if not isinstance(some, list) or not isinstance(token, str):
                raise self._unreadable()
            found += some
            if not token:
                return found
            page = {"pageToken": token}
        raise CloudRefused(f"{self.title} gave more pages than we read.")

    def _read(self, items: Sequence[Any], read: Callable[[Any], Read]) -> list[Read]:
        """Those that can be read. One that cannot is left out: its neighbours are good. Raises CloudRefused when none
        can, which would look as if everything had been deleted there."""
        found: list[Read] = []
        for item in items:
            try:
                found.append(read(item))
            except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
                continue
        if len(found) < len(items):
            log.warning("cloud_points_unreadable", provider=self.name, count=len(items) - len(found))
        if items and not found:
            raise self._unreadable()
        return found

    def _unreadable(self) -> CloudRefused:
        return CloudRefused(f"{self.title} gave an answer that we cannot read.")

    def _grant(self, answer: Fields, refresh: str, now: datetime) -> Grant:
        access, seconds = _text(answer, "access_token"), answer.get("expires_in")
        if not access or not isinstance(seconds, int) or not 0 < seconds < 10**7:
            raise self._unreadable()
        return Grant(access, refresh, now + timedelta(seconds=seconds))


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _reasons(body: Fields) -> frozenset[str]:
    """Of google.rpc.ErrorInfo in the details, and of the older list of errors."""
    error = fields_of(body.get("error"))
    listed = [error.get("details"), error.get("errors")]
    entries = [fields_of(one) for some in listed if isinstance(some, list) for one in some]
    return frozenset(entry["reason"][:100] for entry in entries if isinstance(entry.get("reason"), str))
