"""Which activity counts: the policy as it is stored, and ``rules`` on the wire."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition
from competitions.policy import (
    DEFAULT_CHECKS,
    Check,
    DayBoundary,
    MergeRule,
    OnHit,
    Policy,
    policy_document,
    policy_of,
    policy_to_store,
)
from competitions.rules import DeviceKind
from competitions.signals import rules_changed

COMPETITIONS = "/api/v1/competitions"
AS_BY_DEFAULT = {
    "day_boundary": "competition",
    "merge": "largest",
    "preference": [],
    "since_joining": False,
    "daily_cap": None,
    "allowed_sources": [],
    "manual_entries": True,
    "backfill_days": None,
    "checks": {check.value: on_hit.value for check, on_hit in DEFAULT_CHECKS.items()},
}
OTHERWISE = {
    "day_boundary": "participant",
    "merge": "preferred",
    "preference": ["phone", "watch"],
    "since_joining": True,
    "daily_cap": {"steps": 20000, "distance": 15000, "calories": 900, "active_minutes": 90},
    "allowed_sources": ["apple_health", "watch"],
    "manual_entries": False,
    "backfill_days": 3,
    "checks": {check.value: "off" for check in Check},
}

policies = st.builds(
    Policy,
    day_boundary=st.sampled_from(DayBoundary),
    merge=st.sampled_from(MergeRule),
    preference=st.lists(st.sampled_from(DeviceKind), unique=True).map(tuple),
    since_joining=st.booleans(),
    daily_cap=st.dictionaries(
        st.sampled_from(["steps", "distance_mm", "energy_cal", "active_seconds"]), st.integers(1, 10**12)
    ),
    allowed_sources=st.frozensets(st.text(max_size=3), max_size=3),
    manual_entries=st.booleans(),
    backfill_days=st.none() | st.integers(0, 9),
    checks=st.dictionaries(st.sampled_from(Check), st.sampled_from(OnHit)),
)


@pytest.fixture
def upcoming(make_competition: Any) -> Competition:
    made: Competition = make_competition(starts=2, ends=9)
    return made


def changed(client: APIClient, competition: Competition, rules: Any) -> dict[str, Any]:
    answer = client.patch(f"{COMPETITIONS}/{competition.id}", {"rules": rules})
    assert answer.status_code == 200, answer.content
    shown: dict[str, Any] = answer.json()["data"]["rules"]
    assert client.get(f"{COMPETITIONS}/{competition.id}").json()["data"]["rules"] == shown
    return shown


@pytest.mark.slow
@given(policy=policies)
def test_what_is_stored_is_read_back_as_the_same_policy(policy: Policy) -> None:
    stored = json.loads(json.dumps(policy_to_store(policy)))
    assert policy_document(policy_of(stored)) == policy_document(policy)
    assert policy_to_store(policy_of(stored)) == stored
    assert policy_to_store(policy_of(policy_document(policy))) == stored


def test_what_is_as_by_default_is_not_stored() -> None:
    assert policy_to_store(Policy()) == {}
    usual = Policy(checks={Check.CADENCE: DEFAULT_CHECKS[Check.CADENCE], Check.SPEED: OnHit.OFF})
    assert policy_to_store(usual) == {"checks": {"speed": "off"}}


@pytest.mark.django_db
def test_a_competition_without_rules_has_those_by_default(me: APIClient, body: Any) -> None:
    answer = me.post(COMPETITIONS, body())
    assert answer.json()["data"]["rules"] == AS_BY_DEFAULT
    assert Competition.objects.get().stored_policy == {}


@pytest.mark.django_db
def test_they_are_said_in_wire_units_and_kept_in_base_units(me: APIClient, body: Any) -> None:
    answer = me.post(COMPETITIONS, body(rules=OTHERWISE))
    assert answer.status_code == 201, answer.content
    assert answer.json()["data"]["rules"] == OTHERWISE
    made = Competition.objects.get()
    assert made.policy == Policy(
        day_boundary=DayBoundary.PARTICIPANT,
        merge=MergeRule.PREFERRED,
        preference=(DeviceKind.PHONE, DeviceKind.WATCH),
        since_joining=True,
        daily_cap={"steps": 20000, "distance_mm": 15_000_000, "energy_cal": 900_000, "active_seconds": 5400},
        allowed_sources=frozenset({"apple_health", "watch"}),
        manual_entries=False,
        backfill_days=3,
        checks=dict.fromkeys(Check, OnHit.OFF),
    )


@pytest.mark.django_db
def test_what_is_not_named_stays_and_null_is_as_by_default(me: APIClient, upcoming: Competition) -> None:
    assert changed(me, upcoming, OTHERWISE) == OTHERWISE
    assert changed(me, upcoming, {"since_joining": False}) == OTHERWISE | {"since_joining": False}
    after = changed(me, upcoming, {"daily_cap": {"steps": None, "distance": 5}, "checks": {"speed": None}})
    assert after["daily_cap"] == {"steps": None, "distance": 5, "calories": 900, "active_minutes": 90}
    assert after["checks"] == OTHERWISE["checks"] | {"speed": "hold"}  # type: ignore[operator]  # of values of several kinds, this one is a dict
    cleared = changed(me, upcoming, dict.fromkeys(OTHERWISE))
    assert cleared == AS_BY_DEFAULT
    changed(me, upcoming, OTHERWISE)
    assert changed(me, upcoming, None) == AS_BY_DEFAULT


@pytest.mark.django_db
def test_a_cap_of_nothing_is_no_cap(me: APIClient, upcoming: Competition) -> None:
    changed(me, upcoming, {"daily_cap": {"steps": 5}})
    assert changed(me, upcoming, {"daily_cap": {"steps": None}})["daily_cap"] is None
    assert changed(me, upcoming, {"daily_cap": {}})["daily_cap"] is None


@pytest.mark.django_db
def test_an_answer_sent_back_changes_nothing(me: APIClient, upcoming: Competition) -> None:
    shown = changed(me, upcoming, OTHERWISE)
    upcoming.refresh_from_db()
    stored = upcoming.stored_policy
    assert changed(me, upcoming, shown) == shown
    upcoming.refresh_from_db()
    assert upcoming.stored_policy == stored


@pytest.mark.django_db
def test_before_the_start_a_change_counts_everybody_anew_and_the_same_rules_again_do_not(
    me: APIClient, upcoming: Competition
) -> None:
    heard = []

    def hear(competition: Competition, **_: Any) -> None:
        heard.append(competition.policy.manual_entries)

    rules_changed.connect(hear)
    try:
        changed(me, upcoming, {"manual_entries": False})
        changed(me, upcoming, {"manual_entries": False})
    finally:
        rules_changed.disconnect(hear)
    assert heard == [False]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ([], "rules"),
        ("largest", "rules"),
        ({"mearge": "largest"}, "rules.mearge"),
        ({"\x00": 1}, "rules.\x00"),
        ({"merge": "smallest"}, "rules.merge"),
        ({"merge": ["largest"]}, "rules.merge"),
        ({"day_boundary": 1}, "rules.day_boundary"),
        ({"preference": ["watch", "watch"]}, "rules.preference"),
        ({"preference": ["hat"]}, "rules.preference[0]"),
        ({"preference": "watch"}, "rules.preference"),
        ({"preference": ["watch"] * 10_000}, "rules.preference"),
        ({"since_joining": "perhaps"}, "rules.since_joining"),
        ({"since_joining": {}}, "rules.since_joining"),
        ({"daily_cap": 5}, "rules.daily_cap"),
        ({"daily_cap": {"steps": 0}}, "rules.daily_cap.steps"),
        ({"daily_cap": {"steps": -1}}, "rules.daily_cap.steps"),
        ({"daily_cap": {"steps": 10**9 + 1}}, "rules.daily_cap.steps"),
        ({"daily_cap": {"steps": True}}, "rules.daily_cap.steps"),
        ({"daily_cap": {"distance": 1.5}}, "rules.daily_cap.distance"),
        ({"daily_cap": {"jumps": 5}}, "rules.daily_cap.jumps"),
        ({"allowed_sources": ["a\x00"]}, "rules.allowed_sources[0]"),
        ({"allowed_sources": [""]}, "rules.allowed_sources[0]"),
        ({"allowed_sources": ["a" * 201]}, "rules.allowed_sources[0]"),
        ({"allowed_sources": [str(number) for number in range(51)]}, "rules.allowed_sources"),
        ({"manual_entries": 2**63}, "rules.manual_entries"),
        ({"backfill_days": -1}, "rules.backfill_days"),
        ({"backfill_days": 2**63}, "rules.backfill_days"),
        ({"backfill_days": 1.5}, "rules.backfill_days"),
        ({"checks": {"cadence": "perhaps"}}, "rules.checks.cadence"),
        ({"checks": {"luck": "off"}}, "rules.checks.luck"),
        ({"checks": []}, "rules.checks"),
    ],
)
def test_a_wrong_rule_is_named(me: APIClient, upcoming: Competition, body: Any, rules: Any, field: str) -> None:
    for answer in (
        me.patch(f"{COMPETITIONS}/{upcoming.id}", {"rules": rules}),
        me.post(COMPETITIONS, body(rules=rules)),
    ):
        assert answer.status_code == 400, answer.content
        assert answer.json()["details"].keys() == {field}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "rules", ['{"\\ud800": 1}', '{"daily_cap": {"\\ud800": 1}}', '{"allowed_sources": ["\\ud800"]}']
)
def test_half_a_character_is_refused_as_a_name_and_as_a_value(me: APIClient, upcoming: Competition, rules: str) -> None:
    url = f"{COMPETITIONS}/{upcoming.id}"
    answer = me.generic("PATCH", url, f'{{"rules": {rules}}}', content_type="application/json")
    assert answer.status_code == 400
    assert all(name.startswith("rules.") for name in answer.json()["details"])


@pytest.mark.django_db
def test_everybody_who_sees_a_competition_sees_its_rules(
    upcoming: Competition, other: User, signed_in: Any, make_competition: Any
) -> None:
    [listed] = signed_in(other).get(COMPETITIONS).json()["data"]
    assert (listed["rules"], listed["rules_version"]) == (AS_BY_DEFAULT, 0)


@pytest.mark.parametrize("boundary", ["utc", "participant"])
def test_only_whole_days_go_by_other_midnights(me: APIClient, boundary: str) -> None:
    body = {"name": "Relay", "start_date": "2099-06-01T06:00:00Z", "end_date": "2099-06-08", "timezone": "UTC"}
    answer = me.post("/api/v1/competitions", body | {"rules": {"day_boundary": boundary}}, format="json")
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {"rules.day_boundary"})
    whole = body | {"start_date": "2099-06-01", "rules": {"day_boundary": boundary}}
    made = me.post("/api/v1/competitions", whole, format="json").json()["data"]
    url = f"/api/v1/competitions/{made['id']}"
    assert me.patch(url, {"end_date": "2099-06-08T12:00:00Z"}, format="json").status_code == 400
    assert me.patch(url, {"end_date": "2099-06-09"}, format="json").status_code == 200
