"""POST and GET /api/v1/fitness/imports, and the job that reads them."""

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services.people import erase_person
from config.core.body_limit import BodyLimit, Uploads
from fitness import tasks
from fitness.importers import sorting
from fitness.importers.items import Item, WrongFile
from fitness.models import Activity, Import, Sample
from fitness.services import imports, samples
from fitness.services.imports import read_imports, remove_orphans
from tests.fitness.test_importing_apple_health import LAUGHS, export, record, zipped

pytestmark = pytest.mark.django_db
URL = "/api/v1/fitness/imports"


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.IMPORT_DIR = tmp_path / "imports"
    return tmp_path / "imports"


@pytest.fixture
def client(person: User, signed_in: Any) -> APIClient:
    made: APIClient = signed_in(person)
    return made


def upload(client: APIClient, content: bytes, name: str = "export.xml") -> Any:
    return client.post(URL, {"file": SimpleUploadedFile(name, content)}, format="multipart")


def clock() -> datetime:
    return datetime.now(UTC)


def steps(*minutes: int, **changes: str) -> list[str]:
    return [
        record(
            startDate=f"2024-03-01 {minute // 60:02}:{minute % 60:02}:00 +0100",
            endDate=f"2024-03-01 {minute // 60:02}:{minute % 60:02}:59 +0100",
            **changes,
        )
        for minute in minutes
    ]


def finished(client: APIClient, content: bytes) -> dict[str, Any]:
    answer = upload(client, content)
    assert answer.status_code == 202, answer.json()
    read_imports(clock=clock)
    found: dict[str, Any] = client.get(f"{URL}/{answer.json()['data']['id']}").json()["data"]
    return found


# --- From the upload to the samples ---


def test_an_upload_waits_and_then_its_samples_are_there(client: APIClient, person: User, folder: Path) -> None:
    content = export(*steps(*range(10)))
    answer = upload(client, content)
    assert answer.status_code == 202
    waiting = answer.json()["data"]
    assert {name: waiting[name] for name in ("state", "format", "bytes", "bytes_read", "read", "finished_at")} == {
        "state": "waiting",
        "format": "apple-health",
        "bytes": len(content),
        "bytes_read": 0,
        "read": 0,
        "finished_at": None,
    }
    assert [path.name for path in folder.iterdir()] == [waiting["id"]]
    assert ProcrastinateJob.objects.filter(task_name="fitness.tasks.read_uploads").count() == 1
    tasks.read_uploads()
    done = client.get(f"{URL}/{waiting['id']}").json()["data"]
    assert (done["state"], done["bytes_read"], done["read"]) == ("done", len(content), 10)
    assert (done["accepted"], done["unchanged"], done["rejected"], done["problems"]) == (10, 0, 0, [])
    assert done["finished_at"]
    assert Sample.objects.filter(user=person, amount=120, channel="import").count() == 10
    assert not list(folder.iterdir())


def test_the_second_time_changes_nothing(client: APIClient) -> None:
    content = export(*steps(*range(10)))
    finished(client, content)
    before = list(Sample.objects.order_by("id").values())
    again = finished(client, content)
    assert (again["accepted"], again["unchanged"]) == (0, 10)
    assert list(Sample.objects.order_by("id").values()) == before


def test_an_export_made_in_another_time_zone_changes_nothing(client: APIClient) -> None:
    finished(client, export(*steps(0)))
    abroad = record(
        startDate="2024-03-01 08:00:00 +0900",
        endDate="2024-03-01 08:00:59 +0900",
        creationDate="2024-03-01 16:10:00 +0900",
    )
    again = finished(client, export(abroad))
    assert (again["accepted"], again["unchanged"], again["rejected"]) == (0, 1, 0)


def test_another_amount_under_the_same_version_is_a_problem(client: APIClient) -> None:
    done = finished(client, export(*steps(0), *steps(0, value="7")))
    assert (done["accepted"], done["rejected"]) == (1, 1)
    assert "another amount" in done["problems"][0]["problem"]


