"""`make cluster` as a server of the end-to-end tests: everybody comes by TLS and HTTP/2 through its nginx."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.flows.servers import ROOT, Phone, Server

READY_WITHIN = 120.0  # seconds; it migrates and collects static files before


class Cluster(Server):
    """``address`` is nginx's; ``servers`` are those behind it."""

    def __init__(self, environ: Mapping[str, str], *, folder: Path) -> None:
        self._data = folder / "cluster"
        self._output = folder / "output.log"
        super().__init__({**environ, "DEBUG": "true", "DATA_DIR": str(folder), "PAYMENT_GATEWAY": "manual"})
        self.address = f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.devservices", "cluster"],
                cwd=ROOT,
                env=self.environ,
                stdout=output,
                stderr=output,
            )

    def wait_until_ready(self, within: float = READY_WITHIN) -> None:
        deadline = time.monotonic() + within
        while "The cluster is ready" not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        # From here on everybody in this process believes this one certificate besides the usual ones.
        os.environ["SSL_CERT_FILE"] = str(self._data / "nginx/fullchain.pem")
        self.redirect = self._said("Redirects")
        self.servers = [self._said("Server 1"), self._said("Server 2")]

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def certificate(self) -> Path:
        return self._data / "nginx/fullchain.pem"

    @property
    def conf(self) -> Path:
        return self._data / "nginx/nginx.conf"

    @property
    def logs(self) -> str:
        """Everything that nginx has written."""
        return "".join(log.read_text() for log in sorted((self._data / "nginx").glob("*.log")))

    def requests(self, path: str) -> list[dict[str, Any]]:
        """Lines of nginx's log about this path."""
        lines = (self._data / "nginx/access.log").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["path"] == path]

    def pid(self, name: str) -> int:
        record = json.loads((self._data / "run.json").read_text())
        return next(int(entry["pid"]) for entry in record if entry["name"] == name)

    def restart(self, number: int) -> None:
        """Asks one server to go; returns when it is there again."""
        name = f"server {number}"
        before = self.pid(name)
        os.kill(before, signal.SIGTERM)
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if self.pid(name) != before and _is_ready(self.servers[number - 1]) and self._is_asked(number):
                return
            time.sleep(0.05)
        raise AssertionError(f"{name} does not come back")

    def _is_asked(self, number: int) -> bool:
        """Whether nginx gives it work again: it leaves a server alone for a second after it did not answer."""
        httpx.get(f"{self.address}/health/live")
        line = json.loads((self._data / "nginx/access.log").read_text().splitlines()[-1])
        return bool(line["server"] == self.servers[number - 1].removeprefix("http://"))

    def direct(self, number: int, person: Phone) -> Phone:
        """The same person at one of the two servers, past nginx."""
        return Phone(self.servers[number - 1], person.token, person.user_id)

    def metric_at(self, number: int, name: str) -> int:
        page = httpx.get(f"{self.servers[number - 1]}/metrics").text
        lines = [line for line in page.splitlines() if line.startswith((f"pacesetter_{name} ", f"pacesetter_{name}{{"))]
        return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))

    def metric(self, name: str) -> int:
        return self.metric_at(1, name) + self.metric_at(2, name)

    def stop(self) -> None:
        """As Ctrl-C does: all of it ends, in order, and nobody is left behind."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        assert self.process.wait(60) == 0, self.output
        assert self.output.endswith("Stopped.\n")
        assert not (self._data / "run.json").exists()
        for address in (self.address, self.redirect, *self.servers):
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))), f"{address} still answers"

    def _said(self, label: str) -> str:
        return next(line.split()[-1] for line in self.output.splitlines() if line.strip().startswith(label))


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
