"""manage.py verify_standings: final standings against the activity that they came from."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from accounts.services.people import erase_person
from competitions.models import Competition
from competitions.policy import Policy, policy_to_store
from competitions.queries import rules_versions
from competitions.rules import DeviceKind, Kind, span_of
from competitions.services.enrolment import join_competition
from competitions.services.lifecycle import change_competition
from config.core.json import canonical_json
from fitness.models import Activity, SupersededActivity
from fitness.queries.explanation import explanation
from fitness.rules import Channel, Reading, Recording, SampleType, Source
from fitness.samples import SampleReading, SourceKey
from fitness.services.preferences import prefer_sources
from fitness.services.samples import SampleChanges
from fitness.services.syncing import sync_activities
from fitness.verification import check_standings
from leaderboards.models import FinalStandings, Standing
from leaderboards.queries import board_page, final_standings
from leaderboards.scoring import Totals
from leaderboards.services import report_totals
from leaderboards.settling import correct_standings, freeze_standings, settle_competition
from tests.locks import until_somebody_waits

pytestmark = pytest.mark.django_db
MakeWalk = Callable[..., Competition]
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def make_walk(make_competition: Any) -> MakeWalk:
    """A competition that ended yesterday, with these people in it."""

    def make(*people: User, **fields: Any) -> Competition:
        start = datetime.now(UTC) - timedelta(days=9)
        usual = {"starts": -5, "ends": -1, "created_at": start}
        walk: Competition = make_competition(**(usual | fields))
        for someone in people:
            join_competition(competition=walk, user_id=someone.id, join_code=None, now=start)
        return walk

    return make


def sync(person: User, day: date, steps: int, at: datetime, source: Source = Source.FITBIT) -> list[UUID]:
    readings = [Reading(person.id, source, day, Totals(steps=steps, distance_mm=steps * 700))]
    return list(sync_activities(readings=readings, now=at).counted_in)


def problems(walk: Competition) -> list[str]:
    return [problem for check in check_standings(walk) for problem in check.problems]


def plant(walk: Competition, *, change: Callable[[dict[str, Any]], Any], honest_digest: bool = True) -> None:
    """Rewrites the first snapshot as somebody with all rights in PostgreSQL could."""
    final = FinalStandings.objects.get(competition=walk, number=1)
    document = json.loads(final.document)
    change(document)
    text = canonical_json(document)
    digest = sha256(text.encode()).hexdigest() if honest_digest else final.digest
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE leaderboards_finalstandings SET document = %s, digest = %s, scoring_version = %s WHERE id = %s",
            [text, digest, document["scoring_version"], final.id],
        )
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def test_what_arrived_in_time_is_what_was_frozen(make_walk: MakeWalk, person: User, other: User) -> None:
    walk = make_walk(person, other)
    sync(person, walk.starts_on, 1000, walk.start_at)
    sync(person, walk.starts_on, 1500, walk.start_at + SECOND)
    sync(person, walk.starts_on, 1200, walk.start_at, Source.GARMIN)
    sync(other, walk.last_on, 900, walk.closes_at - SECOND)
    report_totals(competition=walk, user_id=other.id, reported={"steps": 2000}, now=walk.end_at)
    settle_competition(competition_id=walk.id, now=walk.closes_at)
    [check] = check_standings(walk)
    assert (check.number, check.participants, check.erased, check.problems) == (1, 2, [], [])
    final = final_standings(walk.id)
    assert final is not None
    assert [(row.user_id, row.score) for row in final.rows] == [(other.id, 2000), (person.id, 1500)]


def test_a_larger_value_that_comes_late_replaces_the_day_and_not_the_standings(
    make_walk: MakeWalk, person: User
) -> None:
    walk = make_walk(person)
    sync(person, walk.starts_on, 1000, walk.start_at)
    final = settle_competition(competition_id=walk.id, now=walk.closes_at)
    for steps in (5000, 7000):
        assert sync(person, walk.starts_on, steps, walk.closes_at + steps * SECOND) == []
    sync(person, walk.last_on, 300, walk.closes_at)
    assert Activity.objects.get(user=person, day=walk.starts_on).steps == 7000
    [kept] = SupersededActivity.objects.all()
    assert (kept.steps, kept.superseded_at) == (1000, walk.closes_at + 5000 * SECOND)
    assert [row.score for row in final.rows] == [1000]
    assert problems(walk) == []


def test_the_same_holds_when_the_freeze_itself_comes_late(make_walk: MakeWalk, person: User) -> None:
    walk = make_walk(person)
    sync(person, walk.starts_on, 1000, walk.start_at)
    sync(person, walk.starts_on, 5000, walk.closes_at)
    final = settle_competition(competition_id=walk.id, now=walk.closes_at + timedelta(days=1))
    assert [row.score for row in final.rows] == [1000]
    assert problems(walk) == []


def test_each_of_two_competitions_has_its_own_cut(make_walk: MakeWalk, person: User) -> None:
    early, late = make_walk(person, grace_hours=1), make_walk(person, grace_hours=20)
    sync(person, early.starts_on, 1000, early.start_at)
    assert sync(person, early.starts_on, 2000, early.closes_at) == [late.id]
    sync(person, early.starts_on, 3000, late.closes_at)
    scores = [settle_competition(competition_id=walk.id, now=walk.closes_at).rows[0].score for walk in (early, late)]
    assert scores == [1000, 2000]
    assert (problems(early), problems(late)) == ([], [])
    assert SupersededActivity.objects.count() == 2


def test_nothing_is_kept_while_a_competition_runs(make_walk: MakeWalk, person: User) -> None:
    walk = make_walk(person)
    for steps in (1000, 2000, 3000):
        sync(person, walk.starts_on, steps, walk.start_at + steps * SECOND)
    assert not SupersededActivity.objects.exists()


moments = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 9), st.sampled_from([-90, -2, -1, 0, 1, 90]))


walks = st.tuples(
    st.integers(0, 1),
    st.sampled_from(["a", "b", "c"]),
    st.integers(-3, 120),
    st.integers(1, 9),
    st.sampled_from([-90_000, -90, -1, 0, 1, 90]),
    st.sampled_from(["sent", "sent", "deleted", "complete"]),
)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    syncs=st.lists(moments, max_size=12),
    walked=st.lists(walks, max_size=12),
    backfill_days=st.sampled_from([None, 1]),
    frozen_after=st.integers(0, 100),
)
def test_any_history_of_syncs_around_the_end_is_verified(
    make_walk: MakeWalk,
    make_person: Any,
    syncs: list[tuple[int, int, int, int]],
    walked: list[tuple[int, str, int, int, int, str]],
    backfill_days: int | None,
    frozen_after: int,
) -> None:
    people = [make_person(f"P{number}") for number in range(3)]
    walk = make_walk(*people, stored_policy=policy_to_store(Policy(backfill_days=backfill_days)))
    happened: list[tuple[int, Callable[[], Any]]] = []
    for who, day, steps, seconds in syncs:
        at = walk.closes_at + seconds * SECOND
        happened.append((seconds, partial(sync, people[who], walk.starts_on + timedelta(days=day), steps, at)))
    for number, (who, id_, hours, steps, seconds, what) in enumerate(walked):
        start = walk.start_at + hours * HOUR
        source = SourceKey("health", "", DeviceKind.WATCH)
        kept = (SampleType.STEPS, start, start + 3 * HOUR, steps, Recording.AUTOMATIC, "UTC")
        changes = {
            "sent": SampleChanges(people[who].id, Channel.PUSH, [SampleReading(id_, number, source, *kept)]),
            "deleted": SampleChanges(people[who].id, Channel.PUSH, deleted={id_}),
            "complete": SampleChanges(people[who].id, Channel.PUSH, complete=(start, start + 40 * HOUR)),
        }
        at = walk.closes_at + seconds * SECOND
        happened.append((seconds, partial(sync_activities, samples=[changes[what]], now=at)))
    for _, happens in sorted(happened, key=lambda one: one[0]):
        happens()
    final = settle_competition(competition_id=walk.id, now=walk.closes_at + frozen_after * SECOND)
    assert problems(walk) == []
    scores = {row.user_id: row.score for row in final.rows}
    for person in people:
        days = explanation(walk.id, person.id, walk.closes_at + frozen_after * SECOND).days
        assert sum(day.counted.steps for day in days) == scores[person.id]


@pytest.mark.django_db(transaction=True)
def test_a_sync_that_waited_while_the_standings_were_frozen_counts_as_late(make_walk: MakeWalk, person: User) -> None:
    walk = make_walk(person)
    sync(person, walk.starts_on, 1000, walk.start_at)
    counted: list[list[UUID]] = []

    def send_in_time() -> None:
        counted.append(sync(person, walk.starts_on, 5000, walk.closes_at - SECOND))
        connection.close()

    phone = threading.Thread(target=send_in_time)
    with transaction.atomic():
        settle_competition(competition_id=walk.id, now=walk.closes_at)
        phone.start()
        until_somebody_waits()
    phone.join(30)
    assert counted == [[]]
    assert Standing.objects.get(competition=walk).score == 1000
    assert Activity.objects.get(user=person).synced_at == walk.closes_at
    assert problems(walk) == []


def test_a_sync_that_was_overtaken_by_a_later_one_comes_after_it(make_walk: MakeWalk, person: User) -> None:
    """The later one, past the end, got the person's lock first; the standings are not frozen yet."""
    walk = make_walk(person)
    sync(person, walk.starts_on, 5000, walk.closes_at)
    assert sync(person, walk.last_on, 100, walk.closes_at - SECOND) == []
    settle_competition(competition_id=walk.id, now=walk.closes_at)
    assert Standing.objects.get(competition=walk).score == 0
    assert problems(walk) == []


