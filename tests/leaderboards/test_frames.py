"""Old snapshot + frames = fresh snapshot, whatever the network did to the frames"""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings

from competitions.rules import TieRule
from leaderboards.frames import PONG, closing_frame, delta_frame, error_frame, snapshot_frame
from leaderboards.queries import BoardPage
from leaderboards.ranking import Placing
from tests.leaderboards.histories import START, Delivery, Walker, client, deliveries, histories, page_of

apply = client.apply


def fresh(page: BoardPage) -> Any:
    """The board of a client that was shown nothing but this page."""
    board, outcome = apply(None, json.loads(snapshot_frame(page)))
    assert outcome == client.APPLIED
    return board


@pytest.mark.slow
@given(histories())
@settings(deadline=None)
def test_every_delta_leads_from_its_page_to_the_newer_one(pages: list[BoardPage]) -> None:
    for old in pages:
        for new in pages:
            if old.epoch == new.epoch and old.version < new.version:
                assert apply(fresh(old), json.loads(delta_frame(old, new))) == (fresh(new), client.APPLIED)


@pytest.mark.slow
@given(deliveries())
@settings(deadline=None, max_examples=150)
def test_frames_lost_repeated_and_out_of_order_never_show_a_board_that_never_was(
    delivered: tuple[list[BoardPage], Delivery],
) -> None:
    pages, delivery = delivered
    known = {(page.epoch, page.version): fresh(page) for page in pages}
    for board in delivery.boards:
        assert board == known[board["epoch"], board["version"]]
    assert delivery.board == fresh(pages[-1])


@pytest.mark.slow
@given(deliveries())
@settings(deadline=None)
def test_within_an_epoch_no_frame_leads_back(delivered: tuple[list[BoardPage], Delivery]) -> None:
    _, delivery = delivered
    for before, after in zip(delivery.boards, delivery.boards[1:], strict=False):
        assert before["epoch"] != after["epoch"] or before["version"] <= after["version"]


# --- What a delta lists ---


def walkers(*scores: int) -> dict[int, Walker]:
    """The first one joined first."""
    return {
        number: Walker(Placing(UUID(int=number), score, START, START + timedelta(seconds=number)))
        for number, score in enumerate(scores, start=1)
    }


def delta(old: dict[int, Walker], new: dict[int, Walker], tie_rule: str = TieRule.FIRST_TO_REACH) -> Any:
    pages = page_of(old, version=1, tie_rule=tie_rule), page_of(new, version=2, tie_rule=tie_rule)
    return json.loads(delta_frame(*pages))["data"]


def listed(changes: Any) -> list[tuple[int, int]]:
    return [(row["index"], row["score"]) for row in changes["rows"]]


def test_a_score_that_overtakes_nobody_is_one_row() -> None:
    changes = delta(walkers(90, 50, 10), walkers(90, 60, 10))
    assert listed(changes) == [(1, 60)]
    assert changes["removed"] == []


def test_whoever_climbs_over_everybody_is_one_row_too() -> None:
    changes = delta(walkers(90, 50, 10), walkers(90, 50, 100))
    assert listed(changes) == [(0, 100)]
    assert "rank" not in changes["rows"][0]


def test_whoever_falls_behind_equals_without_looking_different_is_one_row() -> None:
    later = walkers(50, 50, 50)
    later[1] = Walker(Placing(UUID(int=1), 50, START + timedelta(days=1), START))
    assert listed(delta(walkers(50, 50, 50), later)) == [(2, 50)]


def test_whoever_leaves_is_removed_and_nobody_is_listed() -> None:
    rest = walkers(90, 50, 10)
    del rest[1]
    changes = delta(walkers(90, 50, 10), rest)
    assert (changes["removed"], changes["rows"]) == ([str(UUID(int=1))], [])
    assert (changes["firstRank"], changes["totalCount"]) == (1, 2)


def test_a_rename_is_one_row() -> None:
    renamed = walkers(90, 50)
    renamed[2] = Walker(renamed[2].placing, "Augusta")
    assert [row["userName"] for row in delta(walkers(90, 50), renamed)["rows"]] == ["Augusta"]


def test_a_board_that_everybody_left_has_no_first_rank() -> None:
    changes = delta(walkers(90), {})
    assert (changes["firstRank"], changes["totalCount"]) == (None, 0)


def test_a_delta_says_from_where_to_where_it_leads() -> None:
    changes = delta(walkers(90), walkers(91), TieRule.SHARED)
    assert (changes["from"], changes["version"], changes["offset"], changes["tieRule"]) == (1, 2, 0, "shared")


# --- The client ---


def test_a_gap_is_answered_by_what_to_send() -> None:
    pages = [page_of(walkers(score), version=score, tie_rule=TieRule.SHARED) for score in (1, 2, 3)]
    board, outcome = apply(fresh(pages[0]), json.loads(delta_frame(pages[1], pages[2])))
    assert outcome == client.RESUME
    assert client.resume(board) == {
        "type": "resume",
        "competitionId": pages[0].competition_id,
        "epoch": pages[0].epoch,
        "version": 1,
    }


def test_a_snapshot_of_the_same_version_answers_a_resume_that_missed_nothing() -> None:
    page = page_of(walkers(1), version=1, tie_rule=TieRule.SHARED)
    assert apply(fresh(page), json.loads(snapshot_frame(page))) == (fresh(page), client.APPLIED)


@pytest.mark.parametrize("text", [PONG, error_frame("unreadable", "What?"), closing_frame(1012, "Restarting.", 900)])
def test_frames_that_are_no_board_leave_it_alone(text: str) -> None:
    board = fresh(page_of(walkers(1), version=1, tie_rule=TieRule.SHARED))
    for before in (None, board):
        assert apply(before, json.loads(text)) == (before, client.IGNORED)


def test_frames_of_another_board_leave_it_alone() -> None:
    page = page_of(walkers(1), version=1, tie_rule=TieRule.SHARED)
    board = fresh(page) | {"competitionId": "another"}
    assert apply(board, json.loads(snapshot_frame(page))) == (board, client.IGNORED)


def test_a_delta_before_the_first_snapshot_waits_for_it() -> None:
    pages = [page_of(walkers(score), version=score, tie_rule=TieRule.SHARED) for score in (1, 2)]
    assert apply(None, json.loads(delta_frame(*pages))) == (None, client.IGNORED)


def test_a_closing_frame_says_when_to_come_back_if_one_may() -> None:
    assert json.loads(closing_frame(1012, "The server restarts.", 1500)) == {
        "type": "closing",
        "code": 1012,
        "message": "The server restarts.",
        "retryAfterMs": 1500,
    }
    assert "retryAfterMs" not in json.loads(closing_frame(4401, "The token has expired.", None))
