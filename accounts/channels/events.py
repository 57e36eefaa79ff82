"""What providers tell us about messages and addresses, in the same words whoever says it. Pure.

``reference`` is the delivery's id as we gave it to them, "" where they do not name it: then only the address counts.
``address``: an e-mail address or a number in E.164, never to be logged.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Accepted:
    """The provider has it: proof for an attempt of which nobody knew how it ended."""

    reference: str
    provider_id: str


@dataclass(frozen=True)
class Delivered:
    """It reached the other side's server or handset."""

    reference: str
    provider_id: str


@dataclass(frozen=True)
class Failed:
    """It will not arrive; the next one may."""

    reference: str
    reason: str


@dataclass(frozen=True)
class Bounced:
    """It will not arrive, nor will any other at this address."""

    reference: str
    channel: str
    address: str
    reason: str


@dataclass(frozen=True)
class Complained:
    """It arrived, and its reader called it spam."""

    reference: str
    channel: str
    address: str


@dataclass(frozen=True)
class Stopped:
    channel: str
    address: str


@dataclass(frozen=True)
class Resumed:
    channel: str
    address: str


MessageEvent = Accepted | Delivered | Failed | Bounced | Complained | Stopped | Resumed


class BadSignature(Exception):
    """Whoever sent this is not the provider, or sent it too long ago."""
