"""One structured line per event, and no secret in any of them."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog
from django.conf import settings
from rest_framework.test import APIClient
from structlog.stdlib import ProcessorFormatter

from accounts.links import Purpose, token_for
from accounts.models import User
from config.core.logging import logging_config, without_secrets
from leaderboards.tickets import ticket_for_board
from tests.plugins.log_scan import Listening, Scan
from tests.plugins.log_scan import scan as suite_scan

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the server would have written, line by line, from every logger."""
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    configured = settings.LOGGING["formatters"]["structured"]
    keep = Keep()
    keep.setFormatter(ProcessorFormatter(**{name: value for name, value in configured.items() if name != "()"}))
    root = logging.getLogger()
    level = root.level
    root.addHandler(keep)
    root.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in written]
    root.removeHandler(keep)
    root.setLevel(level)


@pytest.mark.django_db
def test_a_request_is_one_line_with_its_id_and_without_its_query(
    lines: Callable[[], list[dict[str, Any]]], person: User, signed_in: Callable[[User], APIClient]
) -> None:
    signed_in(person).get(f"/api/v1/users/me/profile?token={TOKEN}&secret=hush", HTTP_X_REQUEST_ID="mine")
    (line,) = [line for line in lines() if line["event"] == "request"]
    assert (
        line.items()
        >= {
            "request_id": "mine",
            "method": "GET",
            "path": "/api/v1/users/me/profile",
            "status": 200,
            "user_id": str(person.id),
            "level": "info",
        }.items()
    )
    assert line["duration_ms"] >= 0
    assert line["timestamp"].endswith("Z")
    everything = json.dumps(lines())
    for secret in (TOKEN, "hush", "Bearer"):
        assert secret not in everything


@pytest.mark.parametrize(
    "text",
    [
        f"Bearer {TOKEN}",
        f"bearer, {TOKEN}",
        f'("127.0.0.1", 50000) - "WebSocket /ws/leaderboard/17?token={TOKEN}" [accepted]',
        f"GET /ws/fitness?token={TOKEN} HTTP/1.1",
        f"https://steps.example.org/boards/17?ticket={TOKEN}&x=y",
        f"wss://steps.example.org/ws/fitness/?token={TOKEN}",
        f"failed with {TOKEN}: expired",
    ],
)
def test_other_peoples_lines_lose_queries_and_tokens(lines: Callable[[], list[dict[str, Any]]], text: str) -> None:
    logging.getLogger("some.library").info("%s", text)
    logging.getLogger("some.library").info(text.replace("%", "%%"))
    structlog.get_logger("ours").warning("event", url=text)
    assert len(lines()) == 3
    for line in lines():
        assert TOKEN not in json.dumps(line)
        assert "ticket=" not in json.dumps(line)
        assert "token=" not in json.dumps(line)


def test_a_ticket_is_cut_out_wherever_it_stands(lines: Callable[[], list[dict[str, Any]]]) -> None:
    ticket = ticket_for_board(uuid4(), datetime.now(UTC))
    logging.getLogger("some.library").warning('{"ticket": "%s"} was refused', ticket)
    (line,) = lines()
    assert line["event"] == '{"ticket": "[token]"} was refused'


