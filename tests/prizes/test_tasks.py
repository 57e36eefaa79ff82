"""What the worker does by itself, every minute and every night."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services.people import erase_person
from competitions.models import Seat
from prizes import tasks
from prizes.actors import Actor
from prizes.models import PayoutAccount, SandboxFault, Transfer
from prizes.queries import fees_paid_minor
from prizes.services.distribution import distribute_prizes
from tests.conftest import MakeCompetition
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs

pytestmark = pytest.mark.django_db


def test_every_minute_what_was_left_behind_is_gone_on_with(
    make_finished: MakeFinished, treasurer: User, now: datetime
) -> None:
    competition = make_finished(9)
    connect_accounts(competition)
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
    SandboxFault.objects.create(call="transfer", fault=SandboxFault.Fault.TIME_OUT_AFTER, times_left=1)
    assert len(run_jobs()) == 1
    Transfer.objects.update(updated_at=now - timedelta(minutes=5))
    tasks.push_transfers(timestamp=0)
    assert run_jobs() == []
    assert Transfer.objects.get().state == "paid"


def test_every_minute_a_seat_that_nobody_paid_is_free_again_and_its_page_is_closed(
    make_competition: MakeCompetition, signed_in: Callable[[User], APIClient], other: User, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://steps.example.org"
    competition = make_competition(starts=2, ends=5, entry_fee_minor=1_000)
    assert signed_in(other).post(f"/api/v1/competitions/{competition.id}/join").status_code == 202
    long_ago = datetime.now(UTC) - timedelta(days=1)
    Seat.objects.update(reserved_at=long_ago, expires_at=long_ago + timedelta(minutes=30))
    tasks.release_unpaid_seats(timestamp=0)
    assert run_jobs() == [], "who pays now finds the page closed"
    competition.refresh_from_db()
    assert (competition.reserved_count, competition.participant_count) == (0, 0)
    assert fees_paid_minor(competition.id) == 0


def test_every_night_accounts_of_nobody_are_forgotten(person: User, other: User, now: datetime) -> None:
    for somebody in (person, other):
        PayoutAccount.objects.create(
            user=somebody, gateway="sandbox", reference=f"of {somebody.id}", ready=True, created_at=now, updated_at=now
        )
    erase_person(user_id=other.id, now=now)
    PayoutAccount.objects.get_or_create(
        user=other, gateway="sandbox", defaults={"reference": "late", "created_at": now, "updated_at": now}
    )
    tasks.forget_accounts_of_nobody(timestamp=0)
    assert list(PayoutAccount.objects.values_list("user__name", flat=True)) == [person.name]
