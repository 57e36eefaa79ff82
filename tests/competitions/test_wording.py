"""A competition's rules in sentences."""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any

import pytest

from accounts.models import User
from competitions.models import Competition
from competitions.policy import Check, OnHit, Policy, policy_document
from competitions.rules import Kind, span_of
from competitions.services.lifecycle import RULE_FIELDS, create_competition
from competitions.wording import rules_in_words

pytestmark = pytest.mark.django_db

Make = Callable[..., Competition]
MADE_AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def make(person: User) -> Make:
    """Two weeks of June 2026 in Berlin, made a month before; keywords are columns, ``start`` and ``end`` the dates."""

    def made(
        start: date | datetime = date(2026, 6, 1), end: date | datetime = date(2026, 6, 14), **columns: Any
    ) -> Competition:
        zone = columns.setdefault("timezone", "Europe/Berlin")
        span = span_of(start, end, zone, Kind.CUSTOM)
        columns = {"name": "Lake walk", **columns}
        return create_competition(owner=person, fields=columns, span=span, published=True, now=MADE_AT)

    return made


def test_a_walk_around_the_lake_reads_like_this(make: Make) -> None:
    policy = {"daily_cap": {"steps": 20_000, "distance_mm": 15_000_000}, "manual_entries": False}
    told = rules_in_words(make(stored_policy=policy, max_participants=50, prize_pool_minor=50_000, currency="EUR"))
    assert told == [
        "Every step counts, from Monday 1 June to Sunday 14 June 2026, in Europe/Berlin.",
        (
            "What phones, watches and connected apps have recorded counts, and so do totals that apps report: the"
            " larger of the two."
        ),
        "At most 20,000 steps and 15,000 metres count on one day.",
        "Who joins late brings along everything since the first day.",
        "What was typed in by hand does not count.",
        "Where several devices recorded the same time, only the largest reading counts.",
        "Phones may send what was measured in time until the end of Monday 15 June 2026, Europe/Berlin time.",
        (
            "Held back until a person has looked at it: more steps in a minute than anybody can take; a distance"
            " covered faster than anybody can; more active minutes than there is time for; the same readings from two"
            " accounts."
        ),
        (
            "Counted, and looked at by a person: more in a day than a body can do; readings from a device whose clock"
            " is wrong; very much typed in at once; a day far beyond the person's usual ones."
        ),
        "Among equals, whoever got there first stands higher.",
        "Everybody with an account can see it and join.",
        "There are 50 places.",
        "Taking part is free.",
        "The organiser promises 500.00 EUR for the prizes.",
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"end": date(2026, 6, 1)}, "Every step counts, on Monday 1 June 2026, in Europe/Berlin."),
        (
            {"start": date(2026, 12, 28), "end": date(2027, 1, 3), "metric": "distance"},
            "Every metre counts, from Monday 28 December 2026 to Sunday 3 January 2027, in Europe/Berlin.",
        ),
        (
            {"start": datetime(2026, 6, 1, 6, tzinfo=UTC), "end": datetime(2026, 6, 2, 16, 30, tzinfo=UTC)},
            "Every step counts, from Monday 1 June 2026, 08:00 to Tuesday 2 June 2026, 18:30, in Europe/Berlin.",
        ),
        (
            {"metric": "weighted", "weights": {"steps": "1", "distance": "0", "active_minutes": "12.5"}},
            "A person's points: 1 for every step and 12.5 for every active minute, rounded down.",
        ),
        (
            {"timezone": "America/New_York", "grace_hours": 30},
            "Phones may send what was measured in time until Tuesday 16 June 2026, 06:00, America/New York time.",
        ),
        (
            {"stored_policy": {"allowed_sources": ["com.example.walk", "watch"]}},
            "Only these sources count: watch and com.example.walk.",
        ),
        (
            {"stored_policy": {"checks": dict.fromkeys((check.value for check in Check), "off")}},
            (
                "Not looked for: more steps in a minute than anybody can take; a distance covered faster than anybody"
                " can; more in a day than a body can do; more active minutes than there is time for; the same readings"
                " from two accounts; readings from a device whose clock is wrong; very much typed in at once; a day far"
                " beyond the person's usual ones."
            ),
        ),
    ],
)
def test_a_rule_is_said_as_people_say_it(make: Make, changes: dict[str, Any], sentence: str) -> None:
    assert sentence in rules_in_words(make(**changes))


ANOTHER_POLICY: dict[str, Any] = {
    "day_boundary": "utc",
    "merge": "preferred",
    "preference": ["phone"],
    "since_joining": True,
    "daily_cap": {"steps": 1},
    "allowed_sources": ["watch"],
    "manual_entries": False,
    "backfill_days": 0,
    "checks": {"outlier": "off"},
}

ANOTHER_RULE: dict[str, dict[str, Any]] = {
    "start_at": {"start": date(2026, 6, 2)},
    "end_at": {"end": date(2026, 6, 15)},
    "timezone": {"timezone": "Europe/Lisbon"},
    "kind": {"kind": "weekly"},
    "grace_hours": {"grace_hours": 48},
    "metric": {"metric": "calories"},
    "weights": {"metric": "weighted", "weights": {"steps": "2"}},
    "score_source": {"score_source": "reported"},
    "tie_rule": {"tie_rule": "shared"},
    "currency": {"currency": "EUR"},
    "entry_fee_minor": {"entry_fee_minor": 2000},
    "prize_pool_minor": {"prize_pool_minor": 1},
    "visibility": {"visibility": "public"},
    "max_participants": {"max_participants": 1},
}


def test_whoever_changes_one_rule_changes_a_sentence(make: Make) -> None:
    assert RULE_FIELDS | {"visibility", "max_participants"} == ANOTHER_RULE.keys()
    like = {"weights": {"metric": "weighted", "weights": {"steps": "1"}}}
    for name, change in ANOTHER_RULE.items():
        usual = {"entry_fee_minor": 1000, **like.get(name, {})}
        assert rules_in_words(make(**usual)) != rules_in_words(make(**usual | change)), name


def test_whoever_changes_one_field_of_the_policy_changes_a_sentence(make: Make) -> None:
    assert {field.name for field in fields(Policy)} == ANOTHER_POLICY.keys()
    for name, change in ANOTHER_POLICY.items():
        usual = {"merge": "preferred"} if name == "preference" else {}
        assert rules_in_words(make(stored_policy=usual)) != rules_in_words(make(stored_policy=usual | {name: change}))


def test_all_values_of_a_choice_read_differently(make: Make) -> None:
    policies: list[list[dict[str, Any]]] = [
        [{"day_boundary": value} for value in ("competition", "participant", "utc")],
        [{"backfill_days": days} for days in (None, 0, 1, 2)],
        *([{"checks": {check.value: hit.value}} for hit in OnHit] for check in Check),
        [{"daily_cap": {amount: 6_000_000}} for amount in ("steps", "distance_mm", "energy_cal", "active_seconds")],
    ]
    columns: list[list[dict[str, Any]]] = [
        [{"score_source": value} for value in ("synced", "reported", "either")],
        [{"visibility": value} for value in ("open", "public", "private")],
        [{"metric": value} for value in ("steps", "distance", "calories", "active_minutes")],
        [{"kind": value} for value in Kind],
    ]
    for choices in [*([{"stored_policy": policy} for policy in group] for group in policies), *columns]:
        told = [tuple(rules_in_words(make(**choice))) for choice in choices]
        assert len(set(told)) == len(choices), choices


def test_the_default_policy_is_the_one_that_is_said(make: Make) -> None:
    assert rules_in_words(make()) == rules_in_words(make(stored_policy=policy_document(Policy())))
