"""POST /api/v1/fitness/sync"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition

URL = "/api/v1/fitness/sync"
pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def board(client: APIClient, competition: Competition) -> dict[str, Any]:
    data: dict[str, Any] = client.get(f"/api/v1/leaderboard/{competition.id}").json()["data"]
    return data


@pytest.mark.django_db(transaction=True)
def test_a_synced_record_moves_every_board_of_the_person(
    person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    first, second, over = make_competition(), make_competition(metric="distance"), make_competition(starts=-9, ends=-8)
    join(first, person)
    join(second, person)
    answer = signed_in(person).post(URL, {"steps": 12000, "distance": 8500.5, "calories": 430, "source": "fitbit"})
    assert answer.status_code == 200, answer.content
    data = answer.json()["data"]
    assert (data["accepted"], data["unchanged"], data["rejected"]) == (1, 0, [])
    assert set(data["counted_in"]) == {str(first.id), str(second.id)}
    assert str(over.id) not in data["counted_in"]
    entry = board(signed_in(person), first)["entries"][0]
    assert (entry["score"], entry["rank"], entry["distance"]) == (12000, 1, 8500.5)
    assert board(signed_in(person), second)["entries"][0]["score"] == 8500
