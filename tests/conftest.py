"""The world that tests start from: real PostgreSQL and Valkey, people with tokens, competitions of every age."""

import copy
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django_otp import login as verify_session
from django_otp.plugins.otp_totp.models import TOTPDevice
from pytest_django.plugin import DjangoDbBlocker
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import Scope, User
from accounts.reauthentication import note_code, note_password
from accounts.services import create_service_key
from competitions.models import Competition
from competitions.rules import Kind, span_of
from competitions.services.enrolment import join_competition
from competitions.services.lifecycle import create_competition
from config.core.redis import redis_client

# What takes longer on a busy machine is no defect.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

MakePerson = Callable[..., User]
MakeCompetition = Callable[..., Competition]


_NO_TRUNCATE = """
SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname)
  FROM pg_trigger WHERE tgname LIKE '%\\_no\\_truncate'
"""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Tests that commit are cleared away by TRUNCATE, which append-only tables refuse."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(_NO_TRUNCATE)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)


_OTHERS_AT_WORK = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
   AND state <> 'idle'
"""


@pytest.fixture(autouse=True)
def quiet_before_clearing(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that commits is cleared away only when nobody works in its database any more.

    A socket that was closed may have left a thread at a query; TRUNCATE and that query would wait for each other.
    Should somebody begin after all, it is they who lose the deadlock: their own patience is shorter.
    """
    marker = request.node.get_closest_marker("django_db")
    if not (marker and marker.kwargs.get("transaction")) and "transactional_db" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("transactional_db")
    yield
    patience = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < patience:
            cursor.execute(_OTHERS_AT_WORK)
            if cursor.fetchone() == (0,):
                break
            time.sleep(0.01)
        cursor.execute("SET deadlock_timeout = '30s'")


@pytest.fixture(autouse=True)
def empty_redis() -> Iterator[None]:
    """Every test starts with a Redis that has forgotten everything."""
    redis_client().flushdb()
    yield
    cache.close()


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Hashing that costs an attacker memory costs a test a tenth of a second."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def redis_out(settings: Any) -> None:
    """Redis as it is when it is out: nothing listens under its address."""
    nobody = copy.deepcopy(settings.CACHES)
    for cache_settings in nobody.values():
        cache_settings["LOCATION"] = "unix:///nonexistent/valkey.sock"
    settings.CACHES = nobody


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def make_person(db: None) -> MakePerson:
    def make(name: str = "Ada", **fields: Any) -> User:
        person = User(name=name, email=fields.pop("email", f"{uuid4().hex}@example.org"), **fields)
        person.set_unusable_password()
        person.save()
        return person

    return make


@pytest.fixture
def person(make_person: MakePerson) -> User:
    return make_person("Ada")


@pytest.fixture
def other(make_person: MakePerson) -> User:
    return make_person("Ben")


@pytest.fixture
def staff(make_person: MakePerson) -> User:
    return make_person("Staff", is_staff=True, is_superuser=True)


@pytest.fixture
def make_staff(make_person: MakePerson) -> Callable[..., User]:
    """A member of staff with these of the roles organiser, reviewer, treasurer and support."""

    def make(*roles: str, name: str = "", **fields: Any) -> User:
        if not Group.objects.exists():  # a test that commits was cleared away, and what the migration made with it
            import_module("config.migrations.0001_roles").make_roles(apps, None)
        member = make_person(name or " ".join(roles).capitalize(), is_staff=True, **fields)
        member.groups.set(Group.objects.filter(name__in=roles))
        assert member.groups.count() == len(roles)
        return member

    return make


def open_panel(person: User, **options: Any) -> Client:
    """A browser in which this member of staff has given password and one-time code a moment ago. ``options``: the
    client's."""
    client = Client(**options)
    client.force_login(person)
    device, _ = TOTPDevice.objects.get_or_create(user=person, defaults={"name": "authenticator"})
    request, now = HttpRequest(), datetime.now(UTC)
    request.user, request.session = person, client.session
    verify_session(request, device)
    note_password(request, now)
    note_code(request, now)
    request.session.save()
    return client


@pytest.fixture
def anonymous() -> APIClient:
    return APIClient()


@pytest.fixture
def signed_in() -> Callable[[User], APIClient]:
    """A client that sends this person's token."""

    def sign_in(person: User) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(person)}")
        return client

    return sign_in


@pytest.fixture
def with_key(db: None) -> Callable[..., APIClient]:
    """A client that sends a service key with these scopes."""

    def client_with(*scopes: Scope) -> APIClient:
        _, secret = create_service_key(name=uuid4().hex, scopes=scopes)
        client = APIClient()
        client.credentials(HTTP_X_API_KEY=secret)
        return client

    return client_with


@pytest.fixture
def make_competition(person: User) -> MakeCompetition:
    """A competition of ``person`` that runs from three days ago to three days ahead, unless told otherwise.

    ``starts`` and ``ends`` are days from today; other keywords are columns.
    """

    def make(
        *, starts: int = -3, ends: int = 3, published: bool = True, owner: User | None = None, **fields: Any
    ) -> Competition:
        now = datetime.now(UTC)
        zone = fields.get("timezone", "UTC")
        first, last = now.date() + timedelta(days=starts), now.date() + timedelta(days=ends)
        made_at = fields.pop("created_at", now)
        span = span_of(first, last, zone, Kind.CUSTOM)
        return create_competition(
            owner=owner or person, fields={"name": "Lake walk", **fields}, span=span, published=published, now=made_at
        )

    return make


@pytest.fixture
def join(now: datetime) -> Callable[..., None]:
    def join_all(competition: Competition, *people: User) -> None:
        for someone in people:
            join_competition(competition=competition, user_id=someone.id, join_code=competition.join_code, now=now)

    return join_all
