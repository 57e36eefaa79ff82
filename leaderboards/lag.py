"""How far the copies in Redis are behind PostgreSQL."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone

from leaderboards.mirror import copied_versions

LOOKED_AT = 200
"""Boards: those that moved last. One that has not moved for long is right, or is made right by its next reader."""
LATELY = timedelta(hours=1)
MOST_ROWS = 10_000
"""Counted in each board: a copy further behind is dropped and built anew."""
PATIENCE_SECONDS = 0.2
"""Between commit and copy there is always a moment."""

_MOVED_LAST = """
    SELECT competition_id, version FROM leaderboards_board WHERE updated_at > %s ORDER BY updated_at DESC LIMIT %s
"""
_ROWS_SINCE = """
    SELECT coalesce(sum(since.rows), 0)
      FROM unnest(%s::uuid[], %s::bigint[]) AS copy (competition_id, version)
     CROSS JOIN LATERAL (
           SELECT count(*) AS rows
             FROM (SELECT 1 FROM leaderboards_standing s
                    WHERE s.competition_id = copy.competition_id AND s.version > copy.version LIMIT %s) counted
           ) since
"""


@dataclass(frozen=True)
class MirrorLag:
    """``rows`` counts at most `MOST_ROWS` of each board."""

    boards: int
    rows: int


def mirror_lag() -> MirrorLag:
    """PostgreSQL is asked first and Redis afterwards, twice where it is behind, so that a write on its way is no lag. A
    board without a copy is not behind: its next reader has it built. Raises RedisError."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVED_LAST, [timezone.now() - LATELY, LOOKED_AT])
        committed: dict[UUID, int] = dict(cursor.fetchall())
    behind = _behind(committed, list(committed))
    if behind:
        time.sleep(PATIENCE_SECONDS)
        behind = _behind(committed, list(behind))
    if not behind:
        return MirrorLag(0, 0)
    with connection.cursor() as cursor:
        cursor.execute(_ROWS_SINCE, [list(behind), list(behind.values()), MOST_ROWS])
        return MirrorLag(len(behind), int(cursor.fetchone()[0]))


def _behind(committed: dict[UUID, int], boards: Sequence[UUID]) -> dict[UUID, int]:
    """The versions of the copies that are behind."""
    return {board: version for board, version in copied_versions(boards).items() if version < committed[board]}
