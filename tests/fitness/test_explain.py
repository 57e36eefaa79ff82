"""GET /api/v1/leaderboard/{id}/explain/{user_id}: why this score."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services.people import lock_people
from competitions.models import Competition, Participant
from competitions.policy import DayBoundary, MergeRule, Policy, policy_to_store
from competitions.rules import DeviceKind
from competitions.services.enrolment import join_competition, leave_competition
from competitions.services.lifecycle import change_competition
from config.core.errors import Refusal
from fitness.models import CountedDay
from fitness.queries.activity import sum_of, totals_of
from fitness.queries.readings import own_frame, readings_of
from fitness.reckoning import counted_days, reckon
from fitness.rules import Channel, Reading, Recording, SampleType, Source
from fitness.samples import SampleReading, SourceKey
from fitness.services.counting import count_activity
from fitness.services.preferences import prefer_sources
from fitness.services.samples import SampleChanges
from fitness.services.syncing import sync_activities
from leaderboards.models import Standing
from leaderboards.scoring import Totals
from leaderboards.services import report_totals
from leaderboards.settling import add_correction, settle_competition

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
HOUR = timedelta(hours=1)


def url(competition: Competition, person: User | str) -> str:
    return f"/api/v1/leaderboard/{competition.id}/explain/{person.id if isinstance(person, User) else person}"


def explained(client: APIClient, competition: Competition, person: User | str = "me") -> dict[str, Any]:
    answer = client.get(url(competition, person))
    assert answer.status_code == 200, answer.content
    data: dict[str, Any] = answer.json()["data"]
    return data


def send(client: APIClient, *samples: dict[str, Any]) -> None:
    assert client.post("/api/v1/fitness/sync", {"samples": samples}, format="json").status_code == 200


def walk(id_: str, start: datetime, hours: float, steps: float, kind: str = "watch", **fields: Any) -> dict[str, Any]:
    source = {"app": "apple_health", "device": kind.title(), "kind": kind}
    end = start + hours * HOUR
    usual = {"type": "steps", "unit": "count", "source": source, "start": start.isoformat(), "end": end.isoformat()}
    return {"id": id_, "value": steps, **usual, **fields}


@pytest.fixture
def board(make_competition: Any, join: Any, person: User, other: User) -> Competition:
    """Of Ada, in which she and Ben take part; a day counts 1,500 steps at most, and nothing that was typed in."""
    policy = policy_to_store(Policy(daily_cap={"steps": 1500}, manual_entries=False))
    competition: Competition = make_competition(score_source="synced", stored_policy=policy)
    join(competition, person, other)
    return competition


YESTERDAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - 24 * HOUR


class TestAnswer:
    def test_it_says_of_each_day_and_source_what_counted_and_why_the_rest_did_not(
        self, board: Competition, other: User, staff: User, signed_in: SignIn
    ) -> None:
        ben = signed_in(other)
        send(
            ben,
            walk("w", YESTERDAY + 8 * HOUR, 1, 1000),
            walk("p", YESTERDAY + 8.5 * HOUR, 1, 1200, "phone"),
            walk("typed", YESTERDAY + 12 * HOUR, 1, 9000, recording="manual"),
            walk("d", YESTERDAY + 8 * HOUR, 1, 1.5, type="distance", unit="km"),
        )
        for points in (50, -20):
            body = {"user_id": str(other.id), "points": points, "reason": "Because."}
            url_of_corrections = f"/api/v1/leaderboard/{board.id}/corrections"
            assert signed_in(staff).post(url_of_corrections, body, format="json").status_code == 201
        data = explained(ben, board)
        assert (data["points"], data["score"], [c["points"] for c in data["corrections"]]) == (1500, 1530, [50, -20])
        assert (
            data["synced"] == data["counted"] == {"steps": 1500, "distance": 1500, "calories": 0, "active_minutes": 0}
        )
        [day] = data["days"]
        assert (day["date"], day["steps"], day["capped"]["steps"]) == (YESTERDAY.date().isoformat(), 1500, 200)
        lines = {(line["metric"], line["kind"]): line for line in day["sources"]}
        watch, phone = lines["steps", "watch"], lines["steps", "phone"]
        assert (phone["said"], phone["counted"], phone["left_out"]) == (1200, 1200, [])
        assert (watch["said"], watch["counted"]) == (10_000, 500)
        assert {one["reason"]: one["amount"] for one in watch["left_out"]} == {"manual": 9000, "overlapped": 500}
        assert all(one["message"].endswith(".") for one in watch["left_out"])
        assert (lines["distance", "watch"]["said"], lines["distance", "watch"]["counted"]) == (1500, 1500)

    def test_where_only_reports_count_there_are_no_days(
        self, make_competition: Any, join: Any, person: User, signed_in: SignIn, now: datetime
    ) -> None:
        board = make_competition(score_source="reported")
        join(board, person)
        send(signed_in(person), walk("w", YESTERDAY, 1, 1000))
        report_totals(competition=board, user_id=person.id, reported={"steps": 70}, now=now)
        data = explained(signed_in(person), board)
        assert (data["days"], data["points"], data["score"]) == ([], 70, 70)


class TestWho:
    def test_what_a_source_says_to_its_owner_only_nobody_else_reads_here(
        self, board: Competition, other: User, person: User, staff: User, signed_in: SignIn
    ) -> None:
        ben, strava = signed_in(other), {"app": "Strava", "device": "", "kind": "watch"}
        send(
            ben,
            walk("w", YESTERDAY + 8 * HOUR, 1, 1000),
            walk("s", YESTERDAY + 10 * HOUR, 1, 4000, source=strava),
            walk("typed", YESTERDAY + 12 * HOUR, 1, 9000, source=strava, recording="manual"),
        )
        ben.post("/api/v1/fitness/sync", {"steps": 9500, "source": "strava"}, format="json")
        for viewer, sources in ((other, {"apple_health", "Strava", "strava"}), (person, {"apple_health"})):
            data = explained(signed_in(viewer), board, other)
            assert {line["app"] for day in data["days"] for line in day["sources"]} == sources
            assert sum(day["steps"] for day in data["days"]) == data["synced"]["steps"] == 1000
        assert [len(day["sources"]) for day in explained(signed_in(staff), board, other)["days"]] == [1]

    def test_the_person_the_owner_and_staff_with_the_permission(
        self, board: Competition, person: User, other: User, make_person: Any, signed_in: SignIn
    ) -> None:
        helper = make_person("Helper", is_staff=True)
        assert signed_in(helper).get(url(board, other)).status_code == 403
        helper.user_permissions.add(Permission.objects.get(codename="view_standing"))
        for viewer in (other, person, helper):
            assert explained(signed_in(viewer), board, other)["user_id"] == str(other.id)
        assert explained(signed_in(other), board, "me")["user_id"] == str(other.id)

    def test_another_participant_may_not(
        self, board: Competition, person: User, other: User, signed_in: SignIn
    ) -> None:
        assert signed_in(other).get(url(board, person)).status_code == 403

    def test_strangers_do_not_learn_of_a_private_competition(
        self, make_competition: Any, join: Any, person: User, other: User, signed_in: SignIn
    ) -> None:
        board = make_competition(visibility="private")
        join(board, person)
        for whose in (person, other, "me"):
            assert signed_in(other).get(url(board, whose)).status_code == 404

    def test_who_does_not_take_part_has_no_score_to_explain(
        self, make_competition: Any, person: User, other: User, signed_in: SignIn
    ) -> None:
        board = make_competition()
        assert signed_in(other).get(url(board, "me")).status_code == 404
        assert signed_in(person).get(url(board, other)).status_code == 404
        assert signed_in(person).get(url(board, str(uuid4()))).status_code == 404
        assert signed_in(person).get(url(board, "nobody")).status_code == 404

    def test_who_has_left_has_none_until_they_come_back(
        self, board: Competition, person: User, other: User, join: Any, signed_in: SignIn, now: datetime
    ) -> None:
        ben = signed_in(other)
        send(ben, walk("before", YESTERDAY, 1, 100))
        leave_competition(competition=board, user_id=other.id, now=now)
        send(ben, walk("meanwhile", YESTERDAY + 2 * HOUR, 1, 30))
        assert (ben.get(url(board, "me")).status_code, signed_in(person).get(url(board, other)).status_code) == (
            404,
            404,
        )
        join(board, other)
        data = explained(ben, board)
        assert data["score"] == sum(day["steps"] for day in data["days"]) == 130

    def test_nobody_without_a_token_and_nothing_but_reading(
        self, board: Competition, person: User, anonymous: APIClient, signed_in: SignIn
    ) -> None:
        assert anonymous.get(url(board, person)).status_code == 401
        assert signed_in(person).post(url(board, person)).status_code == 405


# --- Any history ---

KINDS = (DeviceKind.WATCH, DeviceKind.PHONE, DeviceKind.OTHER)
ZONES = ("UTC", "Pacific/Auckland", "America/Los_Angeles", "+14:00", "-12:00")
UNITS = {"steps": 1, "distance": 1000, "calories": 1000, "active_minutes": 60}
COLUMNS = {"steps": "steps", "distance": "distance_mm", "calories": "energy_cal", "active_minutes": "active_seconds"}


class History:
    """Whatever can happen to three people in a competition, one thing after another."""

    def __init__(self, chance: random.Random, people: list[User], staff: User, make_competition: Any) -> None:
        self.chance, self.people, self.staff = chance, people, staff
        self.now = datetime.now(UTC) - timedelta(days=7)
        self.sent: dict[tuple[User, str], SampleReading] = {}
        self.board: Competition = make_competition(
            starts=-6,
            ends=chance.choice([3, -2, -4]),
            owner=people[0],
            created_at=self.now,
            grace_hours=24,
            score_source=chance.choice(["synced", "either"]),
            metric=chance.choice(["steps", "distance", "weighted"]),
            weights={"steps": "0.5", "distance": "0.37", "active_minutes": "3"},
            timezone=chance.choice(["UTC", "Europe/Berlin", "Pacific/Auckland"]),
            stored_policy=policy_to_store(self.policy()),
        )
        if chance.random() < 0.3:  # begins and ends inside a day
            Competition.objects.filter(id=self.board.id).update(
                start_at=self.board.start_at + 7.5 * HOUR, end_at=self.board.end_at - 5.25 * HOUR
            )
            self.board.refresh_from_db()

    def run(self, events: int) -> None:
        happenings = [
            self.sync,
            self.sync,
            self.sync,
            self.edit,
            self.delete,
            self.window,
            self.totals,
            self.come_or_go,
        ]
        happenings += [self.change_rules, self.correct, self.report, self.prefer]
        for person in self.people[:2]:
            join_competition(competition=self.board, user_id=person.id, join_code=None, now=self.now)
        step = (datetime.now(UTC) - self.now) / events
        for number in range(events):
            with suppress(Refusal), transaction.atomic():
                self.chance.choice(happenings)(self.chance.choice(self.people))
            self.now += self.chance.random() * 2 * step
            self.now = min(self.now, datetime.now(UTC))
            if number % 4 == 3:
                check_counting(self)
        with suppress(Refusal), transaction.atomic():
            settle_competition(competition_id=self.board.id, now=datetime.now(UTC))

    def sample(self, id_: str, version: int = 0) -> SampleReading:
        chance = self.chance
        end = self.now - chance.randrange(400) * HOUR / 6
        start = end - chance.choice([1, 1, 3, 7, 40, 180]) * HOUR / 6
        kind = chance.choice(KINDS)
        return SampleReading(
            external_id=id_,
            version=version,
            source=SourceKey(chance.choice(["apple_health", "strava"]), kind, kind),
            type=chance.choice([SampleType.STEPS, SampleType.DISTANCE]),
            start_at=start,
            end_at=end,
            amount=chance.randrange(20_000),
            recording=chance.choice([Recording.AUTOMATIC, Recording.AUTOMATIC, Recording.MANUAL]),
            zone=chance.choice(ZONES),
        )

    def changes(self, person: User, samples: list[SampleReading], **more: Any) -> None:
        self.sent |= {(person, sample.external_id): sample for sample in samples}
        sync_activities(samples=[SampleChanges(person.id, Channel.PUSH, samples, **more)], now=self.now)

    def known(self, person: User) -> list[SampleReading]:
        return [sample for (whose, _), sample in self.sent.items() if whose == person]

    def sync(self, person: User) -> None:
        self.changes(person, [self.sample(f"{self.chance.random()}") for _ in range(self.chance.randrange(1, 9))])

    def edit(self, person: User) -> None:
        some = self.chance.sample(self.known(person), min(3, len(self.known(person))))
        self.changes(person, [self.sample(one.external_id, one.version + 1) for one in some])

    def delete(self, person: User) -> None:
        some = self.chance.sample(self.known(person), min(2, len(self.known(person))))
        self.changes(person, [], deleted={one.external_id for one in some})

    def window(self, person: User) -> None:
        until = self.now - self.chance.randrange(40) * HOUR
        span = until - self.chance.randrange(1, 30) * HOUR, until
        self.changes(person, self.chance.sample(self.known(person), len(self.known(person)) // 2), complete=span)

    def totals(self, person: User) -> None:
        days = [self.now.date() - timedelta(days=self.chance.randrange(4)) for _ in range(3)]
        sources = [Source.FITBIT, Source.MANUAL, Source.STRAVA]
        readings = [
            Reading(
                *(person.id, self.chance.choice(sources), day),
                Totals(self.chance.randrange(30_000), self.chance.randrange(9000), 0, self.chance.randrange(999)),
            )
            for day in days
        ]
        sync_activities(readings=readings, now=self.now)

    def come_or_go(self, person: User) -> None:
        here = Participant.objects.filter(competition=self.board, user=person, left_at=None).exists()
        if here:
            leave_competition(competition=self.board, user_id=person.id, now=self.now)
        else:
            join_competition(competition=self.board, user_id=person.id, join_code=None, now=self.now)

    def policy(self) -> Policy:
        chance = self.chance
        return Policy(
            day_boundary=chance.choice(list(DayBoundary)),
            merge=chance.choice(list(MergeRule)),
            preference=chance.choice([(), (DeviceKind.PHONE,), (DeviceKind.OTHER, DeviceKind.WATCH)]),
            since_joining=chance.random() < 0.4,
            daily_cap=chance.choice([{}, {}, {"steps": 9000, "distance_mm": 12_345}]),
            allowed_sources=chance.choice([frozenset(), frozenset(), frozenset({"watch", "fitbit"})]),
            manual_entries=chance.random() < 0.6,
            backfill_days=chance.choice([None, None, 1, 2]),
        )

    def change_rules(self, person: User) -> None:
        stored = {"stored_policy": policy_to_store(self.policy())}
        self.board = change_competition(
            competition_id=self.board.id, merge=lambda _: (stored, None), by=self.staff, reason="So.", now=self.now
        )

    def correct(self, person: User) -> None:
        points = self.chance.choice([-50_000, -70, 1, 800])
        add_correction(
            competition_id=self.board.id, user_id=person.id, points=points, reason="So.", by=self.staff, now=self.now
        )

    def report(self, person: User) -> None:
        steps = {"steps": self.chance.randrange(9000)}
        report_totals(competition=self.board, user_id=person.id, reported=steps, now=self.now)

    def prefer(self, person: User) -> None:
        prefer_sources(user_id=person.id, kinds=self.chance.sample(KINDS, 2), now=self.now)


def in_base_units(wire: float, metric: str) -> int:
    return round(wire * UNITS[metric])


def check_sums(data: dict[str, Any]) -> None:
    for metric in UNITS:
        counted = [in_base_units(day[metric], metric) for day in data["days"]]
        assert sum(counted) == in_base_units(data["synced"][metric], metric)
        for day, amount in zip(data["days"], counted, strict=True):
            lines = [line for line in day["sources"] if line["metric"] == metric]
            by_lines = sum(in_base_units(line["counted"], metric) for line in lines)
            assert by_lines - in_base_units(day["capped"][metric], metric) == amount
            for line in lines:
                left_out = [in_base_units(one["amount"], metric) for one in line["left_out"]]
                assert in_base_units(line["said"], metric) == in_base_units(line["counted"], metric) + sum(left_out)
                assert min([line["counted"], *left_out]) >= 0
    corrections = sum(correction["points"] for correction in data["corrections"])
    assert data["score"] == max(0, data["points"] + corrections)


DAY = ("competition_id", "user_id", "day", "steps", "distance_mm", "energy_cal", "active_seconds")


def everything() -> list[Any]:
    return [
        list(CountedDay.objects.order_by(*DAY[:3]).values_list(*DAY)),
        list(Standing.objects.order_by("id").values()),
    ]


def check_counting(history: History) -> None:
    """From scratch, everything is as it is."""
    before = everything()
    with transaction.atomic():
        lock_people([person.id for person in history.people])
        count_activity(competitions=[history.board], user_ids=None, now=datetime.now(UTC))
    assert everything() == before


def check_history(history: History, signed_in: SignIn) -> None:
    board, owner = history.board, signed_in(history.staff)
    here = [person for person in history.people if board.participants.filter(user=person, left_at=None).exists()]
    shown = {
        entry["user_id"]: entry["score"]
        for entry in owner.get(f"/api/v1/leaderboard/{board.id}").json()["data"]["entries"]
    }
    assert shown.keys() == {str(person.id) for person in here}
    for person in here:
        data = explained(owner, board, person)
        check_sums(data)
        assert data["score"] == shown[str(person.id)]
    check_counting(history)
    for person in history.people:
        parts = reckon(own_frame(), readings_of({person.id: (date(2000, 1, 1), date(2100, 1, 1))})[person.id])
        assert totals_of(person.id) == sum_of(counted_days(own_frame(), parts).values())


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 400))])
def test_any_history_is_explained_to_the_last_point(
    seed: int, make_person: Any, staff: User, make_competition: Any, signed_in: SignIn
) -> None:
    people = [make_person(name) for name in ("Ada", "Ben", "Cleo")]
    history = History(random.Random(seed), people, staff, make_competition)
    history.run(events=25)
    check_history(history, signed_in)
