from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.competitions.till import Till


@pytest.fixture
def me(person: User, signed_in: Callable[[User], APIClient]) -> APIClient:
    """Ada's client; competitions are hers unless a test says otherwise."""
    return signed_in(person)


@pytest.fixture
def body() -> Callable[..., dict[str, Any]]:
    """What `POST /competitions` takes; a field changed to ``...`` is left out."""

    def make(**changes: Any) -> dict[str, Any]:
        usual = {"name": "Lake walk", "start_date": "2090-06-01", "end_date": "2090-06-30"}
        return {name: value for name, value in (usual | changes).items() if value is not ...}

    return make


@pytest.fixture
def till(settings: Any) -> type[Till]:
    """Takes the entry fees, and tells what it was asked."""
    settings.SEAT_CHECKOUT = "tests.competitions.till.Till"
    Till.empty()
    return Till
