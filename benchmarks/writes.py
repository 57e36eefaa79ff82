"""Writes: syncs of people in three competitions each, acknowledged when they are committed; and whether those that
were acknowledged are still there when the database has died."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from django.db import connection

from benchmarks.reads import DRF, UVICORN
from benchmarks.seed import MOST_STEPS, Crowd, seed_crowd, tokens_for
from benchmarks.stage import BenchError, Load, Server, Stage, attempt, load, serving
from benchmarks.syncing import Outcome, Sync, send_all
from fitness.models import Activity
from leaderboards.models import Standing

PEOPLE = 2_000
COMPETITIONS = 3
PHONES = 64
SECONDS = 8.0
KILL_AFTER = 3.0
PATH = "/api/v1/fitness/sync"


def measure(stage: Stage) -> None:
    crowd = seed_crowd(people=PEOPLE, competitions=COMPETITIONS)
    tokens = tokens_for(crowd.people)
    stage.report.notes.append(
        f"Writes: one record each of {PEOPLE:,} people, {COMPETITIONS} competitions each, steps growing; {PHONES} at a"
        " time; PostgreSQL with fsync; the server on one core, wrk on the other, the engines on either. Afterwards"
        " everybody's activity and places on all boards are compared with what was sent."
    )
    phones = _Phones(stage, crowd, tokens)
    attempt(
        stage,
        ["writes.grouped", "writes.grouped_p50", "writes.grouped_p99", "writes.alone"],
        partial(_shipped, stage, phones),
    )
    attempt(stage, ["writes.single"], partial(_single, stage, phones))
    attempt(stage, ["writes.found"], partial(_killed, stage, crowd, tokens))


class _Phones:
    """wrk as so many people's phones."""

    def __init__(self, stage: Stage, crowd: Crowd, tokens: list[str]) -> None:
        self._stage, self._crowd = stage, crowd
        self._day, self._began = datetime.now(UTC).date(), int(time.time())
        listed = stage.folder / "walkers.txt"
        listed.write_text("\n".join(tokens) + "\n")
        self._environ = {
            "TOKENS": str(listed),
            "FROM": str(MOST_STEPS),
            "BEGAN": str(self._began),
            "DAY": self._day.isoformat(),
        }

    def sync(self, server: Server, *, connections: int) -> Load:
        """Raises BenchError unless everybody's last steps are stored and on all boards."""
        since = MOST_STEPS + (int(time.time()) - self._began) * 100
        found = load(
            self._stage,
            server,
            PATH,
            seconds=self._stage.seconds(SECONDS),
            connections=connections,
            script="syncs.lua",
            environ=self._environ,
        )
        expected = min(PEOPLE, found.requests)
        stored = Activity.objects.filter(user_id__in=self._crowd.people, day=self._day, steps__gte=since).count()
        boards = Standing.objects.filter(competition_id__in=self._crowd.competitions, score__gt=since).count()
        if stored < expected or boards < expected * COMPETITIONS:
            raise BenchError(
                f"{found.requests} syncs were acknowledged, but {stored} people and {boards} places moved."
            )
        return found


def _shipped(stage: Stage, phones: _Phones) -> None:
    with serving(stage) as server:
        found = phones.sync(server, connections=PHONES)
        stage.report.take("writes.grouped", found.per_second, found.note)
        stage.report.take("writes.grouped_p50", found.p50_ms)
        stage.report.take("writes.grouped_p99", found.p99_ms)
        found = phones.sync(server, connections=1)
        stage.report.take("writes.alone", found.per_second, found.note)


def _single(stage: Stage, phones: _Phones) -> None:
    with serving(stage, *UVICORN, DRF) as server:
        found = phones.sync(server, connections=PHONES)
        stage.report.take("writes.single", found.per_second, found.note)


# --- kill -9 ----------------------------------------------------------------------------------------------------------


def _killed(stage: Stage, crowd: Crowd, tokens: list[str]) -> None:
    """Every sync is a row of its own (a person's day), so that none can hide behind a later one."""
    with serving(stage, pinned=False) as server:
        outcome, killed_at = asyncio.run(_through_a_crash(stage, server, _days(crowd, tokens)))
    connection.close()  # it was cut
    wanted = [(sync.person, sync.record["date"], sync.record["steps"]) for sync, _ in outcome.acknowledged]
    rows = Activity.objects.filter(user_id__in=crowd.people).values_list("user_id", "day", "steps")
    there = {(person, day.isoformat(), steps) for person, day, steps in rows}
    found = sum(row in there for row in wanted)
    before = sum(at < killed_at for _, at in outcome.acknowledged)
    if not 0 < before < len(wanted):
        raise BenchError("no sync was acknowledged before PostgreSQL died, or none after it came back")
    note = (
        f"{found:,} of {len(wanted):,}; {before:,} of them before it died; {len(outcome.refused):,} refused meanwhile"
    )
    stage.report.take("writes.found", 100 * found / len(wanted), note)


def _days(crowd: Crowd, tokens: list[str]) -> Iterator[Sync]:
    """Endless: everybody's day before yesterday, then everybody's day before that …"""
    day = datetime.now(UTC).date() - timedelta(days=1)
    while True:
        day -= timedelta(days=1)
        for number, (person, token) in enumerate(zip(crowd.people, tokens, strict=True)):
            record = {"steps": 1 + number, "source": "health_connect", "date": day.isoformat()}
            yield Sync(person, token, record)


async def _through_a_crash(stage: Stage, server: Server, syncs: Iterator[Sync]) -> tuple[Outcome, int]:
    """PostgreSQL dies amid the syncs and comes back; they go on before and after. Also when it died, in nanoseconds of
    CLOCK_MONOTONIC."""
    over, killed_at = False, 0

    async def crash() -> None:
        nonlocal over, killed_at
        await asyncio.sleep(KILL_AFTER)
        await asyncio.to_thread(stage.postgres.kill)
        killed_at = time.monotonic_ns()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(stage.postgres.start)
        await asyncio.sleep(KILL_AFTER)
        over = True

    outcome, _ = await asyncio.gather(send_all(server.port, syncs, phones=PHONES, until=lambda: over), crash())
    return outcome, killed_at
