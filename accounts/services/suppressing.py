"""Addresses that are not written to: mail came back from them, or their owner said stop."""

from datetime import datetime

from django.utils.crypto import salted_hmac

from accounts.models import Suppression
from accounts.notices import Channel


def is_suppressed(channel: Channel, address: str) -> bool:
    return Suppression.objects.filter(channel=channel, address_digest=_digest(channel, address)).exists()


def suppress_address(*, channel: Channel, address: str, reason: str, now: datetime) -> None:
    """A second time changes nothing: the first reason stays."""
    Suppression.objects.get_or_create(
        channel=channel,
        address_digest=_digest(channel, address),
        defaults={"reason": reason[:300], "since": now},
    )


def resume_address(*, channel: Channel, address: str) -> None:
    Suppression.objects.filter(channel=channel, address_digest=_digest(channel, address)).delete()


def _digest(channel: Channel, address: str) -> str:
    """Keyed, because addresses can be guessed."""
    return salted_hmac(f"suppression:{channel}", address.strip().lower(), algorithm="sha256").hexdigest()
