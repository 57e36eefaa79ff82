"""What goes out, and the verdicts of a channel on it. Pure.

One call is one attempt with one verdict: whoever keeps the outbox decides when to try again.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Letter:
    """One e-mail. ``unsubscribe_url``: empty for mail about the account, which nobody can unsubscribe from.
    ``reference``: the delivery's id, which the provider's webhooks name and the Message-ID is made of, so that a repeat
    is the same message to mail servers."""

    to: str
    subject: str
    text: str
    html: str
    unsubscribe_url: str
    reference: str
    language: str


@dataclass(frozen=True)
class Push:
    """One message to one device. A repeat under the same ``collapse_key`` takes the first one's place there."""

    token: str
    title: str
    body: str
    url: str
    reference: str
    collapse_key: str


@dataclass(frozen=True)
class Text:
    """One SMS; ``to`` in E.164."""

    to: str
    body: str
    reference: str


class ChannelError(Exception):
    """A message that was not sent, or perhaps was. The text names no address."""


class AddressDead(ChannelError):
    """Nothing will ever reach this address."""


class MessageRefused(ChannelError):
    """This message will never be taken, which says nothing about the address."""


class ProviderBusy(ChannelError):
    """Surely not taken; ``retry_after`` in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class ProviderUnavailable(ChannelError):
    """Surely not taken."""


class OutcomeUnknown(ChannelError):
    """It may have been taken: the answer is missing."""
