"""Whether Redis agrees with PostgreSQL, to the last rank."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, zip_longest
from uuid import UUID

from django.db import connection, transaction

from competitions.models import Competition
from competitions.rules import TieRule
from leaderboards import mirror
from leaderboards.queries import mirrored_entries, standings_in_board_order

_RANKED = """
    SELECT user_id::text, score,
           CASE WHEN %s THEN rank() OVER (ORDER BY score DESC)
                ELSE row_number() OVER (ORDER BY score DESC, reached_at, joined_at, user_id) END
      FROM leaderboards_standing WHERE competition_id = %s AND on_board
     ORDER BY score DESC, reached_at, joined_at, user_id
"""
_PAGE = 1000
Place = tuple[str, int, int]
"""Whose it is, with how many points, at which rank."""


@dataclass(frozen=True)
class BoardCheck:
    """``difference`` is empty when both agree; otherwise the first place where they do not."""

    competition_id: UUID
    participants: int
    copied: bool
    difference: str = ""


def check_board(competition: Competition) -> BoardCheck:
    """Compares every row, in order, by SQL window functions that share nothing with the mirror. Both sides stream;
    whoever wants to move a row waits until they are through. Raises RedisError."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM leaderboards_board WHERE competition_id = %s FOR SHARE", [competition.id])
        mirror.catch_up([competition.id])  # what a server that died between commit and copy has left behind
        participants = standings_in_board_order(competition.id).count()
        if mirror.read_page(competition.id, offset=0, limit=1) is None:
            return BoardCheck(competition.id, participants, copied=False)
        with connection.chunked_cursor() as cursor:
            cursor.execute(_RANKED, [competition.tie_rule == TieRule.SHARED, competition.id])
            expected = chain.from_iterable(iter(lambda: cursor.fetchmany(_PAGE), []))
            difference = _first_difference(expected, mirrored_entries(competition, page_size=_PAGE))
    return BoardCheck(competition.id, participants, copied=True, difference=difference)


def _first_difference(expected: Iterable[Place], found: Iterable[Place]) -> str:
    for place, (right, wrong) in enumerate(zip_longest(expected, found), start=1):
        if right != wrong:
            return f"place {place}: PostgreSQL has {_said(right)}, Redis has {_said(wrong)}"
    return ""


def _said(place: Place | None) -> str:
    return f"{place[0]} with {place[1]} at rank {place[2]}" if place else "nobody"
