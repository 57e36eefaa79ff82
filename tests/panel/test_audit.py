"""The audit trail: what is on it, who reads which part of it, and that nobody rewrites it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from competitions.models import Competition
from competitions.services.lifecycle import change_competition, publish_competition
from config.core.audit import acting
from config.panel.audit_events import Kind, events_in, newest_events, story_of_competition, story_of_person
from fitness.models import Flag
from leaderboards.models import Standing
from leaderboards.settling import add_correction
from prizes.actors import Actor
from prizes.services.plans import change_plan
from tests.conftest import MakeCompetition, MakePerson, open_panel

pytestmark = pytest.mark.django_db
MakeStaff = Callable[..., User]


def page_of(model: str, key: Any) -> str:
    app, name = model.split(".")
    return reverse("admin:audit", args=[app, name, str(key)])


def read(member: User, model: str, key: Any, **query: str) -> tuple[int, str]:
    client = open_panel(member)
    answer = client.get(page_of(model, key), query)
    return answer.status_code, answer.content.decode()


def told(competition: Competition) -> list[str]:
    return [event.what for event in newest_events(competition.id, 100)]


def rule(**policy: Any) -> Any:
    return lambda _: ({"stored_policy": policy}, None)


# --- What it tells ---


def test_a_changed_rule_is_told_field_by_field_with_who_and_why(
    make_competition: MakeCompetition, staff: User, now: datetime
) -> None:
    competition = make_competition(stored_policy={"daily_cap": {"steps": 30_000}})
    with acting(user=str(staff.id), address="192.0.2.7", path="/api/v1/competitions/1"):
        change_competition(
            competition_id=competition.id, merge=rule(daily_cap={"steps": 20_000}), by=staff, reason="Too far.", now=now
        )
    # The new version of the rules and the competition's own row belong to one transaction.
    events = {event.what: event for event in newest_events(competition.id, 10)}
    changed = next(event for event in events.values() if event.changes and event.changes[0].field == "daily cap: steps")
    [change] = changed.changes
    assert (change.before, change.after) == ("30,000", "20,000")
    assert changed.who == "Staff"
    assert changed.where == {"from": "192.0.2.7", "at": "/api/v1/competitions/1"}
    assert events["changed the rules: version 2"].why == "Too far."


def test_money_and_moments_are_told_as_such(make_competition: MakeCompetition, person: User, now: datetime) -> None:
    competition = make_competition(starts=3, ends=9, currency="JPY", prize_pool_minor=5_000)
    with connection.cursor() as cursor:  # whoever changes it, and however
        cursor.execute("UPDATE competitions_competition SET prize_pool_minor = 7500 WHERE id = %s", [competition.id])
    newest = newest_events(competition.id, 1)[0]
    assert newest.what == "changed prize pool"
    assert (newest.changes[0].before, newest.changes[0].after) == ("5,000 JPY", "7,500 JPY")
    assert newest.who == "the server"
    document = {
        "places": [{"first": 1, "last": 3, "percent": "30"}],
        "target": None,
        "leftover": "redistribute",
        "platform_fee_percent": "0",
        "fee_share_percent": "100",
    }
    for percent in ("30", "20"):
        document["places"][0]["percent"] = percent  # type: ignore[index]  # one of several kinds of values, and a list
        change_plan(competition_id=competition.id, document=document, actor=Actor(person), now=now)
    plan = next(event for event in newest_events(competition.id, 5) if event.what == "changed the prize plan")
    assert [(c.field, c.before, c.after) for c in plan.changes] == [("document: places 1 to 3: percent", "30", "20")]


def test_a_correction_and_a_flag_stand_in_the_story_by_name(
    make_competition: MakeCompetition, join: Any, other: User, staff: User, now: datetime
) -> None:
    competition = make_competition()
    join(competition, other)
    add_correction(
        competition_id=competition.id, user_id=other.id, points=500, reason="A broken watch.", by=staff, now=now
    )
    Flag.objects.create(competition=competition, user=other, check_name="cadence", day=now.date(), opened_at=now)
    said = told(competition)
    assert "gave Ben 500 points" in said
    assert "brought the corrections of Ben to +500 points" in said
    assert any(what.startswith("opened the flag “cadence” of Ben") for what in said)
    correction = next(event for event in newest_events(competition.id, 9) if event.what == "gave Ben 500 points")
    assert (correction.who, correction.why, correction.kind) == ("Staff", "A broken watch.", Kind.STANDINGS)


def test_rows_changed_all_at_once_leave_an_event_each(
    make_competition: MakeCompetition, join: Any, make_person: MakePerson
) -> None:
    competition = make_competition()
    people = [make_person(f"Walker {number}") for number in range(3)]
    join(competition, *people)
    Standing.objects.filter(competition=competition).update(disqualified_reason="Rode a bus.")
    disqualified = [event for event in newest_events(competition.id, 9) if event.what.startswith("disqualified")]
    assert {event.what for event in disqualified} == {f"disqualified Walker {number}" for number in range(3)}
    assert {event.why for event in disqualified} == {"Rode a bus."}


def test_what_counts_leaves_no_event(make_competition: MakeCompetition, join: Any, other: User) -> None:
    competition = make_competition()
    join(competition, other)
    before = told(competition)
    Standing.objects.filter(competition=competition).update(score=5, steps=5, version=9)
    Competition.objects.filter(id=competition.id).update(participant_count=1)
    assert told(competition) == before


def test_roles_and_permissions_given_in_the_panel_are_on_record(staff: User, other: User) -> None:
    client = open_panel(staff)
    role, permission = Group.objects.get(name="reviewer"), Permission.objects.get(codename="view_user")
    form = {
        "name": other.name,
        "is_active": "on",
        "is_staff": "on",
        "groups": [role.pk],
        "user_permissions": [permission.pk],
    }
    answer = client.post(reverse("admin:accounts_user_change", args=[other.id]), form)
    assert answer.status_code == 302, answer.content.decode()[:2000]
    events = {event.what: event for event in events_in(story_of_person(other.id), limit=10)}
    assert f"gave {other.name} the role reviewer" in events
    assert f"allowed {other.name}: Can view person" in events
    assert {event.who for event in events.values() if event.what.startswith(("gave", "allowed"))} == {"Staff"}
    status, page = read(staff, "auth.group", role.pk)
    assert status == 200
    assert f"gave {other.name} the role reviewer" in page


def test_what_a_role_may_do_is_on_record_also_when_the_role_is_renamed(staff: User) -> None:
    role = Group.objects.get(name="support")
    role.permissions.remove(Permission.objects.get(codename="view_user"))
    role.name = "helpers"
    role.save()
    status, page = read(staff, "auth.group", role.pk)
    assert status == 200
    assert "took from helpers: Can view person" in page
    assert "changed name" in page


def test_a_superuser_made_on_the_command_line_is_on_record_with_the_command(monkeypatch: Any) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "walk-every-day")
    from config.core.audit import commanding

    argv = ["manage.py", "createsuperuser"]
    with commanding(argv):
        call_command("createsuperuser", email="root@example.org", name="Root", interactive=False, verbosity=0)
    [made] = events_in(story_of_person(User.objects.get(email="root@example.org").id), limit=5)
    assert made.who == "the command createsuperuser"
    assert made.where["run by"]


def test_where_staff_and_services_come_from_is_kept_and_of_people_who_may_be_forgotten_it_is_not(
    signed_in: Any, make_staff: MakeStaff, make_competition: MakeCompetition, person: User
) -> None:
    staff = make_staff("organiser")
    for owner in (person, staff):
        competition = make_competition(starts=2, ends=9, owner=owner)
        answer = signed_in(owner).patch(f"/api/v1/competitions/{competition.id}", {"name": "Hill walk"})
        assert answer.status_code == 200, answer.content
        newest = newest_events(competition.id, 1)[0]
        assert (newest.what, newest.who) == ("changed name", owner.name)
        assert newest.where["at"] == f"/api/v1/competitions/{competition.id}"
        assert newest.where["request"] == answer["X-Request-ID"]
        assert ("from" in newest.where) == owner.is_staff


# --- Who reads it ---


def test_organisers_read_the_whole_story_of_their_own_and_nothing_of_others(
    make_staff: MakeStaff, make_competition: MakeCompetition
) -> None:
    organiser = make_staff("organiser")
    own, others = make_competition(owner=organiser), make_competition()
    status, page = read(organiser, "competitions.competition", own.id)
    assert status == 200
    assert "made the competition “Lake walk”" in page
    assert read(organiser, "competitions.competition", others.id)[0] == 404
    assert read(organiser, "accounts.user", organiser.id)[0] == 404


@pytest.mark.slow
def test_each_role_reads_the_kinds_that_it_works_with(
    make_staff: MakeStaff, make_competition: MakeCompetition, join: Any, other: User, staff: User, now: datetime
) -> None:
    competition = make_competition()
    join(competition, other)
    flag = Flag.objects.create(competition=competition, user=other, check_name="speed", day=now.date(), opened_at=now)
    plan = change_plan_before_start(make_competition, staff)
    readable = {
        role: (
            read(make_staff(role), "fitness.flag", flag.id)[0],
            read(make_staff(role), "prizes.prizeplan", plan)[0],
            read(make_staff(role), "accounts.user", other.id)[0],
        )
        for role in ("reviewer", "treasurer", "support", "organiser")
    }
    assert readable == {
        "reviewer": (200, 404, 404),
        "treasurer": (404, 200, 404),
        "support": (200, 200, 200),
        "organiser": (404, 404, 404),
    }
    assert "flag" not in read(make_staff("treasurer"), "competitions.competition", competition.id)[1].split("<ol")[1]


def change_plan_before_start(make_competition: MakeCompetition, by: User) -> Any:
    competition = make_competition(starts=3, ends=9, prize_pool_minor=1_000)
    document = {
        "places": [{"first": 1, "last": 1, "percent": "100"}],
        "target": None,
        "leftover": "redistribute",
        "platform_fee_percent": "0",
        "fee_share_percent": "100",
    }
    plan = change_plan(competition_id=competition.id, document=document, actor=Actor(by), now=datetime.now(UTC))
    return plan.pk


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ("competitions.competition", "no-id"),
        ("competitions.competition", "00000000-0000-4000-8000-000000000000"),
        ("accounts.user", "no-id"),
        ("prizes.transfer", "no-id"),
        ("auth.group", "99999999999999999999"),
        ("sessions.session", "1"),
        ("prizes.award", "1"),
    ],
)
def test_what_does_not_exist_or_is_not_audited_has_no_page(staff: User, model: str, key: str) -> None:
    assert read(staff, model, key)[0] == 404


def test_a_walker_and_nobody_are_sent_to_the_log_in(person: User, make_competition: MakeCompetition) -> None:
    address = page_of("competitions.competition", make_competition().id)
    walker = Client()
    walker.force_login(person)
    for client in (walker, Client()):
        answer = client.get(address)
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]


# --- Paging ---


@pytest.mark.slow
def test_pages_come_one_after_the_other_without_gaps_and_filter_by_kind(
    make_competition: MakeCompetition, join: Any, other: User, staff: User, now: datetime
) -> None:
    competition = make_competition()
    join(competition, other)
    for number in range(60):
        add_correction(
            competition_id=competition.id, user_id=other.id, points=number + 1, reason="Again.", by=staff, now=now
        )
    story = story_of_competition(competition.id)
    everything = [event.place for event in events_in(story, limit=1_000)]
    paged, before = [], None
    while found := events_in(story, limit=7, before=before):
        before = found[-1].place
        paged += [event.place for event in found]
    assert paged == everything == sorted(everything, reverse=True)
    assert len(set(paged)) == len(paged) > 120
    first = read(staff, "competitions.competition", competition.id, kind="standings")[1]
    assert "made the competition" not in first
    assert "Older" in first
    older = first.split('rel="next" href="?')[1].split('"')[0].split("before=")[1]
    status, second = read(staff, "competitions.competition", competition.id, kind="standings", before=unquote(older))
    assert status == 200
    assert "The newest" in second
    assert read(staff, "competitions.competition", competition.id, before="nonsense")[0] == 200


@pytest.mark.slow
def test_a_page_asks_a_bounded_number_of_questions(
    make_competition: MakeCompetition, join: Any, make_person: MakePerson, staff: User, now: datetime
) -> None:
    competition = make_competition(starts=2, ends=9, published=False, prize_pool_minor=1_000)
    publish_competition(competition_id=competition.id, by=staff, now=now)
    client = open_panel(staff)
    counts = []
    for number in range(3):
        people = [make_person(f"Walker {number} {place}") for place in range(10)]
        join(competition, *people)
        Standing.objects.filter(competition=competition).update(disqualified_reason=f"Reason {number}")
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert client.get(page_of("competitions.competition", competition.id)).status_code == 200
        counts.append(len(asked))
    assert max(counts) <= 12  # for up to fifty events of several tables


# --- Nobody rewrites it ---

TABLES = "SELECT tablename FROM pg_tables WHERE tablename LIKE '%\\_%audit' ORDER BY 1"


def audit_tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        return [name for (name,) in cursor.fetchall()]


def test_no_event_is_changed_deleted_or_truncated(make_competition: MakeCompetition, staff: User) -> None:
    make_competition()
    tables = audit_tables()
    assert len(tables) == 22
    with connection.cursor() as cursor:
        for table in ("competitions_competitionaudit", "accounts_useraudit"):
            for statement in (f"UPDATE {table} SET pgh_label = 'x'", f"DELETE FROM {table}"):  # noqa: S608 - names of our own tables
                with pytest.raises(DatabaseError, match=r"(?i)cannot (update|delete)"), transaction.atomic():
                    cursor.execute(statement)
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {table}_no_truncate")  # which tests disable
            with pytest.raises(DatabaseError), transaction.atomic():
                cursor.execute(f"TRUNCATE {table} CASCADE")


def test_the_panel_has_no_form_for_events(staff: User) -> None:
    from django.contrib.admin import site

    assert not [model for model in site._registry if model.__name__.endswith("Audit")]


# --- Statements with percent signs ---


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO auth_group (name) VALUES ('a % b %s %d %%') RETURNING name",
        "WITH made AS (SELECT 'a % b' AS name) INSERT INTO auth_group (name) SELECT name FROM made RETURNING name",
        "SELECT 'a % b'",
    ],
)
@pytest.mark.parametrize("values", [None, (), ["x"], {"it": "x"}])
def test_percent_signs_mean_the_same_on_record_and_off_it(statement: str, values: Any) -> None:
    if values is not None:
        statement = statement.replace("%", "%%")
    if values:
        statement = statement.replace(
            "a %%", "a %%' || %s || '" if isinstance(values, list) else "a %%' || %(it)s || '"
        )
    with connection.cursor() as cursor:
        with transaction.atomic():
            cursor.execute(statement, values)
            without = cursor.fetchone()
            transaction.set_rollback(True)
        with acting(reason="100 %"):
            cursor.execute(statement, values)
            assert cursor.fetchone() == without


def test_the_reason_of_an_action_is_kept_with_what_it_changed(staff: User) -> None:
    with acting(user=str(staff.id), reason="Left the company. 100 %"):
        User.objects.filter(id=staff.id).update(is_active=False)
    newest = events_in(story_of_person(staff.id), limit=1)[0]
    assert (newest.who, newest.what, newest.why) == ("Staff", "changed is active", "Left the company. 100 %")