def test_a_stack_trace_loses_them_too(lines: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        raise ValueError(f"cannot read /ws/fitness?token={TOKEN}")
    except ValueError:
        logging.getLogger("some.library").exception("failed")
        structlog.get_logger("ours").exception("failed")
    assert len(lines()) == 2
    for line in lines():
        assert "ValueError" in line["exception"]
        assert TOKEN not in json.dumps(line)


def test_a_stack_trace_loses_them_in_the_readable_form_too() -> None:
    """What a developer's terminal shows ends up in bug reports."""
    configured = logging_config(level="INFO", readable=True)["formatters"]["structured"]
    logging_config(level="WARNING", readable=False)  # configures structlog as it was
    formatter = ProcessorFormatter(**{name: value for name, value in configured.items() if name != "()"})
    try:
        raise ValueError(f"cannot read Bearer {TOKEN}")
    except ValueError:
        record = logging.LogRecord("some.library", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    text = formatter.format(record)
    assert "ValueError" in text
    assert TOKEN not in text


def test_what_is_no_secret_stays() -> None:
    event = without_secrets(None, "info", {"event": "Why? Because: a/b", "count": 3, "path": "/boards/17"})
    assert event == {"event": "Why? Because: a/b", "count": 3, "path": "/boards/17"}


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_every_level_can_be_configured(level: str) -> None:
    try:
        assert logging_config(level=level, readable=False)["root"]["level"] == level
    finally:
        logging_config(level="WARNING", readable=False)


@pytest.mark.django_db
def test_the_link_of_a_mail_is_in_no_line(
    lines: Callable[[], list[dict[str, Any]]], person: User, anonymous: APIClient
) -> None:
    token = token_for(person, Purpose.RESET_PASSWORD)
    anonymous.get(f"/reset-password/{token}")
    anonymous.post("/api/v1/auth/password/reset/confirm", {"token": token, "password": "short"})
    paths = [line["path"] for line in lines() if line["event"] == "request"]
    assert paths == ["/reset-password/[token]", "/api/v1/auth/password/reset/confirm"]
    assert token.split(":")[2] not in json.dumps(lines())


ADDRESS = "ada.lovelace@walks.example.org"
KEY = "psk_" + "Zk3v" * 8


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (f"550 no such mailbox <{ADDRESS}>", "550 no such mailbox <[e-mail]>"),
        (f"X-API-Key: {KEY} was refused", "X-API-Key: [token] was refused"),
        ("GET /unsubscribe/IjQyIg:1tZ:x_y-z HTTP/1.1", "GET /unsubscribe/[token] HTTP/1.1"),
        ("https://steps.example.org/join/K7QX2M4P was asked", "https://steps.example.org/join/[token] was asked"),
        ("POST /competitions/17/join/ HTTP/1.1", "POST /competitions/17/join/ HTTP/1.1"),
        ("cannot connect to redis://walker:hush-hush@cache:6379/0", "cannot connect to redis://[cut]@cache:6379/0"),
    ],
)
def test_addresses_keys_links_and_passwords_are_cut_out(
    lines: Callable[[], list[dict[str, Any]]], said: str, written: str
) -> None:
    logging.getLogger("some.library").warning("%s", said)
    structlog.get_logger("ours").warning("event", args={"deep": [{"down": said}]}, headers={"Authorization": said})
    theirs, ours = lines()
    assert theirs["event"] == ours["args"]["deep"][0]["down"] == written
    assert ours["headers"] == {"Authorization": "[cut]"}


@pytest.mark.django_db
def test_every_line_of_a_request_says_whose_it_is_and_no_later_one(
    lines: Callable[[], list[dict[str, Any]]], person: User, signed_in: Callable[[User], APIClient]
) -> None:
    client = signed_in(person)
    client.post("/api/v1/fitness/sync", {"steps": "many"})
    structlog.get_logger("later").info("later")
    assert {line.get("user_id") for line in lines() if line["event"] == "request"} == {str(person.id)}
    (later,) = [line for line in lines() if line["event"] == "later"]
    assert not later.keys() & {"user_id", "request_id"}


# --- The scan of every line of the suite ---


SECRET = "of-this-run-" + "q7" * 20


@pytest.mark.parametrize(
    "leak", [f"mail to {ADDRESS}", f"?token={TOKEN}", TOKEN, KEY, f"Bearer {TOKEN}", SECRET, "walk-in-rain"]
)
def test_the_scan_fails_whoever_logs_what_nobody_may_hear(leak: str) -> None:
    """With a formatter that cuts nothing out, as if ours had forgotten to."""
    scan = Scan()
    scan.know([SECRET, "walk-in-rain"])
    planted = logging.getLogger("planted")
    planted.propagate = False  # or the suite's own scan would hear it
    listening = Listening(scan, logging.Formatter())
    planted.addHandler(listening)
    try:
        planted.warning("it is %s", leak)
        with pytest.raises(pytest.fail.Exception, match="would stand in a log"):
            scan.refuse()
        scan.refuse()  # the next test is not to blame
        planted.warning("all is well on /boards/17")
        scan.refuse()
    finally:
        planted.removeHandler(listening)
        planted.propagate = True


def test_the_scan_reads_what_servers_wrote_since_it_last_looked(tmp_path: Path) -> None:
    scan, file = Scan(), tmp_path / "server.log"
    file.write_text("all is well\n")
    scan.look_at_files([file])
    scan.refuse()
    with file.open("a") as log:
        log.write(f"refused {ADDRESS}\n")
    scan.look_at_files([file])
    assert len(scan.found) == 1
    scan.found.clear()
    scan.look_at_files([file])
    scan.refuse()


def test_the_scan_hears_every_logger_of_this_suite() -> None:
    (listening,) = [handler for handler in logging.getLogger().handlers if isinstance(handler, Listening)]
    assert listening.scan is suite_scan
    assert settings.SECRET_KEY in suite_scan.secrets
    assert logging.getLogger("pacesetter.request").isEnabledFor(logging.INFO)
    structlog.get_logger("pacesetter.request").info("request", path=f"/x/{settings.SECRET_KEY}")
    found, suite_scan.found = suite_scan.found, []
    assert len(found) == 1
