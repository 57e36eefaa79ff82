"""open_flags: what a sync's data opens, in which competitions, and at what cost."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from competitions.models import Competition
from competitions.policy import DEFAULT_CHECKS, Check, OnHit
from fitness.models import DataSource, Flag, FlagEvent, FlagEvidence, Sample
from fitness.plausibility import Change, DayTotal, StoredSample
from fitness.queries.flags import holds_among
from fitness.rules import Reading, Recording, SampleType, Source
from fitness.samples import SampleReading
from fitness.services.flags import open_flags
from leaderboards.models import Standing
from leaderboards.scoring import Totals
from tests.fitness.walking import WATCH, measured, sync

pytestmark = pytest.mark.django_db

Sent = Callable[[User, User, datetime], Iterable[SampleReading | Reading]]


@pytest.fixture
def yesterday(now: datetime) -> datetime:
    """At eight in the morning, UTC."""
    return datetime.combine(now.date() - timedelta(days=1), time(8), UTC)


def daily(person: User, day: Any, **totals: int) -> Reading:
    return Reading(person.id, Source.FITBIT, day, Totals(**totals))


def _shared(person: User, other: User, start: datetime) -> list[SampleReading]:
    """Six samples that bear witness, one minute each; the other account has sent them before."""
    copied = [measured(start + timedelta(minutes=minute), 101 + 8 * minute, 60) for minute in range(6)]
    sync(other, *copied, now=start + timedelta(minutes=10))
    return copied


def _outlier(person: User, other: User, start: datetime) -> list[SampleReading | Reading]:
    usual = [daily(person, start.date() - timedelta(days=ago), steps=5000 + 100 * ago) for ago in range(1, 9)]
    return [*usual, daily(person, start.date(), steps=60_000)]


TRIGGERS: dict[Check, Sent] = {
    Check.CADENCE: lambda person, other, start: [measured(start, 10_000, 600)],
    Check.SPEED: lambda person, other, start: [measured(start, 10_000_000, 600, type=SampleType.DISTANCE)],
    Check.DAILY_MAXIMUM: lambda person, other, start: [daily(person, start.date(), steps=120_000)],
    Check.ACTIVE_MINUTES: lambda person, other, start: [measured(start, 9000, 600, type=SampleType.ACTIVE_MINUTES)],
    Check.SHARED_SAMPLES: _shared,
    Check.DEVICE_CLOCK: lambda person, other, start: [measured(datetime.now(UTC) - timedelta(minutes=5), 90, 900)],
    Check.MANUAL_BURST: lambda person, other, start: [
        measured(start + timedelta(minutes=place), 10, 60, recording=Recording.MANUAL) for place in range(21)
    ],
    Check.OUTLIER: _outlier,
}


@pytest.mark.parametrize("check", list(Check))
def test_each_check_holds_counts_or_is_not_made_as_the_competition_says(
    check: Check, person: User, other: User, make_competition: Any, join: Any, yesterday: datetime
) -> None:
    others_off = {name.value: "off" for name in Check if name != check}
    made = {
        mode: make_competition(starts=-20, stored_policy={"checks": {**others_off, check.value: mode.value}})
        for mode in OnHit
    }
    metric = {Check.SPEED: "distance", Check.ACTIVE_MINUTES: "active_minutes"}.get(check, "steps")
    for competition in made.values():
        Competition.objects.filter(id=competition.id).update(metric=metric)
        join(competition, person)
    sync(person, *TRIGGERS[check](person, other, yesterday), now=datetime.now(UTC))

    flags = {flag.competition_id: flag for flag in Flag.objects.all()}
    assert flags.keys() == {made[OnHit.COUNT].id, made[OnHit.HOLD].id}
    assert {flag.check_name for flag in flags.values()} == {check.value}
    assert [flags[made[mode].id].held for mode in (OnHit.COUNT, OnHit.HOLD)] == [False, True]
    score = {mode: Standing.objects.get(competition=competition).score for mode, competition in made.items()}
    assert score[OnHit.OFF] == score[OnHit.COUNT] > score[OnHit.HOLD]
    holds = holds_among([(competition.id, person.id) for competition in made.values()])
    assert holds.keys() == {(made[OnHit.HOLD].id, person.id)}
    for piece in FlagEvidence.objects.all():
        assert piece.numbers["seen"] >= piece.numbers["limit"]
        assert piece.text.endswith(".")


def test_without_a_word_in_the_policy_each_check_is_as_by_default(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    competition = make_competition()
    join(competition, person)
    sync(
        person,
        measured(yesterday, 10_000, 600),
        daily(person, yesterday.date(), steps=120_000),
        now=now,
    )
    held = dict(Flag.objects.values_list("check_name", "held"))
    assert held == {check.value: DEFAULT_CHECKS[check] == OnHit.HOLD for check in (Check.CADENCE, Check.DAILY_MAXIMUM)}
    assert Standing.objects.get(competition=competition).score == 120_000, "the day total counts, the sample does not"


def stored(person: User, **fields: Any) -> StoredSample:
    source, _ = DataSource.objects.get_or_create(
        user=person, **WATCH._asdict(), defaults={"synced_at": datetime.now(UTC)}
    )
    made = measured(fields.pop("start_at"), fields.pop("amount"), fields.pop("seconds", 600), **fields)
    row = Sample.objects.create(
        user=person,
        source=source,
        channel="push",
        synced_at=datetime.now(UTC),
        **{
            name: getattr(made, name)
            for name in ("external_id", "type", "start_at", "end_at", "amount", "recording", "zone")
        },
    )
    return StoredSample(row.id, source.id, row.type, row.start_at, row.end_at, row.amount, row.recording)  # type: ignore[arg-type]  # what is stored as text is an enum here


def test_an_ordinary_sync_costs_no_statement(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    competition = make_competition()
    join(competition, person)
    samples = [
        stored(person, start_at=yesterday + timedelta(minutes=10 * place), amount=900 + 8 * place) for place in range(5)
    ]
    change = Change(person.id, samples, [DayTotal(Source.FITBIT, yesterday.date(), Totals(9000, 7_000_000))])
    with CaptureQueriesContext(connection) as asked:
        assert open_flags(changes=[change], competitions={person.id: [competition]}, now=now) == set()
    assert len(asked) == 0


def test_the_number_of_statements_does_not_grow_with_people_and_samples(
    make_person: Any, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    competition = make_competition()
    people = [make_person(f"P{number}") for number in range(5)]
    join(competition, *people)

    def changes(some: list[User], count: int, first: int) -> list[Change]:
        """Too fast, bearing witness like everybody's, typed in, and much of it."""
        made = [
            [
                stored(
                    one,
                    start_at=yesterday + timedelta(minutes=20 * (first + place)),
                    amount=8005,
                    recording=Recording.MANUAL if place % 2 else Recording.AUTOMATIC,
                )
                for place in range(count)
            ]
            for one in some
        ]
        days = [DayTotal(Source.FITBIT, yesterday.date(), Totals(steps=50_000 + count))]
        return [Change(one.id, samples, days) for one, samples in zip(some, made, strict=True)]

    costs = []
    for some, count, first in ((people[:2], 6, 0), (people[2:], 12, 6)):
        sent = changes(some, count, first)
        with CaptureQueriesContext(connection) as asked:
            flagged = open_flags(changes=sent, competitions={one.id: [competition] for one in some}, now=now)
        assert flagged == {one.id for one in some}
        costs.append(len(asked))
    assert costs[0] == costs[1]


