from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.db import transaction
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from tests.doors.world import World, build_world

AS_IN_PRODUCTION = {
    "PAYMENT_GATEWAY": "sandbox",
    "GATEWAYS": {"sandbox", "manual"},
    "APPROVAL_OVER": {"*": Decimal(1000)},
    "PAYOUT_CAP": {"*": Decimal(100_000)},
    "STATEMENT_KEY": bytes(range(32)),
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    "PUBLIC_URL": "https://steps.example.org",
    "GOOGLE_FIT_CLIENT_ID": "a client",
    "GOOGLE_FIT_CLIENT_SECRET": "its secret",
    "GOOGLE_HEALTH_CLIENT_ID": "a client",
    "GOOGLE_HEALTH_CLIENT_SECRET": "its secret",
    "GOOGLE_HEALTH_WEBHOOK_SECRETS": ("of this subscriber",),
    "TWILIO_AUTH_TOKEN": "of the account",
    "TOKEN_KEYS": (Fernet.generate_key().decode(),),
}


@pytest.fixture(scope="module")
def as_in_production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("doors")
    store = "django.core.files.storage.FileSystemStorage"
    stores = {
        **settings.STORAGES,
        "default": {"BACKEND": store, "OPTIONS": {"location": folder / "media", "base_url": "/media/"}},
        "private": {"BACKEND": store, "OPTIONS": {"location": folder / "private"}},
    }
    with override_settings(**AS_IN_PRODUCTION, STORAGES=stores, IMPORT_DIR=Path(folder, "imports")):
        yield


@pytest.fixture(scope="module")
def world(as_in_production: None, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Taken back after the last test of the module."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield build_world(datetime.now(UTC))
        transaction.set_rollback(True)
