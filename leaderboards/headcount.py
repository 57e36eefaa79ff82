"""How many sockets and streams are open, over all processes, and the most of each hour.

Each process that has had any says its number every few seconds, and is forgotten when it has not for a while. The sum
is looked at whenever one of them speaks, so the peak of an hour is the largest of many looks. Redis keeps both, and
where it is out nobody knows.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from config.core.redis import Script, redis_client

SAY_SECONDS = 10.0
_GOOD_MS = 30_000
_KEPT_HOURS = 25
_NOW, _PEAKS = "headcount:now", "headcount:peaks"

_say = Script(
    """
    local clock = redis.call('TIME')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. now + ARGV[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    local sum, told = 0, redis.call('HGETALL', KEYS[1])
    for place = 1, #told, 2 do
        local count, good_until = string.match(told[place + 1], '(%d+):(%d+)')
        if tonumber(good_until) > now then sum = sum + count
        else redis.call('HDEL', KEYS[1], told[place]) end
    end
    local hour = math.floor(clock[1] / 3600)
    local peak = tonumber(redis.call('HGET', KEYS[2], hour) or -1)
    if sum > peak then redis.call('HSET', KEYS[2], hour, sum) end
    redis.call('EXPIRE', KEYS[2], ARGV[4] * 3600)
    if peak < 0 then
        for _, known in ipairs(redis.call('HKEYS', KEYS[2])) do
            if tonumber(known) <= hour - ARGV[4] then redis.call('HDEL', KEYS[2], known) end
        end
    end
    """
)


@dataclass(frozen=True)
class Headcount:
    """``peaks``: the most of each hour and when that began, oldest first, this hour last; None where nobody said
    anything."""

    now: int
    peaks: Sequence[tuple[datetime, int | None]]


def say_headcount(count: int) -> None:
    """That so many are connected to this process. Raises RedisError."""
    _say([_NOW, _PEAKS], [f"{socket.gethostname()}:{os.getpid()}", count, _GOOD_MS, _KEPT_HOURS])


def headcount(now: datetime, *, hours: int = 24) -> Headcount:
    """Raises RedisError."""
    told, peaks = redis_client().hvals(_NOW), redis_client().hgetall(_PEAKS)
    open_now = 0
    for each in told:
        count, _, good_until = each.decode().partition(":")
        open_now += int(count) if int(good_until) > now.timestamp() * 1000 else 0
    known = {int(hour): int(peak) for hour, peak in peaks.items()}
    this_hour = int(now.timestamp()) // 3600
    listed = [
        (datetime.fromtimestamp(hour * 3600, UTC), known.get(hour))
        for hour in range(this_hour - hours + 1, this_hour + 1)
    ]
    return Headcount(open_now, listed)
