"""Who stands where. Pure.

The order of a board is: more points first; among equals whoever reached them earlier, then whoever joined earlier, then
the smaller id, so that no two rows are ever in doubt. The tie rule decides only which *number* equals get.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from uuid import UUID

from competitions.rules import TieRule

_KEY = Struct(">QQ16s")
KEY_BYTES = _KEY.size


@dataclass(frozen=True)
class Placing:
    """Everything that decides a place."""

    user_id: UUID
    score: int
    reached_at: datetime
    joined_at: datetime


def board_order(placing: Placing) -> tuple[int, datetime, datetime, UUID]:
    """Sorts a board, best first."""
    return -placing.score, placing.reached_at, placing.joined_at, placing.user_id


def tie_key(reached_at: int, joined_at: int, user_id: bytes) -> bytes:
    """32 bytes that sort, byte by byte, as equals on a board do: when the score was reached and when the person joined,
    in microseconds since 1970, and the id.

    Redis sorts members of equal score by their bytes, and PostgreSQL sorts UUIDs by theirs, so both agree without the
    score having to carry the tie-break in digits that a double does not have.
    """
    return _KEY.pack(max(0, reached_at), max(0, joined_at), user_id)


def ranks_of(scores: Sequence[int], tie_rule: str, *, offset: int, above_first: int) -> list[int]:
    """Ranks of consecutive rows, best first.

    ``offset``: how many rows stand before the first one; ``above_first``: how many of those have more points than it.
    ``first_to_reach`` numbers rows 1, 2, 3; ``shared`` gives equals one number and skips the next: 1, 1, 3.
    """
    if tie_rule == TieRule.FIRST_TO_REACH:
        return list(range(offset + 1, offset + len(scores) + 1))
    ranks: list[int] = []
    for index, score in enumerate(scores):
        if index == 0:
            ranks.append(above_first + 1)
        elif score == scores[index - 1]:
            ranks.append(ranks[-1])
        else:
            ranks.append(offset + index + 1)
    return ranks
