"""A day with a watch that was worn for a part of it and a phone that was carried for another.

The numbers are those of a day that a public tracker platform got wrong: 14,079 steps in truth, of which it kept the
4,157 of the watch and lost what only the phone had seen.
"""

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition
from competitions.policy import MergeRule, Policy, policy_to_store

pytestmark = pytest.mark.django_db
TRUTH, WATCH_ALONE, ADDED_UP = 14_079, 4_157, 15_369
DAY = date(2025, 7, 7)
ZONE = "Europe/Warsaw"  # +02:00 in summer
URL = "/api/v1/fitness/sync"
Sample = dict[str, Any]


def samples(kind: str, start: str, minutes: int, counts: list[int]) -> Iterator[Sample]:
    """One after another from ``start`` on that day, each so many ``minutes`` long."""
    begins = datetime.fromisoformat(f"{DAY}T{start}+02:00")
    for number, count in enumerate(counts):
        at = begins + number * timedelta(minutes=minutes)
        yield {
            "id": f"{kind}-{at:%H%M}",
            "type": "steps",
            "start": at.isoformat(),
            "end": (at + timedelta(minutes=minutes)).isoformat(),
            "value": count,
            "unit": "count",
            "source": {"app": "apple_health", "device": f"Ada's {kind}", "kind": kind},
            "zone": ZONE,
        }


def spread(total: int, over: int) -> list[int]:
    return [total // over + (place < total % over) for place in range(over)]


WATCH = [
    *samples("watch", "14:00", 10, spread(1_178, 18)),  # about 6.5 a minute
    *samples("watch", "17:00", 10, [150] * 12),  # 15 a minute, with the phone in the bag
    *samples("watch", "19:00", 10, spread(1_179, 18)),
]
PHONE = [
    *samples("phone", "07:00", 6, spread(9_892, 65)),  # until 13:30; the watch was charging
    *samples("phone", "13:50", 20, [60]),  # the watch was put on in the middle of it: 30 are only the phone's
    *samples("phone", "17:03", 7, [90] * 14),  # about 13 a minute, until 18:41: all of it is the watch's too
]
BOTH = [*WATCH, *PHONE]


@pytest.fixture
def board(make_past_board: Any, person: User) -> Competition:
    made: Competition = make_past_board(DAY - timedelta(days=2), DAY + timedelta(days=2), ZONE, person)
    return made


@pytest.fixture
def phone(person: User, signed_in: Any) -> APIClient:
    client: APIClient = signed_in(person)
    return client


def send(client: APIClient, *some: Sample, **beside: Any) -> dict[str, Any]:
    answer = client.post(URL, {"samples": some, **beside}, format="json")
    assert answer.status_code == 200, answer.content
    data: dict[str, Any] = answer.json()["data"]
    return data


def steps(client: APIClient, board: Competition) -> int:
    data = client.get(f"/api/v1/leaderboard/{board.id}/rank/me").json()["data"]
    assert data["steps"] == client.get(f"/api/v1/fitness/stats/me?competition_id={board.id}").json()["data"]["steps"]
    return int(data["score"])


def test_the_day_is_as_it_was_told() -> None:
    said = {kind: sum(one["value"] for one in listed) for kind, listed in (("watch", WATCH), ("phone", PHONE))}
    assert said["watch"] == WATCH_ALONE
    assert sum(said.values()) == ADDED_UP
    assert WATCH_ALONE + 9_892 + 30 == TRUTH


def test_it_comes_out_neither_short_nor_doubled(phone: APIClient, board: Competition) -> None:
    assert send(phone, *BOTH)["accepted"] == len(BOTH)
    assert steps(phone, board) == TRUTH


def test_sent_twice_it_is_the_same_day(phone: APIClient, board: Competition) -> None:
    send(phone, *BOTH)
    before = phone.get(f"/api/v1/leaderboard/{board.id}").json()
    again = send(phone, *reversed(BOTH))
    assert (again["accepted"], again["unchanged"], again["removed"]) == (0, len(BOTH), 0)
    assert phone.get(f"/api/v1/leaderboard/{board.id}").json() == before


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 4))])
def test_in_pieces_and_in_any_order_of_arrival_it_is_the_same_day(
    phone: APIClient, board: Competition, seed: int
) -> None:
    chance = random.Random(seed)
    waiting = [*BOTH, *chance.sample(BOTH, 30)]
    chance.shuffle(waiting)
    so_far = 0
    while waiting:
        piece = [waiting.pop() for _ in range(min(len(waiting), chance.randrange(1, 40)))]
        send(phone, *piece)
        assert so_far <= (so_far := steps(phone, board)) <= TRUTH
    assert so_far == TRUTH


def test_the_watch_first_and_the_phone_days_later(phone: APIClient, board: Competition) -> None:
    send(phone, *WATCH)
    assert steps(phone, board) == WATCH_ALONE
    send(phone, *PHONE, complete_from=f"{DAY}T00:00:00+02:00", complete_to=f"{DAY}T13:59:00+02:00")
    assert steps(phone, board) == TRUTH


def test_the_total_that_the_telephone_itself_shows_beside_it_adds_nothing(phone: APIClient, board: Competition) -> None:
    send(phone, *BOTH)
    for total in (WATCH_ALONE, TRUTH):
        record = {"steps": total, "source": "apple_health", "date": DAY.isoformat()}
        assert phone.post(URL, record, format="json").status_code == 200
        assert steps(phone, board) == TRUTH


def test_where_the_watch_is_preferred_the_phone_still_counts_where_it_was_alone(
    phone: APIClient, make_past_board: Any, person: User
) -> None:
    policy = policy_to_store(Policy(merge=MergeRule.PREFERRED))
    board = make_past_board(DAY, DAY, ZONE, person, stored_policy=policy)
    send(phone, *BOTH)
    assert steps(phone, board) == TRUTH


def test_without_the_watch_it_is_what_the_phone_saw(phone: APIClient, board: Competition) -> None:
    send(phone, *BOTH)
    send(phone, deleted=[one["id"] for one in WATCH])
    assert steps(phone, board) == ADDED_UP - WATCH_ALONE


def test_the_explanation_says_what_counted_of_each(phone: APIClient, board: Competition) -> None:
    send(phone, *BOTH)
    data = phone.get(f"/api/v1/leaderboard/{board.id}/explain/me").json()["data"]
    [day] = data["days"]
    assert (day["date"], day["steps"], data["points"], data["score"]) == (DAY.isoformat(), TRUTH, TRUTH, TRUTH)
    lines = {line["kind"]: line for line in day["sources"]}
    watch, telephone = lines["watch"], lines["phone"]
    assert (watch["said"], watch["counted"], watch["left_out"]) == (WATCH_ALONE, WATCH_ALONE, [])
    assert (telephone["said"], telephone["counted"]) == (11_212, 9_922)
    [left_out] = telephone["left_out"]
    assert (left_out["reason"], left_out["amount"]) == ("overlapped", ADDED_UP - TRUTH)
    assert data["synced"]["steps"] == TRUTH
