"""What every cloud does for us, and the ways in which it can fail.

A cloud is somebody else's server with a person's activity on it. The person consents there (OAuth 2.0 with PKCE, RFC
6749 and RFC 7636), and we fetch with the tokens that come of it. A cloud is never called inside a transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from fitness.rules import Channel

RawSample = Mapping[str, Any]
"""A sample as `fitness.samples.read_sample` takes it."""


MOST_NAME = 200


def fields_of(value: object) -> Mapping[str, Any]:
    """Of an object in an answer; what is none has no fields."""
    return value if isinstance(value, dict) else {}


def name_of(*words: object) -> str:
    """What a cloud calls an app or a device, made of what can be shown: people name their devices as they like."""
    text = " ".join(word for word in words if isinstance(word, str) and word)
    return "".join(letter for letter in text if letter.isprintable())[:MOST_NAME]


class ConnectionState(StrEnum):
    """Of a person's connection to a cloud."""

    CONNECTED = "connected"
    NEEDS_CONSENT = "needs_consent"  # the cloud does not accept our tokens any more; only the person can help
    FAILING = "failing"  # the last fetch went wrong; it is tried again
    DISCONNECTED = "disconnected"


class CloudError(Exception):
    """Anything that goes wrong there. The text is one sentence for the person whose connection it is."""


class CloudUnavailable(CloudError):
    """No answer in time, a broken connection, an answer of the 500s or one that is cut off: it speaks against the cloud
    as a whole, and the same request may be sent again."""


class CloudBusy(CloudError):
    """Nothing is to be asked for ``retry_after`` seconds: too many requests, or the cloud is left alone."""

    def __init__(self, message: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class CloudRefused(CloudError):
    """The cloud does not do this, and would not next time: the operator must look."""


class TokenRefused(CloudError):
    """The access token is not, or not any more, accepted."""


class ConsentNeeded(CloudError):
    """The person has withdrawn the permission, or never gave all of it."""


@dataclass(frozen=True, repr=False)
class Grant:
    """``access`` is good until ``expires_at``; ``refresh`` gets the next one."""

    access: str
    refresh: str
    expires_at: datetime


@dataclass(frozen=True)
class Window:
    """Samples that start in it; ``end`` is exclusive."""

    start: datetime
    end: datetime


class Provider(Protocol):
    """Every call may raise a CloudError, and nothing else for what happens outside."""

    name: str
    title: str
    channel: Channel

    def authorize_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        """The page on which the person consents. ``challenge``: S256 of the verifier that `exchange` gets."""
        ...

    def exchange(self, *, code: str, verifier: str, redirect_uri: str, now: datetime) -> Grant:
        """Raises ConsentNeeded for a code that is not accepted, or when part of the permission is missing."""
        ...

    def refresh(self, refresh_token: str, *, now: datetime) -> Grant:
        """Raises ConsentNeeded when the permission has been withdrawn or has run out."""
        ...

    def revoke(self, refresh_token: str) -> None:
        """A token that is known no more is as good as revoked."""
        ...

    def account_of(self, access: str) -> str:
        """The cloud's own id of the person; empty where it has none."""
        ...

    def fetch(self, access: str, window: Window) -> Sequence[RawSample]:
        """Everything that starts in the window. The same data gives the same ids. Raises TokenRefused."""
        ...


@dataclass(frozen=True)
class Notification:
    """Somebody's data has changed; what, has to be fetched."""

    account: str
