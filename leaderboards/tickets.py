"""Signed, read-only tickets for one public board: what its web page connects with."""

from uuid import UUID

from django.core import signing

_SALT = "leaderboards.board-ticket"
MAX_AGE_SECONDS = 12 * 3600
"""A wall screen reloads the page when its ticket ends."""


def ticket_for_board(competition_id: UUID) -> str:
    return signing.TimestampSigner(salt=_SALT).sign(competition_id.hex)


def board_of_ticket(ticket: str) -> UUID | None:
    """The board that the ticket opens; None when it is forged or has expired."""
    try:
        return UUID(hex=signing.TimestampSigner(salt=_SALT).unsign(ticket, max_age=MAX_AGE_SECONDS))
    except (signing.BadSignature, ValueError):
        return None
