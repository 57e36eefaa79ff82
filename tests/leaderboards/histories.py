"""Boards that move by chance, the frames of it as a bad network delivers them, and the client that reads those."""

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from competitions.rules import TieRule
from leaderboards.frames import delta_frame, snapshot_frame
from leaderboards.queries import BoardPage
from leaderboards.ranking import Placing, ranks_of

CLIENTS = Path(__file__).resolve().parents[2] / "docs" / "clients"
START = datetime(2026, 3, 1, tzinfo=UTC)
COMPETITION = str(UUID(int=999))


def _client() -> Any:
    spec = importlib.util.spec_from_file_location("leaderboard_client", CLIENTS / "leaderboard.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


client = _client()


@dataclass(frozen=True)
class Walker:
    placing: Placing
    name: str = "Ada"


def page_of(
    walkers: Mapping[int, Walker], *, version: int, epoch: int = 1, tie_rule: str, offset: int = 0, limit: int = 100
) -> BoardPage:
    """As `queries` would read it."""
    ordered = sorted(walkers.values(), key=lambda walker: _board_order(walker.placing))
    shown = ordered[offset : offset + limit]
    scores = [walker.placing.score for walker in shown]
    above = sum(walker.placing.score > scores[0] for walker in ordered) if scores else 0
    ranks = ranks_of(scores, tie_rule, offset=offset, above_first=above)
    entries = [_entry(walker) | {"rank": rank} for walker, rank in zip(shown, ranks, strict=True)]
    moment = (START + timedelta(seconds=version)).isoformat()
    return BoardPage(COMPETITION, str(UUID(int=epoch)), version, moment, tie_rule, len(ordered), offset, entries)


def _board_order(placing: Placing) -> tuple[int, datetime, datetime, bytes]:
    return -placing.score, placing.reached_at, placing.joined_at, placing.user_id.bytes


def _entry(walker: Walker) -> dict[str, Any]:
    return {
        "user_id": str(walker.placing.user_id),
        "user_name": walker.name,
        "avatar": None,
        "score": walker.placing.score,
        "steps": walker.placing.score,
        "distance": walker.placing.score * 0.7,
        "calories": 0.5,
        "last_synced_at": str(walker.placing.reached_at),  # in an entry, but in no frame
    }


_people = st.integers(0, 7)
_moments = st.integers(0, 3).map(lambda seconds: START + timedelta(seconds=seconds))
_walkers = st.builds(
    lambda score, reached, joined, name: Walker(Placing(UUID(int=0), score, reached, joined), name),
    st.integers(0, 3),
    _moments,
    _moments,
    st.sampled_from(["Ada", "Ben", "Zoë ☃"]),
)
"""Few scores and moments, so that equals and overtaking are common; scores sink, too, as corrections have them do."""


@st.composite
def histories(draw: st.DrawFn) -> list[BoardPage]:
    """One reader's pages of one board, oldest first. The window may move, and now and then an epoch begins."""
    tie_rule = draw(st.sampled_from(list(TieRule)))
    whole, limit = draw(st.booleans()), draw(st.integers(1, 8))
    walkers: dict[int, Walker] = {}
    pages, epoch = [], 1
    for version in range(1, draw(st.integers(2, 8)) + 1):
        for person in draw(st.sets(_people, max_size=8 if version == 1 else 3)):
            if person in walkers and draw(st.integers(0, 3)) == 0:
                del walkers[person]
            else:
                walker = draw(_walkers)
                walkers[person] = replace(walker, placing=replace(walker.placing, user_id=UUID(int=person + 10)))
        epoch += draw(st.integers(0, 9)) == 9
        offset = 0 if whole else draw(st.integers(0, 4))
        pages.append(page_of(walkers, version=version, epoch=epoch, tie_rule=tie_rule, offset=offset, limit=limit))
    return pages


@dataclass
class Delivery:
    """What one client was sent, in the order of its arrival, and its board and the outcome after each frame."""

    frames: list[Any] = field(default_factory=list)
    boards: list[Any] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)

    def send(self, text: str) -> str:
        frame = json.loads(text)
        board, outcome = client.apply(self.board, frame)
        self.frames.append(frame)
        self.boards.append(board)
        self.outcomes.append(outcome)
        return str(outcome)

    @property
    def board(self) -> Any:
        return self.boards[-1] if self.boards else None


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[BoardPage], Delivery]:
    """Frames that are lost, come twice, late and out of order; resumes are answered, and the last word arrives."""
    pages = draw(histories())
    delivery = Delivery()
    delivery.send(snapshot_frame(draw(st.sampled_from(pages))))
    steps = draw(st.lists(st.tuples(st.integers(0, len(pages) - 1), st.integers(0, len(pages) - 1)), max_size=20))
    for one, other in steps:
        old, new = pages[min(one, other)], pages[max(one, other)]
        is_delta = old.epoch == new.epoch and old is not new
        if delivery.send(delta_frame(old, new) if is_delta else snapshot_frame(new)) == client.RESUME:
            delivery.send(answer(pages, client.resume(delivery.board), draw(st.integers(0, len(pages) - 1))))
    if delivery.board["version"] != pages[-1].version or delivery.board["epoch"] != pages[-1].epoch:
        delivery.send(answer(pages, client.resume(delivery.board), len(pages) - 1))
    return pages, delivery


def answer(pages: list[BoardPage], asked: Mapping[str, Any], present: int) -> str:
    """A server's answer to a resume when its newest page is the one at ``present``."""
    new = pages[present]
    known = [page for page in pages if (page.epoch, page.version) == (asked["epoch"], asked["version"])]
    if known and new.epoch == known[0].epoch and new.version > known[0].version:
        return delta_frame(known[0], new)
    return snapshot_frame(new)
