"""The world that tests start from: real PostgreSQL and Valkey, people with tokens, competitions of every age."""

import copy
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.http import HttpRequest
from django.test import Client, TransactionTestCase
from django_otp import login as verify_session
from django_otp.plugins.otp_totp.models import TOTPDevice
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import Scope, User
from accounts.reauthentication import note_code, note_password
from accounts.services.keys import create_service_key
from competitions.models import Competition
from competitions.rules import Kind, span_of
from competitions.services.enrolment import join_competition
from competitions.services.lifecycle import create_competition
from config.api import figures, health
from config.core.redis import redis_client
from tests import migrated

# What takes longer on a busy machine is no defect.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

MakePerson = Callable[..., User]
MakeCompetition = Callable[..., Competition]


_OTHERS_AT_WORK = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
   AND state <> 'idle'
"""
_MADE_BY_MIGRATIONS = {
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
}


def _clear(test_case: TransactionTestCase) -> None:
    """After a test that commits, in place of Django's TRUNCATE of every table, which takes a quarter of a second, waits
    for whoever still reads, and takes away the roles. As a replica, because some tables refuse to lose a row."""
    with connection.cursor() as cursor:
        _wait_for_quiet(cursor)
        tables = sorted(set(connection.introspection.table_names(cursor)) - _MADE_BY_MIGRATIONS)
        filled = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})").format(name, sql.Identifier(name)) for name in tables
        )
        cursor.execute(filled)
        clearing = [sql.SQL("DELETE FROM {}").format(sql.Identifier(name)) for (name,) in cursor.fetchall()]
        as_replica = [sql.SQL("SET session_replication_role = replica"), *clearing]
        statements = sql.SQL("; ").join([*as_replica, sql.SQL("RESET session_replication_role")])
        try:
            cursor.execute(statements)
        except OperationalError:  # a deadlock with somebody who was quiet for a moment, and whom this lets finish
            _wait_for_quiet(cursor)
            cursor.execute(statements)


def _wait_for_quiet(cursor: CursorWrapper) -> None:
    """A socket that was closed may have left a thread at a query, and what it still commits belongs to this test."""
    patience = time.monotonic() + 10
    while time.monotonic() < patience:
        cursor.execute(_OTHERS_AT_WORK)
        if cursor.fetchone() == (0,):
            return
        time.sleep(0.01)


TransactionTestCase._fixture_teardown = _clear  # type: ignore[attr-defined]  # Django's own hook for this


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock():
        migrated.begin_with_kept_dump()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock():
        migrated.keep_dump()


@pytest.fixture(autouse=True, scope="session")
def uncollected_static_files() -> None:
    """Hashed names exist only once they were collected, as an image's build does."""
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"


@pytest.fixture(autouse=True)
def empty_redis() -> Iterator[None]:
    """Every test starts with a Redis that has forgotten everything, and so has this process."""
    redis_client().flushdb()
    figures.forget_figures()
    health.forget_details()
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
