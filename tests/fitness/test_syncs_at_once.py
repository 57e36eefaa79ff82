"""Several devices of one person sync at the same moment, while staff correct and the rules change."""

import random
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from accounts.services.people import lock_people
from competitions.models import Competition
from competitions.policy import DayBoundary, MergeRule, Policy, policy_to_store
from competitions.rules import DeviceKind
from competitions.services.lifecycle import change_competition
from fitness.models import CountedDay, Sample, Tombstone
from fitness.queries.explanation import explanation
from fitness.queries.readings import own_frame, readings_of
from fitness.reckoning import counted_days, reckon
from fitness.rules import Channel, Reading, Recording, SampleType, Source
from fitness.samples import SampleReading, SourceKey
from fitness.services.counting import count_activity
from fitness.services.samples import SampleChanges
from fitness.services.syncing import sync_activities
from leaderboards.models import Standing
from leaderboards.queries import board_page
from leaderboards.scoring import Totals
from leaderboards.settling import add_correction
from leaderboards.verification import check_board
from tests.leaderboards.test_mirror import run_together

NOW = datetime.now(UTC)
TURNS = 8
DAY = ("competition_id", "day", "steps", "distance_mm", "energy_cal", "active_seconds")
RULES = [
    Policy(merge=MergeRule.PREFERRED, backfill_days=9),
    Policy(daily_cap={"steps": 2000}, day_boundary=DayBoundary.UTC, backfill_days=1),
    Policy(since_joining=True, backfill_days=9),
    Policy(day_boundary=DayBoundary.PARTICIPANT, backfill_days=2),
    Policy(allowed_sources=frozenset({"watch", "fitbit"})),
    Policy(),
]


def walk(chance: random.Random, id_: str, version: int) -> SampleReading:
    end = NOW - timedelta(minutes=10 * chance.randrange(300))
    kind = chance.choice([DeviceKind.WATCH, DeviceKind.PHONE])
    span = end - timedelta(minutes=10 * chance.randrange(1, 30)), end
    amount, zone = chance.randrange(3000), chance.choice(["UTC", "Pacific/Auckland"])
    return SampleReading(
        *(id_, version, SourceKey("health", "", kind), SampleType.STEPS, *span, amount, Recording.AUTOMATIC, zone)
    )


def to_rules(stored_policy: dict[str, Any], _: Competition) -> tuple[dict[str, Any], None]:
    return {"stored_policy": stored_policy}, None


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_whatever_comes_at_once_the_end_is_what_counting_from_scratch_gives(
    person: User, staff: User, make_competition: Any, join: Any
) -> None:
    boards: list[Competition] = [
        make_competition(starts=-2, timezone=zone, stored_policy=policy_to_store(RULES[3]))
        for zone in ("UTC", "Pacific/Auckland")
    ]
    for board in boards:
        join(board, person)

    sent: list[tuple[str, int]] = []

    def device(number: int) -> None:
        """Its own samples, and those that all devices share, in versions that come in any order."""
        chance = random.Random(number)
        for turn in range(TURNS):
            shared = [
                walk(random.Random(f"{n} {v}"), f"shared {n}", v)
                for n, v in zip(range(9), chance.choices(range(20), k=9), strict=True)
            ]
            own = [walk(chance, f"{number} {turn} {n}", 0) for n in range(4)]
            edited = [walk(chance, f"{number} {turn - 1} {n}", 1) for n in range(2) if turn]
            deleted = {f"{chance.randrange(6)} {chance.randrange(TURNS)} 3", f"shared {chance.choice([0, 20, 21])}"}
            sent.extend((sample.external_id, sample.version) for sample in [*own, *edited, *shared])
            changes = SampleChanges(person.id, Channel.PUSH, [*own, *edited, *shared], deleted)
            sync_activities(samples=[changes], now=datetime.now(UTC))
            reading = Reading(person.id, Source.FITBIT, NOW.date(), Totals(steps=chance.randrange(5000)))
            sync_activities(readings=[reading], now=datetime.now(UTC))

    def correct() -> None:
        for points in range(1, TURNS + 1):
            for board in boards:
                add_correction(
                    competition_id=board.id,
                    user_id=person.id,
                    points=points,
                    reason="So.",
                    by=staff,
                    now=datetime.now(UTC),
                )

    def change_rules() -> None:
        for policy in RULES:
            stored_policy = policy_to_store(policy)
            for board in boards:
                change_competition(
                    competition_id=board.id,
                    merge=partial(to_rules, stored_policy),
                    by=staff,
                    reason="So.",
                    now=datetime.now(UTC),
                )

    run_together([*(partial(device, number) for number in range(6)), correct, change_rules])

    newest = dict(sorted(sent))
    buried = set(Tombstone.objects.values_list("external_id", flat=True))
    known = dict(Sample.objects.filter(superseded_at=None).values_list("external_id", "version"))
    assert known == {id_: version for id_, version in newest.items() if id_ not in buried}
    boards = list(Competition.objects.filter(id__in=[board.id for board in boards]))
    before = stored()
    with transaction.atomic():
        lock_people([person.id])
        count_activity(competitions=boards, user_ids=None, now=datetime.now(UTC))
    assert stored() == before
    own = counted_days(
        own_frame(),
        reckon(
            own_frame(),
            readings_of({person.id: (NOW.date() - timedelta(days=9), NOW.date() + timedelta(days=9))})[person.id],
        ),
    )
    assert own == {day: Totals(*amounts) for competition, day, *amounts in before[0] if competition is None}
    for board in boards:
        found = explanation(board.id, person.id, datetime.now(UTC))
        assert sum(day.counted.steps for day in found.days) == found.standing.synced_steps
        assert found.standing.adjustment_points == sum(range(1, TURNS + 1))
        assert board_page(board, offset=0, limit=1).entries[0]["score"] == found.standing.score
        assert check_board(board).difference == ""


def stored() -> tuple[list[Any], list[Any]]:
    days = CountedDay.objects.order_by("competition_id", "day").values_list(*DAY)
    return list(days), list(Standing.objects.order_by("id").values())
