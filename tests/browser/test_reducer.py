"""docs/clients/leaderboard.js makes of every history what docs/clients/leaderboard.py makes of it"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from playwright.sync_api import Page

from leaderboards.queries import BoardPage
from tests.browser.conftest import browser_in
from tests.leaderboards.histories import CLIENTS, Delivery, client, deliveries

pytestmark = pytest.mark.browser

LOAD = "async (source) => { window.client = await import(`data:text/javascript,${encodeURIComponent(source)}`) }"
PLAY = """(frames) => {
  let board = null;
  return frames.map((frame) => {
    let outcome;
    [board, outcome] = client.apply(board, frame);
    return [board, outcome, client.resume(board)];
  });
}"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with ExitStack() as stack:
        page = browser_in(stack).new_page()
        page.evaluate(LOAD, (CLIENTS / "leaderboard.js").read_text())
        yield page


@given(delivered=deliveries())
@settings(deadline=None, max_examples=150)
def test_after_every_frame_both_have_the_same_board(page: Page, delivered: tuple[list[BoardPage], Delivery]) -> None:
    _, delivery = delivered
    expected: list[Any] = [
        [board, outcome, client.resume(board)]
        for board, outcome in zip(delivery.boards, delivery.outcomes, strict=True)
    ]
    assert page.evaluate(PLAY, delivery.frames) == expected


@pytest.mark.parametrize("frame", [{"type": "pong"}, {"type": "error", "code": "x", "message": "?"}])
def test_what_is_no_board_is_ignored(page: Page, frame: Any) -> None:
    assert page.evaluate("(frame) => client.apply(null, frame)", frame) == [None, client.IGNORED]
