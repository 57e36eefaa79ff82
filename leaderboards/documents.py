"""What frozen standings say, and reading it back. Pure.

``{"format": "pacesetter-standings/1", "competition", "number", "previous", "scoring_version", "frozen_at",
"frozen_by", "reason", "rules": {...}, "standings": [...], "disqualified": [{"user_id", "reason"}]}``: standings in
board order, times RFC 3339 with microseconds, amounts in base units as in scoring.Totals. People are in it by their ids
and never by name, so that it can be kept, and shown, when a person has been forgotten.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from config.core.clock import written_moment
from leaderboards.scoring import Totals

FORMAT = "pacesetter-standings/1"


@dataclass(frozen=True)
class FinalRow:
    """One person's final place, and everything that it follows from. ``counted`` is what of ``synced`` and ``reported``
    the competition's rules take."""

    user_id: UUID
    rank: int
    score: int
    reached_at: datetime
    joined_at: datetime
    synced: Totals
    reported: Totals
    counted: Totals
    adjustment_points: int = 0


def row_document(row: FinalRow) -> dict[str, Any]:
    return {
        "user_id": str(row.user_id),
        "rank": row.rank,
        "score": row.score,
        "reached_at": written_moment(row.reached_at),
        "joined_at": written_moment(row.joined_at),
        "synced": asdict(row.synced),
        "reported": asdict(row.reported),
        "counted": asdict(row.counted),
        "adjustment_points": row.adjustment_points,
    }


def standings_document(
    head: Mapping[str, Any], rules: Mapping[str, Any], rows: Iterable[FinalRow], disqualified: Mapping[UUID, str]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **head,
        "rules": dict(rules),
        "standings": [row_document(row) for row in rows],
        "disqualified": [{"user_id": str(user_id), "reason": reason} for user_id, reason in disqualified.items()],
    }


def rows_in(document: str) -> tuple[FinalRow, ...]:
    """The standings of such a document. Raises ValueError, KeyError or TypeError for any other text."""
    return tuple(_row(row) for row in json.loads(document)["standings"])


def disqualified_in(document: str) -> dict[UUID, str]:
    return {UUID(entry["user_id"]): entry["reason"] for entry in json.loads(document)["disqualified"]}


def _row(row: Mapping[str, Any]) -> FinalRow:
    return FinalRow(
        user_id=UUID(row["user_id"]),
        rank=row["rank"],
        score=row["score"],
        reached_at=datetime.fromisoformat(row["reached_at"]),
        joined_at=datetime.fromisoformat(row["joined_at"]),
        synced=Totals(**row["synced"]),
        reported=Totals(**row["reported"]),
        counted=Totals(**row["counted"]),
        adjustment_points=row["adjustment_points"],
    )
