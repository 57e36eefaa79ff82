"""The demo's log-ins, whose passwords everybody knows."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from config.core.environment import Environment, SettingError
from config.demo.people import ADMIN_EMAIL, PASSWORD

pytestmark = pytest.mark.django_db
URL = "/api/v1/auth/token"


@pytest.fixture(autouse=True)
def organiser() -> User:
    return User.objects.create_superuser(ADMIN_EMAIL, PASSWORD, name="Organiser")


def log_in(client: APIClient, address: str) -> int:
    answer = client.post(URL, {"email": ADMIN_EMAIL, "password": PASSWORD}, REMOTE_ADDR=address)
    return int(answer.status_code)


def test_they_open_with_debug_on_this_machine_only(anonymous: APIClient, settings: Any) -> None:
    settings.DEBUG = True
    assert log_in(anonymous, "127.0.0.1") == 200
    assert log_in(anonymous, "192.0.2.7") == 401


def test_they_open_nothing_without_debug_not_even_the_admin_site(anonymous: APIClient, settings: Any) -> None:
    settings.DEBUG = False
    assert log_in(anonymous, "127.0.0.1") == 401
    form = {"username": ADMIN_EMAIL, "password": PASSWORD}
    assert anonymous.post("/admin/login/", form, format="multipart").status_code == 200, "the form is shown again"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::"])
def test_a_server_with_debug_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(SettingError, match="HOST must be a loopback address"):
        Environment.read({"DEBUG": "true", "HOST": host})
    assert Environment.read({"DEBUG": "true", "HOST": "127.0.0.1"}).HOST == "127.0.0.1"
