"""What goes over a leaderboard socket. The names are those that clients in the field read. Pure."""

from typing import Any

from config.core.json import dump_json
from leaderboards.queries import BoardPage


def snapshot_frame(page: BoardPage) -> str:
    """One whole board, encoded once for everybody who watches it."""
    frame = {
        "type": "leaderboard_update",
        "data": {
            "competitionId": page.competition_id,
            "rankings": [_ranking(entry) for entry in page.entries],
            "timestamp": page.updated_at,
            "epoch": page.epoch,
            "version": page.version,
            "totalCount": page.total,
        },
    }
    return dump_json(frame).decode()


def _ranking(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "userId": entry["user_id"],
        "userName": entry["user_name"],
        "avatar": entry["avatar"],
        "score": entry["score"],
        "rank": entry["rank"],
        "steps": entry["steps"],
        "distance": entry["distance"],
        "calories": entry["calories"],
    }


def error_frame(code: str, message: str) -> str:
    return dump_json({"type": "error", "code": code, "message": message}).decode()


PONG = dump_json({"type": "pong"}).decode()
