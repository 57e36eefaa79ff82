"""Frames: how many leave one process, what a socket costs, and how long a change takes to the last one."""

import asyncio
import itertools
import json
import struct
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from channels.layers import get_channel_layer
from websockets.sync.client import connect

from benchmarks.figures import CROWDS, FIGURES
from benchmarks.latencies import Deliveries, deliveries, percentile, percentile_of_counts
from benchmarks.seed import MOST_STEPS, Crowd, seed_crowd, tokens_for
from benchmarks.stage import (
    HOST,
    BenchError,
    NotMeasured,
    Server,
    Stage,
    attempt,
    compiled,
    cpu_seconds,
    free_port,
    on_core,
    open_files,
    resident_bytes,
    serving,
    started,
)
from benchmarks.syncing import Outcome, Sync, send_all
from leaderboards.models import Standing

PARTICIPANTS = 4_000
ROWS = 4
"""On a frame: with names, steps and the rest that is about 1 kB."""
BOARDS = {2_000: 8, 10_000: 2}
"""That a socket watches while frames are counted: a hub sends each board a few times a second only, so that one board
would show its patience, not its speed."""
CHANGES_WHILE_COUNTING = 10.0
"""A second, each on all boards at once: more often than the hub sends one, so that there is always something new."""
CHANGES = 50.0
STALLED_SHARE = 0.05
SECONDS = 8.0
DELIVERY_SECONDS = 15.0
STALL_SECONDS = 30.0
"""Until the buffers on the way are full, the server notices, and lets them go."""
OPEN_WITHIN = 120.0  # seconds, then the row is given up
DELIVERY = ("frames.connect", "frames.memory", "frames.pace", "frames.every", "frames.last", "frames.stalled")
SETTLE = 2.0
GROUP = (
    "-m",
    "uvicorn",
    "benchmarks.rivals.group:application",
    "--port={port}",
    "--loop=uvloop",
    "--http=httptools",
    "--ws=websockets-sansio",
    "--ws-max-size=16384",
    "--ws-per-message-deflate=false",
    "--no-access-log",
    "--log-level=warning",
    "--lifespan=off",
)
_ARRIVAL = struct.Struct("=IIq")
_steps = itertools.count(MOST_STEPS + 1)  # each more than any before: whoever syncs is first, and on the frame


@dataclass(frozen=True)
class Scene:
    """Who walks, by token, and whose token the sockets carry."""

    crowd: Crowd
    tokens: Sequence[str]

    def path(self, board: UUID) -> str:
        return f"/ws/leaderboard/{board}?limit={ROWS}&token={self.tokens[0]}"

    def syncs(self, people: Sequence[UUID]) -> Iterator[Sync]:
        token = dict(zip(self.crowd.people, self.tokens, strict=True))
        return (Sync(who, token[who], {"steps": next(_steps), "source": "health_connect"}) for who in people)


def measure(stage: Stage) -> None:
    crowd = seed_crowd(people=PARTICIPANTS, competitions=max(BOARDS.values()))
    scene = Scene(crowd, tokens_for(crowd.people))
    with serving(stage) as server:
        frame = _first_frame(server, scene)
    rows = len(json.loads(frame)["data"]["rankings"])
    stage.report.notes.append(
        f"Frames: {len(frame.encode()):,} bytes each ({rows} rows); the process that sends them on one core, the"
        " sockets' client and whoever changes scores on the other, the engines on either."
    )
    for sockets in CROWDS:
        count = sockets // 10 if stage.quick else sockets
        for name, measured in {
            "hub": partial(_count_hub, stage, scene, sockets, count),
            "group": partial(_count_group, stage, scene, sockets, count, frame),
            "writer": partial(_count_writer, stage, sockets, count, frame),
        }.items():
            attempt(stage, [f"frames.{name}_{sockets}"], measured)
    together = [figure.key for figure in FIGURES if figure.key.startswith(DELIVERY)]
    attempt(stage, together, partial(_deliver, stage, scene, count))


