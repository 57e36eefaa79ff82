"""What goes out to people, and the ways in which sending it can end. Pure.

A channel makes one attempt and gives one verdict: it returns the provider's id of the message, or raises exactly one
of the errors below. It repeats nothing; whoever calls it decides when to try again.

| how it ended | verdict |
|---|---|
| taken | the provider's id |
| the address is no use, for good | AddressDead; AddressStopped if its owner may change that |
| the message is no use, for good | MessageRefused |
| not taken: too many requests, or the circuit is open | ProviderBusy |
| not taken: no connection, 503 | ProviderUnavailable |
| not taken: our credentials, our sender, our account | ProviderMisconfigured, which is a ProviderUnavailable |
| perhaps taken: no answer, a cut one, any other 5xx, an unreadable 2xx | OutcomeUnknown |

A 500, 502 or 504 says that something broke on the way, not that nothing was done before it did; only 503 means that a
request was turned away (https://www.rfc-editor.org/rfc/rfc9110#name-503-service-unavailable).

The texts of errors are shown to the operator and kept, so they hold nothing that a provider said in its own words:
those may repeat an address or a number.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Letter:
    """One e-mail. ``reference``: the delivery's id, which the provider's webhooks name; the Message-ID is made of it,
    so that a repeat is the same message to mail servers. ``unsubscribe_url``: "" for mail about the account itself."""

    to: str
    subject: str
    text: str
    html: str
    unsubscribe_url: str
    reference: str
    language: str


@dataclass(frozen=True)
class Push:
    """One message to one device. Under the same ``collapse_key`` it takes the place of an earlier one there."""

    token: str
    title: str
    body: str
    url: str
    reference: str
    collapse_key: str


@dataclass(frozen=True)
class Text:
    """One SMS. ``to``: E.164."""

    to: str
    body: str
    reference: str


class ChannelError(Exception):
    """It did not go out, or perhaps did not. The text is one sentence for the operator."""


class AddressDead(ChannelError):
    """For good: nothing will ever arrive at this address, so nothing more is sent there."""


class AddressStopped(AddressDead):
    """The owner of the address told the provider to stop. They can take it back there."""


class MessageRefused(ChannelError):
    """For good, and it says nothing about the address: this message cannot be sent."""


class ProviderBusy(ChannelError):
    """Surely not taken. Nothing is to be sent for ``retry_after`` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class ProviderUnavailable(ChannelError):
    """Surely not taken. ``retry_after``: seconds that the provider asks for; None when it does not say."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class ProviderMisconfigured(ProviderUnavailable):
    """Surely not taken, nor anything else until the operator has put it right: then everything that waited goes out."""


class OutcomeUnknown(ChannelError):
    """It may have been taken. Look for it, or wait for the provider's word, before it is sent again."""