def test_what_counts_in_a_competition_moves_its_board(
    client: APIClient, person: User, make_competition: Any, join: Any
) -> None:
    competition = make_competition()
    join(competition, person)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0)
    walked = record(
        startDate=f"{today - timedelta(hours=2):%Y-%m-%d %H:%M:%S} +0000",
        endDate=f"{today - timedelta(hours=1):%Y-%m-%d %H:%M:%S} +0000",
        creationDate="",
    )
    finished(client, export(walked))
    rank = client.get(f"/api/v1/leaderboard/{competition.id}/rank/me").json()["data"]
    assert rank["score"] == 120


@pytest.mark.parametrize("pack", [lambda content: content, lambda content: zipped(**{"a/export.xml": content})])
def test_a_damaged_file_keeps_what_was_good_and_says_where(client: APIClient, pack: Callable[[bytes], bytes]) -> None:
    bad = [record(value="many"), record(unit="parsecs"), record(startDate="2999-01-01 00:00:00 +0000")]
    content = export(*steps(0, 1), *bad).removesuffix(b"</HealthData>") + b"<Record"
    done = finished(client, pack(content))
    assert (done["state"], done["read"], done["accepted"], done["rejected"]) == ("done", 6, 2, 4)
    places = {problem["place"]: problem["problem"] for problem in done["problems"]}
    assert sorted(places) == ["line 12", "line 13", "line 14", "line 15"]
    assert "unit" in places["line 13"]
    assert "damaged" in places["line 15"]


def test_only_the_first_hundred_problems_are_listed(client: APIClient) -> None:
    done = finished(client, export(*[record(value="many")] * 150))
    assert (done["rejected"], len(done["problems"])) == (150, 100)


def test_names_of_ten_kilobytes_are_cut_and_odd_ones_stored(client: APIClient) -> None:
    names = ["x" * 10_000, "a&quot;b\\c{},NULL", "’", "\U0001f3c3"]
    done = finished(client, export(*[record(sourceName=name, device="") for name in names]))
    assert (done["accepted"], done["rejected"]) == (4, 0)


def test_a_days_table_of_one_person_counts_for_whoever_sends_it(client: APIClient, person: User) -> None:
    table = (
        "Id,ActivityDate,TotalSteps,TotalDistance,VeryActiveMinutes,FairlyActiveMinutes,LightlyActiveMinutes,"
        "SedentaryMinutes,Calories\n77,4/12/2016,100,1,0,0,1,0,5\n78,4/12/2016,900,1,0,0,1,0,5\n77,4/13/2016,200,1,0,0,1,0,5\n"
    )
    done = finished(client, table.encode())
    assert (done["format"], done["accepted"], done["rejected"]) == ("fitbit-csv", 2, 1)
    assert done["problems"] == [{"place": "line 3", "problem": "another person"}]
    assert [a.steps for a in Activity.objects.filter(user=person).order_by("day")] == [100, 200]


# --- Refusals ---


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04garbage", b"\x00" * 100, b"<html/>"])
def test_a_file_of_no_known_format_is_refused_at_once(client: APIClient, folder: Path, content: bytes) -> None:
    answer = upload(client, content)
    assert answer.status_code == 400
    assert answer.json()["details"].keys() == {"file"}
    assert not Import.objects.exists()
    assert not folder.exists()


def test_a_hostile_file_fails_with_its_reason_and_stores_nothing(client: APIClient, folder: Path) -> None:
    done = finished(client, export(*steps(0), doctype=LAUGHS))
    assert (done["state"], done["accepted"]) == ("failed", 0)
    assert "entities" in done["reason"]
    bomb = finished(client, zipped(**{"export.xml": export(*steps(0)) + b" " * 20_000_000}))
    assert bomb["state"] == "failed"
    assert "inflates" in bomb["reason"]
    assert not Sample.objects.exists()
    assert not list(folder.iterdir())


