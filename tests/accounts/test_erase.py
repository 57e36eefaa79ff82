"""DELETE /api/v1/users/{user_id}, and what is left of somebody of whom everything was known."""

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.conf import settings as configured
from django.contrib.auth.models import Permission
from django.db import connection
from psycopg import sql
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import User
from accounts.services.people import erase_person
from competitions.models import Competition, Participant
from config.core.environment import Rate
from config.core.redis import redis_client
from leaderboards.queries import board_page
from tests.accounts.conftest import Project
from tests.accounts.knowing import PASSWORD, SECRETS, keep_files_in, known_person, make_known

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
ME = "/api/v1/users/me"
DECISION = configured.BASE_DIR / "docs/decisions/0027-erasure.md"
_ROW = re.compile(r"\| (?P<tables>`.*`) \| (?P<fate>[^|]+) \|[^|]*\|")


@pytest.fixture(autouse=True)
def folders(settings: Settings, tmp_path: Path) -> Path:
    keep_files_in(settings, tmp_path)
    return tmp_path


@pytest.fixture
def walk(make_competition: Any, other: User) -> Competition:
    made: Competition = make_competition(owner=other)
    return made


@pytest.fixture
def known(walk: Competition, join: Any) -> User:
    person = known_person()
    join(walk, person)
    make_known(person, walk)
    return person


def decided() -> dict[str, str]:
    """What the decision says becomes of each table."""
    rows = _ROW.finditer(DECISION.read_text(encoding="utf-8"))
    return {table: row["fate"] for row in rows for table in re.findall(r"`(\w+)`", row["tables"])}


def owned_by_people() -> dict[str, list[str]]:
    """The columns of each of our tables and our libraries' that refer to a person."""
    models = [model for model in apps.get_models(include_auto_created=True) if not model._meta.proxy]
    return {
        model._meta.db_table: [
            str(field.column)
            for field in model._meta.concrete_fields
            if field.is_relation and field.related_model is User  # audits name theirs so too
        ]
        for model in models
    }


def rows_of(table: str, columns: list[str], person: User) -> int:
    said = sql.SQL(" OR ").join(sql.SQL("{} = %(id)s").format(sql.Identifier(column)) for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT count(*) FROM {} WHERE {}").format(sql.Identifier(table), said), {"id": person.id}
        )
        (count,) = cursor.fetchone()
    return int(count)


def tables_that_say(word: str) -> set[str]:
    """Of the whole database, whatever wrote them."""
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            row = sql.SQL("SELECT count(*) FROM {0} WHERE {0}::text ILIKE %s").format(sql.Identifier(table))
            cursor.execute(row, [f"%{word}%"])
            if cursor.fetchone() != (0,):
                found.add(table)
    return found


def test_every_table_has_a_decision_and_no_other() -> None:
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed}
    assert decided().keys() == tables


def test_what_is_said_to_go_was_there_and_is_gone(known: User, now: datetime) -> None:
    gone = {table for table, fate in decided().items() if fate.startswith("gone")}
    theirs = {table: columns for table, columns in owned_by_people().items() if columns and table in gone}
    assert len(theirs) >= 20
    assert [table for table, columns in theirs.items() if not rows_of(table, columns, known)] == []
    erase_person(user_id=known.id, now=now)
    assert [table for table, columns in theirs.items() if rows_of(table, columns, known)] == []


def test_no_word_of_theirs_is_left_anywhere(
    known: User, now: datetime, folders: Path, django_capture_on_commit_callbacks: Any
) -> None:
    assert all(tables_that_say(secret) for secret in SECRETS)
    with django_capture_on_commit_callbacks(execute=True):
        erase_person(user_id=known.id, now=now)
    assert {secret: tables_that_say(secret) for secret in SECRETS} == {secret: set() for secret in SECRETS}
    assert [path for path in folders.rglob("*") if path.is_file()] == []
    kept = b" ".join(value for key in redis_client().keys("*") for value in [key, _dump(key)])
    assert not any(secret.encode() in kept.lower() for secret in SECRETS)
    left = User.objects.get(id=known.id)
    assert (left.language, left.last_login, left.email_verified_at, left.is_staff) == ("", None, None, False)


def _dump(key: bytes) -> bytes:
    return bytes(redis_client().dump(key) or b"")


