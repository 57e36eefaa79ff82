"""What goes over a leaderboard socket or stream. The names are those that clients in the field read. Pure.

`docs/clients` holds what a client does with them.
"""

from collections.abc import Iterator
from typing import Any

from config.core.json import dump_json
from leaderboards.queries import BoardPage


def snapshot_frame(page: BoardPage) -> str:
    """One whole board, encoded once for everybody who watches it."""
    data = {
        "competitionId": page.competition_id,
        "rankings": [_ranking(entry) for entry in page.entries],
        "timestamp": page.updated_at,
        "epoch": page.epoch,
        "version": page.version,
        "totalCount": page.total,
        "tieRule": page.tie_rule,
        "offset": page.offset,
    }
    return dump_json({"type": "leaderboard_update", "data": data}).decode()


def delta_frame(old: BoardPage, new: BoardPage) -> str:
    """What changed between two pages of one board and one epoch, for whoever has the old one.

    A row carries no rank: one that climbs would otherwise list everybody whom it passes. They follow from the order,
    the scores, ``firstRank`` and the tie rule.
    """
    here = {entry["user_id"] for entry in new.entries}
    data = {
        "competitionId": new.competition_id,
        "epoch": new.epoch,
        "from": old.version,
        "version": new.version,
        "timestamp": new.updated_at,
        "totalCount": new.total,
        "offset": new.offset,
        "firstRank": new.entries[0]["rank"] if new.entries else None,
        "tieRule": new.tie_rule,
        "removed": [entry["user_id"] for entry in old.entries if entry["user_id"] not in here],
        "rows": list(_changed_rows(old, new)),
    }
    return dump_json({"type": "leaderboard_delta", "data": data}).decode()


def _changed_rows(old: BoardPage, new: BoardPage) -> Iterator[dict[str, Any]]:
    """Rows that are new, look different, or stand behind one that they stood before."""
    before = {entry["user_id"]: (index, _row(entry)) for index, entry in enumerate(old.entries)}
    furthest = -1
    for index, entry in enumerate(new.entries):
        row = _row(entry)
        old_index, old_row = before.get(entry["user_id"], (-1, None))
        if row == old_row and old_index > furthest:
            furthest = old_index
        else:
            yield {"index": index, **row}


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


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    row = _ranking(entry)
    del row["rank"]
    return row


def error_frame(code: str, message: str) -> str:
    return dump_json({"type": "error", "code": code, "message": message}).decode()


def closing_frame(code: int, message: str, retry_after_ms: int | None) -> str:
    """Said before a socket is closed with ``code``, and before a stream ends, which has no codes of its own."""
    frame = {"type": "closing", "code": code, "message": message}
    if retry_after_ms is not None:
        frame["retryAfterMs"] = retry_after_ms
    return dump_json(frame).decode()


PONG = dump_json({"type": "pong"}).decode()
