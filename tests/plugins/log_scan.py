"""Looks at every line that the tests would have logged, for what must never stand in a log.

Every record that reaches the root logger while tests run, from INFO on as in production, is put into words by the real
formatter. A line with an e-mail address, a token, a key, or a secret or password of this very run fails the test that
logged it. The log files of servers that tests start are looked at when the test that used them is over.

Loaded by `-p`, so that nothing runs before it.
"""

import logging
import re
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_E_MAIL = r"[\w.+-]+@[\w-]+\.[\w.-]+"
_TOKENS = r"eyJ[\w-]{8,}[.:][\w-]+[.:]|psk_[\w-]{8,}|\bBearer\s+[\w.~+/-]{8,}|[?&](?:token|ticket)=[\w.-]+"
_SUSPECT = re.compile(f"{_E_MAIL}|{_TOKENS}", re.IGNORECASE)
_SHORTEST = 8
"""Of a secret: a shorter one stands in words by chance."""
_OF_THE_RUN = ("SECRET_KEY", "JWT_SECRET", "STATEMENT_KEY", "SENDGRID_API_KEY", "TWILIO_AUTH_TOKEN")


@dataclass
class Scan:
    """``found``: what the test at hand has said so far that nobody may hear."""

    secrets: set[str] = field(default_factory=set)
    found: list[str] = field(default_factory=list)
    _read_to: dict[Path, int] = field(default_factory=dict)

    def know(self, secrets: Iterable[object]) -> None:
        self.secrets |= {text for text in map(str, secrets) if len(text) >= _SHORTEST}

    def look_at(self, line: str) -> None:
        suspect = _SUSPECT.search(line)
        if suspect is not None:
            self.found.append(f"{suspect[0]!r} in {line!r}")
        self.found += [f"a secret of this run in {line!r}" for secret in self.secrets if secret in line]

    def look_at_files(self, files: Iterable[Path]) -> None:
        """What was written to them since the last look."""
        for file in files:
            with file.open("rb") as log:
                log.seek(self._read_to.get(file, 0))
                for line in log:
                    self.look_at(line.decode(errors="replace"))
                self._read_to[file] = log.tell()

    def refuse(self) -> None:
        """Fails whoever said it, once."""
        found, self.found = self.found, []
        if found:
            pytest.fail("This would stand in a log: " + "\n".join(found), pytrace=False)


class Listening(logging.Handler):
    """At the root, where the server's own handler is."""

    def __init__(self, scan: Scan, formatter: logging.Formatter) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(formatter)
        self.scan = scan

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:
            self.scan.found.append(f"a record of {record.name} that cannot be put into words: {error!r}")
        else:
            self.scan.look_at(line)


scan = Scan()


def real_formatter(config: Mapping[str, object]) -> logging.Formatter:
    """The one that LOGGING configures."""
    from structlog.stdlib import ProcessorFormatter

    options = {name: value for name, value in config.items() if name != "()"}
    return ProcessorFormatter(**options)  # type: ignore[arg-type]  # as LOGGING has them


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    from django.conf import settings
    from django.contrib.auth.base_user import AbstractBaseUser

    scan.know(getattr(settings, name, "") for name in _OF_THE_RUN)
    scan.know([settings.SIMPLE_JWT["SIGNING_KEY"], *settings.TOKEN_KEYS])
    set_password = AbstractBaseUser.set_password

    def known_password(person: AbstractBaseUser, raw: str | None) -> None:
        scan.know([raw] if raw else [])
        set_password(person, raw)

    AbstractBaseUser.set_password = known_password  # type: ignore[method-assign, assignment]  # on purpose: it listens


def listen() -> None:
    """Also after Django was set up once more, as the ASGI application does when a test imports it."""
    from django.conf import settings

    root = logging.getLogger()
    if any(isinstance(handler, Listening) for handler in root.handlers):
        return
    for handler in root.handlers:
        handler.setLevel(logging.WARNING)  # as quiet as before
    root.addHandler(Listening(scan, real_formatter(settings.LOGGING["formatters"]["structured"])))
    root.setLevel(logging.INFO)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    listen()
    result = yield
    scan.refuse()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    listen()
    result = yield
    scan.refuse()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    result = yield
    if item.get_closest_marker("slow"):
        scan.look_at_files(log_files(item.config))
    scan.refuse()
    return result


def log_files(config: pytest.Config) -> list[Path]:
    """Of the servers of this run, by what tests call them. What Django writes into files instead of mail is no log."""
    factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]  # pytest's own, which has no public name
    return [file for file in factory.getbasetemp().rglob("*log") if file.is_file() and file.parent.name != "mail"]
