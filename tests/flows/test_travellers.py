"""Whose midnight a day ends at: in Auckland, in Los Angeles, and between them, while the clocks change."""

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition
from competitions.policy import DayBoundary, Policy, policy_to_store

pytestmark = pytest.mark.django_db
AUCKLAND, LOS_ANGELES = "Pacific/Auckland", "America/Los_Angeles"
Days = dict[int, int]
"""Steps by day of the month."""


def walk(start: str, hours: float, steps: int, zone: str, kind: str = "watch") -> dict[str, Any]:
    """``start`` says the offset that holds there at that moment, as a phone does."""
    begins = datetime.fromisoformat(start)
    return {
        "id": f"{start} {kind}",
        "type": "steps",
        "start": begins.isoformat(),
        "end": (begins + timedelta(hours=hours)).isoformat(),
        "value": steps,
        "unit": "count",
        "source": {"app": "health_connect", "device": "", "kind": kind},
        "zone": zone,
    }


def one_after_another(client: APIClient, walks: list[dict[str, Any]]) -> None:
    """In any order, and every one twice."""
    twice = [*walks, *walks]
    random.Random(len(walks)).shuffle(twice)
    for one in twice:
        assert client.post("/api/v1/fitness/sync", {"samples": [one]}, format="json").status_code == 200


def steps_by_day(client: APIClient, board: Competition) -> Days:
    data = client.get(f"/api/v1/leaderboard/{board.id}/explain/me").json()["data"]
    days = {date.fromisoformat(day["date"]).day: day["steps"] for day in data["days"] if day["steps"]}
    assert sum(days.values()) == data["score"]
    stats = client.get(f"/api/v1/fitness/stats/me?competition_id={board.id}").json()["data"]
    assert {date.fromisoformat(day["date"]).day: day["steps"] for day in stats["days"] if day["steps"]} == days
    return days


class Boards:
    """The same days, divided in every way. ``auckland`` and ``los_angeles`` go by their own midnights."""

    def __init__(self, make: Callable[..., Competition], first: str, last: str, person: User) -> None:
        span = date.fromisoformat(first), date.fromisoformat(last)

        def board(zone: str, boundary: DayBoundary) -> Competition:
            return make(*span, zone, person, stored_policy=policy_to_store(Policy(day_boundary=boundary)))

        self.auckland = board(AUCKLAND, DayBoundary.COMPETITION)
        self.los_angeles = board(LOS_ANGELES, DayBoundary.COMPETITION)
        self.utc = board(AUCKLAND, DayBoundary.UTC)
        self.theirs = board("Europe/London", DayBoundary.PARTICIPANT)

    def by_day(self, client: APIClient) -> dict[str, Days]:
        return {name: steps_by_day(client, board) for name, board in vars(self).items()}


@pytest.fixture
def phone(person: User, signed_in: Any) -> APIClient:
    client: APIClient = signed_in(person)
    return client


@pytest.mark.slow
def test_in_auckland_over_a_day_of_25_hours(make_past_board: Any, person: User, phone: APIClient) -> None:
    """On 6 April 2025 at 3:00 (+13) it becomes 2:00 (+12), which is 14:00 UTC of the 5th."""
    boards = Boards(make_past_board, "2025-04-05", "2025-04-07", person)
    one_after_another(
        phone,
        [
            walk("2025-04-05T10:00+13:00", 1, 1000, AUCKLAND),  # the 4th at 21:00 UTC, at 13:00 in Los Angeles
            walk("2025-04-05T23:30+13:00", 6, 600, AUCKLAND),  # until 4:30 (+12); 10:30 to 16:30 UTC of the 5th
            walk("2025-04-05T23:30+13:00", 6, 480, AUCKLAND, "phone"),  # saw the same walk
            walk("2025-04-06T23:00+12:00", 2, 200, AUCKLAND),  # 11:00 to 13:00 UTC of the 6th, 4:00 in Los Angeles
            walk("2025-04-07T23:00+12:00", 2, 80, AUCKLAND),  # 11:00 to 13:00 UTC of the 7th
        ],
    )
    at_home = {
        5: 1000 + 50,  # half an hour of the night's six
        6: 550 + 100,
        7: 100 + 40,  # and 40 on the 8th, which does not count
    }
    assert boards.by_day(phone) == {
        "auckland": at_home,
        "theirs": at_home,
        "utc": {5: 600, 6: 200, 7: 80},  # the first walk was on the 4th
        "los_angeles": {5: 600, 6: 200, 7: 80},  # the night there: 3:30 to 9:30 of the 5th (-7)
    }


@pytest.mark.slow
def test_in_los_angeles_over_a_day_of_23_hours(make_past_board: Any, person: User, phone: APIClient) -> None:
    """On 9 March 2025 at 2:00 (-8) it becomes 3:00 (-7), which is 10:00 UTC."""
    boards = Boards(make_past_board, "2025-03-08", "2025-03-10", person)
    one_after_another(
        phone,
        [
            walk("2025-03-08T23:00-08:00", 5, 500, LOS_ANGELES),  # until 5:00 (-7); 7:00 to 12:00 UTC of the 9th
            walk("2025-03-08T23:00-08:00", 5, 300, LOS_ANGELES, "phone"),
            walk("2025-03-09T23:00-07:00", 2, 60, LOS_ANGELES),  # 6:00 to 8:00 UTC of the 10th
            walk("2025-03-10T18:00-07:00", 1, 7, LOS_ANGELES),  # 1:00 UTC of the 11th
        ],
    )
    at_home = {8: 100, 9: 400 + 30, 10: 30 + 7}  # midnight is at 8:00, then at 7:00 UTC
    assert boards.by_day(phone) == {
        "los_angeles": at_home,
        "theirs": at_home,
        "utc": {9: 500, 10: 60},
        "auckland": {9: 400, 10: 100 + 60},  # at +13 midnight is 11:00 UTC: the night is 20:00 to 1:00, an hour is left
    }


