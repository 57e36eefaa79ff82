"""GET /boards and /boards/{id}, without a browser"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from rest_framework.test import APIClient

from accounts.models import User
from leaderboards.models import Board
from leaderboards.tickets import open_ticket
from leaderboards.words import distance_in_words, rows_of, time_in_words

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
AS_BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_public_board_is_a_page_for_anybody(
    anonymous: APIClient, person: User, signed_in: SignIn, make_competition: Any, join: Any
) -> None:
    competition = make_competition(visibility="public", name="Around <the> lake")
    join(competition, person)
    signed_in(person).post("/api/v1/fitness/sync", {"steps": 12345, "distance": 8765.4, "source": "fitbit"})
    page = anonymous.get(f"/boards/{competition.id}", headers=AS_BROWSER)
    text = page.content.decode()
    assert page.status_code == 200
    assert page["Cache-Control"] == "private, no-store"
    for expected in ("Around &lt;the&gt; lake", "Ada", "12,345", "8.7 km", "Running"):
        assert expected in text
    ticket = text.partition('data-ticket="')[2].partition('"')[0]
    opened = open_ticket(ticket, competition.id, datetime.now(UTC))
    assert (opened.viewer, opened.one_board) == (None, True)


def test_a_page_brings_its_board_as_the_first_frame_and_no_text_breaks_out_of_it(
    anonymous: APIClient, make_person: Any, make_competition: Any, join: Any
) -> None:
    competition = make_competition(visibility="public")
    join(competition, make_person("</script><b>Eve"))
    text = anonymous.get(f"/boards/{competition.id}", headers=AS_BROWSER).content.decode()
    inside = text.partition('<script id="frame" type="application/json">')[2].partition("</script>")[0]
    data = json.loads(inside)["data"]
    assert data["rankings"][0]["userName"] == "</script><b>Eve"
    board = Board.objects.get(competition=competition)
    assert (data["epoch"], data["version"]) == (str(board.epoch), board.version)


def test_the_page_runs_on_the_client_that_others_copy() -> None:
    assert finders.find("clients/leaderboard.js") == str(settings.BASE_DIR / "docs/clients/leaderboard.js")


@pytest.mark.parametrize("visibility", ["open", "private"])
def test_a_board_that_is_not_public_has_no_page(anonymous: APIClient, make_competition: Any, visibility: str) -> None:
    url = f"/boards/{make_competition(visibility=visibility).id}"
    assert anonymous.get(url).json()["code"] == 404
    page = anonymous.get(url, headers=AS_BROWSER)
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_a_draft_has_no_page(anonymous: APIClient, make_competition: Any) -> None:
    competition = make_competition(visibility="public", published=False)
    assert anonymous.get(f"/boards/{competition.id}").status_code == 404


def test_the_list_has_the_public_competitions(anonymous: APIClient, make_competition: Any) -> None:
    make_competition(visibility="public", name="For all")
    make_competition(visibility="open", name="For members")
    text = anonymous.get("/boards", headers=AS_BROWSER).content.decode()
    assert "For all" in text
    assert "For members" not in text


def test_nobody_is_shown_a_metre_that_they_have_not_walked() -> None:
    assert [distance_in_words(metres) for metres in (0, 999.9, 1000, 1099, 12345.6)] == [
        "0 m",
        "999 m",
        "1.0 km",
        "1.0 km",
        "12.3 km",
    ]


def test_only_a_score_above_zero_has_a_medal() -> None:
    entry = {"user_id": "x", "user_name": "Ada", "rank": 1, "score": 0, "steps": 0, "distance": 0}
    assert [row.medal for row in rows_of([entry], "steps")] == [0]
    assert [row.medal for row in rows_of([entry | {"score": 1}], "steps")] == [1]


def test_time_left_is_cut_off_to_whole_units() -> None:
    words = [
        time_in_words(timedelta(**left))
        for left in ({"days": 3, "hours": 5}, {"hours": 30}, {"minutes": 61}, {"seconds": 61})
    ]
    assert words == ["3 days", "30 hours", "61 minutes", "1 minute"]
