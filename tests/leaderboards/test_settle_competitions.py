"""manage.py settle_competitions and correct_standings"""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from competitions.models import StatusMove
from leaderboards.models import Board, FinalStandings, Standing
from leaderboards.queries import final_standings
from leaderboards.settling import settle_competition
from tests.leaderboards.conftest import MakeOver

pytestmark = pytest.mark.django_db


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_it_settles_what_is_over_and_a_second_run_changes_nothing(
    make_over: MakeOver, make_competition: Any, person: User, capsys: pytest.CaptureFixture[str]
) -> None:
    over = make_over({person: 500}, grace_hours=0)
    make_over({person: 500}, grace_hours=240)
    make_competition()
    for state in ("frozen", "frozen before"):
        call_command("settle_competitions", "--json")
        [row] = rows(capsys)
        assert (row["competition"], row["number"], row["participants"], row["state"]) == (str(over.id), 1, 1, state)
    assert FinalStandings.objects.count() == 1


def test_a_dry_run_writes_nothing(
    make_over: MakeOver,
    person: User,
    staff: User,
    capsys: pytest.CaptureFixture[str],
    django_capture_on_commit_callbacks: Any,
) -> None:
    over = make_over({person: 500}, grace_hours=0)
    before = (StatusMove.objects.count(), Board.objects.get(competition=over).version)
    with django_capture_on_commit_callbacks() as effects:
        call_command("settle_competitions", "--dry-run", "--json")
        call_command(
            "correct_standings",
            *(str(over.id), "--by", str(staff.id), "--reason", "why", "--disqualify", str(person.id), "--dry-run"),
        )
    output = capsys.readouterr().out
    assert "would be frozen" in output
    assert "nothing was written" in output
    assert effects == []
    assert (StatusMove.objects.count(), Board.objects.get(competition=over).version) == before
    assert not FinalStandings.objects.exists()
    over.refresh_from_db()
    assert over.status == "upcoming"


def test_one_that_cannot_be_settled_does_not_stop_the_others_and_fails_the_command(
    make_over: MakeOver, person: User, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = (make_over({person: 500}, grace_hours=0) for _ in range(2))
    open_still, nobody = make_over({person: 500}, grace_hours=240), uuid4()

    def settle(*, competition_id: Any, now: Any) -> FinalStandings:
        if competition_id == broken.id:
            raise RuntimeError("torn")
        return settle_competition(competition_id=competition_id, now=now)

    monkeypatch.setattr("leaderboards.management.commands.settle_competitions.settle_competition", settle)
    ids = [str(one) for one in (broken.id, open_still.id, nobody, sound.id)]
    with pytest.raises(CommandError, match="3 competitions"):
        call_command("settle_competitions", *ids, "--json")
    assert [row["state"].partition(" are final")[0] for row in rows(capsys)] == [
        "RuntimeError: torn",
        "The standings",
        "There is no such competition.",
        "frozen",
    ]
    assert final_standings(sound.id) is not None


def test_a_correction_shows_who_stands_elsewhere(
    make_over: MakeOver, person: User, other: User, make_person: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    third, author = make_person("Cleo"), make_person("Author", email="author@example.org")
    over = make_over({person: 500, other: 900, third: 100}, grace_hours=0)
    call_command(
        "correct_standings",
        *(str(over.id), "--by", "Author@example.org", "--reason", "A dog wore it.", "--json"),
        *("--disqualify", str(other.id), "--adjust", f"{person.id}=-450"),
    )
    found = {row.pop("user_id"): tuple(row.values()) for row in rows(capsys)}
    assert found == {
        str(third.id): (3, 1, 100, 100),
        str(person.id): (2, 2, 500, 50),
        str(other.id): (1, None, 900, None),
    }
    final = final_standings(over.id)
    assert final is not None
    assert (final.number, final.frozen_by, final.reason) == (2, author, "A dog wore it.")
    call_command(
        "correct_standings", str(over.id), "--by", str(author.id), "--reason", "No", "--reinstate", str(other.id)
    )
    assert Standing.objects.get(competition=over, user=other).on_board


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--by", "nobody@example.org", "--reason", "why", "--disqualify", "{person}"], "Nobody has"),
        (["--by", "{person}", "--reason", " ", "--disqualify", "{person}"], "reason: Say why"),
        (["--by", "{person}", "--reason", "why"], "disqualify: Name somebody"),
        (["--by", "{person}", "--reason", "why", "--adjust", "{person}"], "is not ID=POINTS"),
    ],
)
def test_a_correction_that_cannot_be_says_why(
    make_over: MakeOver, person: User, options: list[str], complaint: str
) -> None:
    over = make_over({person: 500}, grace_hours=0)
    with pytest.raises(CommandError, match=complaint):
        call_command("correct_standings", str(over.id), *(option.format(person=person.id) for option in options))
    assert not FinalStandings.objects.exists()
