"""What a person's socket is sent, however slowly it takes it."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from fitness.following import Followed
from fitness.insights import Streaks
from fitness.queries.pictures import Mark, Picture, Place
from leaderboards.scoring import Totals
from leaderboards.watching import Sight, View, Watcher

TODAY = date(2026, 3, 4)
BOARD = UUID(int=7)


def picture(days: dict[date, int], place: Place, *, first_day: date = TODAY - timedelta(days=30)) -> Picture:
    return Picture(
        mark=Mark("", None, 0),
        read_at=datetime(2026, 3, 4, tzinfo=UTC),
        first_day=first_day,
        days={day: Totals(steps=steps) for day, steps in days.items()},
        totals=Totals(steps=sum(days.values())),
        places={BOARD: place},
        streaks=Streaks(0, 0),
    )


@pytest.fixture
def sight() -> Sight:
    followed, watcher = Followed(uuid4()), Watcher()
    sight = Sight(followed.user_id, followed, watcher, View())
    followed.seen[sight] = None
    return sight


async def taken(sight: Sight) -> Any:
    return json.loads(await asyncio.wait_for(sight.watcher.next_frame(), 0.05))["data"]


def show(sight: Sight, shown: Picture, *, landed: bool = True) -> None:
    assert isinstance(sight.scene, Followed)
    sight.scene.show(shown, landed=landed)


async def test_a_slow_socket_holds_one_update_that_leads_from_what_it_saw_to_what_there_is(sight: Sight) -> None:
    yesterday = TODAY - timedelta(days=1)
    show(sight, picture({yesterday: 1}, Place(1, 9)))
    assert (await taken(sight))["snapshot"] is True
    for steps in range(2, 500):
        show(sight, picture({yesterday: 1, TODAY: steps}, Place(1 + steps, 3)))
    data = await taken(sight)
    assert [(day["date"], day["steps"]) for day in data["days"]] == [(TODAY.isoformat(), 499)]
    [place] = data["competitions"]
    assert (place["previousScore"], place["score"], place["previousRank"], place["rank"]) == (1, 500, 9, 3)
    with pytest.raises(TimeoutError):
        await taken(sight)


async def test_a_day_whose_activity_was_deleted_is_told_with_zeros(sight: Sight) -> None:
    show(sight, picture({TODAY: 5}, Place(5, 1)))
    await taken(sight)
    show(sight, picture({}, Place(0, 1)), landed=False)
    assert [(day["date"], day["steps"]) for day in (await taken(sight))["days"]] == [(TODAY.isoformat(), 0)]


async def test_a_day_that_is_long_ago_by_now_is_no_news(sight: Sight) -> None:
    show(sight, picture({TODAY: 5}, Place(5, 1)))
    await taken(sight)
    later = replace(picture({TODAY: 5}, Place(5, 1), first_day=TODAY + timedelta(days=1)), days={})
    show(sight, later, landed=False)
    with pytest.raises(TimeoutError):
        await taken(sight)