def _first_frame(server: Server, scene: Scene) -> str:
    address = f"ws://{HOST}:{server.port}{scene.path(scene.crowd.competitions[0])}"
    with connect(address, max_size=None) as socket:
        return str(socket.recv(timeout=10))


# --- The client in C ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sockets:
    """Ten thousand clients in one process; see load/sockets.c for what it understands."""

    process: subprocess.Popen[bytes]

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()

    def count(self) -> dict[str, Any]:
        self.tell("count")
        output: IO[bytes] | None = self.process.stdout
        assert output is not None
        line = output.readline()
        if not line:
            raise BenchError("The sockets' client has ended.")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def _sockets(
    stage: Stage, port: int, count: int, path: str, *, until: str, more: Sequence[str] = (), record: Path | None = None
) -> Iterator[Sockets]:
    """``count`` sockets, all of them open (``until`` "opened") or with a frame each ("watching"). Raises BenchError
    when some are refused, NotMeasured when it takes too long."""
    log = stage.folder / "sockets.log"
    command = [compiled(stage, "sockets"), "-p", str(port), "-n", str(count), "-w", path, *more]
    command += ["-f"] if until == "watching" else []
    command += ["-o", str(record)] if record else []
    with started(command, stage.environ, core=stage.load_core, log=log, stdin=subprocess.PIPE) as process:
        sockets = Sockets(process)
        deadline = time.monotonic() + OPEN_WITHIN
        while (found := sockets.count())[until] < count:
            if found["failed"] or found["closed"]:
                raise BenchError(
                    f"while {count:,} sockets were opened {found['failed']:,} were refused and {found['closed']:,}"
                    f" closed (the last with {found['last_close']}) {log.read_text()[-300:]}"
                )
            if time.monotonic() > deadline:
                raise NotMeasured(f"only {found[until]:,} of {count:,} sockets were open after {OPEN_WITHIN:.0f} s")
            time.sleep(0.1)
        yield sockets


# --- Frames a second ------------------------------------------------------------------------------------------------


def _count_hub(stage: Stage, scene: Scene, sockets: int, count: int) -> None:
    first, *others = scene.crowd.competitions[: BOARDS[sockets]]
    asked = [{"type": "subscribe", "competitionId": str(board), "limit": ROWS} for board in others]
    more = [word for message in asked for word in ("-m", json.dumps(message))]
    with (
        serving(stage) as server,
        _sockets(stage, server.port, count, scene.path(first), until="watching", more=more) as clients,
    ):

        def change(stop: Callable[[], bool]) -> Awaitable[Outcome]:
            people = scene.syncs(list(itertools.islice(itertools.cycle(scene.crowd.people), 10_000)))
            return send_all(server.port, people, phones=8, per_second=CHANGES_WHILE_COUNTING, until=stop)

        value, note, outcome = _counted(stage, server, clients, change)
    if outcome.refused:
        raise BenchError(f"syncs were refused while frames were counted: {outcome.refused[:5]}")
    note += f"; {BOARDS[sockets]} boards a socket"
    stage.report.take(f"frames.hub_{sockets}", value, note + _of(count, sockets), as_asked=count == sockets)


def _count_group(stage: Stage, scene: Scene, sockets: int, count: int, frame: str) -> None:
    board = scene.crowd.competitions[0]
    group = f"rival.{board.hex}"

    async def send(text: str) -> None:
        layer: Any = get_channel_layer()
        await layer.group_send(group, {"type": "board.frame", "text": text})

    with serving(stage, *GROUP) as server:
        with connect(f"ws://{HOST}:{server.port}{scene.path(board)}", max_size=None) as socket:
            asyncio.run(send(frame))
            if socket.recv(timeout=10) != frame:
                raise BenchError("The rival sends other bytes than the hub.")
        with _sockets(stage, server.port, count, scene.path(board), until="opened") as clients:

            async def change(stop: Callable[[], bool]) -> None:
                while not stop():
                    due = time.monotonic() + 1 / CHANGES_WHILE_COUNTING
                    await send(frame)
                    await asyncio.sleep(max(0.0, due - time.monotonic()))

            value, note, _ = _counted(stage, server, clients, change)
    stage.report.take(f"frames.group_{sockets}", value, f"{note}; 1 board a socket" + _of(count, sockets))


