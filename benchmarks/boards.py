"""Big boards: what stays quick as a board grows from a thousand participants to a million."""

import http.client
import itertools
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

from benchmarks.figures import FIGURES, SIZES, say
from benchmarks.latencies import percentile
from benchmarks.seed import MOST_STEPS, Crowd, seed_crowd, tokens_for
from benchmarks.stage import (
    HOST,
    BenchError,
    NotMeasured,
    Server,
    Stage,
    attempt,
    most_resident_kib,
    on_core,
    serving,
    started,
)
from competitions.models import Competition
from leaderboards.queries import board_around, board_page, entry_of

KNOWN = 500
"""People, spread over the whole board, who ask in turn."""
MOST_TIMES = 1_000
SECONDS = 2.0
AROUND = 11
PAGE = 100
REBUILT_WITHIN = 240.0  # seconds, then the size is given up


def measure(stage: Stage) -> None:
    stage.report.notes.append(
        f"Boards: one request after the other, {KNOWN} people spread over the board in turn, at most {MOST_TIMES:,}"
        f" times or {stage.seconds(SECONDS):.0f} s a row; the query itself runs in the bench's process. A rebuild is"
        " `manage.py rebuild_leaderboards`, with the start of Python and its memory."
    )
    with serving(stage) as server:
        for size in SIZES:
            if stage.quick and size > 10_000:
                stage.report.give_up(_keys(size), "only in the full run")
                continue
            attempt(stage, _keys(size), partial(_one, stage, server, size))


def _one(stage: Stage, server: Server, size: int) -> None:
    say(f"boards: seeding {size:,} participants")
    crowd = seed_crowd(people=size, known=min(size, KNOWN))
    _rebuild(stage, crowd.competitions[0], size)
    with on_core(stage.load_core):
        _ask(stage, server, crowd, size)


def _keys(size: int) -> list[str]:
    return [figure.key for figure in FIGURES if figure.section == "boards" and figure.key.endswith(f"_{size}")]


def _ask(stage: Stage, server: Server, crowd: Crowd, size: int) -> None:
    board_id = crowd.competitions[0]
    board = Competition.objects.get(id=board_id)
    people, tokens = itertools.cycle(crowd.people), itertools.cycle(tokens_for(crowd.people))
    offsets = itertools.cycle(range(size // 4, size * 3 // 4, max(1, size // 2 // KNOWN)))
    steps = itertools.count(MOST_STEPS + 1)
    path = f"/api/v1/leaderboard/{board_id}"
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)

    def sync() -> None:
        body = json.dumps({"steps": next(steps), "source": "health_connect"})
        _request(connection, "POST", "/api/v1/fitness/sync", next(tokens), body)

    def get(what: Callable[[], str]) -> None:
        _request(connection, "GET", path + what(), next(tokens))

    def page() -> str:
        return f"?limit={PAGE}&offset={next(offsets)}"

    rows: dict[str, Callable[[], object]] = {
        "rank_function": lambda: entry_of(board, next(people)),
        "rank_http": lambda: get(lambda: "/rank/me"),
        "around_function": lambda: board_around(board, next(people), limit=AROUND),
        "around_http": lambda: get(lambda: f"?around=me&limit={AROUND}"),
        "page_function": lambda: board_page(board, offset=next(offsets), limit=PAGE),
        "page_http": lambda: get(page),
        "sync_http": sync,
    }
    try:
        for name, ask in rows.items():
            taken = _timed(ask, stage.seconds(SECONDS))
            note = f"p50 {percentile(taken, 50):.2f} ms, {len(taken):,} times"
            stage.report.take(f"boards.{name}_{size}", percentile(taken, 99), note)
    finally:
        connection.close()


def _timed(ask: Callable[[], object], seconds: float) -> list[float]:
    """How long each took, in ms; the first ten, which warm caches and connections, are not counted."""
    for _ in range(10):
        ask()
    taken: list[float] = []
    deadline = time.monotonic() + seconds
    while len(taken) < MOST_TIMES and time.monotonic() < deadline:
        started = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _request(
    connection: http.client.HTTPConnection, method: str, path: str, token: str, body: str | None = None
) -> None:
    headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": "application/json"} if body else {})
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise BenchError(f"{method} {path} answers {answer.status}: {text[:300]!r}")


def _rebuild(stage: Stage, board: UUID, size: int) -> None:
    """Raises BenchError unless the command says that it was rebuilt, NotMeasured when it takes too long."""
    command = [sys.executable, "manage.py", "rebuild_leaderboards", str(board), "--json"]
    begun, log = time.monotonic(), stage.folder / f"rebuild-{size}.log"
    most_kib = 0
    with started(command, stage.environ, core=None, log=log) as process:
        while process.poll() is None:
            if time.monotonic() - begun > REBUILT_WITHIN:
                raise NotMeasured(f"not rebuilt after {REBUILT_WITHIN:.0f} s")
            most_kib = max(most_kib, most_resident_kib(process.pid))
            time.sleep(0.02)
    took, said = time.monotonic() - begun, log.read_text()
    if process.returncode != 0 or '"state": "rebuilt"' not in said:
        raise BenchError(f"rebuild_leaderboards failed: {said[-1000:]}")
    stage.report.take(f"boards.rebuild_{size}", took)
    stage.report.take(f"boards.rebuild_memory_{size}", most_kib / 1024)