def test_a_body_that_is_no_form_with_a_file_is_refused(client: APIClient) -> None:
    assert client.post(URL, {}, format="multipart").status_code == 400
    assert client.post(URL, {"file": "text"}, format="multipart").json()["details"].keys() == {"file"}
    assert client.post(URL, {"file": "x"}, format="json").status_code == 415
    broken = client.generic("POST", URL, "--x\r\nnonsense", content_type="multipart/form-data; boundary=x")
    assert broken.status_code == 400
    assert client.generic("POST", URL, "x", content_type="multipart/form-data").status_code == 400


def test_a_file_that_is_too_large_is_refused(client: APIClient, settings: Any) -> None:
    settings.MAX_IMPORT_BYTES = 100
    assert upload(client, export(*steps(0))).status_code == 413


def test_more_than_three_unfinished_imports_are_refused(client: APIClient, other: User, signed_in: Any) -> None:
    for minute in range(3):
        assert upload(client, export(*steps(minute))).status_code == 202
    assert upload(client, export(*steps(4))).status_code == 409
    assert upload(signed_in(other), export(*steps(4))).status_code == 202
    read_imports(clock=clock)
    assert upload(client, export(*steps(4))).status_code == 202


def test_a_stranger_and_a_service_may_import_nothing(anonymous: APIClient, with_key: Any) -> None:
    assert upload(anonymous, export()).status_code == 401
    assert anonymous.get(URL).status_code == 401
    assert upload(with_key("activity:write"), export()).status_code in (401, 403)


# --- Looking at them, and cancelling ---


def test_ones_own_imports_are_listed_the_newest_first(client: APIClient, other: User, signed_in: Any) -> None:
    ids = [upload(client, export(*steps(minute))).json()["data"]["id"] for minute in range(3)]
    upload(signed_in(other), export())
    answer = client.get(f"{URL}?limit=2").json()
    assert [row["id"] for row in answer["data"]] == [ids[2], ids[1]]
    assert answer["pagination"]["total"] == 3


def test_somebody_elses_import_is_a_404(client: APIClient, other: User, signed_in: Any) -> None:
    path = f"{URL}/{upload(client, export()).json()['data']['id']}"
    stranger = signed_in(other)
    assert (stranger.get(path).status_code, stranger.delete(path).status_code) == (404, 404)
    assert (client.get(f"{URL}/{uuid4()}").status_code, client.get(f"{URL}/x\x00").status_code) == (404, 404)
    assert client.get(path).status_code == 200


