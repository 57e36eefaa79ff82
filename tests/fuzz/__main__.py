"""python -m tests.fuzz [--cases 100000] [--frames 100000] [--seed 1] [--json FILE] [--markdown FILE] [--hold]"""

import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.fuzz.calls import Calls, Task, make_calls
from tests.fuzz.document import prepared
from tests.fuzz.frames import send_frames
from tests.fuzz.installation import Installation, Watched, installed
from tests.fuzz.report import Report, cases_of

AT_ONCE = 2
"""Roles whose calls are made at the same time, each by a process of its own."""
LAST = "superuser"
"""Who may delete everybody else, when they are done."""


def main(arguments: list[str]) -> int:
    """Answers the exit code: 1 when something was found."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _say(f"Seed {options.seed}. Making a world …")
    with installed(options.seed) as installation, installation.serving() as server:
        report = fuzz(installation, server, cases=options.cases, frames=options.frames, seed=options.seed)
        sys.stdout.write(report.as_markdown() + "\n")
        if options.json:
            options.json.write_text(report.as_json())
        if options.markdown:
            options.markdown.write_text(report.as_markdown())
        if options.hold:
            _say(f"The same world is served at {server.address} until Ctrl-C.")
            signal.pause()
    return 1 if report.faults else 0


def fuzz(installation: Installation, server: Watched, *, cases: int, frames: int, seed: int) -> Report:
    report, began = Report(seed), time.monotonic()
    if cases:
        for calls in _all_calls(installation, server, cases, seed):
            report.calls.append(calls)
            rate = calls.cases / calls.seconds
            _say(f"{calls.role}: {calls.cases:,} cases, {rate:.0f}/s; {cases_of(report.calls):,} so far")
    if frames:
        token = installation.world["roles"]["person"]["Authorization"].removeprefix("Bearer ")
        boards = installation.world["competition_id"]
        report.frames = send_frames(server, token=token, boards=boards, count=frames, seed=seed)
        _say(f"{report.frames.frames:,} frames, {report.frames.frames / report.frames.seconds:.0f}/s")
    report.tracebacks = server.tracebacks()
    report.seconds = time.monotonic() - began
    return report


def _all_calls(installation: Installation, server: Watched, cases: int, seed: int) -> Iterator[Calls]:
    document = prepared(server.document(), installation.world)
    roles = installation.world["roles"]
    tasks = [
        Task(
            role,
            headers,
            server.address,
            document,
            installation.world,
            -(-cases // len(roles)),
            seed * 1000 + 100 * number,
        )
        for number, (role, headers) in enumerate(roles.items())
    ]
    with ProcessPoolExecutor(AT_ONCE, mp_context=get_context("spawn")) as pool:
        yield from pool.map(make_calls, [task for task in tasks if task.role != LAST])
        yield from pool.map(make_calls, [task for task in tasks if task.role == LAST])


def _options(arguments: list[str]) -> Namespace:
    parser = ArgumentParser(prog="make fuzz")
    parser.add_argument("--cases", type=int, default=100_000, help="HTTP calls, of all roles")
    parser.add_argument("--frames", type=int, default=100_000, help="WebSocket frames")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--markdown", type=Path, help="write the report there")
    parser.add_argument(
        "--hold", action="store_true", help="go on serving the world afterwards, to repeat what was found"
    )
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