def test_oneself_goes_with_the_password(known: User, signed_in: SignIn, anonymous: APIClient) -> None:
    me, refresh = signed_in(known), RefreshToken.for_user(known)
    for body in ({}, {"password": ""}, {"password": "a guess"}):
        answer = me.delete(ME, body)
        assert (answer.status_code, answer.json()["details"].keys()) == (400, {"password"})
    assert me.delete(ME, {"password": PASSWORD}).status_code == 200
    assert me.get(f"{ME}/profile").status_code == 401
    assert anonymous.post("/api/v1/auth/token/refresh", {"refresh": str(refresh)}).status_code == 401
    log_in = {"email": "quixotic@example.org", "password": PASSWORD}
    assert anonymous.post("/api/v1/auth/token", log_in).status_code == 401
    assert anonymous.post("/api/v1/auth/register", {**log_in, "name": "Again"}).status_code == 201


def test_people_of_supabase_go_by_their_token_and_do_not_come_back(supabase: Project) -> None:
    subject = uuid4()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {supabase.token(sub=str(subject))}")
    assert client.get(f"{ME}/profile").status_code == 200
    assert client.delete(ME).status_code == 200
    assert client.get(f"{ME}/profile").status_code == 401
    assert User.objects.get(id=subject).email is None


def test_guesses_are_counted(known: User, signed_in: SignIn, settings: Settings) -> None:
    settings.RATE_LIMIT = Rate(per_second=100, burst=200)
    me = signed_in(known)
    assert [me.delete(ME, {"password": f"guess {n}"}).status_code for n in range(11)] == [400] * 10 + [429]


def test_nobody_else_goes_but_by_staff_who_may(
    known: User, other: User, make_person: Any, signed_in: SignIn, anonymous: APIClient
) -> None:
    url = f"/api/v1/users/{known.id}"
    assert anonymous.delete(url).status_code == 401
    assert signed_in(other).delete(url, {"password": PASSWORD}).status_code == 403
    clerk = make_person("Clerk", is_staff=True)
    assert signed_in(clerk).delete(url).status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="delete_user"))
    for _ in range(2):  # a second time changes nothing
        assert signed_in(clerk).delete(url).status_code == 200
    known.refresh_from_db()
    assert known.name == "Former participant"


def test_the_address_takes_a_person_and_one_verb(person: User, signed_in: SignIn) -> None:
    me = signed_in(person)
    for nobody in ("nobody", "00000000-0000-0000-0000-000000000000"):
        assert me.delete(f"/api/v1/users/{nobody}").status_code == 404
    assert me.get(ME).status_code == me.post(ME).status_code == 405


def test_who_takes_part_leaves_what_is_not_over_and_watchers_see_it(
    known: User, walk: Competition, other: User, make_competition: Any, join: Any, now: datetime
) -> None:
    coming = make_competition(starts=2, ends=3, owner=other)
    over = make_competition(starts=-9, ends=-5, owner=other, grace_hours=240, created_at=None or now)
    join(walk, other)
    join(coming, known)
    Participant.objects.create(competition=over, user=known, joined_at=now)
    before = board_page(walk, offset=0, limit=9)
    assert {entry["user_name"] for entry in before.entries} == {"Quixotic Walker", "Ben"}
    erase_person(user_id=known.id, now=now)
    after = board_page(walk, offset=0, limit=9)
    assert [entry["user_name"] for entry in after.entries] == ["Ben"]
    assert after.version > before.version
    walk.refresh_from_db()
    assert walk.participant_count == 1
    assert set(Participant.objects.filter(user=known, left_at=None).values_list("competition", flat=True)) == {over.id}


def test_an_organiser_first_ends_what_is_not_over(
    known: User, signed_in: SignIn, make_competition: Any, now: datetime
) -> None:
    running = make_competition(owner=known, name="Round the lake")
    draft = make_competition(owner=known, published=False)
    me = signed_in(known)
    answer = me.delete(ME, {"password": PASSWORD})
    assert answer.status_code == 409
    assert "“Round the lake”" in answer.json()["message"]
    known.refresh_from_db()
    assert known.erased_at is None
    assert me.post(f"/api/v1/competitions/{running.id}/cancel").status_code == 200
    assert me.delete(ME, {"password": PASSWORD}).status_code == 200
    assert not Competition.objects.filter(id=draft.id).exists()
    assert Competition.objects.filter(id=running.id, owner=known).exists()