@pytest.mark.slow
def test_a_day_that_comes_in_small_pieces_is_seen_as_well(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    """A phone that syncs every quarter of an hour: 3,600 steps each, 240 a minute, all day long."""
    join(make_competition(starts=-20), person)
    for ago in range(2, 10):
        sync(person, daily(person, yesterday.date() - timedelta(days=ago), steps=8000 + 100 * ago), now=now)
    midnight = datetime.combine(yesterday.date(), time(), UTC)
    for quarter in range(30):
        sync(person, measured(midnight + timedelta(minutes=15 * quarter), 3600, 900), now=now)
    assert dict(Flag.objects.values_list("check_name", "day")) == {
        Check.DAILY_MAXIMUM.value: yesterday.date(),
        Check.OUTLIER.value: yesterday.date(),
    }
    assert Flag.objects.get(check_name="daily_maximum").evidence.get().numbers["seen"] > 100_000


def test_sources_that_take_turns_do_not_walk_further_than_one(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    competition = make_competition(stored_policy={"checks": {"daily_maximum": "hold"}})
    join(competition, person)
    midnight = datetime.combine(yesterday.date(), time(), UTC)
    for number in range(4):
        source = WATCH._replace(device=f"Watch {number}")
        sync(person, measured(midnight + timedelta(hours=6 * number), 45_000, 6 * 3600, source=source), now=now)
    [flag] = Flag.objects.all()
    assert (flag.check_name, flag.held) == ("daily_maximum", True)
    assert flag.evidence.first().text == (  # type: ignore[union-attr]  # without one this fails
        "135,000 steps in one day from all sources; hardly anybody gets beyond 100,000."
    )
    assert Standing.objects.get(competition=competition).score == 90_000


def test_the_same_again_opens_nothing_and_more_of_the_day_is_added(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    join(make_competition(), person)
    fast = measured(yesterday, 10_000, 600)
    for _ in range(2):
        sync(person, fast, now=now)
    [flag] = Flag.objects.all()
    assert [event.kind for event in flag.events.all()] == ["opened"]
    sync(person, measured(yesterday + timedelta(hours=1), 10_000, 600), now=now)
    sync(person, measured(yesterday - timedelta(days=1), 10_000, 600), now=now)
    assert [event.kind for event in flag.events.all()] == ["opened", "evidence"]
    assert flag.evidence.count() == 2
    assert sorted(Flag.objects.values_list("day", flat=True)) == [
        yesterday.date() - timedelta(days=1),
        yesterday.date(),
    ]


def test_a_day_that_grows_is_told_again_when_it_has_grown_by_a_quarter(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    join(make_competition(), person)
    for steps in (110_000, 120_000, 137_500, 138_000, 190_000):
        sync(person, daily(person, yesterday.date(), steps=steps), now=now)
    texts = FlagEvidence.objects.filter(flag__check_name="daily_maximum").values_list("numbers__seen", flat=True)
    assert list(texts) == [110_000, 138_000, 190_000]


def test_a_days_samples_are_summed_up_with_those_that_came_before(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    join(make_competition(), person)
    midnight = yesterday - timedelta(hours=8)
    for hours in range(0, 16, 2):
        sync(person, measured(midnight + timedelta(hours=hours), 14_000, 7200), now=now)
    [flag] = Flag.objects.filter(check_name="daily_maximum")
    [piece] = flag.evidence.all()
    assert (piece.numbers["seen"], piece.start_at, piece.end_at) == (
        *(112_000, midnight),
        midnight + timedelta(days=1),
    )


def test_a_history_of_samples_makes_an_outlier_too(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    join(make_competition(), person)
    sync(
        person,
        *(measured(yesterday - timedelta(days=ago), 5000 + 50 * ago, 7200) for ago in range(1, 9)),
        now=now,
    )
    sync(person, measured(yesterday, 30_000, 14_400), now=now)
    [flag] = Flag.objects.all()
    [piece] = flag.evidence.all()
    assert (flag.check_name, flag.day, piece.numbers["median"]) == ("outlier", yesterday.date(), 5225)


def test_samples_shared_over_many_syncs_are_found_together(
    person: User, other: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    join(make_competition(), person, other)
    for place in range(6):
        copied = measured(yesterday + timedelta(hours=place), 501, 900)
        sync(other, copied, now=now)
        flagged = Flag.objects.exists()
        sync(person, copied, now=now)
        assert (flagged, Flag.objects.exists()) == (place == 5, place >= 4)
    [flag] = Flag.objects.filter(user=person)
    assert {piece.other_user_id for piece in flag.evidence.all()} == {other.id}
    [standing] = Standing.objects.filter(user=person)
    assert standing.score == 0, "also what was counted before the fifth came"
    assert not Flag.objects.filter(user=other).exists(), "who sent them first"


def test_the_same_step_at_the_same_second_is_no_hit(
    person: User, other: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    join(make_competition(), person, other)
    for someone in (person, other):
        sync(
            someone,
            *(measured(yesterday + timedelta(minutes=place), amount, 60) for place, amount in enumerate([1] * 30)),
            *(measured(yesterday + timedelta(hours=1 + place), 1000, 3600) for place in range(10)),
            now=now,
        )
    assert not Flag.objects.exists()


def test_what_no_day_of_a_competition_has_flags_nothing_there(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    inside, later = make_competition(), make_competition(starts=0, ends=5)
    join(inside, person)
    join(later, person)
    sync(person, measured(yesterday, 10_000, 600), daily(person, yesterday.date(), steps=150_000), now=now)
    sync(person, measured(yesterday - timedelta(days=30), 10_000, 600), now=now)
    assert {flag.competition_id for flag in Flag.objects.all()} == {inside.id}
    assert set(Flag.objects.values_list("day", flat=True)) == {yesterday.date()}


def test_the_day_is_the_competitions_own(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    auckland = make_competition(timezone="Pacific/Auckland")
    utc = make_competition(timezone="Pacific/Auckland", stored_policy={"day_boundary": "utc"})
    join(auckland, person)
    join(utc, person)
    sync(person, measured(yesterday + timedelta(hours=6), 10_000, 600), now=now)  # past midnight in Auckland
    days = {flag.competition_id: flag.day for flag in Flag.objects.all()}
    assert days == {auckland.id: yesterday.date() + timedelta(days=1), utc.id: yesterday.date()}


def test_what_was_sent_before_joining_is_looked_at_when_they_join(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    manual = [Reading(person.id, Source.MANUAL, yesterday.date() - timedelta(days=ago), Totals(1)) for ago in range(9)]
    for day in manual:
        sync(person, day, now=now)
    sync(person, measured(yesterday, 10_000, 600), measured(yesterday + timedelta(hours=1), 900, 600), now=now)
    competition = make_competition(starts=-20)
    join(competition, person)
    [flag] = Flag.objects.all()
    assert (flag.check_name, flag.day) == ("cadence", yesterday.date()), "the nine days did not come at once"
    assert Standing.objects.get(competition=competition).score == 900 + 8, "the ninth day's step is among the 900"


def test_a_line_in_the_log_cannot_be_changed(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime
) -> None:
    join(make_competition(), person)
    sync(person, measured(yesterday, 10_000, 600), now=now)
    for forbidden in (lambda: FlagEvent.objects.update(text="nothing"), lambda: FlagEvent.objects.all().delete()):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            forbidden()