def test_a_waiting_import_is_cancelled_with_its_file(
    client: APIClient, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    path = f"{URL}/{upload(client, export(*steps(0))).json()['data']['id']}"
    with django_capture_on_commit_callbacks(execute=True):
        assert client.delete(path).status_code == 200
    assert client.get(path).status_code == 404
    assert not list(folder.iterdir())


def test_an_import_that_runs_or_is_over_cannot_be_cancelled(client: APIClient) -> None:
    path = f"{URL}/{upload(client, export(*steps(0))).json()['data']['id']}"
    Import.objects.update(state="running")
    assert client.delete(path).status_code == 409
    read_imports(clock=clock)
    assert client.delete(path).status_code == 409


# --- Workers that die, people who leave ---


def test_whoever_goes_on_begins_after_the_last_batch(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "BATCH", 4)
    content = export(*steps(*range(6)), record(value="many"), *steps(*range(10, 13)))
    path = f"{URL}/{upload(client, content).json()['data']['id']}"
    store, batches = imports._store_batch, []

    def dies_at_the_third(batch: Any, *arguments: Any, **named: Any) -> None:
        batches.append(len(batch))
        if len(batches) == 3:
            raise OperationalError("the database is gone")
        store(batch, *arguments, **named)

    monkeypatch.setattr(imports, "_store_batch", dies_at_the_third)
    with pytest.raises(OperationalError):
        read_imports(clock=clock)
    halfway = client.get(path).json()["data"]
    assert (halfway["state"], halfway["read"], halfway["bytes_read"]) == ("running", 8, len(content) * 8 // 10)
    assert Sample.objects.count() == 7
    read_imports(clock=clock)
    done = client.get(path).json()["data"]
    assert (done["state"], done["read"], done["accepted"], done["unchanged"], done["rejected"]) == ("done", 10, 9, 0, 1)
    assert batches == [4, 4, 2, 2]


def test_a_file_that_kills_whoever_reads_it_is_given_up(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{URL}/{upload(client, export(*steps(0))).json()['data']['id']}"

    def dies(*arguments: Any, **named: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(imports, "_go_on", dies)
    for _ in range(imports.MAX_ATTEMPTS):
        with pytest.raises(OperationalError):
            read_imports(clock=clock)
    read_imports(clock=clock)
    done = client.get(path).json()["data"]
    assert (done["state"], done["reason"]) == ("failed", "It could not be read: every process that tried ended.")


def test_what_nobody_foresaw_fails_one_import_and_the_next_is_read(
    client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (f"{URL}/{upload(client, export(*steps(n))).json()['data']['id']}" for n in range(2))
    go_on = imports._go_on

    def fails_once(found: Import, *arguments: Any) -> None:
        if first.endswith(str(found.id)):
            raise ZeroDivisionError
        go_on(found, *arguments)

    monkeypatch.setattr(imports, "_go_on", fails_once)
    read_imports(clock=clock)
    failed, done = client.get(first).json()["data"], client.get(second).json()["data"]
    assert (failed["state"], done["state"]) == ("failed", "done")
    assert "ZeroDivision" not in failed["reason"]


def test_a_file_that_is_gone_fails(client: APIClient, folder: Path) -> None:
    path = f"{URL}/{upload(client, export(*steps(0))).json()['data']['id']}"
    next(folder.iterdir()).unlink()
    read_imports(clock=clock)
    assert client.get(path).json()["data"]["reason"] == "The file is gone."


def test_files_that_nobody_will_read_are_removed_after_an_hour(client: APIClient, folder: Path) -> None:
    remove_orphans(now=clock())
    upload(client, export(*steps(0)))
    (folder / str(uuid4())).write_bytes(b"left behind")
    remove_orphans(now=clock())
    assert len(list(folder.iterdir())) == 2
    remove_orphans(now=clock() + timedelta(hours=2))
    assert [UUID(path.name) for path in folder.iterdir()] == [Import.objects.get().id]
    tasks.finish_imports(timestamp=0)
    assert Import.objects.get().state == "done"


def test_of_a_person_who_is_erased_no_import_and_no_file_is_left(
    client: APIClient, person: User, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    upload(client, export(*steps(0)))
    with django_capture_on_commit_callbacks(execute=True):
        erase_person(user_id=person.id, now=clock())
    assert not Import.objects.exists()
    assert not list(folder.iterdir())


def test_whoever_is_erased_while_it_runs_leaves_nothing(
    client: APIClient, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    upload(client, export(*steps(*range(6))))

    class ErasedAfterTheFirstBatch(sorting.Sorted):
        def __iter__(self) -> Iterator[Item]:
            for number, item in enumerate(super().__iter__()):
                if number == 2:
                    assert Sample.objects.filter(user=person).count() == 2
                    erase_person(user_id=person.id, now=clock())
                yield item

    monkeypatch.setattr(imports, "Sorted", ErasedAfterTheFirstBatch)
    read_imports(clock=clock)
    assert not Import.objects.exists()
    assert not Sample.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_read_a_file_once(client: APIClient) -> None:
    upload(client, export(*steps(*range(20))))

    def work() -> None:
        read_imports(clock=clock)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    done = Import.objects.get()
    assert (done.state, done.read, done.accepted, done.unchanged) == ("done", 20, 20, 0)


# --- Sorting ---


def test_items_come_in_the_order_of_time_however_many_runs_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "RUN", 7)
    monkeypatch.setattr(sorting, "BLOCK", 100)
    hours = [(number * 37) % 100 for number in range(100)]
    items = [Item("line", hour, {"start": f"2024-03-01T{hour:03}"}) for hour in hours] + [Item("line", 0, problem="x")]
    ordered = sorting.Sorted(items)
    assert len(ordered) == 101
    assert [item.number for item in ordered] == [0, *range(100)]
    assert list(ordered) == sorted(items, key=lambda item: item.number * (item.sample is not None) - (not item.sample))


def test_a_file_of_too_many_samples_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "MAX_ITEMS", 10)
    with pytest.raises(WrongFile, match="more than 10 samples"):
        sorting.Sorted(Item("line", number, problem="x") for number in range(11))


def test_a_source_too_many_is_said_to_be_one(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST_SOURCES", 1)
    found = finished(client, export(*steps(0), *steps(1, sourceName="Another")))
    assert (found["accepted"], found["rejected"]) == (1, 1)
    assert found["problems"][0]["problem"] == "You have 1 sources already."


def test_one_enormous_sample_is_left_out_before_a_run_of_them_fills_the_memory(client: APIClient) -> None:
    content = export(*steps(0), *steps(1, value="1" * 100_000), *steps(2, unit="u" * 100_000), *steps(3))
    found = finished(client, content)
    assert (found["state"], found["accepted"], found["rejected"]) == ("done", 2, 2)
    assert {problem["problem"] for problem in found["problems"]} == {"longer than 4096 characters"}
    assert len({problem["place"] for problem in found["problems"]}) == 2


# --- Large bodies ---


async def _status(length: int, headers: dict[str, str], path: str = URL, sent: int | None = None) -> int:
    async def taker(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            more = (await receive()).get("more_body", False)
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def admits(token: str) -> object | None:
        return object() if token == "good" else None

    app = BodyLimit(taker, 100, [Uploads(re.compile(rf"{URL}/?"), "file", 1000, admits)])
    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": [*named, (b"content-length", b"%d" % length)]}
    talk: Any = ApplicationCommunicator(app, scope)  # type: ignore[no-untyped-call]  # asgiref has no types here
    await talk.send_input({"type": "http.request", "body": b"x" * (length if sent is None else sent)})
    status: int = (await talk.receive_output(timeout=5))["status"]
    return status


async def test_only_whoever_has_a_good_token_may_send_a_large_file_and_only_there() -> None:
    good, bad = {"authorization": "Bearer good"}, {"authorization": "Bearer bad"}
    assert await _status(1000, good) == 202
    assert await _status(1000, good, path=f"{URL}/") == 202
    assert await _status(1001, good) == 413
    assert await _status(500, good, sent=1001) == 413
    assert await _status(1000, bad) == 401
    assert await _status(1000, {}) == 401
    assert await _status(1000, good, path="/api/v1/fitness/sync") == 413
    assert await _status(10, good, sent=200) == 413
    assert await _status(100, {}) == 202


async def test_one_person_sends_one_large_file_at_a_time() -> None:
    """Ten of them, never finished, would fill the disk before anybody counts imports."""

    async def taker(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body"})

    async def admits(token: str) -> str | None:
        return token

    app = BodyLimit(taker, 100, [Uploads(re.compile(URL), "file", 1000, admits)])

    def talk(token: bytes, length: int = 1000) -> Any:
        headers = [(b"authorization", b"Bearer " + token), (b"content-length", b"%d" % length)]
        return ApplicationCommunicator(app, {"type": "http", "method": "POST", "path": URL, "headers": headers})  # type: ignore[no-untyped-call]  # asgiref has no types here

    async def begun(token: bytes) -> Any:
        talking = talk(token)
        await talking.send_input({"type": "http.request", "body": b"x" * 500, "more_body": True})
        assert await talking.receive_nothing(timeout=0.1)
        return talking

    async def status(talking: Any) -> int:
        await talking.send_input({"type": "http.request", "body": b"x" * 50})
        return int((await talking.receive_output(timeout=5))["status"])

    first = await begun(b"ada")
    assert await status(talk(b"ada")) == 429
    assert await status(talk(b"ada", 50)) == 202
    assert await status(talk(b"ben")) == 202
    assert await status(first) == 202
    assert await status(talk(b"ada")) == 202


def test_a_large_upload_goes_to_the_disk(client: APIClient, folder: Path, settings: Any) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1000
    content = export(*steps(*range(60)))
    answer = upload(client, content)
    assert answer.status_code == 202
    stored = folder / answer.json()["data"]["id"]
    assert stored.read_bytes() == content
    assert (stored.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
