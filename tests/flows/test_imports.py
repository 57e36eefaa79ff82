"""A file goes up to a real server, and a real worker reads it."""

import http.client
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.stage import most_resident_kib
from tests.fitness.test_importing_apple_health import export, record
from tests.flows.conftest import database_at_hand
from tests.flows.servers import ROOT, Server

BOUNDARY = "frontier"
PADDING = b" " * 1_000_000


def form(content: bytes, padding: int) -> Iterator[bytes]:
    """A form with one file: the content, and so many megabytes of blanks."""
    head = 'Content-Disposition: form-data; name="file"; filename="export.xml"\r\nContent-Type: text/xml\r\n\r\n'
    yield f"--{BOUNDARY}\r\n{head}".encode()
    yield content.removesuffix(b"</HealthData>")
    for _ in range(padding):
        yield PADDING
    yield f"</HealthData>\r\n--{BOUNDARY}--\r\n".encode()


def send(server: Server, token: str, *, padding: int) -> httpx.Response:
    content = export(record(), record(value="7", startDate="2024-03-01 08:00:01 +0100"))
    length = sum(map(len, form(content, 0))) + padding * len(PADDING)
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(length),
    }
    url = f"{server.address}/api/v1/fitness/imports"
    return httpx.post(url, content=form(content, padding), headers=headers, timeout=60)


@pytest.mark.slow
def test_a_large_file_is_never_held_in_memory_and_a_worker_reads_it(
    transactional_db: None, run_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = run_server("uvicorn", DATA_DIR=str(tmp_path))
    phone = server.new_person("Ada")
    assert phone.token
    assert send(server, phone.token, padding=0).status_code == 202  # what is loaded for the first one is loaded
    before = most_resident_kib(server.process.pid)
    answer = send(server, phone.token, padding=100)
    assert answer.status_code == 202, answer.text
    assert most_resident_kib(server.process.pid) - before < 40_000
    subprocess.run(
        [sys.executable, "manage.py", "procrastinate", "worker", "--one-shot"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database_at_hand(), "DATA_DIR": str(tmp_path)},
        check=True,
        capture_output=True,
        timeout=60,
    )
    found = phone.get("/fitness/imports")
    assert [(row["state"], row["accepted"], row["unchanged"]) for row in found] == [("done", 0, 2), ("done", 2, 0)]
    assert not list((tmp_path / "imports").iterdir())


def test_a_stranger_is_refused_before_a_large_file_is_sent(one_server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", one_server.port, timeout=10)
    connection.putrequest("POST", "/api/v1/fitness/imports")
    for name, value in {"Authorization": "Bearer x", "Content-Type": "multipart/form-data; boundary=x"}.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(500_000_000))
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()
