"""Rows of a board out of PostgreSQL, and how every reader gets them; only the rank is added where it is read.

Each function is one statement, and so one snapshot: the version of the board is the one that its rows belong to. Rows
come as plain tuples with moments as whole microseconds since 1970: a Python datetime or UUID made only to be written
down again would cost more than everything else about a row.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, groupby
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from leaderboards.scoring import Totals
from leaderboards.units import totals_to_wire

Line = tuple[Any, ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK = 2_000


@dataclass(frozen=True)
class BoardState:
    """Which state of a board rows belong to."""

    competition_id: UUID
    version: int
    epoch: str
    updated_at: datetime


class Row(NamedTuple):
    """What a board shows of a standing, and what places it: amounts in base units as in scoring.Totals."""

    user_id: str
    user_name: str
    avatar: str
    on_board: bool
    score: int
    reached_at: int
    joined_at: int
    steps: int
    distance_mm: int
    energy_cal: int
    active_seconds: int
    last_synced_at: int | None
    updated_at: int


@dataclass(frozen=True)
class StoredPage:
    """Consecutive rows, best first. ``above_first``: how many have more points than the first one."""

    board: BoardState
    total: int
    offset: int
    above_first: int
    rows: list[Row]


def _microseconds(column: str) -> str:
    return f"(extract(epoch FROM {column}) * 1000000)::bigint"


_STATE = f"b.competition_id::text, b.version, b.epoch::text, {_microseconds('b.updated_at')}"
_ROW = f"""
    s.user_id::text, u.name, u.avatar, s.on_board, s.score,
    {_microseconds("s.reached_at")}, {_microseconds("s.joined_at")},
    s.steps, s.distance_mm, s.energy_cal, s.active_seconds,
    {_microseconds("s.last_synced_at")}, {_microseconds("s.updated_at")}
"""
_STATE_COLUMNS = 4

# The planner cannot know how few changes there are: the ORDER BY keeps it on the index of versions, and the LIMIT 1
# keeps it from reading everybody's names.
_CHANGES = f"""
    SELECT {_STATE}, {_ROW}
      FROM unnest(%s::uuid[], %s::bigint[]) AS copied (competition_id, version)
      JOIN leaderboards_board b USING (competition_id)
      LEFT JOIN LATERAL (
           SELECT * FROM leaderboards_standing
            WHERE competition_id = b.competition_id AND version > copied.version ORDER BY version LIMIT %s) s ON true
      LEFT JOIN LATERAL (SELECT name, avatar FROM accounts_user WHERE id = s.user_id LIMIT 1) u ON true
     WHERE b.version > copied.version
     ORDER BY b.competition_id
"""  # noqa: S608 - columns of this module
_ALL_CHANGES = f"""
    SELECT {_STATE}, {_ROW}
      FROM leaderboards_board b
      LEFT JOIN (leaderboards_standing s JOIN accounts_user u ON u.id = s.user_id)
        ON s.competition_id = b.competition_id AND s.version > %s
     WHERE b.competition_id = %s
"""  # noqa: S608 - constants

_IN_ORDER = "score DESC, reached_at, joined_at, user_id"
_OFFSET = "SELECT %(offset)s::bigint AS number"
_OFFSET_AROUND = """
    SELECT greatest(0, least(better.rows + earlier.rows - %(limit)s / 2, total.rows - %(limit)s)) AS number
      FROM leaderboards_standing me, total,
           LATERAL (SELECT count(*) AS rows FROM leaderboards_standing
                     WHERE competition_id = me.competition_id AND on_board AND score > me.score) better,
           LATERAL (SELECT count(*) AS rows FROM leaderboards_standing
                     WHERE competition_id = me.competition_id AND on_board AND score = me.score
                       AND (reached_at, joined_at, user_id) < (me.reached_at, me.joined_at, me.user_id)) earlier
     WHERE me.competition_id = %(board)s AND me.user_id = %(user)s AND me.on_board
