"""POST /api/v1/fitness/sync with samples: intervals that a source measured."""

import gzip
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from accounts.models import Scope, User
from competitions.models import Competition
from fitness.models import CountedDay, Sample, Tombstone
from fitness.services import samples

URL = "/api/v1/fitness/sync"
pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
"""Of yesterday, so that all of the day has happened."""

WATCH = {"app": "apple_health", "device": "Watch", "kind": "watch"}
PHONE = {"app": "apple_health", "device": "Phone", "kind": "phone"}


def at(hours: float) -> str:
    return (MIDNIGHT + timedelta(hours=hours)).isoformat()


def sample(id_: str = "a", start: float = 8, end: float = 9, value: Any = 1000, **fields: Any) -> dict[str, Any]:
    """Hours of yesterday, UTC."""
    usual = {"type": "steps", "unit": "count", "source": WATCH}
    return {"id": id_, "start": at(start), "end": at(end), "value": value, **usual, **fields}


def send(client: APIClient, *samples: Any, **beside: Any) -> Any:
    body = {"samples": list(samples), **beside}
    return client.generic("POST", URL, json.dumps(body), content_type="application/json")


def data_of(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.json()
    data: dict[str, Any] = answer.json()["data"]
    return data


@pytest.fixture
def board(make_competition: Any, join: Any, person: User) -> Competition:
    competition: Competition = make_competition(starts=-40, ends=2, score_source="synced")
    join(competition, person)
    return competition


@pytest.fixture
def phone(person: User, signed_in: SignIn) -> APIClient:
    return signed_in(person)


def score(client: APIClient, competition: Competition) -> int:
    entries = client.get(f"/api/v1/leaderboard/{competition.id}").json()["data"]["entries"]
    return int(entries[0]["score"])


class TestCounting:
    def test_what_two_sources_saw_at_once_counts_once_and_what_one_saw_counts_too(
        self, phone: APIClient, board: Competition
    ) -> None:
        answer = send(
            phone,
            sample("w1", 8, 9, 1000),
            sample("p1", 8, 9, 800, source=PHONE),
            sample("p2", 10, 11, 500, source=PHONE),
            sample("w2", 12, 14, 600),
            sample("p3", 13, 15, 400, source=PHONE),
        )
        data = data_of(answer)
        assert (data["accepted"], data["unchanged"], data["removed"], data["rejected"]) == (5, 0, 0, [])
        assert data["counted_in"] == [str(board.id)]
        assert score(phone, board) == 1000 + 500 + 600 + 200

    def test_sent_again_in_any_order_nothing_changes(self, phone: APIClient, board: Competition) -> None:
        samples = [sample(str(n), n, n + 1.5, 100 * n, source=(WATCH, PHONE)[n % 2]) for n in range(10)]
        send(phone, *samples)
        before = phone.get(f"/api/v1/leaderboard/{board.id}").json()
        data = data_of(send(phone, *reversed(samples)))
        assert (data["accepted"], data["unchanged"]) == (0, 10)
        assert phone.get(f"/api/v1/leaderboard/{board.id}").json() == before

    def test_a_day_total_stands_beside_samples_and_the_larger_counts(
        self, phone: APIClient, board: Competition
    ) -> None:
        day = MIDNIGHT.date().isoformat()
        send(phone, sample("w1", 8, 9, 3000))
        phone.post(URL, {"steps": 2500, "source": "fitbit", "date": day}, format="json")
        assert score(phone, board) == 3000
        phone.post(URL, {"steps": 4000, "source": "fitbit", "date": day}, format="json")
        assert score(phone, board) == 4000
        send(phone, sample("w2", 10, 11, 1500))
        assert score(phone, board) == 4500

    def test_a_sample_over_midnight_is_divided_and_no_step_is_lost(self, phone: APIClient, board: Competition) -> None:
        send(phone, sample("night", -1, 2, 1001))
        days = CountedDay.objects.filter(competition=board).order_by("day").values_list("day", "steps")
        yesterday = MIDNIGHT.date()
        assert list(days) == [(yesterday - timedelta(days=1), 333), (yesterday, 668)]
        assert score(phone, board) == 1001

    @pytest.mark.parametrize(
        ("type_", "unit", "value", "field", "wire"),
        [
            ("distance", "mi", 1, "distance", 1609.344),
            ("distance", "ft", 10, "distance", 3.048),
            ("distance", "km", 1.5, "distance", 1500),
            ("distance", "m", 12, "distance", 12),
            ("calories", "kcal", 12.5, "calories", 12.5),
            ("calories", "kJ", 4.184, "calories", 1),
            ("active_minutes", "h", 0.5, "active_minutes", 30),
            ("active_minutes", "s", 90, "active_minutes", 1.5),
            ("active_minutes", "min", 7, "active_minutes", 7),
        ],
    )
    def test_units_become_exact(
        self, phone: APIClient, type_: str, unit: str, value: float, field: str, wire: float
    ) -> None:
        send(phone, sample("a", 8, 9, value, type=type_, unit=unit))
        assert phone.get("/api/v1/fitness/stats/me").json()["data"][field] == wire


class TestChanges:
    def test_the_newest_version_stands_whatever_comes_first(self, phone: APIClient, board: Competition) -> None:
        assert data_of(send(phone, sample("a", value=500, version=2)))["accepted"] == 1
        assert data_of(send(phone, sample("a", value=900, version=1)))["unchanged"] == 1
        assert score(phone, board) == 500
        assert data_of(send(phone, sample("a", value=700, version=3)))["accepted"] == 1
        assert score(phone, board) == 700

    def test_another_value_under_the_same_version_is_refused_and_its_neighbour_stands(
        self, phone: APIClient, board: Competition
    ) -> None:
        send(phone, sample("a", value=500))
        data = data_of(send(phone, {"id": "bad"}, sample("a", value=900), sample("b", 10, 11, 40)))
        assert [(one["index"], set(one["errors"])) for one in data["rejected"]][1] == (1, {"version"})
        assert score(phone, board) == 540

    def test_sent_again_after_the_person_has_said_where_they_live_it_is_the_same_sample(
        self, phone: APIClient, board: Competition, person: User
    ) -> None:
        send(phone, sample("a", value=500))
        User.objects.filter(id=person.id).update(timezone="Pacific/Auckland")
        data = data_of(send(phone, sample("a", value=500)))
        assert (data["unchanged"], data["rejected"]) == (1, [])
        assert Sample.objects.get().zone == "UTC"

    def test_a_deletion_takes_it_out_for_good(self, phone: APIClient, board: Competition) -> None:
        send(phone, sample("a", value=500), sample("b", 10, 11, 40))
        assert data_of(send(phone, deleted=["a"]))["removed"] == 1
        assert score(phone, board) == 40
        data = data_of(send(phone, sample("a", value=500), sample("a", value=800, version=9), deleted=["a"]))
        assert (data["accepted"], data["unchanged"], data["removed"]) == (0, 2, 0)
        assert score(phone, board) == 40

    def test_a_deletion_that_comes_before_its_sample_is_remembered(self, phone: APIClient, board: Competition) -> None:
        assert data_of(send(phone, deleted=["a", "never"]))["removed"] == 0
        assert Tombstone.objects.count() == 2
        assert data_of(send(phone, sample("a")))["unchanged"] == 1
        assert score(phone, board) == 0

    def test_a_complete_window_removes_what_it_does_not_have_until_it_comes_again(
        self, phone: APIClient, board: Competition
    ) -> None:
        send(phone, sample("a", 8, 9, 100), sample("b", 9, 10, 20), sample("later", 20, 21, 3))
        data = data_of(send(phone, sample("a", 8, 9, 100), complete_from=at(6), complete_to=at(12)))
        assert (data["unchanged"], data["removed"]) == (1, 1)
        assert score(phone, board) == 103
        assert data_of(send(phone, complete_from=at(0), complete_to=at(24)))["removed"] == 2
        assert score(phone, board) == 0
        assert data_of(send(phone, sample("b", 9, 10, 20)))["accepted"] == 1
        assert score(phone, board) == 20

    def test_a_window_with_something_unreadable_in_it_removes_nothing(
        self, phone: APIClient, board: Competition
    ) -> None:
        send(phone, sample("a", 8, 9, 100), sample("b", 9, 10, 20))
        answer = send(phone, sample("a", 8, 9, 100), {"id": "b"}, complete_from=at(6), complete_to=at(12))
        assert data_of(answer)["rejected"][-1]["errors"].keys() == {"complete_from"}
        assert score(phone, board) == 120

    def test_what_stood_once_is_kept(self, phone: APIClient, board: Competition) -> None:
        send(phone, sample("a", value=1))
        send(phone, sample("a", value=2, version=1))
        send(phone, deleted=["a"])
        assert [row.amount for row in Sample.objects.order_by("id")] == [1, 2]
        assert not Sample.objects.filter(superseded_at=None).exists()


class TestBodies:
    def test_a_sample_in_each_line_packed_by_gzip(self, phone: APIClient, board: Competition) -> None:
        good = [json.dumps(sample("a", value=5)), json.dumps(sample("b", 9, 10, 7))]
        body: Any = gzip.compress("\n".join([good[0], "{no json", good[1], "", '{"deleted": ["x"]}']).encode())
        answer = phone.generic(
            "POST",
            URL,
            body,
            content_type="application/x-ndjson",
            headers={"Content-Encoding": "gzip"},
        )
        data = data_of(answer)
        assert (data["accepted"], [one["index"] for one in data["rejected"]]) == (2, [1])
        assert score(phone, board) == 12

    def test_lines_may_each_name_what_was_deleted_and_an_empty_one_is_no_sample(
        self, phone: APIClient, board: Competition
    ) -> None:
        send(phone, sample("a"), sample("b", 9, 10), sample("c", 10, 11, 7))
        body: Any = b'{"deleted": ["a"]}\n{}\n{"deleted": ["b"]}'
        data = data_of(phone.generic("POST", URL, body, content_type="application/x-ndjson"))
        assert (data["removed"], [one["index"] for one in data["rejected"]]) == (2, [0])
        assert score(phone, board) == 7

    @pytest.mark.slow
    @pytest.mark.parametrize("line", [b"1", b"x", b'{"deleted":["a"]}'])
    def test_short_lines_up_to_the_largest_body_are_not_read_one_by_one(self, phone: APIClient, line: bytes) -> None:
        body: Any = b"\n".join([line] * (8_000_000 // (len(line) + 1)))
        before = time.process_time()
        answer = phone.generic("POST", URL, body, content_type="application/x-ndjson")
        assert (answer.status_code, answer.json()["details"].keys()) == (400, {"samples"})
        assert time.process_time() - before < 3

    @pytest.mark.parametrize(
        ("body", "encoding", "status"),
        [
            (b"not packed", "gzip", 400),
            (gzip.compress(b"{}" * 50, mtime=0)[:-9], "gzip", 400),
            (gzip.compress(b"{}", mtime=0) + gzip.compress(b"{}", mtime=0), "gzip", 400),
            (gzip.compress(b" " * 9_000_000, mtime=0), "gzip", 413),
            (b"{}", "br", 415),
        ],
    )
    def test_what_cannot_be_unpacked_is_refused(self, phone: APIClient, body: Any, encoding: str, status: int) -> None:
        answer = phone.generic(
            "POST", URL, body, content_type="application/json", headers={"Content-Encoding": encoding}
        )
        assert answer.status_code == status
        assert answer.json()["code"] == status

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"samples": []}, "samples"),
            ({"samples": {}}, "samples"),
            ({"samples": [{}] * 10_001}, "samples"),
            ({"samples": [], "deleted": "a"}, "deleted"),
            ({"samples": [], "deleted": [""]}, "deleted[0].id"),
            ({"samples": [], "records": [{}]}, "records"),
            ({"samples": [7]}, "samples[0].sample"),
            ({"complete_from": "2026-01-01"}, "complete_from"),
            ({"complete_from": "2026-01-02T00:00:00Z", "complete_to": "2026-01-01T00:00:00Z"}, "complete_to"),
        ],
    )
    def test_a_body_without_anything_acceptable_says_what_is_wrong(
        self, phone: APIClient, body: Any, field: str
    ) -> None:
        answer = phone.post(URL, body, format="json")
        assert answer.status_code == 400
        assert field in answer.json()["details"]

    MALFORMED: ClassVar[list[tuple[str, Any]]] = [
        ("id", None),
        ("id", "x" * 10_000),
        ("id", "a\0b"),
        ("id", "\ud800"),
        ("version", -1),
        ("version", 2**63),
        ("version", True),
        ("type", "heart_rate"),
        ("type", ["steps"]),
        ("start", "yesterday"),
        ("start", "1969-12-31T23:59:59Z"),
        ("start", "2026-01-01T00:00:00"),
        ("start", "9999-99-99T99:99:99Z"),
        ("start", "0001-01-01T00:00:00+14:00"),
        ("end", at(7)),
        ("end", at(8 + 49)),
        ("end", at(8 + 47)),
        ("value", None),
        ("value", float("nan")),
        ("value", float("inf")),
        ("value", -1),
        ("value", 1.5),
        ("value", True),
        ("value", "7"),
        ("value", 2**63),
        ("value", 10**400),
        ("unit", "furlong"),
        ("unit", "km"),
        ("unit", None),
        ("source", None),
        ("source", "watch"),
        ("source.app", {"app": ""}),
        ("source.app", {"app": 7}),
        ("source.device", {"app": "a", "device": "d" * 201}),
        ("source.kind", {"app": "a", "kind": "shoe"}),
        ("recording", "dreamt"),
        ("zone", "Europe/Atlantis"),
        ("zone", "+15:00"),
        ("zone", "-13:00"),
        ("zone", 7),
    ]

    def test_a_malformed_sample_is_named_and_its_neighbour_stands(
        self, phone: APIClient, board: Competition, subtests: pytest.Subtests
    ) -> None:
        for number, (field, wrong) in enumerate(self.MALFORMED):
            with subtests.test(number=number, field=field):
                fields = {field.split(".")[0]: wrong}
                if field == "start" and isinstance(wrong, str) and wrong.startswith("1969"):
                    fields["end"] = "1970-01-01T00:00:00Z"
                data = data_of(send(phone, sample("good", 10, 11, 77), {**sample("bad"), **fields}))
                assert [(one["index"], set(one["errors"])) for one in data["rejected"]] == [(1, {field})]
                assert score(phone, board) == 77

    def test_what_has_not_happened_is_refused_but_a_clock_may_be_a_little_fast(self, phone: APIClient) -> None:
        now = datetime.now(UTC)
        soon, later = now + timedelta(minutes=8), now + timedelta(minutes=20)
        fast = sample("fast") | {"start": now.isoformat(), "end": soon.isoformat()}
        future = sample("future") | {"start": now.isoformat(), "end": later.isoformat()}
        data = data_of(send(phone, fast, future))
        assert (data["accepted"], data["rejected"][0]["errors"].keys()) == (1, {"end"})


