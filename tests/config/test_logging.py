"""One structured line per event, and no secret in any of them."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
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