"""
# Every part that grows with the board is a scan of the index `standing_in_board_order` alone; rows are fetched for the
# page only. Among those before the page's first row, all but its equals have more points than it.
_PAGE = """
    WITH total AS (
         SELECT count(*) AS rows FROM leaderboards_standing WHERE competition_id = %(board)s AND on_board
    ), start AS (
         {start}
    ), page AS MATERIALIZED (
         SELECT user_id, score, reached_at, joined_at FROM leaderboards_standing
          WHERE competition_id = %(board)s AND on_board
          ORDER BY {order} OFFSET (SELECT number FROM start) LIMIT %(limit)s
    ), first AS (
         SELECT * FROM page ORDER BY {order} LIMIT 1
    ), equal AS (
         SELECT count(*) AS rows FROM leaderboards_standing s, first
          WHERE s.competition_id = %(board)s AND s.on_board AND s.score = first.score
            AND (s.reached_at, s.joined_at, s.user_id) < (first.reached_at, first.joined_at, first.user_id)
    )
    SELECT (SELECT rows FROM total), (SELECT number FROM start), (SELECT rows FROM equal), {state}, {row}
      FROM leaderboards_board b
      LEFT JOIN (page JOIN leaderboards_standing s USING (user_id) JOIN accounts_user u ON u.id = s.user_id)
        ON s.competition_id = b.competition_id
     WHERE b.competition_id = %(board)s
     ORDER BY s.score DESC, s.reached_at, s.joined_at, s.user_id
"""
_PAGE_AT = _PAGE.format(start=_OFFSET, order=_IN_ORDER, state=_STATE, row=_ROW)
_PAGE_AROUND = _PAGE.format(start=_OFFSET_AROUND, order=_IN_ORDER, state=_STATE, row=_ROW)


def stored_page(competition_id: UUID, *, offset: int, limit: int) -> StoredPage:
    page = _page(_PAGE_AT, {"board": competition_id, "offset": offset, "limit": limit})
    assert page is not None
    return page


def stored_page_around(competition_id: UUID, user_id: UUID, *, limit: int) -> StoredPage | None:
    """A window with that person in the middle, pushed in at the ends of the board. None when they are not on it."""
    return _page(_PAGE_AROUND, {"board": competition_id, "user": user_id, "limit": limit})


def _page(statement: str, parameters: Mapping[str, Any]) -> StoredPage | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found = cursor.fetchall()
    total, offset, equal = found[0][:3]
    if offset is None:
        return None
    lines = [line[3:] for line in found]
    return StoredPage(_state(lines[0]), total, offset, offset - equal, list(_rows(lines)))


def changes_since(versions: Mapping[UUID, int], *, most: int) -> Iterator[tuple[BoardState, list[Row]]]:
    """Of each board that is past its version here: its state now, and the rows that changed since then, on the board or
    off it, as many as ``most`` of them."""
    if not versions:
        return
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES, [list(versions), list(versions.values()), most])
        found = cursor.fetchall()
    for state, lines in groupby(found, key=lambda line: line[:_STATE_COLUMNS]):
        yield _state(state), list(_rows(lines))


@contextmanager
def all_changes_since(competition_id: UUID, version: int) -> Iterator[tuple[BoardState, Iterator[Row]] | None]:
    """The same of one board, however many they are, in no order: a server-side cursor, so the memory is that of a
    chunk, and writers are not held up. After version -1 they are all rows there are. None without such a board."""
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(_ALL_CHANGES, [version, competition_id])
        lines = chain.from_iterable(iter(lambda: cursor.fetchmany(_CHUNK), []))
        first = next(lines, None)
        yield (_state(first), _rows(chain([first], lines))) if first else None


def _state(line: Line) -> BoardState:
    competition_id, version, epoch, updated_at = line[:_STATE_COLUMNS]
    return BoardState(UUID(competition_id), version, epoch, _moment(updated_at))


def _rows(lines: Iterable[Line]) -> Iterator[Row]:
    """A board without rows is a line that has only the board."""
    return (Row._make(line[_STATE_COLUMNS:]) for line in lines if line[_STATE_COLUMNS] is not None)


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def row_of(competition_id: UUID, row: Row) -> dict[str, Any]:
    """As it is kept. What changes without a version has no place here: neither the rank nor where pictures lie, so the
    avatar is its digest until the row is read."""
    return {
        "user_id": row.user_id,
        "user_name": row.user_name,
        "avatar": row.avatar or None,
        "competition_id": competition_id,
        "score": row.score,
        **totals_to_wire(Totals(row.steps, row.distance_mm, row.energy_cal, row.active_seconds)),
        "last_synced_at": None if row.last_synced_at is None else _moment(row.last_synced_at),
        "updated_at": _moment(row.updated_at),
    }


def wire_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
