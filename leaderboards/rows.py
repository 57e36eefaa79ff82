"""A row of a board as every reader gets it; only the rank is added where it is read."""

from datetime import UTC, datetime
from typing import Any

from leaderboards.models import Standing
from leaderboards.units import totals_to_wire


def row_of(standing: Standing) -> dict[str, Any]:
    """Needs ``standing.user`` loaded."""
    return {
        "user_id": standing.user_id,
        "user_name": standing.user.name,
        "avatar": standing.user.avatar or None,
        "competition_id": standing.competition_id,
        "score": standing.score,
        **totals_to_wire(standing.totals),
        "last_synced_at": wire_time(standing.last_synced_at) if standing.last_synced_at else None,
        "updated_at": wire_time(standing.updated_at),
    }


def wire_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
