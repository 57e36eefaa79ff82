"""What a board's page is answered with, in bytes: the same whoever answers, Django or the front."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from competitions.models import Competition
from config.core.json import dump_json
from leaderboards import queries


@dataclass(frozen=True)
class BoardBytes:
    """A whole answer. ``valid_until`` in seconds since 1970, None for ever: the answer also says how final it is, which
    changes with the time alone."""

    body: bytes
    etag: bytes
    valid_until: float | None


def board_bytes(page: queries.BoardPage, competition: Competition, now: datetime) -> BoardBytes:
    body = dump_json({"success": True, "data": board_answer(page, competition, now)})
    turns = [moment for moment in (competition.start_at, competition.end_at, competition.closes_at) if moment > now]
    return BoardBytes(body, etag_of(body), min(turns).timestamp() if turns else None)


def board_answer(page: queries.BoardPage, competition: Competition, now: datetime) -> dict[str, Any]:
    standings, final_at = queries.standings_now(competition, now)
    return {
        "competition_id": page.competition_id,
        "entries": page.entries,
        "total_count": page.total,
        "updated_at": page.updated_at,
        "epoch": page.epoch,
        "version": page.version,
        "standings": standings,
        "final_at": final_at,
    }


def etag_of(body: bytes) -> bytes:
    return b'"%s"' % blake2b(body, digest_size=12).hexdigest().encode()