def test_who_joins_late_brings_only_what_had_arrived_in_time(make_walk: MakeWalk, person: User) -> None:
    walk = make_walk()
    sync(person, walk.starts_on, 1000, walk.start_at)
    sync(person, walk.last_on, 5000, walk.closes_at)
    join_competition(competition=walk, user_id=person.id, join_code=None, now=walk.start_at)
    settle_competition(competition_id=walk.id, now=walk.closes_at)
    assert Standing.objects.get(competition=walk).score == 1000
    assert problems(walk) == []


def test_reported_totals_are_taken_as_frozen(make_walk: MakeWalk, person: User) -> None:
    walk = make_walk(person, score_source="reported")
    report_totals(competition=walk, user_id=person.id, reported={"steps": 70}, now=walk.end_at)
    sync(person, walk.starts_on, 1000, walk.start_at)
    settle_competition(competition_id=walk.id, now=walk.closes_at)
    assert problems(walk) == []


def test_corrections_are_verified_with_their_chain(make_walk: MakeWalk, person: User, other: User, staff: User) -> None:
    walk = make_walk(person, other, tie_rule="shared")
    for someone in (person, other):
        sync(someone, walk.starts_on, 1000, walk.start_at)
    for asked in ({"adjust": {person.id: -5000}}, {"disqualify": [other.id]}, {"reinstate": [other.id]}):
        correct_standings(competition_id=walk.id, by=staff, reason="why", now=walk.closes_at, **asked)
    assert [check.number for check in check_standings(walk)] == [1, 2, 3, 4]
    assert problems(walk) == []
    plant(walk, change=lambda document: document["standings"][0].update(joined_at="2020-01-01T00:00:00.000000Z"))
    found = check_standings(walk)
    assert found[1].problems[0] == "the previous digest is not that of the standings before"


