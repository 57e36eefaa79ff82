"""The seeded demo: everything there, and all of it right."""

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from accounts.models import User
from competitions.models import Competition
from config.demo.programme import programme
from config.demo.staff import MEMBERS
from fitness.models import Activity, Flag, Sample
from prizes.models import Distribution, PrizePlan, Transfer
from tests.conftest import MakePerson


@pytest.fixture
def demo(settings: Any) -> None:
    settings.DEBUG = True
    settings.PAYMENT_GATEWAY, settings.GATEWAYS = "sandbox", {"sandbox", "manual"}


def counted(table: str, condition: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE {condition}")  # noqa: S608 - the test's own
        [(count,)] = cursor.fetchall()
    return int(count)


@pytest.mark.slow
@pytest.mark.django_db
def test_a_small_world_has_everything_and_every_check_finds_it_right(demo: None, capsys: Any) -> None:
    call_command("seed_demo", people=80, competitions=12, seed=3, json=True)
    [report] = json.loads(capsys.readouterr().out)
    made = {row["what"]: row["how many"] for row in report["rows"]}
    assert all(made.values()), made
    assert made["people"] == 80 + len(MEMBERS) + 1
    for check in ("verify_standings", "verify_ledger", "verify_leaderboards"):
        call_command(check, json=True)

    found = Competition.objects.values_list("status", flat=True)
    assert set(found) == {"draft", "upcoming", "active", "ended", "completed", "cancelled"}
    assert {"percent", "amount_minor"} == {
        unit
        for plan in PrizePlan.objects.all()
        for place in plan.document["places"]
        for unit in place.keys() & {"percent", "amount_minor"}
    }
    assert set(Transfer.objects.values_list("state", flat=True)) >= {"paid", "failed", "unknown"}
    assert set(Transfer.objects.values_list("purpose", flat=True)) == {"prize", "refund"}
    assert Distribution.objects.filter(released_at=None, needs_approval=True).exists()
    assert set(Flag.objects.values_list("state", flat=True)) >= {"open", "accepted", "excluded"}
    assert len(set(Activity.objects.values_list("source", flat=True))) > 3
    assert Sample.objects.exists()
    assert counted("procrastinate_jobs", "status = 'failed'") == made["failed jobs"]
    assert counted("procrastinate_jobs", "status = 'todo'") == 0

    with pytest.raises(CommandError, match="seeded already"):
        call_command("seed_demo", people=80, competitions=12)
    for log_in in report["log_ins"]:
        person = User.objects.get(email=log_in["email"])
        assert person.check_password(log_in["password"])
        assert [group.name for group in person.groups.all()] == (
            [log_in["role"]] if log_in["role"] in ("organiser", "reviewer", "treasurer", "support") else []
        )
    assert Competition.objects.filter(owner__email=MEMBERS[0].email).exists()
    assert Competition.objects.exclude(owner__email=MEMBERS[0].email).exists()


@pytest.mark.django_db
def test_it_touches_no_database_of_other_people_and_no_real_server(
    demo: None, settings: Any, make_person: MakePerson
) -> None:
    make_person("Somebody else")
    with pytest.raises(CommandError, match="other people"):
        call_command("seed_demo")
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG"):
        call_command("seed_demo")
    assert Competition.objects.count() == 0


def test_the_same_seed_plans_the_same_world_and_another_seed_another() -> None:
    now = timezone.now()

    def planned(seed: int) -> list[Any]:
        return list(programme(competitions=40, people=1_000, seed=seed, now=now))

    assert planned(1) == planned(1)
    assert planned(1) != planned(2)
    sizes = [len(one.people) for one in programme(competitions=1_000, people=100_000, seed=1, now=now)]
    assert sum(20 <= size <= 300 for size in sizes) > 700
    assert sum(size >= 1_000 for size in sizes) > 15
    assert max(sizes) >= 5_000
