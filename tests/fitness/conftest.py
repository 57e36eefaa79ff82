"""A Google on this machine, and people who connect it."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stamina
from cryptography.fernet import Fernet
from django.conf import settings as configured
from rest_framework.test import APIClient
from structlog.stdlib import ProcessorFormatter

from accounts.models import User
from config.core import breaker
from fitness import clouds
from fitness.models import Connection
from tests.fitness.google_server import Google, callback_of, running
from tests.prizes.conftest import no_jobs_left as no_jobs_left  # after tests that commit

CONNECTIONS = "/api/v1/fitness/connections"
WEBHOOK_SECRET = "Bearer of-this-subscriber"


@pytest.fixture
def google(settings: Any) -> Iterator[Google]:
    """Both of its clouds are offered, and repeats wait for nothing."""
    with running() as server, stamina.set_testing(True, attempts=3, cap=True):
        settings.GOOGLE_HEALTH_URL = settings.GOOGLE_FIT_URL = server.url
        settings.GOOGLE_CONSENT_URL = settings.GOOGLE_TOKEN_URL = server.url
        settings.GOOGLE_HEALTH_CLIENT_ID = settings.GOOGLE_FIT_CLIENT_ID = server.client_id
        settings.GOOGLE_HEALTH_CLIENT_SECRET = settings.GOOGLE_FIT_CLIENT_SECRET = server.client_secret
        settings.GOOGLE_HEALTH_WEBHOOK_SECRETS = (WEBHOOK_SECRET,)
        settings.CLOUD_TIMEOUT_SECONDS = 0.3
        settings.TOKEN_KEYS = (Fernet.generate_key().decode(),)
        settings.PUBLIC_URL = "https://steps.example.org"
        breaker._local.clear()
        clouds.provider.cache_clear()
        yield server
    clouds.provider.cache_clear()


Connect = Callable[..., Connection]


@pytest.fixture
def connect(google: Google, signed_in: Callable[[User], APIClient]) -> Connect:
    """The whole way, but for the first fetch."""

    def connect_cloud(person: User, provider: str = "google_health") -> Connection:
        url = signed_in(person).post(f"{CONNECTIONS}/{provider}").json()["data"]["authorize_url"]
        answer = APIClient().get(callback_of(google.consent(url)))
        assert answer.status_code == 200, answer.content
        return Connection.objects.get(user=person, provider=provider)

    return connect_cloud


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the server would have written, from every logger, down to DEBUG."""
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    keep = Keep()
    known = configured.LOGGING["formatters"]["structured"]
    keep.setFormatter(ProcessorFormatter(**{name: value for name, value in known.items() if name != "()"}))
    root, loud = logging.getLogger(), [logging.getLogger(name) for name in ("httpx", "httpcore", "procrastinate")]
    levels = [logger.level for logger in (root, *loud)]
    root.addHandler(keep)
    for logger in (root, *loud):
        logger.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in written]
    root.removeHandler(keep)
    for logger, level in zip((root, *loud), levels, strict=True):
        logger.setLevel(level)