def first(document: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = document["standings"][0]
    return row


WRONG: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda document: first(document).update(score=9), "has 9 points instead of 2000"),
    (lambda document: first(document).update(rank=2), "has rank 2 instead of 1"),
    (lambda document: document["standings"].reverse(), "stands at place 1, where"),
    (lambda document: first(document).update(counted={**first(document)["counted"], "steps": 9}), "counted instead of"),
    (lambda document: first(document)["synced"].update(steps=9999), "activity that arrived in time makes"),
    (lambda document: first(document).update(user_id=str(uuid4())), "does not take part"),
    (lambda document: document["standings"].pop(), "takes part and is not listed"),
    (lambda document: document["disqualified"].append({"user_id": first(document)["user_id"]}), "more than once"),
    (lambda document: document["rules"].update(tie_rule="shared"), "the rule tie_rule is not the competition's"),
    (
        lambda document: document["rules"].update(rules_digest="0" * 64),
        "the rule rules_digest is not the competition's",
    ),
    (lambda document: document["rules"].pop("rules_version"), "the rule rules_version is not the competition's, 1"),
    (lambda document: document.update(number=7), "number is 7 in the document and 1 beside it"),
    (lambda document: document.update(scoring_version=2), "made with scoring version 2, this server knows 1"),
    (lambda document: document.update(format="other"), "the document is not pacesetter-standings/1"),
    (lambda document: first(document).update(reached_at=7), "the document cannot be read"),
    (lambda document: first(document).pop("synced"), "the document cannot be read"),
]


