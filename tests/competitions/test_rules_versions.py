"""GET /api/v1/competitions/{id}/rules: what was frozen at the start, and every change since."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition, RulesVersion
from competitions.services.enrolment import join_competition, leave_competition
from competitions.services.lifecycle import (
    RulesFixed,
    cancel_competition,
    change_competition,
    move_statuses,
    publish_competition,
)
from competitions.services.rulebook import MOST_VERSIONS
from competitions.signals import rules_changed
from config.core.json import canonical_json
from fitness.rules import Reading, Source
from fitness.services.syncing import sync_activities
from leaderboards.scoring import Totals
from prizes.actors import Actor
from prizes.services.funding import confirm_funding
from tests.conftest import open_panel
from tests.leaderboards.test_mirror import run_together

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
LATER = {"rules": {"manual_entries": False}, "rules_reason": "Somebody typed in a marathon."}


def url(competition: Competition, action: str = "") -> str:
    return f"/api/v1/competitions/{competition.id}{action}"


def rules_of(client: APIClient, competition: Competition) -> dict[str, Any]:
    answer = client.get(url(competition, "/rules"))
    assert answer.status_code == 200, answer.content
    data: dict[str, Any] = answer.json()["data"]
    return data


def versions(competition: Competition) -> list[RulesVersion]:
    return list(RulesVersion.objects.filter(competition=competition).order_by("number"))


@pytest.fixture
def upcoming(make_competition: Any) -> Competition:
    made: Competition = make_competition(starts=2, ends=9)
    return made


@pytest.fixture
def running(make_competition: Any) -> Competition:
    made: Competition = make_competition()
    return made


def test_before_the_start_they_are_as_they_would_be(me: APIClient, upcoming: Competition) -> None:
    assert me.patch(url(upcoming), {"rules": {"backfill_days": 2}, "metric": "distance"}).status_code == 200
    shown = rules_of(me, upcoming)
    assert (shown["frozen"], shown["versions"], shown["current"]["number"]) == (False, [], 0)
    assert (shown["current"]["made_at"], shown["current"]["made_by"], shown["current"]["reason"]) == (None, None, "")
    document = shown["current"]["document"]
    assert (document["rules"]["metric"], document["rules"]["policy"]["backfill_days"]) == ("distance", 2)
    assert not RulesVersion.objects.exists()


def test_the_clock_freezes_them_when_it_starts(me: APIClient, upcoming: Competition) -> None:
    as_it_would_be = rules_of(me, upcoming)["current"]["document"]["rules"]
    move_statuses(now=upcoming.start_at - timedelta(microseconds=1))
    assert versions(upcoming) == []
    move_statuses(now=upcoming.start_at)
    move_statuses(now=upcoming.end_at)
    move_statuses(now=upcoming.closes_at)
    shown = rules_of(me, upcoming)
    assert (shown["frozen"], shown["current"]) == (True, shown["versions"][0])
    [version] = shown["versions"]
    assert version["document"]["rules"] == as_it_would_be
    assert (version["number"], version["made_by"], version["reason"], version["previous_digest"]) == (1, None, "", "")
    assert datetime.fromisoformat(version["made_at"]) == upcoming.start_at
    assert me.get(url(upcoming)).json()["data"]["rules_version"] == 1


def test_a_document_holds_everything_that_decides_and_no_name(me: APIClient, make_competition: Any) -> None:
    competition = make_competition(
        name="Peregrine", timezone="Asia/Tokyo", prize_pool_minor=5000, entry_fee_minor=100, metric="weighted",
        weights={"steps": "0.5"}, stored_policy={"checks": {"speed": "off"}},
    )  # fmt: skip
    [version] = versions(competition)
    assert "Peregrine" not in version.document
    assert version.digest == sha256(version.document.encode()).hexdigest()
    document = json.loads(version.document)
    assert canonical_json(document) == version.document
    assert canonical_json(rules_of(me, competition)["current"]["document"]) == version.document
    assert (document["format"], document["competition"]) == ("pacesetter-rules/1", str(competition.id))
    held = document["rules"]
    assert (held["weights"], held["currency"]) == ({"steps": "0.5"}, "USD")
    assert (held["entry_fee_minor"], held["prize_pool_minor"]) == (100, 5000)
    assert (held["timezone"], held["first_day"]) == ("Asia/Tokyo", competition.starts_on.isoformat())
    for name, moment in (("starts_at", "start_at"), ("ends_at", "end_at"), ("closes_at", "closes_at")):
        assert datetime.fromisoformat(held[name]) == getattr(competition, moment)
    assert (held["tie_rule"], held["score_source"]) == (competition.tie_rule, competition.score_source)
    assert held["policy"]["checks"] == {
        "cadence": "hold",
        "speed": "off",
        "daily_maximum": "count",
        "active_minutes": "hold",
        "shared_samples": "hold",
        "device_clock": "count",
        "manual_burst": "count",
        "outlier": "count",
    }
    assert (held["policy"]["merge"], held["policy"]["daily_cap"]) == ("largest", {})


@pytest.mark.parametrize(("starts", "ends", "grace_hours"), [(-3, 3, 24), (-9, -5, 24), (-9, -5, 0)])
def test_one_made_while_or_after_it_runs_has_them_at_once(
    make_competition: Any, starts: int, ends: int, grace_hours: int
) -> None:
    assert len(versions(make_competition(starts=starts, ends=ends, grace_hours=grace_hours))) == 1


def test_a_draft_has_none_until_it_is_published(make_competition: Any, person: User, now: datetime) -> None:
    draft = make_competition(published=False)
    assert versions(draft) == []
    publish_competition(competition_id=draft.id, by=person, now=now)
    assert len(versions(draft)) == 1


def test_one_that_was_cancelled_before_its_start_never_has_any(
    me: APIClient, upcoming: Competition, person: User, now: datetime
) -> None:
    cancel_competition(competition_id=upcoming.id, by=person, now=now)
    move_statuses(now=upcoming.closes_at)
    assert rules_of(me, upcoming)["frozen"] is False


def test_one_that_ran_before_rules_were_frozen_has_them_with_its_next_move(
    me: APIClient, upcoming: Competition, now: datetime
) -> None:
    Competition.objects.filter(id=upcoming.id).update(status="active")
    change_competition(competition_id=upcoming.id, merge=lambda _: ({}, None), by=upcoming.owner, now=upcoming.start_at)
    assert len(versions(upcoming)) == 1


def test_a_change_after_the_start_is_a_further_version_and_counts_everybody_anew(
    me: APIClient, running: Competition, person: User, other: User, signed_in: SignIn
) -> None:
    heard = []

    def hear(competition: Competition, changed_at: datetime, **_: Any) -> None:
        heard.append((competition.id, competition.policy.manual_entries, competition.rules_version))

    rules_changed.connect(hear)
    try:
        answer = me.patch(url(running), LATER)
        again = me.patch(url(running), LATER)
        without_a_reason = me.patch(url(running), {"rules": LATER["rules"]})
    finally:
        rules_changed.disconnect(hear)
    assert (answer.status_code, again.status_code, without_a_reason.status_code) == (200, 200, 200)
    assert heard == [(running.id, False, 2)]
    assert answer.json()["data"]["rules_version"] == 2
    shown = rules_of(signed_in(other), running)
    first, second = shown["versions"]
    assert shown["current"] == second
    assert (second["number"], second["made_by"], second["previous_digest"]) == (2, str(person.id), first["digest"])
    assert second["reason"] == second["document"]["reason"] == "Somebody typed in a marathon."
    assert second["document"]["previous"] == first["digest"]
    changed = {
        name for name, value in first["document"]["rules"]["policy"].items()
        if second["document"]["rules"]["policy"][name] != value
    }  # fmt: skip
    assert changed == {"manual_entries"}


@pytest.mark.slow
def test_scores_follow_a_change_of_the_rules(
    me: APIClient, make_competition: Any, person: User, join: Any, now: datetime
) -> None:
    running = make_competition(score_source="synced")
    join(running, person)
    days = [now.date() - timedelta(days=1), now.date()]
    readings = [Reading(person.id, Source.FITBIT, day, Totals(steps=9000)) for day in days]
    sync_activities(readings=readings, now=now)

    def score(**rules: Any) -> int:
        assert me.patch(url(running), {"rules": rules, "rules_reason": "because"}).status_code == 200
        [entry] = me.get(f"/api/v1/leaderboard/{running.id}").json()["data"]["entries"]
        return int(entry["score"])

    assert score(manual_entries=True) == 18_000
    assert score(daily_cap={"steps": 5000}) == 10_000
    assert score(allowed_sources=["watch"]) == 0
    assert score(allowed_sources=None) == 10_000
    assert score(daily_cap=None) == 18_000
    assert len(versions(running)) == 5


def test_in_the_grace_they_may_still_change(me: APIClient, make_competition: Any) -> None:
    ended = make_competition(starts=-5, ends=-1, created_at=datetime.now(UTC) - timedelta(days=9), grace_hours=240)
    assert ended.status_at(datetime.now(UTC)) == "ended"
    assert me.patch(url(ended), LATER).json()["data"]["rules_version"] == 2


@pytest.mark.parametrize("reason", [{}, {"rules_reason": "  "}, {"rules_reason": None}, {"rules_reason": "a" * 1001}])
def test_it_needs_a_reason(me: APIClient, running: Competition, reason: dict[str, Any]) -> None:
    answer = me.patch(url(running), {"rules": LATER["rules"], **reason})
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {"rules_reason"})
    assert len(versions(running)) == 1


@pytest.mark.parametrize("over", ["completed", "cancelled"])
def test_once_it_is_over_they_stay(
    me: APIClient, make_competition: Any, person: User, now: datetime, over: str
) -> None:
    competition = make_competition(starts=-9, ends=-5, grace_hours=0) if over == "completed" else make_competition()
    if over == "cancelled":
        cancel_competition(competition_id=competition.id, by=person, now=now)
    answer = me.patch(url(competition), LATER)
    assert (answer.status_code, "over" in answer.json()["message"]) == (409, True)
    assert len(versions(competition)) == 1


def test_a_backfill_limit_is_set_before_the_start_and_may_be_changed_after_it(
    me: APIClient, running: Competition, upcoming: Competition, now: datetime
) -> None:
    answer = me.patch(url(running), {"rules": {"backfill_days": 2}, "rules_reason": "Late"})
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {"rules.backfill_days"})
    assert me.patch(url(upcoming), {"rules": {"backfill_days": 2}}).status_code == 200
    change_competition(
        competition_id=upcoming.id,
        merge=lambda current: ({"stored_policy": {"backfill_days": 5}}, None),
        by=upcoming.owner,
        reason="More time",
        now=upcoming.start_at,
    )
    assert [version.number for version in versions(upcoming)] == [1, 2]


def test_what_people_joined_under_is_fixed_also_beside_a_change_of_the_rules(
    me: APIClient, running: Competition
) -> None:
    answer = me.patch(url(running), {**LATER, "metric": "distance"})
    assert (answer.status_code, answer.json()["message"]) == (409, RulesFixed.message)
    assert len(versions(running)) == 1


@pytest.mark.parametrize("stake", ["entry_fee_minor", "prize_pool_minor"])
def test_where_money_is_at_stake_only_staff_change_them_after_the_start(
    me: APIClient, make_competition: Any, make_person: Any, signed_in: SignIn, stake: str
) -> None:
    running, upcoming = make_competition(**{stake: 100}), make_competition(starts=2, **{stake: 100})
    assert me.patch(url(running), LATER).status_code == 403
    assert me.patch(url(upcoming), LATER).status_code == 200
    assert me.patch(url(running), {"name": "New", "rules": {"manual_entries": True}}).status_code == 200
    clerk = make_person("Clerk", is_staff=True)
    assert signed_in(clerk).patch(url(running), LATER).status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="change_competition"))
    assert signed_in(clerk).patch(url(running), LATER).status_code == 200


def test_money_that_arrived_for_fixed_prizes_is_at_stake_too(
    me: APIClient, running: Competition, staff: User, signed_in: SignIn
) -> None:
    """Without a fee and a promise: `prizes.calculation` pays fixed prizes out of it."""
    confirm_funding(
        competition_id=running.id,
        amount_minor=5000,
        reference="statement 7",
        actor=Actor(staff),
        reason="Sponsor.",
        now=datetime.now(UTC),
    )
    assert me.patch(url(running), LATER).status_code == 403
    assert signed_in(staff).patch(url(running), LATER).status_code == 200


def test_others_change_nothing(running: Competition, other: User, signed_in: SignIn, anonymous: APIClient) -> None:
    assert signed_in(other).patch(url(running), LATER).status_code == 403
    assert anonymous.patch(url(running), LATER).status_code == 401
    assert len(versions(running)) == 1


def test_whoever_read_the_clock_before_the_start_changes_nothing_unseen(upcoming: Competition, person: User) -> None:
    """They waited for the lock while somebody else started it."""
    move_statuses(now=upcoming.start_at)
    too_late = partial(
        change_competition, competition_id=upcoming.id, by=person, now=upcoming.start_at - timedelta(seconds=1)
    )
    with pytest.raises(RulesFixed):
        too_late(merge=lambda _: ({"metric": "distance"}, None))
    too_late(merge=lambda _: ({"stored_policy": {"manual_entries": False}}, None), reason="because")
    assert len(versions(upcoming)) == 2


def test_there_is_an_end_to_changing_them(me: APIClient, running: Competition) -> None:
    Competition.objects.filter(id=running.id).update(rules_version=MOST_VERSIONS)
    answer = me.patch(url(running), LATER)
    assert (answer.status_code, str(MOST_VERSIONS - 1) in answer.json()["message"]) == (409, True)


@pytest.mark.django_db(transaction=True)
def test_changes_at_once_are_one_version_each(running: Competition, person: User) -> None:
    def change(days: int) -> Callable[[], None]:
        def run() -> None:
            change_competition(
                competition_id=running.id,
                merge=lambda current: ({"stored_policy": current.stored_policy | {"daily_cap": {"steps": days}}}, None),
                by=person,
                reason=f"{days} days",
                now=datetime.now(UTC),
            )

        return run

    run_together([change(days) for days in range(1, 7)])
    chain = versions(running)
    assert [version.number for version in chain] == list(range(1, 8))
    assert [version.previous_digest for version in chain] == ["", *[version.digest for version in chain[:-1]]]
    assert sorted(version.reason for version in chain[1:]) == [f"{days} days" for days in range(1, 7)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE competitions_rulesversion SET document = '{}'",
        "DELETE FROM competitions_rulesversion",
        "TRUNCATE competitions_rulesversion CASCADE",
    ],
)
def test_postgresql_refuses_to_change_them(running: Competition, statement: str) -> None:
    with connection.cursor() as cursor:
        table = RulesVersion._meta.db_table
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # TRUNCATE waits for no deferred check
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {table}_no_truncate")  # as in production
        with pytest.raises(IntegrityError, match=f"{table} is append-only"), transaction.atomic():
            cursor.execute(statement)
    assert len(versions(running)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": 3, "previous_digest": ""},
        {"number": 3, "reason": ""},
        {"number": 3, "made_by": None},
        {"number": 1},
        {"number": 0, "previous_digest": "", "reason": "", "made_by": None},
    ],
)
def test_a_version_without_its_chain_or_author_cannot_be_stored(
    running: Competition, person: User, now: datetime, wrong: dict[str, Any]
) -> None:
    usual = {"previous_digest": "x", "reason": "because", "made_by": person, "document": "{}", "digest": ""}
    with pytest.raises(IntegrityError):
        RulesVersion.objects.create(competition=running, made_at=now, **(usual | wrong))


def test_only_who_sees_the_competition_sees_its_rules(
    make_competition: Any, other: User, signed_in: SignIn, anonymous: APIClient, join: Any
) -> None:
    private = make_competition(visibility="private")
    assert anonymous.get(url(private, "/rules")).status_code == 401
    assert signed_in(other).get(url(private, "/rules")).status_code == 404
    join(private, other)
    assert rules_of(signed_in(other), private)["frozen"] is True
    for nothing in (uuid4(), "x", "%00"):
        assert signed_in(other).get(f"/api/v1/competitions/{nothing}/rules").status_code == 404
    assert signed_in(other).post(url(private, "/rules")).status_code == 405


def test_the_admin_site_shows_them_and_changes_nothing(running: Competition, staff: User, settings: Any) -> None:
    [version] = versions(running)
    client = open_panel(staff)
    assert version.digest in client.get("/admin/competitions/rulesversion/").content.decode()
    page = client.get(f"/admin/competitions/rulesversion/{version.id}/change/").content.decode()
    assert "pacesetter-rules/1" in page
    assert "_save" not in page


def test_an_organiser_who_stands_nowhere_in_it_changes_them_with_money_at_stake(
    make_staff: Callable[..., User], make_competition: Any, signed_in: SignIn, person: User, now: datetime
) -> None:
    """Nor ever stood: whoever has left may come back to where they were."""
    organiser = make_staff("organiser")
    mine, theirs = make_competition(owner=organiser, prize_pool_minor=100), signed_in(organiser)
    assert theirs.patch(url(mine), LATER).status_code == 200
    somebody_elses = make_competition(owner=person, visibility="open", prize_pool_minor=100)
    assert theirs.patch(url(somebody_elses), LATER).status_code == 403
    join_competition(competition=mine, user_id=organiser.id, join_code=None, now=now)
    again = LATER | {"rules": {"manual_entries": True}}
    assert theirs.patch(url(mine), again).status_code == 403
    leave_competition(competition=mine, user_id=organiser.id, now=now)
    assert theirs.patch(url(mine), again).status_code == 403
    assert len(versions(mine)) == 2
