"""One structured line per event: JSON outside DEBUG, readable columns with it.

Standard-library loggers (Django, uvicorn, procrastinate) pass through the same processors, so every line carries the
request id and none carries a query string.
"""

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

from config.core.tracing import trace_id

Event = MutableMapping[str, Any]

_QUERY = re.compile(r"(?<=[\w/])\?[^\s\"']+")
# Tickets and links have colons where tokens have dots; our keys begin with psk_.
_TOKEN = re.compile(r"\b(?:Bearer\s+\S+|eyJ[\w-]+[.:][\w-]+[.:][\w-]*|psk_[\w-]+)", re.IGNORECASE)
_LINK = re.compile(r"(/(?:unsubscribe|reset-password|verify-email|join)/)[^/\s\"'?]+")  # as in nginx.conf
_PASSWORD = re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)")
_E_MAIL = re.compile(r"[\w.!#$%&*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+")
_SECRET_NAMES = frozenset({"authorization", "x-api-key", "cookie", "set-cookie", "password", "secret"})


def without_secrets(_logger: Any, _method: str, event: Event) -> Event:
    """Cuts query strings, tokens, keys, passwords and e-mail addresses out of every text, however deep it lies: other
    people's log lines hold whole URLs, and jobs their arguments."""
    for key, value in event.items():
        event[key] = _cut(key, value)
    return event


def _cut(key: object, value: Any) -> Any:
    match value:
        case str():
            return "[cut]" if isinstance(key, str) and key.lower() in _SECRET_NAMES else cut_text(value)
        case None | bool() | int() | float():
            return value
        case dict():
            return {name: _cut(name, inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_cut(key, inner) for inner in value]
    return cut_text(str(value))  # as the renderer would have written it


def cut_text(text: str) -> str:
    if "@" in text:
        text = _E_MAIL.sub("[e-mail]", _PASSWORD.sub("[cut]", text))
    return _LINK.sub(r"\1[token]", _TOKEN.sub("[token]", _QUERY.sub("?[cut]", text)))


def with_trace(_logger: Any, _method: str, event: Event) -> Event:
    """The trace that the line belongs to, where there are traces."""
    if trace := trace_id():
        event["trace_id"] = trace
    return event


def logging_config(*, level: str, readable: bool) -> dict[str, Any]:
    """Configures structlog and returns Django's LOGGING, both with the same processors."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        with_trace,
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
