"""What is left of a person who is erased."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import Device, Phone, User
from accounts.queries import person_called
from accounts.services.people import change_profile, erase_person
from accounts.services.preferences import ask_for_phone, register_device
from config.core.errors import NotFound

pytestmark = pytest.mark.django_db


def test_only_the_id_is_left(make_person: Any, signed_in: Any, now: datetime) -> None:
    person = make_person("Ada", bio="I walk.", avatar="0123456789abcdef" * 2, country="DE", timezone="Europe/Berlin")
    phone = signed_in(person)
    erase_person(user_id=person.id, now=now)
    person = User.objects.get(id=person.id)
    assert (person.name, person.email, person.is_active, person.erased_at) == ("Former participant", None, False, now)
    assert (person.bio, person.avatar, person.country, person.timezone) == ("", "", "", "")
    assert not person.has_usable_password()
    assert phone.get("/api/v1/users/me/profile").status_code == 401


def test_a_second_time_changes_nothing(person: User, now: datetime) -> None:
    for later in range(2):
        assert erase_person(user_id=person.id, now=now + timedelta(days=later)).erased_at == now
    with pytest.raises(NotFound):
        erase_person(user_id=uuid4(), now=now)


def test_operators_name_active_people_by_id_or_by_an_e_mail_that_is_one_persons(make_person: Any) -> None:
    ada = make_person("Ada", email="ada@example.org")
    make_person("Ben", email="both@example.org")
    make_person("Cleo", email="both@example.org", identity_provider="supabase")
    gone = make_person("Dora", is_active=False)
    assert person_called(str(ada.id)) == person_called("ADA@example.org") == ada
    for called in ("both@example.org", "nobody@example.org", str(gone.id)):
        with pytest.raises(NotFound, match=called):
            person_called(called)


def test_what_somebody_sent_a_moment_before_leaves_nothing_of_them(person: User, now: datetime) -> None:
    """It waited while they were erased."""
    erase_person(user_id=person.id, now=now)
    with pytest.raises(NotFound):
        change_profile(user_id=person.id, changes={"name": "Ada"})
    with pytest.raises(NotFound):
        register_device(user_id=person.id, token="t", platform="ios", now=now)
    with pytest.raises(NotFound):
        ask_for_phone(user_id=person.id, number="+4915123456789", now=now)
    assert User.objects.get(id=person.id).name == "Former participant"
    assert not Device.objects.exists()
    assert not Phone.objects.exists()
