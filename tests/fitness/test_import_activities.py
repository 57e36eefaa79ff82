"""manage.py import_activities"""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from competitions.models import Participant
from fitness.models import Activity, Sample
from leaderboards.models import Standing
from leaderboards.queries import board_page
from tests.fitness.test_importing_apple_health import export, record, zipped

pytestmark = pytest.mark.django_db
HEADER = (
    "Id,ActivityDate,TotalSteps,TotalDistance,VeryActiveMinutes,FairlyActiveMinutes,LightlyActiveMinutes,"
    "SedentaryMinutes,Calories\n"
)


@pytest.fixture
def spring(make_competition: Any, person: User) -> Any:
    """A competition about the past, made today: it accepts data for another day."""
    from datetime import UTC, date, datetime

    from competitions.rules import Kind, span_of
    from competitions.services.lifecycle import create_competition

    span = span_of(date(2016, 4, 12), date(2016, 5, 12), "UTC", Kind.CUSTOM)
    return create_competition(owner=person, fields={"name": "Spring"}, span=span, published=True, now=datetime.now(UTC))


def run(file: Path, competition: Any, *options: str) -> None:
    call_command(
        "import_activities",
        str(file),
        "--format",
        "fitbit-csv",
        "--competition",
        str(competition.id),
        *options,
        stderr=StringIO(),
    )


def test_both_spellings_of_a_date_and_whole_units(tmp_path: Path, spring: Any) -> None:
    file = tmp_path / "export.csv"
    file.write_text(
        HEADER + "77,04/12/2016,13162.00,8.50,25.00,13.00,328.00,728.00,1985.00\n77,4/13/2016,10.00,0.01,0,0,1,0,5\n"
    )
    run(file, spring)
    first, second = Activity.objects.order_by("day")
    assert (first.steps, first.distance_mm, first.energy_cal, first.active_seconds) == (
        13162,
        8_500_000,
        1_985_000,
        366 * 60,
    )
    assert str(second.day) == "2016-04-13"
    [entry] = board_page(spring, offset=0, limit=9).entries
    assert (entry["score"], entry["user_name"]) == (13172, "Walker 77")


def test_a_second_run_changes_nothing(tmp_path: Path, spring: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "export.csv"
    file.write_text(HEADER + "77,4/12/2016,100,1,0,0,1,0,5\n78,4/12/2016,200,1,0,0,1,0,5\n")
    run(file, spring, "--json")
    state = [list(model.objects.order_by("pk").values()) for model in (User, Participant, Activity, Standing)]
    capsys.readouterr()
    run(file, spring, "--json")
    again = json.loads(capsys.readouterr().out)[0]
    assert (again["joined"], again["accepted"], again["unchanged"]) == (0, 0, 2)
    assert state == [list(model.objects.order_by("pk").values()) for model in (User, Participant, Activity, Standing)]


def test_a_dry_run_writes_nothing(tmp_path: Path, spring: Any) -> None:
    file = tmp_path / "export.csv"
    file.write_text(HEADER + "77,4/12/2016,100,1,0,0,1,0,5\n")
    run(file, spring, "--dry-run")
    assert not Activity.objects.exists()
    assert not Participant.objects.exists()


def test_a_damaged_line_is_named_and_the_others_are_in(tmp_path: Path, spring: Any) -> None:
    file = tmp_path / "export.csv"
    lines = ["77,4/12/2016,100,1,0,0,1,0,5", "77,yesterday,100,1,0,0,1,0,5", "77,4/13/2016,many,1,0,0,1,0,5", "77"]
    file.write_text(HEADER + "\n".join(lines) + "\n")
    errors = StringIO()
    with pytest.raises(CommandError, match="3 rows"):
        call_command(
            "import_activities", str(file), "--format", "fitbit-csv", "--competition", str(spring.id), stderr=errors
        )
    assert "line 3" in errors.getvalue()
    assert Activity.objects.count() == 1


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\x00"])
def test_another_file_is_refused_with_a_sentence(tmp_path: Path, spring: Any, text: str) -> None:
    file = tmp_path / "export.csv"
    file.write_text(text)
    with pytest.raises(CommandError, match=r"export\.csv is not such an export"):
        run(file, spring)
    with pytest.raises(CommandError, match="cannot be read"):
        run(tmp_path / "missing.csv", spring)


def test_a_closed_competition_accepts_no_import(tmp_path: Path, make_competition: Any) -> None:
    file = tmp_path / "export.csv"
    file.write_text(HEADER + "77,4/12/2016,100,1,0,0,1,0,5\n")
    with pytest.raises(CommandError, match="accepts no activity"):
        run(file, make_competition(starts=-9, ends=-8, grace_hours=0))


# --- Somebody's own export ---


def own(file: Path, user: str, *options: str) -> None:
    call_command("import_activities", str(file), "--user", user, *options, stderr=StringIO())


@pytest.mark.parametrize("name", ["id", "email"])
def test_an_export_is_recognised_and_goes_in_once(
    tmp_path: Path, person: User, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "whatever.bin"
    file.write_bytes(export(record(), record(startDate="2024-03-01 08:00:01 +0100")))
    for accepted, unchanged in ((2, 0), (0, 2)):
        own(file, str(getattr(person, name)), "--json")
        assert json.loads(capsys.readouterr().out) == [
            {"format": "apple-health", "read": 2, "accepted": accepted, "unchanged": unchanged, "rejected": 0}
        ]
    assert Sample.objects.filter(user=person).count() == 2


def test_a_dry_run_of_an_export_checks_everything_and_writes_nothing(
    tmp_path: Path, person: User, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "export.zip"
    file.write_bytes(zipped(**{"export.xml": export(record(), record(unit="parsecs"))}))
    with pytest.raises(CommandError, match="1 rows"):
        own(file, str(person.id), "--json", "--dry-run")
    assert json.loads(capsys.readouterr().out)[0] | {"format": ""} == {
        "format": "",
        "read": 2,
        "accepted": 0,
        "unchanged": 0,
        "rejected": 1,
    }
    assert not Sample.objects.exists()


@pytest.mark.parametrize("name", ["nobody@example.org", "x", "00000000-0000-0000-0000-000000000000"])
def test_an_export_of_nobody_is_refused(tmp_path: Path, db: None, name: str) -> None:
    file = tmp_path / "export.xml"
    file.write_bytes(export(record()))
    with pytest.raises(CommandError, match="Nobody is called"):
        own(file, name)


def test_a_file_that_is_none_is_refused_with_a_sentence_for_a_person_too(tmp_path: Path, person: User) -> None:
    file = tmp_path / "export.xml"
    file.write_bytes(b"hello")
    with pytest.raises(CommandError, match=r"export\.xml is not such an export: The file is none of"):
        own(file, str(person.id))
    with pytest.raises(CommandError, match="cannot be read"):
        own(tmp_path / "missing", str(person.id))


def test_somebodys_export_needs_a_person_and_a_table_a_competition(tmp_path: Path, spring: Any) -> None:
    with pytest.raises(CommandError, match="one of the arguments"):
        call_command("import_activities", "x")
    with pytest.raises(CommandError, match="say with --user"):
        call_command("import_activities", "x", "--format", "apple-health", "--competition", str(spring.id))
