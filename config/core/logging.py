"""One structured line per event: JSON outside DEBUG, readable columns with it.

Standard-library loggers (Django, uvicorn, procrastinate) pass through the same processors, so every line carries the
request id and none carries a query string.
"""

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

Event = MutableMapping[str, Any]

_QUERY = re.compile(r"(?<=[\w/])\?[^\s\"']+")
_TOKEN = re.compile(r"\b(?:Bearer\s+\S+|eyJ[\w-]+[.:][\w-]+[.:][\w-]*)")  # tickets have colons


def without_secrets(_logger: Any, _method: str, event: Event) -> Event:
    """Cuts query strings and tokens out of every text: other people's log lines hold whole URLs."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _TOKEN.sub("[token]", _QUERY.sub("?[cut]", value))
    return event


def logging_config(*, level: str, readable: bool) -> dict[str, Any]:
    """Configures structlog and returns Django's LOGGING, both with the same processors."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=[]),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Any = (
        # The rich formatter would print variables, tokens too.
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        if readable
        else structlog.processors.JSONRenderer()
    )
    finish = [structlog.processors.format_exc_info, without_secrets, renderer]  # a stack trace is text by then
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Their request lines repeat ours, with the query string.
            "uvicorn.access": {"level": "CRITICAL", "propagate": False},
            "uvicorn.error": {"level": max(logging.WARNING, logging.getLevelName(level)), "propagate": True},
            "django.channels.server": {"level": "WARNING"},
            "daphne": {"level": "WARNING"},
            "django": {"handlers": [], "propagate": True},  # Django's own handler would print it all once more, raw
            "django.security.DisallowedHost": {
                "handlers": [],
                "propagate": False,
            },  # answered with a 400, and logged so
            "django.request": {"level": "ERROR"},
            "django.server": {"level": "WARNING"},
            "procrastinate": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
        },
    }
