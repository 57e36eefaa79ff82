"""Who takes part day by day, against plain counting of the same rows."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from competitions.models import Competition, Participant
from competitions.participation import ParticipationDay, enrolled_in, participation_by_day
from competitions.running import pools_under_way, running_by_day

pytestmark = pytest.mark.django_db


def counted_by_hand(ids: list[Any], zone: str, first: date, last: date) -> list[ParticipationDay]:
    rows = Participant.objects.filter(competition_id__in=ids)
    there = ZoneInfo(zone)
    joined = [row.joined_at.astimezone(there).date() for row in rows]
    left = [row.left_at.astimezone(there).date() for row in rows if row.left_at]
    days, day = [], first
    while day <= last:
        here = sum(each <= day for each in joined) - sum(each <= day for each in left)
        days.append(ParticipationDay(day, joined.count(day), left.count(day), here))
        day += timedelta(days=1)
    return days


@pytest.mark.parametrize(
    ("zone", "around"),
    [
        ("UTC", datetime(2026, 6, 10, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),  # 25 hours
        ("America/Santiago", datetime(2026, 9, 6, tzinfo=UTC)),  # its midnight does not exist
        ("Pacific/Auckland", datetime(2026, 4, 5, tzinfo=UTC)),
    ],
)
def test_each_day_knows_who_came_who_left_and_who_is_there(
    zone: str, around: datetime, make_competition: Any, make_person: Any
) -> None:
    chance = random.Random(zone)
    boards = [make_competition(timezone=zone) for _ in range(3)]
    for board in boards:
        for _ in range(40):
            joined = around + timedelta(minutes=chance.randrange(-9 * 1440, 6 * 1440))
            left = joined + timedelta(minutes=chance.randrange(4 * 1440)) if chance.random() < 0.4 else None
            Participant.objects.create(competition=board, user=make_person(), joined_at=joined, left_at=left)
    first, last = (around - timedelta(days=5)).date(), (around + timedelta(days=4)).date()
    for ids in ([boards[0].id], [board.id for board in boards], []):
        found = participation_by_day(ids, zone=zone, first=first, last=last)
        assert found == counted_by_hand(ids, zone, first, last)
    enrolled = enrolled_in([boards[0].id])
    assert enrolled.here == boards[0].participants.filter(left_at=None).count()
    assert enrolled.here + enrolled.left == 40
    assert enrolled.first_at == min(each.joined_at for each in boards[0].participants.all())


def test_competitions_run_on_the_days_on_which_they_had_begun_and_not_ended(
    make_competition: Any, person: Any, other: Any, now: datetime
) -> None:
    boards: list[Competition] = [
        make_competition(starts=-20, ends=-10),
        make_competition(starts=-12, ends=5, owner=other, prize_pool_minor=700),
        make_competition(starts=-3, ends=-3, prize_pool_minor=900),
        make_competition(starts=2, ends=5),
        make_competition(starts=-9, ends=-1, published=False),
        make_competition(starts=-9, ends=9, prize_pool_minor=500, currency="JPY"),
    ]
    Competition.objects.filter(id=boards[5].id).update(cancelled_at=now - timedelta(days=4))
    first, last = now.date() - timedelta(days=15), now.date()
    for owner in (None, person, other):
        expected = []
        for ahead in range(16):
            day = first + timedelta(days=ahead)
            begins, ends = (datetime.combine(each, datetime.min.time(), UTC) for each in (day, day + timedelta(days=1)))
            running = [
                board
                for board in Competition.objects.exclude(published_at=None)
                if board.start_at < min(ends, now)
                and board.end_at > begins
                and not (board.cancelled_at and board.cancelled_at < ends)
                and owner in (None, board.owner)
            ]
            expected.append(len(running))
        assert running_by_day(owner and owner.id, first, last, now) == expected
        assert any(expected)
    assert list(pools_under_way(Competition.objects.all(), now)) == [("USD", 1, 700, 0)]
    assert not pools_under_way(Competition.objects.filter(owner=person), now)