class TestWho:
    def test_nobody_syncs_for_somebody_else(self, phone: APIClient, other: User) -> None:
        assert send(phone, sample(), user_id=str(other.id)).status_code == 403
        assert not Sample.objects.exists()

    def test_a_service_names_the_person(self, with_key: Any, person: User) -> None:
        client = with_key(Scope.ACTIVITY_WRITE)
        assert data_of(send(client, sample(), user_id=str(person.id)))["accepted"] == 1
        assert send(client, sample("b")).status_code == 400
        assert send(client, sample("b"), user_id=str(uuid4())).status_code == 400

    @pytest.mark.parametrize(("field", "value"), [("device", 0), ("device", []), ("kind", []), ("kind", False)])
    def test_what_says_nothing_is_not_what_is_left_out(self, phone: APIClient, field: str, value: Any) -> None:
        answer = send(phone, sample(source={"app": "a", field: value}))
        assert (answer.status_code, answer.json()["details"].keys()) == (400, {f"samples[0].source.{field}"})
        assert send(phone, sample(source={"app": "a", field: None})).status_code == 200

    def test_a_source_too_many_is_refused_and_those_that_are_known_are_not(
        self, phone: APIClient, other: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Thousands of them at the same time of a day took minutes to merge, and were each a piece of evidence."""
        monkeypatch.setattr(samples, "MOST_SOURCES", 2)
        third = sample("c", source={"app": "third"})
        data = data_of(send(phone, sample("a"), sample("b", source=PHONE), third))
        assert data["accepted"] == 2
        assert data["rejected"] == [{"index": 2, "errors": {"source": ["You have 2 sources already."]}}]
        data = data_of(send(phone, third, sample("d", source=PHONE)))
        assert (data["accepted"], [one["index"] for one in data["rejected"]]) == (1, [0])
        assert data_of(send(signed_in(other), third))["accepted"] == 1

    def test_two_people_may_use_the_same_ids(self, phone: APIClient, other: User, signed_in: SignIn) -> None:
        send(phone, sample("a", value=1))
        send(signed_in(other), sample("a", value=2), deleted=["b"])
        assert sorted(Sample.objects.values_list("user_id", "amount")) == sorted(
            [(Sample.objects.get(amount=1).user_id, 1), (other.id, 2)]
        )
