"""POST, GET /api/v1/users/{user_id}/export, GET …/export/file"""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.core.files import File
from django.core.files.storage import storages
from rest_framework.test import APIClient

from accounts.models import Export, Notification, User
from accounts.services.people import erase_person
from competitions.models import Competition
from config.people import exports
from config.people.archive import tables_of, write_archive
from config.people.exports import remove_old_exports, request_export, write_exports
from tests.accounts.knowing import SECRETS, keep_files_in, known_person, make_known
from tests.asking import ask_server, bearer, in_thread
from tests.prizes.conftest import no_jobs_left as no_jobs_left  # after tests that commit

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
URL = "/api/v1/users/me/export"


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    keep_files_in(settings, tmp_path)
    return tmp_path / "private"


def clock() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def competition(make_competition: Any, other: User) -> Competition:
    made: Competition = make_competition(owner=other, name="Lake walk, =1+1")
    return made


@pytest.fixture
def known(competition: Competition, join: Any, other: User, signed_in: SignIn) -> User:
    """With somebody else beside them who is known by other words."""
    person = known_person()
    join(competition, person, other)
    for who, steps in ((person, 1234), (other, 98765)):
        signed_in(who).post("/api/v1/fitness/sync", {"steps": steps, "source": "garmin"})
    make_known(person, competition)
    return person


def fetched(client: APIClient) -> dict[str, bytes]:
    """The files of the zip, by name."""
    Export.objects.all().delete()
    assert client.post(URL).status_code == 202
    write_exports(clock=clock)
    data = client.get(URL).json()["data"]
    assert data["state"] == "ready"
    answer = client.get(data["url"])
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]  # a stream has it
    assert (answer.status_code, answer["Content-Type"], len(content)) == (200, "application/zip", data["bytes"])
    assert answer["Cache-Control"] == "private, no-store"
    with ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def lines(files: dict[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(files[f"{name}.csv"].decode("utf-8-sig"))))


def test_everything_about_a_person_is_in_it(known: User, competition: Competition, signed_in: SignIn) -> None:
    files = fetched(signed_in(known))
    profile = json.loads(files["profile.json"])
    assert (profile["email"], profile["language"], profile["country"]) == ("quixotic@example.org", "de-DE", "DE")
    assert files["picture.webp"] == b"zanzibar in 512 pixels"
    assert profile == signed_in(known).get("/api/v1/users/me/profile").json()["data"]
    days = {(row["day"], row["source"], row["steps"]) for row in lines(files, "activity/days")}
    assert days == {(str(d), s, str(n)) for d, s, n in known.activities.values_list("day", "source", "steps")}
    assert [(row["id"], row["app"], row["amount"]) for row in lines(files, "activity/samples")] == [
        ("zanzibar-1", "zanzibar.app", "77")
    ]
    [standing] = lines(files, "competitions/standings")
    assert (standing["competition_id"], standing["rank"], standing["steps"]) == (str(competition.id), "2", "1234")
    assert [row["competition"] for row in lines(files, "competitions/participations")] == ["Lake walk, =1+1"]
    assert lines(files, "messages/phone")[0]["number"] == "'+4915799"  # no formula for a spreadsheet
    assert lines(files, "activity/connections")[0]["account"] == "zanzibar"
    assert lines(files, "flags/flags")[0]["appeal"] == "A xylophone made me walk."
    assert lines(files, "flags/evidence")[0]["text"] == "As if by xylophone."
    everything = b"\n".join(files.values()).decode()
    assert all(secret in everything.lower() for secret in SECRETS)
    for name in files:
        assert name in files["README.txt"].decode() or name == "README.txt"


def test_every_table_of_somebody_of_whom_everything_is_known_has_its_rows(known: User) -> None:
    empty = {table.name for table in tables_of(known.id) if not list(table.rows)}
    assert empty == {  # what takes money or staff to fill
        "competitions/seats", "competitions/organised", "competitions/corrections", "flags/events",
        "money/transactions", "money/prizes", "money/payments",
    }  # fmt: skip


@pytest.mark.slow
def test_nothing_that_opens_anything_is_in_it_and_nothing_of_anybody_else(
    known: User, other: User, signed_in: SignIn
) -> None:
    everything = b"\n".join(fetched(signed_in(known)).values()).decode()
    assert other.email is not None
    for foreign in (other.email, str(other.id), "98765"):
        assert foreign not in everything
    for secret in (known.password, "zanzibar-token", known.outstandingtoken_set.get().token, "zanzibar.zip"):
        assert secret not in everything
    theirs = b"\n".join(fetched(signed_in(other)).values()).decode().lower()
    assert not any(secret in theirs for secret in SECRETS)
    assert "98765" in theirs


