"""Reads: an authenticated top 100 from the server as shipped, and the same bytes from whoever else could give them."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

from benchmarks.seed import seed_crowd, tokens_for
from benchmarks.stage import (
    HOST,
    Answer,
    BenchError,
    NotMeasured,
    Server,
    Stage,
    attempt,
    cpu_seconds,
    fetch,
    free_port,
    load,
    moved_to_core,
    run,
    serving,
    started,
    tool,
    wait_until_ready,
)
from config.core.redis import redis_client

PARTICIPANTS = 2_000
READERS = 1_000
SECONDS = 8.0
UVICORN = ("-m", "uvicorn", "--port={port}", "--loop=uvloop", "--http=httptools", "--no-access-log", "--lifespan=off")
DAPHNE = ("-m", "daphne", "-b", HOST, "-p", "{port}", "-v", "0")
DRF = "benchmarks.rivals.drf:application"
KEY = "bench:zrevrange"


def measure(stage: Stage) -> None:
    crowd = seed_crowd(people=PARTICIPANTS)
    tokens = tokens_for(crowd.people[:READERS])
    path = f"/api/v1/leaderboard/{crowd.competitions[0]}?limit=100"
    expected = _shipped(stage, path, tokens)
    stage.report.notes.append(
        f"Reads: limit=100, {len(expected):,} bytes of body from every HTTP rival, checked before each row; 64"
        " connections of one wrk thread on a core of its own; the server on the other, its engines on either."
    )
    for key, command in {"reads.drf_uvicorn": (*UVICORN, DRF), "reads.drf_daphne": (*DAPHNE, DRF)}.items():
        _take(stage, key, partial(_rival, stage, command, path, tokens[0], expected))
    _take(stage, "reads.nginx", partial(_nginx, stage, expected, tokens[0]))
    _zrevrange(stage)


def _take(stage: Stage, key: str, measured: Callable[[], tuple[float, str]]) -> None:
    attempt(stage, [key], lambda: stage.report.take(key, *measured()))


def _shipped(stage: Stage, path: str, tokens: list[str]) -> bytes:
    """The three rows of the server itself; answers the body that all others have to match."""
    with serving(stage) as server:
        refuse_strangers(server, path)
        answer = fetch(server.port, path, token=tokens[0])
        if answer.status != 200:
            raise BenchError(f"The server answers {answer.status} to {path}: {answer.body[:500]!r}")
        _take(stage, "reads.snapshot", partial(_loaded, stage, server, path, {"Authorization": f"Bearer {tokens[0]}"}))
        listed = stage.folder / "readers.txt"
        listed.write_text("\n".join(tokens) + "\n")
        _take(stage, "reads.people", partial(_loaded, stage, server, path, {}, "tokens.lua", {"TOKENS": str(listed)}))
        _take(stage, "reads.unchanged", partial(_unchanged, stage, server, path, tokens[0], answer))
    return answer.body


def _loaded(
    stage: Stage,
    server: Server,
    path: str,
    headers: Mapping[str, str],
    script: str = "report.lua",
    environ: Mapping[str, str] | None = None,
) -> tuple[float, str]:
    seconds = stage.seconds(SECONDS)
    found = load(stage, server, path, seconds=seconds, headers=headers, script=script, environ=environ)
    return found.per_second, found.note


def _unchanged(stage: Stage, server: Server, path: str, token: str, answer: Answer) -> tuple[float, str]:
    tag = answer.headers.get("etag")
    if tag is None:
        raise NotMeasured("the server sends no ETag")
    headers = {"Authorization": f"Bearer {token}", "If-None-Match": tag}
    status = fetch(server.port, path, headers=headers).status
    if status != 304:
        raise BenchError(f"The server answers {status}, not 304, to its own ETag.")
    return _loaded(stage, server, path, headers)


def _rival(stage: Stage, command: tuple[str, ...], path: str, token: str, expected: bytes) -> tuple[float, str]:
    with serving(stage, *command) as server:
        refuse_strangers(server, path)
        refuse_other_bytes(server, path, token, expected)
        return _loaded(stage, server, path, {"Authorization": f"Bearer {token}"})


def refuse_strangers(server: Server, path: str) -> None:
    """Raises BenchError unless the server asks who is calling."""
    status = fetch(server.port, path).status
    if status != 401:
        raise BenchError(f"{path} answers {status} without a token, not 401.")


def refuse_other_bytes(server: Server, path: str, token: str, expected: bytes) -> None:
    """Raises BenchError unless the body is byte for byte what the shipped server answers."""
    answer = fetch(server.port, path, token=token)
    if answer.status != 200 or answer.body != expected:
        raise BenchError(
            f"A rival answers other bytes to {path}: {answer.status}, {len(answer.body)} bytes instead of"
            f" {len(expected)}: {answer.body[:300]!r}"
        )


# --- nginx --------------------------------------------------------------------------------------------------------


def _nginx(stage: Stage, body: bytes, token: str) -> tuple[float, str]:
    with _nginx_serving(stage, body) as server:
        refuse_other_bytes(server, "/board.json", token, body)
        value, note = _loaded(stage, server, "/board.json", {"Authorization": f"Bearer {token}"})
        return value, f"{note}; asks nobody who they are"


@contextmanager
def _nginx_serving(stage: Stage, body: bytes) -> Iterator[Server]:
    home = stage.folder / "nginx"
    home.mkdir()
    (home / "board.json").write_bytes(body)
    port = free_port()
    (home / "nginx.conf").write_text(_nginx_conf(home, port))
    command = [tool("nginx"), "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")]
    with started(command, stage.environ, core=stage.server_core, log=home / "nginx.log") as process:
        server = Server(process, port)
        wait_until_ready(server, "/board.json", home / "nginx.log")
        yield server


def _nginx_conf(home: Path, port: int) -> str:
    """One process, no log, the file kept open and sent by the kernel: what nginx does best."""
    folders = " ".join(
        f"{kind}_temp_path {home}/temp;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
        daemon off; master_process off; pid {home}/nginx.pid; error_log {home}/error.log;
        events {{ worker_connections 1024; }}
        http {{
            access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000;
            open_file_cache max=16; default_type application/json; {folders}
            server {{ listen {HOST}:{port}; root {home}; }}
        }}
    """


