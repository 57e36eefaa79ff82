"""A flag alone never changes paid money, whatever is decided about it."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from competitions.models import Competition
from fitness.models import Flag
from fitness.plausibility import Decision
from fitness.services.decisions import CountedInFinalStandings, appeal_flag, decide_flag
from prizes.actors import Actor
from prizes.models import Entry, Transfer, TransferState
from prizes.services.distribution import distribute_prizes
from tests.conftest import MakePerson
from tests.fitness.walking import measured, sync
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(make_finished: MakeFinished, treasurer: User, now: Any) -> Competition:
    """The winner's steps were too fast, which was counted, and everybody has the prize."""
    competition = make_finished(5000, 4000, 3000, stored_policy={"checks": {"cadence": "count"}})
    winner = competition.participants.earliest("id").user
    during = competition.start_at + timedelta(days=1)
    sync(winner, measured(during, 10_000, 600), now=during + timedelta(hours=1))
    connect_accounts(competition)
    distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
    assert run_jobs() == []
    return competition


def money() -> tuple[list[tuple[Any, ...]], int]:
    """Every transfer as it is, and how many entries the books have."""
    transfers = Transfer.objects.order_by("id").values_list("id", "user", "state", "amount_minor", "updated_at")
    return list(transfers), Entry.objects.count()


@pytest.mark.parametrize("decision", list(Decision))
def test_paid_money_stays_whatever_is_decided_about_a_flag(
    paid: Competition, make_person: MakePerson, now: Any, decision: Decision
) -> None:
    judge = make_person("Judge", is_superuser=True)
    flag = Flag.objects.get(competition=paid)
    before = money()
    assert {state for _, _, state, _, _ in before[0]} == {TransferState.PAID}
    try:
        decide_flag(flag_id=flag.id, decision=decision, reason="Looked at it.", by=judge, now=now)
        if decision == Decision.DISQUALIFY:
            appeal_flag(flag_id=flag.id, text="It was a race.", by=flag.user, now=now)
    except CountedInFinalStandings:
        assert decision == Decision.EXCLUDE
    assert run_jobs() == []
    assert money() == before