@pytest.mark.parametrize(("change", "problem"), WRONG)
def test_a_planted_document_is_found_and_named(
    make_walk: MakeWalk, person: User, other: User, change: Callable[[dict[str, Any]], Any], problem: str
) -> None:
    walk = make_walk(person, other)
    sync(person, walk.starts_on, 1000, walk.start_at)
    sync(other, walk.starts_on, 2000, walk.start_at)
    settle_competition(competition_id=walk.id, now=walk.closes_at)
    plant(walk, change=change)
    assert any(problem in found for found in problems(walk)), problems(walk)


def test_standings_name_the_rules_that_held_at_the_end(make_walk: MakeWalk, person: User) -> None:
    walk = make_walk(person)
    change_competition(
        competition_id=walk.id,
        merge=lambda _: ({"stored_policy": {"manual_entries": False}}, None),
        by=person,
        reason="because",
        now=walk.end_at,
    )
    final = settle_competition(competition_id=walk.id, now=walk.closes_at)
    version = rules_versions(walk.id).get(number=2)
    held = json.loads(final.document)["rules"]
    assert (held["rules_version"], held["rules_digest"]) == (2, version.digest)
    assert problems(walk) == []


def test_standings_from_before_rules_were_frozen_name_none(make_walk: MakeWalk, person: User, staff: User) -> None:
    walk = make_walk(person)
    Competition.objects.filter(id=walk.id).update(status="completed")
    freeze_standings(competition=walk, now=walk.closes_at)
    correct_standings(competition_id=walk.id, by=staff, reason="why", adjust={person.id: 1}, now=walk.closes_at)
    assert "rules_version" not in json.loads(FinalStandings.objects.get(number=2).document)["rules"]
    assert problems(walk) == []


def test_a_digest_or_a_number_that_is_not_right_is_found(make_walk: MakeWalk, person: User, staff: User) -> None:
    walk = make_walk(person)
    correct_standings(competition_id=walk.id, by=staff, reason="why", adjust={person.id: 5}, now=walk.closes_at)
    plant(walk, change=lambda document: document.update(reason="x"), honest_digest=False)
    assert "the digest is not the document's" in problems(walk)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM leaderboards_finalstandings WHERE number = 1")
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    assert "number 1 is missing" in problems(walk)
    with pytest.raises(CommandError):
        call_command("verify_standings", stdout=StringIO())