# --- The engine itself --------------------------------------------------------------------------------------------


def _zrevrange(stage: Stage) -> None:
    """From the same Valkey, moved to the server's core meanwhile. Over TCP as the HTTP rivals; by its own Unix socket,
    which the server uses, it is faster, so that stands beside it."""
    client, port = redis_client(), free_port()
    client.zadd(KEY, {str(uuid4()): float(score) for score in range(PARTICIPANTS)})
    client.config_set("port", port)
    ways = {
        "reads.zrevrange": ["-h", HOST, "-p", str(port)],
        "reads.zrevrange_unix": ["-s", stage.valkey.url.removeprefix("unix://").partition("?")[0]],
    }
    pid = stage.valkey.pid
    assert pid is not None
    try:
        with moved_to_core(pid, stage.server_core):
            for key, way in ways.items():
                _take(stage, key, partial(_redis_benchmark, stage, way, pid))
    finally:
        client.config_set("port", 0)
        client.delete(KEY)


def _redis_benchmark(stage: Stage, way: list[str], pid: int) -> tuple[float, str]:
    command = [tool("redis-benchmark"), *way, "-c", "64", "-P", "1", "--csv", "-n"]
    asked = ["zrevrange", KEY, "0", "99", "withscores"]

    def rate(requests: int) -> float:
        return read_redis_benchmark(run([*command, str(requests), *asked], stage.environ, core=stage.load_core))

    requests = int(rate(20_000) * stage.seconds(SECONDS))
    before = cpu_seconds(pid)
    per_second = rate(requests)
    busy = (cpu_seconds(pid) - before) * per_second / requests
    return per_second, f"64 connections, pipeline of 1, members as long as UUIDs, Valkey {busy:.0%} of a core"


def read_redis_benchmark(output: str) -> float:
    """Requests a second out of its CSV. Raises BenchError when there is none."""
    for row in csv.DictReader(io.StringIO(output)):
        return float(row["rps"])
    raise BenchError(f"redis-benchmark did not say what it found:\n{output}")
