"""The person's day, and why they have their score."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from competitions.policy import Policy, policy_to_store
from config.core.clock import day_in
from config.pages.words import app_in_words
from leaderboards.settling import add_correction
from tests.conftest import MakeCompetition
from tests.pages.conftest import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def today() -> str:
    return day_in("UTC", datetime.now(UTC)).isoformat()


def walk(signed_in: Any, person: User, steps: int, *, days_ago: int = 0, source: str = "fitbit") -> None:
    day = day_in("UTC", datetime.now(UTC)) - timedelta(days=days_ago)
    body = {"steps": steps, "source": source, "date": day.isoformat()}
    assert signed_in(person).post("/api/v1/fitness/sync", body).status_code == 200


def test_the_day_shows_how_far_one_has_come(
    ben: Client, person: User, other: User, signed_in: Any, make_competition: MakeCompetition, join: Any
) -> None:
    board = make_competition()
    join(board, person, other)
    walk(signed_in, person, 9_000)
    walk(signed_in, other, 6_000)
    walk(signed_in, other, 12_000, days_ago=1)
    walk(signed_in, other, 11_000, days_ago=2)
    answer = ben.get("/my-day")
    page = text_of(answer)
    assert "6,000 of 10,000 steps" in page
    assert "4,000 to go today." in page
    assert "2 days in a row with your goal" in page
    assert 'stroke-dasharray="60.0 100"' in answer.content.decode()
    assert "1st of 2, with 29,000 steps" in page
    assert "You lead." in page
    assert "Late data counts until" in page
    assert "6,000 steps for today Fitbit" in page


def test_what_is_missing_to_the_next_place_is_said_in_words(
    ben: Client, person: User, other: User, signed_in: Any, make_competition: MakeCompetition, join: Any
) -> None:
    join(make_competition(ends=3), person, other)
    walk(signed_in, person, 9_000)
    walk(signed_in, other, 6_000)
    assert "2nd of 2, with 6,000 steps 3,001 more steps to the next place: 751 a day." in text_of(ben.get("/my-day"))


def test_somebody_new_is_told_what_to_do(ben: Client) -> None:
    page = text_of(ben.get("/my-day"))
    for said in ("0 of 10,000 steps", "You are in no competition that runs today.", "0 days in a row", "Nothing yet."):
        assert said in page


def test_what_has_not_begun_and_what_is_not_final_is_listed_too(
    ben: Client, other: User, make_competition: MakeCompetition, join: Any
) -> None:
    join(make_competition(name="Next week", starts=5, ends=9), other)
    ended = make_competition(name="Just over", starts=-4, ends=0, grace_hours=48)
    join(ended, other)
    ended.end_at = datetime.now(UTC) - timedelta(minutes=1)
    ended.save(update_fields=["end_at"])
    page = text_of(ben.get("/my-day"))
    assert "Next week It starts" in page
    assert "Just over You are 1st. It is over; late data counts until" in page


# --- By hand ---


def test_steps_typed_in_are_kept_for_their_day(
    ben: Client, other: User, make_competition: MakeCompetition, join: Any, today: str
) -> None:
    board = make_competition()
    join(board, other)
    kept = ben.post("/my-day", {"steps": "8,500", "date": today}, follow=True)
    assert "Kept: 8,500 steps for today." in text_of(kept)
    assert "1st of 1, with 8,500 steps" in text_of(kept)
    assert "8,500 steps for today Typed in" in text_of(kept)
    less = ben.post("/my-day", {"steps": "100", "date": today}, follow=True)
    assert "Nothing changed" in text_of(less)


def test_the_page_says_where_steps_typed_in_do_not_count(
    ben: Client, other: User, make_competition: MakeCompetition, join: Any, today: str
) -> None:
    strict = make_competition(name="Watches only", stored_policy=policy_to_store(Policy(manual_entries=False)))
    join(strict, other)
    assert "Steps typed in by hand do not count in Watches only." in text_of(ben.get("/my-day"))
    ben.post("/my-day", {"steps": "8500", "date": today})
    assert "1st of 1, with 0 steps" in text_of(ben.get("/my-day"))
    why = text_of(ben.get(f"/competitions/{strict.id}/why"))
    assert "8,500 steps of manual: It was typed in, and this competition does not count manual entries." in why


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"steps": "many"}, "Write a number."),
        ({"steps": "-5"}, "Write a number."),
        ({"steps": ""}, "Write a number."),
        ({"steps": "300000"}, "More than 250000 steps in a day is not believable."),
        ({"steps": "100", "date": "2999-01-01"}, "This day has not begun yet."),
        ({"steps": "100", "date": "soon"}, "Write a day such as 2026-06-01."),
    ],
)
def test_what_is_not_believable_is_said_beside_its_field(ben: Client, typed: dict[str, str], said: str) -> None:
    answer = ben.post("/my-day", typed)
    assert answer.status_code == 400
    assert said in text_of(answer)
    field = "date" if "date" in typed else "steps"
    assert f'id="id_{field}_error"' in answer.content.decode()


@pytest.mark.slow
def test_thirty_competitions_take_no_more_statements_than_one(
    ben: Client, person: User, other: User, signed_in: Any, make_competition: MakeCompetition, join: Any
) -> None:
    def statements() -> int:
        ben.get("/my-day")
        with CaptureQueriesContext(connection) as captured:
            assert ben.get("/my-day").status_code == 200
        return len(captured)

    walk(signed_in, other, 6_000)
    join(make_competition(), other, person)
    one = statements()
    for number in range(29):
        join(make_competition(name=f"Walk {number}"), other, person)
    assert statements() == one <= 20


# --- Why ---


def test_the_score_is_explained_day_by_day(
    ben: Client, other: User, staff: User, signed_in: Any, make_competition: MakeCompetition, join: Any, now: datetime
) -> None:
    policy = Policy(daily_cap={"steps": 10_000})
    board = make_competition(stored_policy=policy_to_store(policy))
    join(board, other)
    walk(signed_in, other, 12_500, days_ago=1)
    walk(signed_in, other, 4_000)
    walk(signed_in, other, 3_000, source="garmin")
    add_correction(competition_id=board.id, user_id=other.id, points=-500, reason="The bus.", by=staff, now=now)
    page = text_of(ben.get(f"/competitions/{board.id}/why"))
    for said in (
        "Why 13,500 steps?",
        "What your phone and the like have recorded makes 14,000 steps, on 2 days.",
        "Corrections take away 500 steps.",
        "-500 The bus.",
        "Yesterday 10,000 Fitbit: 12,500 steps",
        "2,500 steps above what counts on one day.",
        "3,000 steps of Garmin: Another source counts for that time.",
    ):
        assert said in page, page


def test_who_does_not_take_part_has_no_score_to_explain(ben: Client, make_competition: MakeCompetition) -> None:
    assert ben.get(f"/competitions/{make_competition().id}/why").status_code == 404


def test_an_app_is_called_by_its_name_and_a_name_that_somebody_gave_stays() -> None:
    given = ["health_connect", "fitbit", "manual", "my own iPhone"]
    assert [app_in_words(app) for app in given] == ["Health Connect", "Fitbit", "manual", "my own iPhone"]
