"""Whether Redis agrees with PostgreSQL, to the last rank."""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction

from competitions.models import Competition
from competitions.rules import TieRule
from leaderboards import mirror
from leaderboards.queries import mirrored_entries

_RANKED = """
    SELECT user_id, score,
           CASE WHEN %s THEN rank() OVER (ORDER BY score DESC)
                ELSE row_number() OVER (ORDER BY score DESC, reached_at, joined_at, user_id) END
      FROM leaderboards_standing WHERE competition_id = %s AND on_board
     ORDER BY score DESC, reached_at, joined_at, user_id
"""
_PAGE = 1000


@dataclass(frozen=True)
class BoardCheck:
    """``difference`` is empty when both agree; otherwise the first place where they do not."""

    competition_id: UUID
    participants: int
    copied: bool
    difference: str = ""


def check_board(competition: Competition) -> BoardCheck:
    """Compares every row, in order, by SQL window functions that share nothing with the mirror. Raises RedisError."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM leaderboards_board WHERE competition_id = %s FOR SHARE", [competition.id])
        mirror.catch_up([competition.id])  # what a server that died between commit and copy has left behind
        cursor.execute(_RANKED, [competition.tie_rule == TieRule.SHARED, competition.id])
        expected = [(str(user_id), score, rank) for user_id, score, rank in cursor.fetchall()]
        if mirror.read_page(competition.id, offset=0, limit=1) is None:
            return BoardCheck(competition.id, len(expected), copied=False)
        found = mirrored_entries(competition, page_size=_PAGE)
    return BoardCheck(competition.id, len(expected), copied=True, difference=_first_difference(expected, found))


def _first_difference(expected: list[tuple[str, int, int]], found: list[tuple[str, int, int]]) -> str:
    for place, (right, wrong) in enumerate(zip(expected, found, strict=False), start=1):
        if right != wrong:
            return f"place {place}: PostgreSQL has {_said(right)}, Redis has {_said(wrong)}"
    if len(expected) != len(found):
        return f"PostgreSQL has {len(expected)} rows, Redis has {len(found)}"
    return ""


def _said(row: tuple[str, int, int]) -> str:
    return f"{row[0]} with {row[1]} at rank {row[2]}"
