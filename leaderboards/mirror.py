"""Boards in Redis: a copy of PostgreSQL that answers pages and ranks in logarithmic time, and may vanish at any moment.

Two keys a board, with one hash tag, so that a Redis Cluster keeps them together:

- ``board:{id}:ranks``, a sorted set: minus the score, then the 32-byte `ranking.tie_key`, ascending;
- ``board:{id}:rows``, a hash: the 16-byte user id → its tie key followed by the row as JSON; and beside them
  ``version``, ``epoch`` and ``updated_at`` of the board that this is a copy of.

A change is applied only on top of exactly the version it was computed from, so the copy always equals some state that
PostgreSQL had. Every function raises RedisError when Redis does not answer.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any
from uuid import UUID

from config.core.json import dump_json
from config.core.metrics import MIRROR_REBUILDS
from config.core.redis import Script, redis_client
from leaderboards.ranking import KEY_BYTES, tie_key
from leaderboards.rows import BoardState, Row, all_changes_since, changes_since, row_of

_LOCK_MS = 60_000
"""Also for how long the keys of a copy outlive whoever was building it."""
_CHUNK = 500
"""Rows of a rebuild in one step: everybody else's commands wait for it, some milliseconds."""
_MOST_CHANGES = 10_000
"""Of one board in one step, which must be one: some tenths of a second, where its rebuild would take many."""

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

# A row is its score, or '' for somebody who is off the board, and what is stored of it. A thousand at a time, because
# calls cost more than what they do, and Lua passes no more than some thousands of arguments on.
_apply = Script(
    """
    local ranks, rows = KEYS[1], KEYS[2]
    if redis.call('HGET', rows, 'version') ~= ARGV[1] then return 0 end
    local function call(command, key, arguments)
        if #arguments > 0 then return redis.call(command, key, unpack(arguments)) end
    end
    for first = 5, #ARGV, 2000 do
        local users, moved, gone, placed, shown = {}, {}, {}, {}, {}
        for i = first, math.min(first + 1999, #ARGV), 2 do
            local score, stored = ARGV[i], ARGV[i + 1]
            local user = string.sub(stored, 17, 32)
            users[#users + 1] = user
            if score == '' then
                gone[#gone + 1] = user
            else
                placed[#placed + 1], placed[#placed + 2] = score, string.sub(stored, 1, 32)
                shown[#shown + 1], shown[#shown + 2] = user, stored
            end
        end
        for _, old in ipairs(redis.call('HMGET', rows, unpack(users))) do
            if old then moved[#moved + 1] = string.sub(old, 1, 32) end
        end
        call('ZREM', ranks, moved)
        call('HDEL', rows, gone)
        call('ZADD', ranks, placed)
        call('HSET', rows, shown)
    end
    redis.call('HSET', rows, 'version', ARGV[2], 'epoch', ARGV[3], 'updated_at', ARGV[4])
    return 1
    """
)

_drop = Script(
    """
    if redis.call('HGET', KEYS[2], 'version') ~= ARGV[1] then return 0 end
    return redis.call('UNLINK', KEYS[1], KEYS[2])
    """
)

_hold = Script(
    """
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
    for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
    return 1
    """
)

_release = Script("return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0")