def _count_writer(stage: Stage, sockets: int, count: int, frame: str) -> None:
    file, port = stage.folder / "frame.json", free_port()
    file.write_text(frame)
    command = [compiled(stage, "writer"), str(port), str(count), str(file)]
    with started(command, stage.environ, core=stage.server_core, log=stage.folder / "writer.log") as process:
        time.sleep(0.2)  # until it listens
        server = Server(process, port)
        with _sockets(stage, port, count, "/", until="opened") as clients:
            value, note, _ = _counted(stage, server, clients, _nothing)
    stage.report.take(f"frames.writer_{sockets}", value, note + _of(count, sockets))


async def _nothing(_: Callable[[], bool]) -> None:
    """The loop in C needs no telling."""


def _counted(
    stage: Stage, server: Server, clients: Sockets, change: Callable[[Callable[[], bool]], Awaitable[Any]]
) -> tuple[float, str, Any]:
    """Frames a second while ``change`` goes on, and who was busy meanwhile."""
    over = False

    async def watch() -> tuple[dict[str, Any], dict[str, Any], float]:
        nonlocal over
        await asyncio.sleep(1.0)
        before, cpu_before = clients.count(), cpu_seconds(server.process.pid)
        await asyncio.sleep(stage.seconds(SECONDS))
        after, cpu = clients.count(), cpu_seconds(server.process.pid) - cpu_before
        over = True
        return before, after, cpu

    async def both() -> tuple[tuple[dict[str, Any], dict[str, Any], float], Any]:
        watched, outcome = await asyncio.gather(watch(), change(lambda: over))
        return watched, outcome

    with on_core(stage.load_core):
        (before, after, cpu), outcome = asyncio.run(both())
    seconds = after["at"] - before["at"]
    client = (after["cpu_seconds"] - before["cpu_seconds"]) / seconds
    frames = after["frames"] - before["frames"]
    each = (after["bytes"] - before["bytes"]) / frames if frames else 0.0
    note = f"{each:,.0f} bytes a frame, server {cpu / seconds:.0%} of a core, client {client:.0%}"
    return frames / seconds, note, outcome


def _of(count: int, sockets: int) -> str:
    return f"; only {count:,} sockets" if count != sockets else ""


# --- From the acknowledgement to the last socket ---------------------------------------------------------------------


def _deliver(stage: Stage, scene: Scene, count: int) -> None:
    board, record = scene.crowd.competitions[0], stage.folder / "arrivals"
    slow = int(count * STALLED_SHARE)
    walkers = iter(scene.crowd.people)
    with serving(stage) as server:
        _first_frame(server, scene)  # so that what a first reader loads is not counted as a socket's
        before = resident_bytes(server.process.pid)
        path, more = scene.path(board), ["-s", str(slow)]
        with _sockets(stage, server.port, count, path, until="watching", more=more, record=record) as clients:
            found = clients.count()
            each = (resident_bytes(server.process.pid) - before) / 1024 / count
            stage.report.take("frames.connect", count / found["watching_seconds"], f"{count:,} sockets")
            whole = count == CROWDS[-1]
            stage.report.take("frames.memory", each, f"{count:,} sockets, resident memory", as_asked=whole)
            clients.tell("record")
            full, without = _watched(stage, scene, server, walkers, stage.seconds(DELIVERY_SECONDS))
            clients.tell("stall")
            files = open_files(server.process.pid)
            peak, beside = _watched(stage, scene, server, walkers, stage.seconds(STALL_SECONDS))
            gone = files - open_files(server.process.pid)  # the client cannot see it: it does not read
            clients.count()  # writes the last arrivals out
    arrivals = list(_ARRIVAL.iter_unpack(record.read_bytes()))
    calm = deliveries(without.by_version, arrivals, count - slow)
    stalled = deliveries(beside.by_version, arrivals, count - slow)
    if not (calm.every and stalled.every):
        raise BenchError("no change reached a socket")
    _take_deliveries(stage, calm, without, count)
    note = f"{slow:,} sockets; {_missing(stalled)}{max(0, gone):,} let go by then; {beside.note}"
    kept_up = whole and beside.kept_up
    stage.report.take("frames.stalled_p99", percentile_of_counts(stalled.every, 99), note, as_asked=kept_up)
    more_memory, note = (peak - full) / 2**20, f"{slow:,} sockets, peak of resident memory"
    stage.report.take("frames.stalled_memory", more_memory, note, as_asked=whole)


