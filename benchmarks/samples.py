"""Samples: ten thousand in one request, and a whole competition of phones and watches counted anew."""

import http.client
import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.figures import FIGURES, say
from benchmarks.seed import seed_crowd, tokens_for
from benchmarks.stage import HOST, BenchError, Server, Stage, attempt, serving
from competitions.models import Competition
from fitness.services.counting import count_activity

SAMPLES = 10_000
COMPETITIONS = 3
PARTICIPANTS = 10_000
DAYS = 30
SOURCES = (("Phone", "phone"), ("Watch", "watch"))


def measure(stage: Stage) -> None:
    stage.report.notes.append(
        f"Samples: of a phone and a watch, overlapping, in {COMPETITIONS} competitions; the largest counts. The day"
        " totals beside them are what a client would send that adds its samples up. Counted anew: one transaction in"
        f" the bench's process, {PARTICIPANTS:,} participants × {DAYS} days × {len(SOURCES)} sources."
    )
    keys = [figure.key for figure in FIGURES if figure.section == "samples"]
    with serving(stage) as server:
        attempt(stage, keys[:3], lambda: _requests(stage, server))
    attempt(stage, keys[3:], lambda: _recount(stage))


def _requests(stage: Stage, server: Server) -> None:
    crowd = seed_crowd(people=6, competitions=COMPETITIONS)
    token, *others = tokens_for(crowd.people)
    _post(server, others[0], {"samples": list(_samples(100))})  # a process that has answered before
    body = {"samples": list(_samples(SAMPLES))}
    stage.report.take("samples.request", _post(server, token, body))
    stage.report.take("samples.again", _post(server, token, body))
    started = time.perf_counter()
    for start in range(0, SAMPLES, 1000):
        _post(server, others[1], {"records": [_day_total(number) for number in range(start, start + 1000)]})
    stage.report.take("samples.records", time.perf_counter() - started, "ten requests")


def _samples(count: int) -> Iterator[dict[str, Any]]:
    """Over the last thirty days, one after the other of both sources, each half over the one before."""
    chance = random.Random(1)  # noqa: S311 - no secret
    first = datetime.now(UTC) - timedelta(days=DAYS)
    step = timedelta(days=DAYS) / (count + 1)
    for number in range(count):
        device, kind = SOURCES[number % 2]
        start = first + number * step
        yield {
            "id": f"{number:08x}-0000-4000-8000-000000000000",
            "type": "steps",
            "start": start.isoformat(),
            "end": (start + 1.5 * step).isoformat(),
            "value": chance.randrange(1, 120),
            "unit": "count",
            "source": {"app": "apple_health", "device": device, "kind": kind},
            "recording": "automatic",
            "zone": "Europe/Berlin",
        }


def _day_total(number: int) -> dict[str, Any]:
    day = datetime.now(UTC).date() - timedelta(days=number % 900)
    return {"date": day.isoformat(), "steps": 5000 + number, "source": ("fitbit", "garmin")[number // 900 % 2]}


def _post(server: Server, token: str, body: dict[str, Any]) -> float:
    """Seconds until it is acknowledged."""
    text = json.dumps(body)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(HOST, server.port, timeout=120)
    try:
        started = time.perf_counter()
        connection.request("POST", "/api/v1/fitness/sync", text, headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        took = time.perf_counter() - started
    finally:
        connection.close()
    if answer.status != 200 or said["data"]["rejected"]:
        raise BenchError(f"a sync of {len(text):,} bytes answers {answer.status}: {str(said)[:300]}")
    return took


_SOURCES = """
    INSERT INTO fitness_datasource (user_id, app, device, kind, synced_at)
    SELECT user_id, 'apple_health', device, kind, now()
      FROM competitions_participant, (VALUES ('Phone', 'phone'), ('Watch', 'watch')) AS made (device, kind)
     WHERE competition_id = %(competition)s
"""
_SAMPLES_OF_ALL = """
    INSERT INTO fitness_sample (user_id, source_id, external_id, version, channel, type, start_at, end_at, amount,
                                recording, zone, synced_at, removed_by_window)
    SELECT user_id, id, 'd' || day || '-' || id, 0, 'push', 'steps',
           %(first)s + (day * 24 + 8) * interval '1 hour',
           %(first)s + (day * 24 + CASE kind WHEN 'phone' THEN 20 ELSE 17 END) * interval '1 hour',
           3000 + (id * 7919 + day * 104729) %% 9000, 'automatic', 'UTC', now(), false
      FROM fitness_datasource, generate_series(0, %(days)s - 1) AS day
     WHERE user_id IN (SELECT user_id FROM competitions_participant WHERE competition_id = %(competition)s)
"""


def _recount(stage: Stage) -> None:
    participants = 500 if stage.quick else PARTICIPANTS
    say(f"samples: seeding {participants:,} participants")
    board = seed_crowd(people=participants).competitions[0]
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS + 1)
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {"competition": board, "first": first, "days": DAYS}
        cursor.execute(_SOURCES, parameters)
        cursor.execute(_SAMPLES_OF_ALL, parameters)
        cursor.execute("VACUUM ANALYZE fitness_datasource, fitness_sample")
    stage.report.take("samples.recount", _counted_anew(board), as_asked=not stage.quick)
    stage.report.take("samples.recount_again", _counted_anew(board), as_asked=not stage.quick)


def _counted_anew(board: UUID) -> float:
    competition = Competition.objects.get(id=board)
    started = time.perf_counter()
    with transaction.atomic():
        count_activity(competitions=[competition], user_ids=None, now=timezone.now())
    return time.perf_counter() - started
