"""A password that changes between the moment it was found right and the moment it is used."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from accounts.models import User
from accounts.services import passwords, sessions
from accounts.services.log_ins import begin_log_in
from accounts.services.passwords import change_password
from accounts.services.people import register_person
from accounts.services.sessions import end_sessions
from config.core.errors import Invalid, Unauthenticated
from tests.panel.door import PASSWORD

pytestmark = pytest.mark.django_db
ANOTHER = "another walk, another day"
ADDRESS = "192.0.2.1"


@pytest.fixture
def local(now: datetime) -> User:
    return register_person(email="ada@example.org", password=PASSWORD, name="Ada", now=now)


def changed_after(require_password: Callable[..., Any], person: User) -> Callable[..., Any]:
    """The real check, and then somebody else is quicker."""

    def required(**given: Any) -> Any:
        found = require_password(**given)
        quicker = User.objects.get(id=person.id)
        quicker.set_password(ANOTHER)
        quicker.save()
        return found

    return required


def test_a_log_in_does_not_begin(local: User) -> None:
    quicker = User.objects.get(id=local.id)
    quicker.set_password(ANOTHER)
    quicker.save()
    with pytest.raises(Unauthenticated):
        begin_log_in(person=local)
    User.objects.filter(id=local.id).update(is_active=False)
    with pytest.raises(Unauthenticated):
        begin_log_in(person=quicker)


def test_it_is_not_changed_once_more(local: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "require_password", changed_after(passwords.require_password, local))
    with pytest.raises(Invalid) as refused:
        change_password(user_id=local.id, current=PASSWORD, password="a third walk", address=ADDRESS, now=now)
    assert set(refused.value.details or ()) == {"current"}
    local.refresh_from_db()
    assert local.check_password(ANOTHER)


def test_sessions_end_and_it_stays_as_somebody_else_has_set_it(
    local: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "require_password", changed_after(passwords.require_password, local))
    end_sessions(user_id=local.id, password=PASSWORD, address=ADDRESS, now=now)
    local.refresh_from_db()
    assert local.check_password(ANOTHER)
