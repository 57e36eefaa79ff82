"""Sends a message by the channel that it is for."""

from accounts.channels.base import Letter, ProviderUnavailable, Push, Text


def send(message: Letter | Push | Text) -> str:
    """The provider's id of it. Raises ChannelError."""
    raise ProviderUnavailable("There is no channel yet.")


def sent_already(message: Text) -> str | None:
    """The provider's id of a message that may have been sent, None if it was not. Raises ChannelError."""
    raise ProviderUnavailable("There is no channel yet.")
