from collections.abc import Callable
from typing import Any

import pytest
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from tests.panel.door import PASSWORD, Visitor

MakeVisitor = Callable[..., Visitor]


@pytest.fixture
def make_visitor(make_staff: Callable[..., User]) -> MakeVisitor:
    """A member of staff with a password, and with an authenticator if told so."""

    def make(*roles: str, enrolled: bool = False, **fields: Any) -> Visitor:
        person = make_staff(*roles, **fields)
        person.set_password(PASSWORD)
        person.save()
        if enrolled:
            TOTPDevice.objects.create(user=person, name="authenticator")
        return Visitor(person)

    return make


@pytest.fixture
def tess(make_visitor: MakeVisitor) -> Visitor:
    """A treasurer with an authenticator."""
    return make_visitor("treasurer", name="Tess", email="tess@example.org", enrolled=True)


@pytest.fixture
def app(tess: Visitor) -> TOTPDevice:
    """Tess's."""
    return TOTPDevice.objects.get(user=tess.person)
