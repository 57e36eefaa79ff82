"""docs/typescript: types of this server's OpenAPI, and sockets that come back."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from config.core.json import dump_json
from tests.clients.conftest import npm
from tests.flows.servers import Phone, Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(typescript: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Types generated from the schema as it is now, and everything compiled against them, strictly."""
    schema = tmp_path_factory.mktemp("schema") / "schema.json"
    schema.write_bytes(dump_json(SchemaGenerator().get_schema(request=None, public=True)))  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
    npm(typescript, "run", "types", PACESETTER_SCHEMA=str(schema))
    npm(typescript, "run", "build")
    return typescript


def test_the_socket_client_holds_against_a_server_that_loses_frames(built: Path) -> None:
    said = npm(built, "test")
    assert "# fail 0" in said
    assert "# cancelled 0" in said


def test_a_field_that_the_schema_does_not_have_does_not_compile(built: Path, tmp_path: Path) -> None:
    wrong = built / "src/wrong.ts"
    wrong.write_text(
        "import { signIn } from './api.js';\n"
        "const api = await signIn('', '', '');\n"
        "await api.POST('/api/v1/auth/logout', { body: { refresh: 7 } });\n"
        "await api.GET('/api/v1/nowhere', {});\n"
    )
    try:
        said = subprocess.run(["npx", "tsc", "--noEmit"], cwd=built, capture_output=True, text=True, check=False).stdout
    finally:
        wrong.unlink()
    assert {line.split("(")[1].split(",")[0] for line in said.splitlines() if line.startswith("src/wrong.ts(")} == {
        "3",
        "4",
    }, said


class Walk:
    """The client beside a real server: a line of JSON for everything that it sees."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._seen: list[Any] = []

    def tell(self, line: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def sees(self, fits: Callable[[Any], bool]) -> Any:
        """The first of all that it has seen and will see that fits; board and activity come in either order."""
        assert self._process.stdout
        for seen in self._seen:
            if fits(seen):
                return seen
        for line in self._process.stdout:
            self._seen.append(json.loads(line))
            if fits(self._seen[-1]):
                return self._seen[-1]
        raise AssertionError(f"it ended after {self._seen}")

    def sees_score(self, score: int) -> Any:
        return self.sees(lambda seen: any(row["score"] == score for row in seen.get("rankings", [])))


@contextmanager
def walking(built: Path, *arguments: str) -> Iterator[Walk]:
    command = ["timeout", "180", "node", "build/typescript/test/walk.js", *arguments]
    with subprocess.Popen(
        command, cwd=built, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        try:
            yield Walk(process)
        finally:
            process.terminate()


def test_a_killed_server_is_come_back_to_and_nothing_is_missed(
    built: Path, transactional_db: None, run_server: Callable[..., Server]
) -> None:
    server = run_server("uvicorn", 98)
    account = {"email": "ada@example.org", "password": "a-long-walk-home"}
    Phone(server.address, None).post("/auth/register", {**account, "name": "Ada"})
    ada = Phone(server.address, Phone(server.address, None).post("/auth/token", account)["access"])
    ben = server.new_person("Ben")
    board = ada.new_competition()
    ada.join(board)
    ben.join(board)
    with walking(built, server.address, account["email"], account["password"], board) as walk:
        walk.sees_score(0)
        walk.tell(4000)
        before = walk.sees_score(4000)
        walk.sees(lambda seen: seen.get("snapshot") is False and seen["steps"] == 4000)

        server.kill()
        server.start()
        server.wait_until_ready()
        ben.sync(9000)  # while it was away, or just back: either way it is seen
        after = walk.sees_score(9000)
        assert (after["epoch"], after["version"] > before["version"]) == (before["epoch"], True)
        assert [(row["userName"], row["score"], row["rank"]) for row in after["rankings"]] == [
            ("Ben", 9000, 1),
            ("Ada", 4000, 2),
        ]
        walk.tell(12000)
        last = walk.sees_score(12000)
        walk.tell("leave")
        asked = walk.sees(lambda seen: "entries" in seen)
        assert asked["entries"] == [[row["userId"], row["score"], row["rank"]] for row in last["rankings"]]
