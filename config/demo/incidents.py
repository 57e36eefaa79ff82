"""What people have to look at in the seeded demo: flags, corrections, leavers, changed rules and late data."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from accounts.models import User
from competitions.models import Competition
from competitions.queries import participants_of
from competitions.rules import DeviceKind, Status
from competitions.services.enrolment import leave_competition
from competitions.services.lifecycle import change_competition
from config.core.console import progress
from config.demo.programme import Money, Phase, Planned
from config.demo.staff import Staff
from fitness.models import Activity, Flag
from fitness.plausibility import Decision
from fitness.rules import Channel, Reading, Recording, SampleType, Source
from fitness.samples import SampleReading, SourceKey
from fitness.services.decisions import appeal_flag, decide_flag
from fitness.services.samples import SampleChanges
from fitness.services.syncing import sync_activities
from leaderboards.models import Standing
from leaderboards.scoring import Totals
from leaderboards.settling import add_correction

_DEVICE = SourceKey("apple_health", "Watch", DeviceKind.WATCH)


def judge(*, planned: Planned, staff: Staff, now: datetime) -> None:
    """In every sixth competition without money somebody is given points or loses some, and in every sixteenth that is
    under way somebody leaves and the rules change."""
    competition = Competition.objects.get(id=planned.fields["id"])
    if planned.number % 6 == 1 or planned.money is Money.CALCULATED:
        best = Standing.objects.filter(competition=competition, on_board=True).order_by("-score", "user_id").first()
        assert best is not None
        points, reason = (
            (500, "The watch was at the workshop for a day.") if planned.number % 2 else (-750, "A bus ride.")
        )
        add_correction(
            competition_id=competition.id, user_id=best.user_id, points=points, reason=reason, by=staff.admin, now=now
        )
    if planned.phase is Phase.ACTIVE and planned.money is Money.NONE and planned.number % 16 == 1:
        leaver = participants_of(competition.id).order_by("-joined_at", "id").first()
        assert leaver is not None
        leave_competition(competition=competition, user_id=leaver.user_id, now=now)
        policy = {**competition.stored_policy, "daily_cap": {"steps": 25_000}}
        reason = "Nobody should have to walk through the night."
        change_competition(
            competition_id=competition.id,
            merge=lambda _: ({"stored_policy": policy}, None),
            by=staff.admin,
            reason=reason,
            now=now,
        )


def make_incidents(*, staff: Staff, most: int, now: datetime) -> None:
    """Up to so many flags, of which some are decided and some of those appealed; and activity that comes too late."""
    suspects = _suspects(now, most)
    for number, (competition, person) in enumerate(progress(suspects, doing="Flags", total=len(suspects))):
        _send_what_is_too_fast(competition, person, number, now)
    for number, flag in enumerate(Flag.objects.filter(state="open").order_by("opened_at", "id")):
        _look_at(flag, number, staff, now)
    _send_late(most, now)


def _suspects(now: datetime, most: int) -> list[tuple[Competition, User]]:
    """One or two of each competition that has been under way for a day."""
    found: list[tuple[Competition, User]] = []
    under_way = Competition.objects.filter(status=Status.ACTIVE, start_at__lt=now - timedelta(hours=30))
    for competition in under_way.order_by("start_at", "id").iterator():
        board = Standing.objects.filter(competition=competition, on_board=True, score__gt=0)
        found += [(competition, standing.user) for standing in board.select_related("user").order_by("user_id")[:3]]
        if len(found) >= most:
            break
    return found[:most]


def _send_what_is_too_fast(competition: Competition, person: User, number: int, now: datetime) -> None:
    start_at = max(competition.start_at, now - timedelta(hours=28)) + timedelta(minutes=10 * (number % 6))
    sample = SampleReading(
        external_id=f"demo {competition.id}",
        version=0,
        source=_DEVICE,
        type=SampleType.STEPS,
        start_at=start_at,
        end_at=start_at + timedelta(minutes=10),
        amount=4_000 + 10 * number % 1_000,
        recording=Recording.AUTOMATIC,
        zone="UTC",
    )
    sync_activities(samples=[SampleChanges(person.id, Channel.PUSH, [sample])], now=start_at + timedelta(hours=1))


def _look_at(flag: Flag, number: int, staff: Staff, now: datetime) -> None:
    """Every third stays open."""
    decisions = {
        1: (Decision.ACCEPT, "A downhill run; the pace is that of other runs of theirs."),
        2: (Decision.EXCLUDE, "No one takes so many steps in ten minutes."),
        4: (Decision.DISQUALIFY, "The third time in a week."),
        5: (Decision.EXCLUDE, "The watch was on the wheel of a bicycle."),
    }
    if number % 6 not in decisions:
        return
    decision, reason = decisions[number % 6]
    decided = decide_flag(flag_id=flag.id, decision=decision, reason=reason, by=staff.reviewer, now=now)
    if number % 6 in (4, 5) and decided.can_be_appealed:
        appeal_flag(flag_id=flag.id, text="I was on a treadmill, ask my club.", by=flag.user, now=now)


def _send_late(most: int, now: datetime) -> None:
    """For days of competitions whose standings are frozen."""
    over = Competition.objects.filter(status=Status.COMPLETED).order_by("closes_at", "id")[: max(1, most // 3)]
    for competition in _with_people(over):
        someone = participants_of(competition.id).order_by("id").values("user_id")[:1]
        stored = Activity.objects.filter(user_id__in=someone, day=competition.last_on).exclude(source="manual").first()
        if stored is not None:
            totals = Totals(stored.steps + 1_200, stored.distance_mm, stored.energy_cal, stored.active_seconds)
            reading = Reading(stored.user_id, Source(stored.source), stored.day, totals)
            sync_activities(readings=[reading], now=now)


def _with_people(competitions: Iterable[Competition]) -> Iterable[Competition]:
    return (competition for competition in competitions if competition.participant_count)