@dataclass(frozen=True)
class Changes:
    """When the answer to each version was read; ``per_second``: at what pace they really came; ``seconds``: how long
    half of the answers took."""

    by_version: Mapping[int, int]
    per_second: float
    seconds: float

    @property
    def kept_up(self) -> bool:
        """A server that lags behind has fewer frames to send, and an easy time."""
        return self.per_second > 0.9 * CHANGES

    @property
    def note(self) -> str:
        return f"{self.per_second:.0f} changes/s, acknowledged after {self.seconds * 1000:.0f} ms (p50)"


def _watched(
    stage: Stage, scene: Scene, server: Server, walkers: Iterator[UUID], seconds: float
) -> tuple[int, Changes]:
    """Changes scores for so long; answers the server's largest resident memory, and the changes."""
    people = list(itertools.islice(walkers, int(CHANGES * seconds)))
    peak = 0
    ended = asyncio.Event()

    async def sample() -> None:
        nonlocal peak
        while not ended.is_set():
            peak = max(peak, resident_bytes(server.process.pid))
            await asyncio.sleep(0.2)

    async def both() -> Outcome:
        sampling = asyncio.create_task(sample())
        outcome = await send_all(server.port, scene.syncs(people), phones=32, per_second=CHANGES, until=lambda: False)
        await asyncio.sleep(SETTLE)  # the last frames are on their way
        ended.set()
        await sampling
        return outcome

    begun = time.monotonic()
    with on_core(stage.load_core):
        outcome = asyncio.run(both())
    took = time.monotonic() - begun - SETTLE
    if outcome.refused or not outcome.acknowledged:
        raise BenchError(f"syncs were refused while sockets watched: {outcome.refused[:5]}")
    pace = len(outcome.acknowledged) / took
    return peak, Changes(_versions(scene, outcome), pace, percentile(outcome.seconds, 50))


def _versions(scene: Scene, outcome: Outcome) -> dict[int, int]:
    """When each of the board's versions was acknowledged: everybody synced once, so their row still carries the version
    of it. Several in one version (grouped writes) count from the first answer."""
    at = {sync.person: moment for sync, moment in outcome.acknowledged}
    rows = Standing.objects.filter(competition_id=scene.crowd.competitions[0], user_id__in=at)
    versions: dict[int, int] = {}
    for person, version in rows.values_list("user_id", "version"):
        versions[version] = min(at[person], versions.get(version, at[person]))
    return versions


def _take_deliveries(stage: Stage, found: Deliveries, changes: Changes, count: int) -> None:
    as_asked = count == CROWDS[-1] and changes.kept_up
    note = f"{count:,} sockets, {_missing(found)}{changes.note}"
    stage.report.take("frames.pace", changes.per_second, f"{count:,} sockets", as_asked=count == CROWDS[-1])
    for per_cent in (50, 95, 99):
        taken = percentile_of_counts(found.every, per_cent)
        stage.report.take(f"frames.every_p{per_cent}", taken, note, as_asked=as_asked)
    for per_cent in (50, 95, 99):
        taken = percentile(found.last, per_cent)
        stage.report.take(f"frames.last_p{per_cent}", taken, note, as_asked=as_asked)


def _missing(found: Deliveries) -> str:
    return f"{found.missing:,} never came, " if found.missing else ""