def test_it_is_written_once_a_day_and_announced(person: User, signed_in: SignIn, folder: Path) -> None:
    me = signed_in(person)
    assert me.get(URL).status_code == me.get(f"{URL}/file").status_code == 404
    first = me.post(URL).json()["data"]
    assert (first["state"], first["url"]) == ("waiting", None)
    assert me.get(f"{URL}/file").status_code == 409
    assert me.post(URL).json()["data"] == first
    write_exports(clock=clock)
    write_exports(clock=clock)
    assert Notification.objects.filter(user=person, event="export_ready").count() == 1
    assert me.post(URL).json()["data"]["state"] == "ready"
    [file] = (folder / "exports").iterdir()
    assert len(file.stem) >= 43  # 256 bits
    assert file.stat().st_mode & 0o777 == 0o600
    Export.objects.update(requested_at=clock() - timedelta(days=1, seconds=1))
    with pytest.MonkeyPatch.context() as at_once:
        at_once.setattr("django.db.transaction.on_commit", lambda job, **_: job())
        assert me.post(URL).json()["data"]["state"] == "waiting"
    assert not file.exists()


def test_after_a_week_it_is_gone(person: User, signed_in: SignIn, folder: Path) -> None:
    me = signed_in(person)
    me.post(URL)
    write_exports(clock=clock)
    assert remove_old_exports(now=clock() + timedelta(days=6)) == 0
    Export.objects.update(expires_at=clock())
    assert me.get(f"{URL}/file").status_code == 404
    with pytest.MonkeyPatch.context() as at_once:
        at_once.setattr("django.db.transaction.on_commit", lambda job, **_: job())
        assert remove_old_exports(now=clock()) == 1
    assert list((folder / "exports").iterdir()) == []
    stray = folder / "exports" / "stray.zip"
    stray.write_bytes(b"of a worker that died")
    assert (remove_old_exports(now=clock()), stray.exists()) == (0, True)
    assert (remove_old_exports(now=clock() + timedelta(hours=2)), stray.exists()) == (0, False)


def test_a_worker_that_dies_leaves_nothing_half(
    person: User, signed_in: SignIn, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(person).post(URL)
    name = Export.objects.get().file_name
    storages["private"].save(name, File(BytesIO(b"half a zip")))
    Export.objects.update(state="running", attempts=1)
    assert signed_in(person).get(f"{URL}/file").status_code == 409
    write_exports(clock=clock)
    found = Export.objects.get()
    assert (found.state, found.attempts) == ("ready", 2)
    assert [file.name for file in (folder / "exports").iterdir()] == [Path(name).name]
    with storages["private"].open(name) as file, ZipFile(file) as archive:
        assert archive.testzip() is None


def test_what_cannot_be_written_fails_after_three_attempts(
    person: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: Any) -> None:
        raise RuntimeError

    me = signed_in(person)
    me.post(URL)
    with monkeypatch.context() as broken:
        broken.setattr(exports, "write_archive", break_down)
        for _ in range(4):
            write_exports(clock=clock)
    assert me.get(URL).json()["data"]["state"] == "failed"
    assert me.post(URL).json()["data"]["state"] == "waiting"  # and anew
    write_exports(clock=clock)
    assert me.get(URL).json()["data"]["state"] == "ready"


def test_whoever_is_erased_while_it_is_written_leaves_no_file(
    person: User, signed_in: SignIn, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(person).post(URL)
    real = write_archive

    def erase_meanwhile(*args: Any) -> None:
        real(*args)
        erase_person(user_id=person.id, now=clock())

    monkeypatch.setattr(exports, "write_archive", erase_meanwhile)
    write_exports(clock=clock)
    assert not Export.objects.exists()
    assert list((folder / "exports").iterdir()) == []


@pytest.mark.parametrize("path", ["export", "export/file"])
def test_it_is_for_its_own_person_alone(
    path: str, person: User, other: User, staff: User, signed_in: SignIn, anonymous: APIClient
) -> None:
    request_export(user_id=person.id, now=clock())
    url = f"/api/v1/users/{person.id}/{path}"
    for stranger in (other, staff):
        assert signed_in(stranger).get(url).status_code == 403
    assert signed_in(other).post(f"/api/v1/users/{person.id}/export").status_code == 403
    assert anonymous.get(url).status_code == 401
    for nobody in ("nobody", "00000000-0000-0000-0000-000000000000"):
        assert signed_in(person).get(f"/api/v1/users/{nobody}/{path}").status_code == 404
    assert signed_in(person).put(url).status_code == 405
    assert signed_in(person).get(url).status_code == (200 if path == "export" else 409)


@pytest.mark.django_db(transaction=True)
async def test_the_server_streams_it(person: User) -> None:
    headers = bearer(person)
    assert (await ask_server(URL, "POST", headers=headers)).status_code == 202
    await in_thread(write_exports, clock=clock)
    answer = await ask_server(f"{URL}/file", headers=headers)
    assert answer.status_code == 200
    assert 'filename="pacesetter-export.zip"' in answer.headers["Content-Disposition"]
    with ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