@pytest.mark.slow
def test_from_auckland_to_los_angeles_over_the_date_line(make_past_board: Any, person: User, phone: APIClient) -> None:
    """On 28 September 2025 at 2:00 (+12) it becomes 3:00 (+13) in Auckland, 14:00 UTC of the 27th. The flight leaves
    that day at 20:00 there, 7:00 UTC, and lands the same day at 12:00 (-7), 19:00 UTC."""
    boards = Boards(make_past_board, "2025-09-27", "2025-09-30", person)
    one_after_another(
        phone,
        [
            walk("2025-09-27T23:00+12:00", 4, 400, AUCKLAND),  # until 4:00 (+13); 11:00 to 15:00 UTC of the 27th
            walk("2025-09-28T18:00+13:00", 1, 1000, AUCKLAND),  # 5:00 UTC of the 28th, 22:00 of the 27th at -7
            walk("2025-09-28T20:00+13:00", 6, 60, "+13:00"),  # on board; 7:00 to 13:00 UTC, 0:00 to 6:00 at -7
            walk("2025-09-28T13:00-07:00", 1, 500, LOS_ANGELES),  # 20:00 UTC; 9:00 of the 29th at +13
            walk("2025-09-28T23:30-07:00", 1, 100, LOS_ANGELES),  # 6:30 to 7:30 UTC of the 29th; 19:30 at +13
            walk("2025-09-29T20:00-07:00", 1, 9, LOS_ANGELES),  # 3:00 UTC of the 30th; 16:00 of the 30th at +13
        ],
    )
    found = boards.by_day(phone)
    assert found == {
        # 28 September has 44 hours: those in Auckland, four on board, and those in Los Angeles.
        "theirs": {27: 100, 28: 300 + 1000 + 40 + 500 + 50, 29: 20 + 50 + 9},
        "auckland": {27: 100, 28: 300 + 1000 + 40, 29: 20 + 500 + 100, 30: 9},
        "los_angeles": {27: 400 + 1000, 28: 60 + 500 + 50, 29: 50 + 9},
        "utc": {27: 400, 28: 1000 + 60 + 500, 29: 100, 30: 9},
    }
    assert {sum(days.values()) for days in found.values()} == {400 + 1000 + 60 + 500 + 100 + 9}


@pytest.mark.slow
def test_from_los_angeles_to_auckland_over_the_date_line(make_past_board: Any, person: User, phone: APIClient) -> None:
    """On 2 November 2025 at 2:00 (-7) it becomes 1:00 (-8) in Los Angeles, 9:00 UTC. The flight leaves that day at
    22:00, 6:00 UTC of the 3rd, and lands on the 4th at 8:00 (+13), 19:00 UTC of the 3rd."""
    boards = Boards(make_past_board, "2025-11-02", "2025-11-04", person)
    one_after_another(
        phone,
        [
            walk("2025-11-02T00:00-07:00", 23, 2300, LOS_ANGELES),  # until 22:00 (-8); from 7:00 UTC of the 2nd
            walk("2025-11-02T22:00-08:00", 6, 60, "-08:00"),  # on board; 6:00 to 12:00 UTC of the 3rd
            walk("2025-11-04T09:00+13:00", 1, 700, AUCKLAND),  # 20:00 UTC of the 3rd; 12:00 at -8
        ],
    )
    found = boards.by_day(phone)
    assert found == {
        "theirs": {2: 2300 + 20, 3: 40, 4: 700},  # of 3 November there are four hours on board
        "los_angeles": {2: 2300 + 20, 3: 40 + 700},
        "auckland": {2: 400, 3: 1900 + 50, 4: 10 + 700},  # midnight is 11:00 UTC
        "utc": {2: 1700, 3: 600 + 60 + 700},
    }
    assert {sum(days.values()) for days in found.values()} == {2300 + 60 + 700}


@pytest.mark.slow
def test_a_watch_that_was_not_told_of_the_flight_counts_nothing_twice(
    make_past_board: Any, person: User, phone: APIClient
) -> None:
    """Its clock still says +13, where the phone is in Los Angeles already; both see the same walk of 28 September at
    13:00 (-7), 9:00 of the 29th for the watch, which saw more of it."""
    boards = Boards(make_past_board, "2025-09-27", "2025-09-30", person)
    one_after_another(
        phone,
        [
            walk("2025-09-29T09:00+13:00", 1, 500, "+13:00"),
            walk("2025-09-28T13:00-07:00", 1, 480, LOS_ANGELES, "phone"),
        ],
    )
    assert boards.by_day(phone) == {
        "theirs": {29: 500},  # the reading that counts says what day it is
        "auckland": {29: 500},
        "los_angeles": {28: 500},
        "utc": {28: 500},
    }
