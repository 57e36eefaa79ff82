"""Boards in Redis: a copy of PostgreSQL that answers pages and ranks in logarithmic time, and may vanish at any moment.

Two keys a board, with one hash tag, so that a Redis Cluster keeps them together:

- ``board:{id}:ranks``, a sorted set: minus the score, then the 32-byte `ranking.tie_key`, ascending;
- ``board:{id}:rows``, a hash: the 16-byte user id → its tie key followed by the row as JSON; and beside them
  ``version``, ``epoch`` and ``updated_at`` of the board that this is a copy of.

A change is applied only on top of exactly the version it was computed from, so the copy always equals some state that
PostgreSQL had. Every function raises RedisError when Redis does not answer.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from config.core.json import dump_json
from config.core.metrics import MIRROR_REBUILDS
from config.core.redis import Script, redis_client
from leaderboards.models import Board, Standing
from leaderboards.ranking import KEY_BYTES, tie_key
from leaderboards.rows import row_of

_META_FIELDS = 3
_LOCK_MS = 60_000
_CHUNK = 2_000
_TEMPORARY_SECONDS = 600

_read = Script(
    """
    local ranks, rows = KEYS[1], KEYS[2]
    local meta = redis.call('HMGET', rows, 'version', 'epoch', 'updated_at')
    local total = redis.call('ZCARD', ranks)
    if not meta[1] or total ~= redis.call('HLEN', rows) - 3 then return false end
    local limit, offset = tonumber(ARGV[3]), nil
    if ARGV[1] == 'around' then
        local row = redis.call('HGET', rows, ARGV[2])
        if not row then return {meta[1], meta[2], meta[3], total, -1, 0, {}} end
        local position = redis.call('ZRANK', ranks, string.sub(row, 1, 32))
        if not position then return false end
        offset = math.max(0, math.min(position - math.floor(limit / 2), total - limit))
    else
        offset = tonumber(ARGV[2])
    end
    local keys = redis.call('ZRANGE', ranks, offset, offset + limit - 1)
    if #keys == 0 then return {meta[1], meta[2], meta[3], total, offset, 0, {}} end
    local above = redis.call('ZCOUNT', ranks, '-inf', '(' .. redis.call('ZSCORE', ranks, keys[1]))
    local users = {}
    for i, key in ipairs(keys) do users[i] = string.sub(key, 17, 32) end
    local found = redis.call('HMGET', rows, unpack(users))
    for i = 1, #keys do if not found[i] then return false end end
    return {meta[1], meta[2], meta[3], total, offset, above, found}
    """
)

_apply = Script(
    """
    local ranks, rows = KEYS[1], KEYS[2]
    if redis.call('HGET', rows, 'version') ~= ARGV[1] then return 0 end
    for i = 5, #ARGV, 4 do
        local user, key, score, row = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
        local old = redis.call('HGET', rows, user)
        if old then redis.call('ZREM', ranks, string.sub(old, 1, 32)) end
        if key == '' then
            redis.call('HDEL', rows, user)
        else
            redis.call('ZADD', ranks, score, key)
            redis.call('HSET', rows, user, key .. row)
        end
    end
    redis.call('HSET', rows, 'version', ARGV[2], 'epoch', ARGV[3], 'updated_at', ARGV[4])
    return 1
    """
)

_swap_in = Script(
    """
    local ranks, rows, new_ranks, new_rows = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
    local meta = redis.call('HMGET', rows, 'version', 'epoch')
    local newer = meta[1] and meta[2] == ARGV[2] and tonumber(meta[1]) > tonumber(ARGV[1])
    local whole = redis.call('ZCARD', new_ranks) == tonumber(ARGV[3]) and redis.call('HLEN', new_rows) == ARGV[3] + 3
    if newer or not whole then
        redis.call('DEL', new_ranks, new_rows)
        return 0
    end
    redis.call('DEL', ranks)
    if redis.call('EXISTS', new_ranks) == 1 then redis.call('RENAME', new_ranks, ranks) end
    redis.call('RENAME', new_rows, rows)
    redis.call('PERSIST', ranks)
    redis.call('PERSIST', rows)
    return 1
    """
)


@dataclass(frozen=True)
class MirrorPage:
    """Consecutive rows as stored, best first. ``offset`` is -1 when the person asked for has no row."""

    version: int
    epoch: str
    updated_at: str
    total: int
    offset: int
    above_first: int
    rows: Sequence[bytes]


def read_page(competition_id: UUID, *, offset: int, limit: int) -> MirrorPage | None:
    """None when there is no whole copy; then `rebuild_mirror` makes one."""
    return _page(_read(_keys(competition_id), ["offset", offset, limit]))


def read_around(competition_id: UUID, user_id: UUID, *, limit: int) -> MirrorPage | None:
    """A window with that person in the middle, pushed in at the ends of the board."""
    return _page(_read(_keys(competition_id), ["around", user_id.bytes, limit]))


def _page(answer: Any) -> MirrorPage | None:
    if not answer:
        return None
    version, epoch, updated_at, total, offset, above, rows = answer
    bare = [row[KEY_BYTES:] for row in rows]
    return MirrorPage(int(version), epoch.decode(), updated_at.decode(), total, offset, above, bare)


def catch_up(competition_ids: Iterable[UUID]) -> None:
    """Brings the copies of these boards to PostgreSQL's present. A board without a copy stays without: whoever reads it
    next builds it."""
    behind = list(competition_ids)
    while behind:
        versions = _versions(behind)
        boards = _changes_since(versions)
        behind = [board_id for board_id, change in boards.items() if not _applied(board_id, versions[board_id], change)]


def _versions(competition_ids: Sequence[UUID]) -> dict[UUID, int]:
    with redis_client().pipeline(transaction=False) as pipe:
        for competition_id in competition_ids:
            pipe.hget(_keys(competition_id)[1], "version")
        found = pipe.execute()
    return {board: int(version) for board, version in zip(competition_ids, found, strict=True) if version is not None}


def _changes_since(versions: Mapping[UUID, int]) -> dict[UUID, list[Standing]]:
    """One statement, and so one snapshot: the changed rows, and beside each the version of its board."""
    if not versions:
        return {}
    newer = Q()
    for competition_id, version in versions.items():
        newer |= Q(competition_id=competition_id, version__gt=version)
    changes: dict[UUID, list[Standing]] = {}
    for standing in Standing.objects.filter(newer).select_related("user", "competition__board"):
        changes.setdefault(standing.competition_id, []).append(standing)
    return changes


def _applied(competition_id: UUID, from_version: int, standings: Sequence[Standing]) -> bool:
    board = standings[0].competition.board
    arguments: list[Any] = [from_version, board.version, str(board.epoch), board.updated_at.isoformat()]
    for standing in standings:
        arguments.append(standing.user_id.bytes)
        arguments += [tie_key(standing.placing), -standing.score, _json(standing)] if standing.on_board else ["", 0, ""]
    return bool(_apply(_keys(competition_id), arguments))


def rebuild_mirror(competition_id: UUID) -> bool:
    """A new copy out of PostgreSQL, put in place at once. False when somebody else is building it, has put a newer
    one in place, or Redis was emptied meanwhile.

    Rows stream through a server-side cursor, so a board of a million needs the memory of one chunk.
    """
    client, token = redis_client(), secrets.token_hex(8)
    lock = f"board:{{{competition_id}}}:lock"
    if not client.set(lock, token, nx=True, px=_LOCK_MS):
        return False
    ranks, rows = (f"{key}:{token}" for key in _keys(competition_id))
    try:
        board, count = _stream_into(ranks, rows, competition_id)
        if board is None:
            return False
        meta = {"version": board.version, "epoch": str(board.epoch), "updated_at": board.updated_at.isoformat()}
        client.hset(rows, mapping=meta)
        # Redis may have been emptied meanwhile: only a copy with every row is put in place.
        in_place = bool(_swap_in([*_keys(competition_id), ranks, rows], [board.version, str(board.epoch), count]))
    finally:
        client.delete(lock)
    MIRROR_REBUILDS.inc(in_place)
    catch_up([competition_id])
    return in_place


def _stream_into(ranks: str, rows: str, competition_id: UUID) -> tuple[Board | None, int]:
    """The board as it was in the rows' own snapshot, and how many rows it had; writers are not held up."""
    board, count = Board.objects.filter(competition_id=competition_id).first(), 0
    with transaction.atomic():
        for chunk in _chunks(competition_id):
            board, count = chunk[0].competition.board, count + len(chunk)
            with redis_client().pipeline(transaction=False) as pipe:
                pipe.zadd(ranks, {tie_key(row.placing): -row.score for row in chunk})
                pipe.hset(rows, mapping={row.user_id.bytes: tie_key(row.placing) + _json(row) for row in chunk})
                pipe.expire(ranks, _TEMPORARY_SECONDS)
                pipe.expire(rows, _TEMPORARY_SECONDS)
                pipe.execute()
    return board, count


def _chunks(competition_id: UUID) -> Iterator[list[Standing]]:
    on_board = Standing.objects.filter(competition_id=competition_id, on_board=True)
    rows = on_board.select_related("user", "competition__board").iterator(chunk_size=_CHUNK)
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk


def drop_mirror(competition_id: UUID) -> None:
    redis_client().delete(*_keys(competition_id))


def _keys(competition_id: UUID) -> tuple[str, str]:
    return f"board:{{{competition_id}}}:ranks", f"board:{{{competition_id}}}:rows"


def _json(standing: Standing) -> bytes:
    return dump_json(row_of(standing))