_swap_in = Script(
    """
    local lock, new_ranks, new_rows, ranks, rows = unpack(KEYS)
    local whole = redis.call('ZCARD', new_ranks) == redis.call('HLEN', new_rows) - 3
    if redis.call('GET', lock) ~= ARGV[1] or not whole then return 0 end
    redis.call('UNLINK', ranks, rows)
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


def read_places(wanted: Iterable[tuple[UUID, UUID]]) -> list[MirrorPage | None]:
    """For each (board, person) a page of their row alone; all in one trip."""
    calls = [(_keys(competition_id), ["around", user_id.bytes, 1]) for competition_id, user_id in wanted]
    return [_page(answer) for answer in _read.for_each(calls)]


def _page(answer: Any) -> MirrorPage | None:
    if not answer:
        return None
    version, epoch, updated_at, total, offset, above, rows = answer
    bare = [row[KEY_BYTES:] for row in rows]
    return MirrorPage(int(version), epoch.decode(), updated_at.decode(), total, offset, above, bare)


def catch_up(competition_ids: Iterable[UUID]) -> None:
    """Brings the copies of these boards to PostgreSQL's present. A board without a copy stays without, and one that is
    too far behind loses it: whoever reads it next has it built."""
    behind = list(competition_ids)
    while behind:
        versions = copied_versions(behind)
        changes = changes_since(versions, most=_MOST_CHANGES + 1)
        behind = [board.competition_id for board, rows in changes if not _caught_up(board, rows, versions)]


def copied_versions(competition_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Of the boards that have a copy."""
    with redis_client().pipeline(transaction=False) as pipe:
        for competition_id in competition_ids:
            pipe.hget(_keys(competition_id)[1], "version")
        found = pipe.execute()
    return {board: int(version) for board, version in zip(competition_ids, found, strict=True) if version is not None}


def _caught_up(board: BoardState, rows: Sequence[Row], versions: Mapping[UUID, int]) -> bool:
    """False when the copy is not any more the one that the rows were read for."""
    keys, copied = _keys(board.competition_id), versions[board.competition_id]
    if len(rows) > _MOST_CHANGES:
        return bool(_drop(keys, [copied]))
    return bool(_apply(keys, _change(copied, board, rows)))


def _change(copied: int, board: BoardState, rows: Iterable[Row]) -> list[Any]:
    arguments: list[Any] = [copied, board.version, board.epoch, board.updated_at.isoformat()]
    for row in rows:
        key = tie_key(row.reached_at, row.joined_at, bytes.fromhex(row.user_id.replace("-", "")))
        if row.on_board:
            arguments += (-row.score, key + dump_json(row_of(board.competition_id, row)))
        else:
            arguments += ("", key)
    return arguments


def rebuild_mirror(competition_id: UUID, *, passing: Callable[[Iterable[Row]], Iterable[Row]] = iter) -> bool:
    """A new copy out of PostgreSQL, put in place at once. False when somebody else is building it, or Redis was emptied
    meanwhile. ``passing`` may watch the rows pass.

    The lock is held as long as rows keep coming, and whoever lost it lets go of everything.
    """
    client, token = redis_client(), secrets.token_hex(8)
    lock = f"board:{{{competition_id}}}:lock"
    if not client.set(lock, token, nx=True, px=_LOCK_MS):
        return False
    in_place, new_keys = False, [f"{key}:{token}" for key in _keys(competition_id)]
    try:
        if _filled([lock, *new_keys], token, competition_id, passing):
            in_place = bool(_swap_in([lock, *new_keys, *_keys(competition_id)], [token]))
    finally:
        client.unlink(*new_keys)
        _release([lock], [token])
    MIRROR_REBUILDS.inc(in_place)
    catch_up([competition_id])
    return in_place


def _filled(
    keys: Sequence[str], token: str, competition_id: UUID, passing: Callable[[Iterable[Row]], Iterable[Row]]
) -> bool:
    """Everything that changed after version -1; then what changed while that was written; until so little is left that
    the copy can catch up in one step when it is in place. False when the lock or the keys were lost."""
    copied, changed = -1, _MOST_CHANGES
    redis_client().hset(keys[2], "version", copied)
    while changed >= _MOST_CHANGES:
        changed = 0
        with all_changes_since(competition_id, copied) as changes:
            if changes is None:
                return False
            board, rows = changes
            for chunk in chain([()], _chunks(passing(rows))):  # the first only moves the version
                if not (_apply(keys[1:], _change(copied, board, chunk)) and _hold(keys, [token, _LOCK_MS])):
                    return False
                copied, changed = board.version, changed + len(chunk)
        passing = iter
    return True


def _chunks(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def drop_mirror(competition_id: UUID) -> None:
    redis_client().unlink(*_keys(competition_id))


def _keys(competition_id: UUID) -> tuple[str, str]:
    return f"board:{{{competition_id}}}:ranks", f"board:{{{competition_id}}}:rows"
