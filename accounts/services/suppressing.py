"""Addresses that are not written to: mail came back from them, or their owner said stop."""

from datetime import datetime

from django.utils.crypto import salted_hmac

from accounts.models import Suppression
from accounts.notices import Channel


def is_suppressed(channel: Channel, address: str, *, about_account: bool = False) -> bool:
    known = Suppression.objects.filter(channel=channel, address_digest=_digest(channel, address))
    return (known.filter(account_too=True) if about_account else known).exists()


def suppress_address(*, channel: Channel, address: str, reason: str, now: datetime, account_too: bool = True) -> None:
    """A second time changes nothing, and the first reason stays; unless only now messages about the account itself are
    meant as well (``account_too``)."""
    found, is_new = Suppression.objects.get_or_create(
        channel=channel,
        address_digest=_digest(channel, address),
        defaults={"reason": reason[:300], "since": now, "account_too": account_too},
    )
    if not is_new and account_too and not found.account_too:
        Suppression.objects.filter(id=found.pk).update(account_too=True, reason=reason[:300], since=now)


def resume_address(*, channel: Channel, address: str) -> None:
    Suppression.objects.filter(channel=channel, address_digest=_digest(channel, address)).delete()


def _digest(channel: Channel, address: str) -> str:
    """Keyed, because addresses can be guessed."""
    return salted_hmac(f"suppression:{channel}", address.strip().lower(), algorithm="sha256").hexdigest()
