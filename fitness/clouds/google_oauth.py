"""Google's OAuth 2.0 for web servers: https://developers.google.com/identity/protocols/oauth2/web-server."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.conf import settings

from fitness.clouds.base import CloudRefused, ConsentNeeded, Grant
from fitness.clouds.web import CloudAnswer, CloudWeb, Fields


class GoogleOAuth:
    """What both of Google's clouds have in common. ``scopes``: all of them are needed; people may tick off single
    ones."""

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
            self._web.post(f"{settings.GOOGLE_TOKEN_URL}/revoke", form={"token": refresh_token})
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

    def _grant(self, answer: Fields, refresh: str, now: datetime) -> Grant:
        access, seconds = _text(answer, "access_token"), answer.get("expires_in")
        if not access or not isinstance(seconds, int) or not 0 < seconds < 10**7:
            raise CloudRefused(f"{self.title} gave an answer that we cannot read.")
        return Grant(access, refresh, now + timedelta(seconds=seconds))


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
