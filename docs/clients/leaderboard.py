"""A leaderboard as a client keeps it: feed it every frame, draw ``board["rankings"]``. Standard library only.

    board = None
    for text in socket:
        board, outcome = apply(board, json.loads(text))
        if outcome == RESUME:
            socket.send(json.dumps(resume(board)))   # the answer is one more frame

A *snapshot* (``leaderboard_update``) is the whole board. A *delta* (``leaderboard_delta``, with ``mode=delta``) leads
from version ``from`` to ``version``. Frames may be lost, come twice or overtake each other: whatever does not fit is
either old and IGNORED, or there is a gap and the outcome is RESUME. Versions count within one epoch; a new epoch means
that the server's board began anew.
"""

APPLIED, IGNORED, RESUME = "applied", "ignored", "resume"


def apply(board, frame):
    """The board after this frame, and what became of the frame. ``board`` is None before the first snapshot, and is
    never changed in place. Frames of other kinds and other boards are ignored."""
    data = frame.get("data")
    if board and data and data.get("competitionId") != board["competitionId"]:
        return board, IGNORED
    if frame["type"] == "leaderboard_update":
        return _snapshot(board, data)
    if frame["type"] == "leaderboard_delta":
        return _delta(board, data)
    return board, IGNORED


def resume(board):
    """What to send after RESUME. The server answers with a delta from exactly this version, or with a snapshot."""
    return {"type": "resume", **{name: board[name] for name in ("competitionId", "epoch", "version")}}


def _snapshot(board, data):
    if board and data["epoch"] == board["epoch"] and data["version"] < board["version"]:
        return board, IGNORED
    return _board(data, data["rankings"]), APPLIED


def _delta(board, data):
    if not board:  # nothing to resume from either: the snapshot is still on its way
        return board, IGNORED
    if data["epoch"] == board["epoch"] and data["version"] <= board["version"]:
        return board, IGNORED
    if data["epoch"] != board["epoch"] or data["from"] != board["version"]:
        return board, RESUME
    # Rows that are not listed stay in the order they have, and fill the places between those that are.
    listed = {row["index"]: {name: row[name] for name in row if name != "index"} for row in data["rows"]}
    gone = {*data["removed"], *(row["userId"] for row in data["rows"])}
    kept = [row for row in board["rankings"] if row["userId"] not in gone]
    rest = iter(kept)
    rankings = [listed[i] if i in listed else next(rest) for i in range(len(kept) + len(listed))]
    return _board(data, _ranked(rankings, data)), APPLIED


def _ranked(rankings, data):
    """The first row has ``firstRank``; ``offset`` rows of the board stand before it."""
    ranked = []
    for index, row in enumerate(rankings):
        if index == 0:
            rank = data["firstRank"]
        elif data["tieRule"] != "shared" or row["score"] != rankings[index - 1]["score"]:
            rank = data["offset"] + index + 1
        ranked.append({**row, "rank": rank})
    return ranked


def _board(data, rankings):
    names = ("competitionId", "epoch", "version", "tieRule", "offset", "totalCount", "timestamp")
    return {**{name: data.get(name) for name in names}, "rankings": rankings}
