"""Gives the tests real engines: throwaway ones, unless DATABASE_URL and REDIS_URL name others.

Loaded by `-p`, because pytest-django reads the settings before any conftest.py could set their environment.
"""

import os
import secrets
import signal
from collections.abc import Generator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from config.devservices import throwaway


@pytest.hookimpl(wrapper=True)  # a wrapper runs before pytest-django's own implementation, whatever the order
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        number = int(worker.removeprefix("gw")) + 1
        os.environ["REDIS_URL"] = with_database(os.environ["REDIS_URL"], number)
    else:
        _prepare_controller(early_config)
    return (yield)


def with_database(redis_url: str, number: int) -> str:
    """The same server, another of its databases (0 to 15 unless it is told otherwise)."""
    if redis_url.startswith("unix:"):
        return f"{redis_url.partition('?')[0]}?db={number}"
    return urlsplit(redis_url)._replace(path=f"/{number}").geturl()


def _prepare_controller(config: pytest.Config) -> None:
    # As for Ctrl-C, so that a time limit around the tests leaves no engines behind either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        stack = ExitStack()
        engines = stack.enter_context(throwaway())
        config.add_cleanup(stack.close)
        os.environ |= {"DATABASE_URL": engines.database_url, "REDIS_URL": engines.redis_url}
    os.environ |= {
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "JWT_SECRET": secrets.token_urlsafe(32),
        "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
        "RATE_LIMIT": "0",
        "LOG_LEVEL": "WARNING",
    }
