"""Push messages by Firebase Cloud Messaging: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send.

A repeat takes the place of the first: in the drawer of Android by its tag, at Apple by its collapse id, in browsers by
Topic and tag. FCM's own collapse key cannot do that for messages that show themselves, which it always collapses while
a device is away (https://firebase.google.com/docs/cloud-messaging/customize-messages/collapsible-message-types), four
keys of a device at most; the list in the app has them all.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from threading import Lock
from typing import Any

import httpx
from django.conf import settings
from google.auth.exceptions import GoogleAuthError
from google.auth.transport import Request as TokenRequest
from google.auth.transport import Response as TokenResponse
from google.oauth2.service_account import Credentials

from accounts.channels.attempts import Fields, answered, attempt, fields_of, refuse_failures
from accounts.channels.base import (
    AddressDead,
    ChannelError,
    MessageRefused,
    OutcomeUnknown,
    ProviderMisconfigured,
    ProviderUnavailable,
    Push,
)

PROVIDER = "FCM"
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_DEAD = {"UNREGISTERED": "is not registered any more", "SENDER_ID_MISMATCH": "belongs to another sender"}


def send_push(push: Push) -> str:
    """The name that FCM gives it."""
    with attempt(PROVIDER, push.reference):
        account = _account(settings.FCM_SERVICE_ACCOUNT)
        token = account.token()
        answer = _sent(push, account, token)
        if answer.status_code == 401 and _reason(fields_of(answer.content)) != "THIRD_PARTY_AUTH_ERROR":
            # Turned away at the door, so this is no repeat: an access token can end before its time.
            answer = _sent(push, account, account.token(other_than=token))
        refuse_failures(PROVIDER, answer.status_code, answer.headers)
        fields = fields_of(answer.content)
        if answer.status_code >= 400:
            raise _refusal(answer.status_code, fields)
        name = fields.get("name")
        if not isinstance(name, str) or not name:
            raise OutcomeUnknown(f"{PROVIDER} gave an answer that cannot be read.")
        return name.rpartition("/")[2]


def _sent(push: Push, account: "_Account", token: str) -> httpx.Response:
    url = f"{settings.FCM_URL}/v1/projects/{account.project}/messages:send"
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return answered(PROVIDER, httpx.Request("POST", url, json={"message": _message(push)}, headers=headers))


def _message(push: Push) -> Fields:
    """https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages#Message"""
    key = _collapse_id(push.collapse_key)
    webpush: dict[str, Any] = {"headers": {"Topic": key}, "notification": {"tag": key}}
    if push.url.startswith("https://"):  # FCM takes no other
        webpush["fcm_options"] = {"link": push.url}
    return {
        "token": push.token,
        "notification": {"title": push.title, "body": push.body},
        "data": {"url": push.url, "reference": push.reference},
        "android": {"collapse_key": key, "notification": {"tag": key}},
        "apns": {"headers": {"apns-collapse-id": key}},
        "webpush": webpush,
    }


def _collapse_id(key: str) -> str:
    """32 characters of URL-safe base64, which is the most that a Topic may have (RFC 8030, section 5.4); Apple allows
    64 bytes."""
    return urlsafe_b64encode(sha256(key.encode()).digest()[:24]).decode()


def _refusal(status: int, fields: Fields) -> ChannelError:
    """https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode. A 404 that does not say UNREGISTERED may be
    about the project, and must not cost everybody their devices."""
    reason = _reason(fields)
    shown = f"{status}, {reason}" if reason else f"{status}"
    if reason in _DEAD:
        return AddressDead(f"{PROVIDER} says that the device {_DEAD[reason]} ({shown}).")
    if reason == "INVALID_ARGUMENT" and _is_about_the_token(fields):
        return AddressDead(f"{PROVIDER} says that the device's token is none ({shown}).")
    if status in (401, 403, 404):
        return ProviderMisconfigured(f"{PROVIDER} does not accept our service account or project ({shown}).")
    return MessageRefused(f"{PROVIDER} refused the message ({shown}).")


def _reason(fields: Fields) -> str:
    """The errorCode of FCM's own detail; "" where there is none, which is never about a device."""
    codes = (detail.get("errorCode") for detail in _details(fields) if _type(detail) == "FcmError")
    code = next(codes, "")
    return code if isinstance(code, str) and code.replace("_", "").isalpha() else ""


def _is_about_the_token(fields: Fields) -> bool:
    """Documented in two shapes: with the field that is wrong, and with a message alone."""
    named = [
        violation.get("field")
        for detail in _details(fields)
        if _type(detail) == "BadRequest"
        for violation in _objects(detail.get("fieldViolations"))
    ]
    message = fields["error"].get("message")
    return "message.token" in named if named else isinstance(message, str) and "registration token" in message


def _details(fields: Fields) -> Iterator[Fields]:
    error = fields.get("error")
    return _objects(error.get("details")) if isinstance(error, dict) else iter(())


def _objects(value: object) -> Iterator[Fields]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _type(detail: Fields) -> str:
    return str(detail.get("@type", "")).rpartition(".")[2]


class _Account:
    """A service account and its access token, which all threads share until it ends."""

    def __init__(self, text: str) -> None:
        info = json.loads(text)
        self.project: str = info["project_id"]
        self._credentials = Credentials.from_service_account_info(info, scopes=[_SCOPE])  # type: ignore[no-untyped-call]  # google-auth has no types here
        self._lock = Lock()

    def token(self, *, other_than: str = "") -> str:
        """Fetched when there is none that is good, or when that is ``other_than``, which was just refused."""
        with self._lock:
            if not self._credentials.valid or self._credentials.token == other_than:
                try:
                    self._credentials.refresh(_fetch_token)
                except GoogleAuthError:
                    raise ProviderMisconfigured("Our service account cannot sign for FCM.") from None
            return str(self._credentials.token)


_accounts = cache(_Account)
_accounts_lock = Lock()


def _account(text: str) -> _Account:
    with _accounts_lock:  # or threads that begin together would each have one
        return _accounts(text)


class _Tokens(TokenResponse):
    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        return self._answer.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self._answer.headers

    @property
    def data(self) -> bytes:
        return self._answer.content


class _TokenFetcher(TokenRequest):
    """How google-auth asks for an access token (https://developers.google.com/identity/protocols/oauth2/service-account).
    Whatever is not one ends here, because google-auth would ask again and again; and as the message itself has not left
    yet, nothing is unknown."""

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> TokenResponse:
        try:
            answer = answered("Google", httpx.Request(method, url, content=body, headers=headers))
            refuse_failures("Google", answer.status_code, answer.headers)
        except OutcomeUnknown as unknown:
            raise ProviderUnavailable(str(unknown)) from None
        if answer.status_code >= 400:
            raise ProviderMisconfigured(f"Google does not accept our service account ({answer.status_code}).")
        fields = fields_of(answer.content)
        if not isinstance(fields.get("access_token"), str) or not isinstance(fields.get("expires_in"), int):
            raise ProviderUnavailable("Google gave an answer that cannot be read.")
        return _Tokens(answer)


_fetch_token = _TokenFetcher()
