"""A real server on a real port, and Chromium in front of it.

Playwright keeps an event loop running in the thread of the test, and Django refuses the ORM there. So a test first
makes its world, then opens the page, and from then on changes it as a phone does: over HTTP.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx
import pytest
from django.db import connection
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
READY_WITHIN = 30.0  # seconds
ROOT = Path(__file__).resolve().parents[2]

OpenPage = Callable[..., "Visit"]


class Server:
    """`python -m config.serve` over the test's database; it can be killed and started again under the same address."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.address = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        # With DEBUG the style sheet and the script come from the source tree; otherwise collectstatic must have run.
        where = {"HOST": "127.0.0.1", "PORT": str(self.port), "PUBLIC_URL": self.address}
        ours = {"DEBUG": "true", "DATABASE_URL": database_url(), **where}
        self._environ = os.environ | ours

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "config.serve"], cwd=ROOT, env=self._environ)
        deadline = time.monotonic() + READY_WITHIN
        while not self._ready():
            assert self._process.poll() is None, "the server ended while it started"
            assert time.monotonic() < deadline, "the server was not ready in time"
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def sync(self, token: str, **record: Any) -> None:
        """What a phone sends."""
        body = {"source": "health_connect", **record}
        headers = {"Authorization": f"Bearer {token}"}
        httpx.post(f"{self.address}/api/v1/fitness/sync", json=body, headers=headers).raise_for_status()

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.address}/health/ready").status_code == 200
        except httpx.TransportError:
            return False


class Visit:
    """An open page, and everything that its console complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def names(self) -> list[str]:
        return self.page.locator("#rows .name").all_text_contents()

    @property
    def scores(self) -> list[str]:
        return self.page.locator("#rows .score b").all_text_contents()


def database_url() -> str:
    """The test's own database, as a child process finds it."""
    database = connection.settings_dict
    host = str(database["HOST"])
    where = f"/{database['NAME']}?host={quote(host)}" if host.startswith("/") else f"{host}/{database['NAME']}"
    who = ":".join(quote(str(part), safe="") for part in (database["USER"], database["PASSWORD"]) if part)
    if not host.startswith("/") and database["PORT"]:
        where = f"{host}:{database['PORT']}/{database['NAME']}"
    return f"postgresql://{who}@{where}"


@pytest.fixture
def server(transactional_db: None) -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def open_page(server: Server) -> Iterator[OpenPage]:
    """Opens a path of the server. Keywords are those of a Playwright context: ``viewport``, ``color_scheme``,
    ``java_script_enabled``; ``prepare`` is called with the page before it loads."""
    with ExitStack() as stack:
        browsers: list[Browser] = []

        def opened(path: str, *, prepare: Callable[[Page], None] | None = None, **options: Any) -> Visit:
            if not browsers:  # not before the test's world is made: see above
                browsers.append(browser_in(stack))
            page = browsers[0].new_page(**options)
            page.set_default_timeout(10_000)
            if prepare is not None:
                prepare(page)
            visit = Visit(page)
            page.goto(f"{server.address}{path}")
            return visit

        yield opened


def browser_in(stack: ExitStack) -> Browser:
    """Chromium, until the stack is left."""
    if shutil.which(CHROMIUM) is None:
        pytest.fail("The browser tests need Debian's chromium: apt-get install chromium.", pytrace=False)
    playwright = stack.enter_context(sync_playwright())
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS + QUIET)
    stack.callback(browser.close)
    return browser
