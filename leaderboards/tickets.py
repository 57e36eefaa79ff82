"""Tickets: what stands in an address instead of a token.

A *one-time* ticket lets its person in once, within seconds, to any board or to what is their own; the connection then
lives as long as the token that it was given for. A *board* ticket reads one board, any number of times until it
expires, and is exchanged for a fresh one before that. Its holder is a person, whose chain of renewals ends some time,
or, of a public board, anybody.

Both are signed texts that nobody has to look up. Only that a one-time ticket is spent is written down, in PostgreSQL:
Redis may forget everything at any moment.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_hex
from typing import Any
from uuid import UUID

from django.core import signing
from django.db import connection

from accounts.models import User
from competitions.queries import public_competition
from config.core.errors import NotFound
from leaderboards.models import SpentTicket
from leaderboards.queries import access_board

ONE_TIME_LIFETIME = timedelta(seconds=30)
BOARD_LIFETIME = timedelta(hours=1)
CHAIN_LIFETIME = timedelta(hours=12)
"""How long a person's board tickets are renewed after the token that the first was given for."""
KEPT_AFTER_EXPIRY = timedelta(hours=1)
"""Spent ones, because the clock of another server may be behind."""

_SALT = "leaderboards.ticket"
_ONE_TIME, _BOARD = "one-time", "board"
_INSERT = f"INSERT INTO {SpentTicket._meta.db_table} (digest, expires_at) VALUES (%s, %s) ON CONFLICT DO NOTHING"  # noqa: S608 - no value in it


class InvalidTicket(Exception):
    """The ticket opens nothing. The reason is for our log, never for the caller."""


@dataclass(frozen=True)
class Issued:
    text: str
    expires_at: datetime


@dataclass(frozen=True)
class Opened:
    """Who came in, None for a public board's anonymous ticket, and until when they may stay. ``one_board``: they may
    watch the board that the ticket names and no other."""

    viewer: User | None
    expires_at: datetime
    one_board: bool


def one_time_ticket(viewer: User, token_expires_at: datetime, now: datetime) -> Issued:
    expires_at = min(now + ONE_TIME_LIFETIME, token_expires_at)
    stay = {"viewer": viewer.id.hex, "until": token_expires_at.timestamp(), "nonce": token_hex(16)}
    return _issued(_ONE_TIME, expires_at, stay)


def board_ticket(viewer: User, competition_id: UUID, token_expires_at: datetime, now: datetime) -> Issued:
    """For somebody who may see the board; whoever calls has made sure."""
    return _board_ticket(competition_id, viewer.id.hex, (token_expires_at + CHAIN_LIFETIME).timestamp(), now)


def ticket_for_board(competition_id: UUID, now: datetime) -> str:
    """For anybody, of a public board; whoever calls has made sure."""
    return _board_ticket(competition_id, None, None, now).text


def renewed_ticket(text: str, now: datetime) -> Issued:
    """A fresh one for a board ticket. Raises InvalidTicket, also when its holder may not see the board any more."""
    claims = _claims_of(text, now)
    if claims["kind"] != _BOARD:
        raise InvalidTicket("good for one time only")
    board, viewer = UUID(hex=claims["board"]), _viewer(claims)
    try:
        if viewer is None:
            public_competition(board)
        else:
            access_board(viewer, board)
    except NotFound as error:
        raise InvalidTicket("the board is not theirs to see") from error
    return _board_ticket(board, claims["viewer"], claims["until"], now)


def open_ticket(text: str, competition_id: UUID | None, now: datetime) -> Opened:
    """Lets the holder in to a board, or with None to what is no board; a one-time ticket is spent by that. Whether the
    viewer may see the board, or the board is still public, is for the caller to ask. Raises InvalidTicket for a forged,
    expired or spent one, for another board's, and for somebody who is not active any more."""
    claims = _claims_of(text, now)
    if claims["kind"] == _BOARD:
        if competition_id is None or claims["board"] != competition_id.hex:
            raise InvalidTicket("another board's")
        return Opened(_viewer(claims), _moment(claims["expires"]), one_board=True)
    viewer = _viewer(claims)
    if not _spend(text, _moment(claims["expires"])):
        raise InvalidTicket("spent")
    return Opened(viewer, _moment(claims["until"]), one_board=False)


def forget_spent_tickets(*, now: datetime) -> int:
    """Those that have expired long since open nothing either way. Says how many went."""
    forgotten, _ = SpentTicket.objects.filter(expires_at__lt=now - KEPT_AFTER_EXPIRY).delete()
    return forgotten


def _board_ticket(competition_id: UUID, viewer: str | None, until: float | None, now: datetime) -> Issued:
    expires_at = now + BOARD_LIFETIME
    if until is not None:
        expires_at = min(expires_at, _moment(until))
    return _issued(_BOARD, expires_at, {"board": competition_id.hex, "viewer": viewer, "until": until})


def _issued(kind: str, expires_at: datetime, claims: dict[str, Any]) -> Issued:
    # An object: its text begins with eyJ, as a token's does, and the log cuts out both.
    text = signing.dumps({"kind": kind, "expires": expires_at.timestamp(), **claims}, salt=_SALT)
    return Issued(text, expires_at)


def _claims_of(text: str, now: datetime) -> dict[str, Any]:
    """Signed by us, so as we wrote it."""
    try:
        claims: dict[str, Any] = signing.loads(text, salt=_SALT)
    except (signing.BadSignature, UnicodeEncodeError) as error:
        raise InvalidTicket("forged") from error
    if _moment(claims["expires"]) <= now:
        raise InvalidTicket("expired")
    return claims


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def _viewer(claims: dict[str, Any]) -> User | None:
    if claims["viewer"] is None:
        return None
    viewer = User.objects.filter(id=claims["viewer"], is_active=True).first()
    if viewer is None:
        raise InvalidTicket("nobody active")
    return viewer


def _spend(text: str, expires_at: datetime) -> bool:
    """True for the one who came first; the insert decides, where a look would not."""
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [sha256(text.encode()).hexdigest(), expires_at])
        return bool(cursor.rowcount)