def test_a_preference_that_waited_for_the_freeze_comes_after_it(make_walk: MakeWalk, person: User) -> None:
    walk = make_walk(person, stored_policy={"merge": "preferred"})
    for kind, amount in ((DeviceKind.WATCH, 500), (DeviceKind.PHONE, 700)):
        source, span = SourceKey("a", "", kind), (walk.start_at, walk.start_at + timedelta(hours=1))
        one = SampleReading(kind, 0, source, SampleType.STEPS, *span, amount, Recording.AUTOMATIC, "UTC")
        sync_activities(samples=[SampleChanges(person.id, Channel.PUSH, [one])], now=walk.end_at)
    settle_competition(competition_id=walk.id, now=walk.closes_at)
    prefer_sources(user_id=person.id, kinds=[DeviceKind.PHONE], now=walk.closes_at - SECOND)
    assert problems(walk) == []


def test_erased_people_are_reported_and_fail_nothing(
    make_walk: MakeWalk, person: User, other: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    walk = make_walk(person, other)
    sync(person, walk.starts_on, 1000, walk.start_at)
    sync(other, walk.starts_on, 2000, walk.start_at)
    settle_competition(competition_id=walk.id, now=walk.closes_at)
    sync(other, walk.starts_on, 3000, walk.closes_at)
    erase_person(user_id=other.id, now=now)
    assert not Activity.objects.filter(user=other).exists()
    assert not SupersededActivity.objects.filter(user=other).exists()
    call_command("verify_standings", "--json")
    [row] = json.loads(capsys.readouterr().out)
    assert (row["right"], row["erased"], row["problems"]) == (True, [str(other.id)], [])
    assert [entry["user_name"] for entry in board_page(walk, offset=0, limit=9).entries] == [
        "Former participant",
        "Ada",
    ]
    plant(walk, change=lambda document: first(document).update(score=9))
    assert problems(walk) != []


def test_the_command_names_competition_number_and_person_and_fails(
    make_walk: MakeWalk, person: User, capsys: pytest.CaptureFixture[str]
) -> None:
    right, wrong = make_walk(person), make_walk(person)
    for walk in (right, wrong):
        settle_competition(competition_id=walk.id, now=walk.closes_at)
    call_command("verify_standings")
    plant(wrong, change=lambda document: first(document).update(score=9))
    capsys.readouterr()
    with pytest.raises(CommandError, match="1 final standings"):
        call_command("verify_standings", "--json")
    rows = {row["competition"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows[str(right.id)]["right"]
    assert rows[str(wrong.id)]["number"] == 1
    assert rows[str(wrong.id)]["problems"] == [f"{person.id} has 9 points instead of 0"]
    call_command("verify_standings", str(right.id))


def test_a_named_competition_without_final_standings_is_a_failure(
    make_walk: MakeWalk, person: User, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("verify_standings")
    for named, state in ((make_walk(person).id, "no final standings"), (uuid4(), "no such competition")):
        with pytest.raises(CommandError):
            call_command("verify_standings", str(named), "--json")
        assert state in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_a_sync_beside_a_start_that_is_moved_to_its_day_counts(
    make_competition: Any, person: User, other: User
) -> None:
    """The sync does not count this day yet when it looks; the change must wait for it, or see nothing of it."""
    now = datetime.now(UTC)
    walk = make_competition(starts=1, ends=3, grace_hours=0)
    join_competition(competition=walk, user_id=other.id, join_code=None, now=now)
    stored, changed = threading.Event(), threading.Event()

    def sync() -> None:
        with transaction.atomic():
            reading = Reading(other.id, Source.FITBIT, now.date(), Totals(steps=500))
            sync_activities(readings=[reading], now=now)
            stored.set()
            until_somebody_waits(unless=changed.is_set)
        connection.close()

    def move_start() -> None:
        stored.wait(10)
        span = span_of(now.date(), now.date() + timedelta(days=2), "UTC", Kind.CUSTOM)
        change_competition(competition_id=walk.id, merge=lambda _: ({}, span), by=person, now=now)
        changed.set()
        connection.close()

    threads = [threading.Thread(target=job) for job in (sync, move_start)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert Standing.objects.get(competition=walk).score == 500
    settle_competition(competition_id=walk.id, now=now + timedelta(days=10))
    walk.refresh_from_db()
    assert [problem for check in check_standings(walk) for problem in check.problems] == []
