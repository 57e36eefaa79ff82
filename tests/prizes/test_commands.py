"""The commands of those who handle money: what they print, what they leave alone, and how they end."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from competitions.models import Competition
from competitions.services.lifecycle import cancel_competition
from leaderboards.models import FinalStandings
from prizes.actors import Actor
from prizes.models import AwardList, Distribution, Entry, SandboxFault, Transfer, TreasuryAction
from prizes.services.distribution import distribute_prizes
from tests.conftest import MakeCompetition
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs


class Run:
    """Runs a command; its table as rows."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, name: str, *arguments: object) -> Any:
        self._capsys.readouterr()
        call_command(name, *map(str, arguments), "--json")
        return json.loads(self._capsys.readouterr().out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


@pytest.fixture
def competition(make_finished: MakeFinished) -> Competition:
    finished = make_finished(9, 8, 7)
    connect_accounts(finished)
    return finished


def distribute(run: Run, competition: Competition, by: User, *options: str) -> Any:
    return run("distribute_prizes", competition.id, "--by", by.id, "--reason", "It is over.", *options)


AMOUNTS = ["60.00", "30.00", "10.00"]


def test_calculating_writes_the_awards_down_once(run: Run, competition: Competition) -> None:
    for _ in range(2):
        rows = run("calculate_prizes")
        assert [row["amount"] for row in rows] == AMOUNTS
        assert {row["state"] for row in rows} == {"calculated"}
    assert AwardList.objects.count() == 1
    assert not Transfer.objects.exists()


@pytest.mark.parametrize("command", ["calculate_prizes", "distribute_prizes"])
def test_a_dry_run_shows_the_same_table_and_writes_nothing(
    command: str, run: Run, competition: Competition, treasurer: User
) -> None:
    before = Entry.objects.count(), TreasuryAction.objects.count()
    by = ["--by", treasurer.id] if command == "distribute_prizes" else []
    assert [row["amount"] for row in run(command, competition.id, *by, "--dry-run")] == AMOUNTS
    assert not AwardList.objects.exists()
    assert not FinalStandings.objects.exists()
    assert not Distribution.objects.exists()
    assert (Entry.objects.count(), TreasuryAction.objects.count()) == before
    assert run_jobs() == []


def test_distributing_twice_pays_once(run: Run, competition: Competition, treasurer: User) -> None:
    assert [row["state"] for row in distribute(run, competition, treasurer)] == ["pending"] * 3
    assert run_jobs() == []
    assert [row["state"] for row in distribute(run, competition, treasurer)] == ["paid"] * 3
    action = TreasuryAction.objects.get(action="distribute")
    assert (action.by, action.reason) == (treasurer, "It is over.")


def test_a_treasurer_may_be_named_by_e_mail_and_nobody_else_may_be_named(
    run: Run, competition: Competition, treasurer: User, other: User
) -> None:
    assert run("distribute_prizes", competition.id, "--by", treasurer.email, "--dry-run")
    for text in (other.email, other.id, "nobody@example.org"):
        with pytest.raises(CommandError, match=r"treasurer|nobody here"):
            run("distribute_prizes", competition.id, "--by", text)


def test_what_waits_for_an_approval_ends_with_an_error_until_another_approves(
    run: Run, make_finished: MakeFinished, treasurer: User, make_treasurer: Any
) -> None:
    large = make_finished(9, pool=500_000)
    with pytest.raises(CommandError, match="another treasurer must approve"):
        distribute(run, large, treasurer)
    with pytest.raises(CommandError, match="Somebody else must approve"):
        distribute(run, large, treasurer, "--approve")
    assert [row["state"] for row in distribute(run, large, make_treasurer("Uma"), "--approve")] == ["pending"]


def test_one_competition_that_cannot_be_done_does_not_keep_the_others(
    run: Run, competition: Competition, make_competition: MakeCompetition, make_finished: MakeFinished, treasurer: User
) -> None:
    running, poor = make_competition(), make_finished(5, funded=False)
    with pytest.raises(CommandError) as refused:
        run("distribute_prizes", running.id, competition.id, poor.id, "--by", treasurer.id)
    assert "are final from" in str(refused.value)
    assert "a treasurer confirms the rest" in str(refused.value)
    assert Transfer.objects.filter(competition=competition).count() == 3
    assert Transfer.objects.count() == 3


def test_a_competition_that_does_not_exist_is_named(run: Run, treasurer: User) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(CommandError, match=nobody):
        run("distribute_prizes", nobody, "--by", treasurer.id)


class TestReconcile:
    @pytest.fixture
    def unknown(self, competition: Competition, treasurer: User) -> Competition:
        SandboxFault.objects.create(call="transfer", fault="time_out_after", times_left=2)
        SandboxFault.objects.create(call="transfer", fault="refuse")
        distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=datetime.now(UTC))
        assert len(run_jobs()) == 2
        return competition

    def test_a_dry_run_lists_and_asks_nobody(self, run: Run, unknown: Competition) -> None:
        with pytest.raises(CommandError, match="1 transfers have failed and 2 are unknown"):
            run("reconcile_transfers", "--dry-run")
        assert sorted(Transfer.objects.values_list("state", flat=True)) == ["failed", "unknown", "unknown"]

    def test_what_was_unknown_is_found_and_what_failed_needs_a_person(self, run: Run, unknown: Competition) -> None:
        with pytest.raises(CommandError, match="1 transfers have failed and 0 are unknown"):
            run("reconcile_transfers")
        assert sorted(Transfer.objects.values_list("state", flat=True)) == ["failed", "paid", "paid"]

    def test_when_all_is_well_it_says_nothing(self, run: Run, db: None) -> None:
        assert run("reconcile_transfers") == []


def test_refunding_needs_a_competition_that_is_not_under_way(
    run: Run, make_competition: MakeCompetition, treasurer: User, person: User
) -> None:
    competition = make_competition(entry_fee_minor=500)
    with pytest.raises(CommandError, match="cancel it first"):
        run("refund_competition", competition.id, "--by", treasurer.id)
    cancel_competition(competition_id=competition.id, by=person, now=datetime.now(UTC))
    assert run("refund_competition", competition.id, "--by", treasurer.id) == []


def test_the_sandbox_is_told_what_to_do_wrong(run: Run, db: None) -> None:
    assert run("sandbox", "transfer", "busy", "--times", 3) == [{"call": "transfer", "fault": "busy", "times left": 3}]
    with pytest.raises(CommandError, match="Say what should go wrong"):
        run("sandbox", "transfer")
    assert run("sandbox", "--clear") == []


def test_there_is_no_sandbox_where_it_is_not_in_use(run: Run, settings: Any) -> None:
    settings.GATEWAYS = {"manual"}
    with pytest.raises(CommandError, match="needs DEBUG"):
        run("sandbox")
