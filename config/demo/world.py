"""The seeded demo as a whole: people, what they did, and a thousand competitions at every point of their lives.

Crowds are written in bulk (`crowd`); whatever is decided about them, from what counts to who is paid, the services
decide, at the moments at which it would have been.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.models import Scope, User
from accounts.services.keys import create_service_key
from accounts.services.people import lock_people
from competitions.models import Competition
from competitions.queries import lock_rules, participants_of
from competitions.services.lifecycle import cancel_competition, create_competition, move_status
from config.core.console import progress
from config.demo import crowd, incidents, treasury
from config.demo.programme import Phase, Planned, programme
from config.demo.staff import Staff, make_staff
from fitness.services.counting import count_activity, count_days
from prizes.actors import Actor
from prizes.plans import DEFAULT
from prizes.services.plans import change_plan

_MOMENT = timedelta(seconds=2)
_OWNERS = 50
_STARTED = (Phase.ACTIVE, Phase.IN_GRACE, Phase.COMPLETED)
_AT_ONCE = 500


@dataclass
class World:
    """``made``: how many rows of what there are now."""

    people: int
    competitions: int
    seed: int
    now: datetime
    made: Counter[str] = field(default_factory=Counter)

    def programme(self) -> Iterable[Planned]:
        return programme(competitions=self.competitions, people=self.people, seed=self.seed, now=self.now)


def make_world(world: World) -> None:
    """Fills an empty database. Not in one transaction: transfers are sent between the commits of their steps."""
    before = treasury.last_job()
    with transaction.atomic():
        staff = make_staff()
        create_service_key(name="The demo's step counter", scopes=[Scope.ACTIVITY_WRITE])
    ranges = crowd.ranges(world.people)
    shown = progress(ranges, doing="People", total=len(ranges))
    crowd.make_people(numbers=shown, people=world.people, seed=world.seed, now=world.now)
    for planned in progress(world.programme(), doing="Competitions", total=world.competitions):
        _open(planned, staff, world)
    crowd.plan_walks(now=world.now)
    shown = progress(ranges, doing="Activity", total=len(ranges))
    crowd.make_activity(numbers=shown, seed=world.seed, now=world.now)
    crowd.make_readings(seed=world.seed, now=world.now)
    crowd.gathered()
    for planned in progress(world.programme(), doing="Scores and standings", total=world.competitions):
        if planned.phase in _STARTED:
            _run(planned, staff, world.now)
    _let_go()
    _count_own_days(world)
    incidents.make_incidents(staff=staff, most=max(4, world.people // 400), now=world.now)
    treasury.finish_jobs(since=before, now=world.now)
    crowd.gathered()
    crowd.forget_numbers()


def _open(planned: Planned, staff: Staff, world: World) -> None:
    """Makes a competition and has its people join it, up to its start."""
    _hold_for_oneself(planned.fields["id"])
    owner = staff.organiser if planned.of_the_organiser else _walker(planned.number % min(_OWNERS, world.people) + 1)
    competition = create_competition(
        owner=owner,
        fields=planned.fields,
        span=planned.span,
        published=planned.phase is not Phase.DRAFT,
        now=planned.created_at,
    )
    if planned.plan is not None:
        document = {**DEFAULT, **planned.plan}
        change_plan(competition_id=competition.id, document=document, actor=Actor(owner), now=planned.created_at)
    if planned.has_fee:
        people = crowd.people_numbered(planned.people)
        treasury.sell_places(competition=competition, people=people, unpaid=planned.phase is Phase.UPCOMING)
    elif planned.people:
        until = min(world.now, competition.start_at + timedelta(hours=12))
        crowd.enter(competition=competition, numbers=planned.people, seed=world.seed, until=until)
    if planned.phase is Phase.CANCELLED:
        cancel_competition(competition_id=competition.id, by=owner, now=world.now - timedelta(hours=3))
        treasury.send_what_is_owed(competition_id=competition.id, now=world.now)


def _hold_for_oneself(competition_id: UUID) -> None:
    """Until `_let_go`: a worker that runs beside this would freeze standings as soon as it saw that they are over."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [str(competition_id)])


def _let_go() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")


def _walker(number: int) -> User:
    [user_id] = crowd.people_numbered([number])
    return User.objects.get(id=user_id)


def _run(planned: Planned, staff: Staff, now: datetime) -> None:
    """From its start to where it is now."""
    competition = move_status(competition_id=planned.fields["id"], now=planned.span.start_at + _MOMENT)
    _count(competition, min(now, planned.span.end_at))
    incidents.judge(planned=planned, staff=staff, now=min(now, planned.span.end_at - _MOMENT))
    if planned.phase is not Phase.ACTIVE:
        move_status(competition_id=competition.id, now=competition.end_at + _MOMENT)
    if planned.phase is Phase.COMPLETED:
        move_status(competition_id=competition.id, now=competition.closes_at + _MOMENT)
    treasury.handle_prizes(planned=planned, competition=competition, staff=staff, now=now)


def _count(competition: Competition, last_at: datetime) -> None:
    """Everybody's activity, in three waves of late phones: whoever has few points may have had them first."""
    ids = list(participants_of(competition.id).order_by("user_id").values_list("user_id", flat=True))
    for wave in range(3):
        theirs = ids[wave::3]
        if theirs:
            with transaction.atomic():
                lock_people(theirs)
                lock_rules([competition.id], shared=True)
                count_activity(competitions=[competition], user_ids=theirs, now=last_at - wave * timedelta(minutes=50))


def _count_own_days(world: World) -> None:
    """What counts of people's days for themselves, whatever competitions make of them."""
    starts = range(1, world.people + 1, _AT_ONCE)
    for first in progress(starts, doing="Everybody's own days", total=len(starts)):
        days = _walked_by(first, first + _AT_ONCE - 1)
        if days:
            with transaction.atomic():
                lock_people(days)
                count_days(changed=days, competitions={}, arrived_at=dict.fromkeys(days, world.now))


def _walked_by(first: int, last: int) -> Mapping[UUID, list[date]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT w.user_id, array_agg(w.day) FROM walked w JOIN crowd c ON c.id = w.user_id"
            " WHERE c.n BETWEEN %s AND %s GROUP BY w.user_id ORDER BY w.user_id",
            [first, last],
        )
        return dict(cursor.fetchall())


_COUNTED: Mapping[str, str] = {
    "people": "accounts_user",
    "competitions": "competitions_competition",
    "participants": "competitions_participant",
    "seats": "competitions_seat",
    "day totals": "fitness_activity",
    "samples": "fitness_sample",
    "days counted": "fitness_countedday",
    "flags": "fitness_flag",
    "imports": "fitness_import",
    "connections": "fitness_connection",
    "standings": "leaderboards_standing",
    "final standings": "leaderboards_finalstandings",
    "corrections": "leaderboards_correction",
    "payments": "prizes_payment",
    "award lists": "prizes_awardlist",
    "distributions": "prizes_distribution",
    "transfers": "prizes_transfer",
    "ledger entries": "prizes_entry",
    "failed jobs": "procrastinate_jobs WHERE status = 'failed'",
}


def rows_made() -> list[dict[str, Any]]:
    """How many rows of what there are."""
    counts = [f"SELECT %s, count(*) FROM {table}" for table in _COUNTED.values()]  # noqa: S608 - constants
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(counts), list(_COUNTED))
        return [{"what": what, "how many": count} for what, count in cursor.fetchall()]
