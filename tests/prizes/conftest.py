"""Money in tests: the sandbox gateway, people with accounts, competitions that are over, and jobs that run at once."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from competitions.models import Competition
from competitions.services.enrolment import enrol_people
from leaderboards.scoring import Totals
from leaderboards.services import Total, record_synced_totals
from prizes.actors import Actor
from prizes.models import PayoutAccount
from prizes.plans import DEFAULT
from prizes.services.funding import confirm_funding
from prizes.services.plans import change_plan
from prizes.verification import CHECKS, faults_of
from tests.conftest import MakeCompetition, MakePerson

MakeFinished = Callable[..., Competition]


@pytest.fixture(autouse=True)
def sandbox(settings: Any) -> None:
    """The gateway that pretends, which no real server without DEBUG would choose."""
    settings.PAYMENT_GATEWAY = "sandbox"
    settings.GATEWAYS = {"sandbox", "manual"}
    settings.APPROVAL_OVER = {"*": Decimal(1000)}
    settings.PAYOUT_CAP = {"*": Decimal(100_000)}
    settings.STATEMENT_KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def no_jobs_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Django clears away what its own tables hold after a test that commits; jobs are in procrastinate's."""
    marker = request.node.get_closest_marker("django_db")
    commits = "transactional_db" in request.fixturenames or bool(marker and marker.kwargs.get("transaction"))
    if commits:
        request.getfixturevalue("transactional_db")
    yield
    if commits:
        forget_jobs()


@pytest.fixture
def make_treasurer(make_person: MakePerson) -> Callable[[str], User]:
    def make(name: str) -> User:
        treasurer = make_person(name)
        treasurer.user_permissions.add(Permission.objects.get(codename="distribute_prizes"))
        return User.objects.get(id=treasurer.id)

    return make


@pytest.fixture
def treasurer(make_treasurer: Callable[[str], User]) -> User:
    return make_treasurer("Tess")


@pytest.fixture
def sound_ledger(db: None) -> Iterator[None]:
    """Whatever the test did, the books are right afterwards."""
    yield
    assert [fault for check in CHECKS for fault in faults_of(check)] == []


@pytest.fixture
def make_finished(make_person: MakePerson, make_competition: MakeCompetition, treasurer: User) -> MakeFinished:
    """A competition that is over, with one person for each score, best first; ``funded``: its pool is there; ``plan``:
    what it has instead of the default plan."""

    def make(
        *scores: int, pool: int = 10_000, funded: bool = True, plan: Mapping[str, Any] | None = None, **fields: Any
    ) -> Competition:
        made_at = datetime.now(UTC) - timedelta(days=12)
        competition = make_competition(
            starts=-10, ends=-5, created_at=made_at, grace_hours=0, prize_pool_minor=pool, **fields
        )
        if plan is not None:
            document = {**DEFAULT, **plan}
            change_plan(competition_id=competition.id, document=document, actor=Actor(competition.owner), now=made_at)
        people = [make_person(f"Walker {place}") for place, _ in enumerate(scores, start=1)]
        enrol_people(competition=competition, user_ids=[p.id for p in people], now=made_at)
        with transaction.atomic():
            for seconds, (one, score) in enumerate(zip(people, scores, strict=True)):
                total = Total(competition.id, one.id, Totals(steps=score))
                record_synced_totals(totals=[total], now=made_at + timedelta(days=3, seconds=seconds))
        if funded and pool:
            confirm_funding(
                competition_id=competition.id,
                amount_minor=pool,
                reference="bank 1",
                actor=Actor(treasurer),
                reason="It is on our account.",
                now=datetime.now(UTC),
            )
        return competition

    return make


def connect_accounts(competition: Competition) -> None:
    """Everybody who takes part can be paid."""
    now = datetime.now(UTC)
    PayoutAccount.objects.bulk_create(
        PayoutAccount(
            user_id=participant.user_id,
            gateway="sandbox",
            reference=f"sandbox-account-{participant.user_id}",
            ready=True,
            created_at=now,
            updated_at=now,
        )
        for participant in competition.participants.all()
    )


def forget_jobs() -> None:
    """So that whoever counts statements counts those that enqueue a job, and not whether it is there already."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def run_jobs() -> list[str]:
    """Runs what is enqueued, once each, whenever it is due; says which tasks failed, and with what."""
    failures = []
    while jobs := list(ProcrastinateJob.objects.filter(status="todo").order_by("id")):
        for job in jobs:
            _finish(job, "succeeded")
            try:
                task: Any = app.tasks[job.task_name]
                arguments: Mapping[str, Any] = job.args
                task(**arguments)
            except Exception as error:
                failures.append(f"{job.task_name}: {type(error).__name__}: {error}")
    return failures


def _finish(job: Any, status: str) -> None:
    """As the worker does it: the job is being done, and then it is done."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", [job.id])
        cursor.execute("UPDATE procrastinate_jobs SET status = %s WHERE id = %s", [status, job.id])
