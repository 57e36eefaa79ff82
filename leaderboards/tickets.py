"""Signed, read-only tickets for one public board: what its web page connects with."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.core import signing

_SALT = "leaderboards.board-ticket"
LIFETIME = timedelta(hours=12)
"""A wall screen reloads the page when its ticket ends."""


@dataclass(frozen=True)
class Ticket:
    competition_id: UUID
    expires_at: datetime


def ticket_for_board(competition_id: UUID, now: datetime) -> str:
    return signing.dumps([competition_id.hex, int((now + LIFETIME).timestamp())], salt=_SALT)


def ticket_of(text: str) -> Ticket | None:
    """What the ticket opens and until when; None when it is forged. Whoever admits with it also ends with it."""
    try:
        board, expires_at = signing.loads(text, salt=_SALT)
    except signing.BadSignature:
        return None
    return Ticket(UUID(hex=board), datetime.fromtimestamp(expires_at, UTC))
