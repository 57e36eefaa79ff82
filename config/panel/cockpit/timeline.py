"""A competition's states in the order of its life: what was, what is, what is to come."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from competitions.models import Competition, StatusMove
from competitions.rules import Status

_LIFE = (Status.DRAFT, Status.UPCOMING, Status.ACTIVE, Status.ENDED, Status.COMPLETED)

_TITLES = {
    Status.DRAFT: "Draft",
    Status.UPCOMING: "Upcoming",
    Status.ACTIVE: "Active",
    Status.ENDED: "Ended, late data counts",
    Status.COMPLETED: "Completed",
    Status.CANCELLED: "Cancelled",
}


class Tense(StrEnum):
    PAST = "past"
    NOW = "now"
    AHEAD = "ahead"


@dataclass(frozen=True)
class Stop:
    """``at``: since or from when; None where nobody knows yet. ``who`` moved it there."""

    status: Status
    at: datetime | None
    tense: Tense
    who: str

    @property
    def title(self) -> str:
        return _TITLES[self.status]


def timeline(competition: Competition, moves: Iterable[StatusMove], now: datetime) -> list[Stop]:
    """``moves`` come with who made them. A state that was passed while nobody looked has its date, and no move."""
    moved = {move.to_status: move for move in moves}
    current = competition.status_at(now)
    if current is Status.CANCELLED:
        passed = [_stop(competition, status, moved.get(status), Tense.PAST) for status in _LIFE if status in moved]
        return [*passed, _stop(competition, current, moved.get(current), Tense.NOW)]
    place = _LIFE.index(current)
    stops = []
    for position, status in enumerate(_LIFE):
        if position == place or status in moved or (position > place and _will_be(competition, status, now)):
            tense = Tense.NOW if position == place else Tense.PAST if position < place else Tense.AHEAD
            stops.append(_stop(competition, status, moved.get(status), tense))
        elif position < place and status in (Status.ACTIVE, Status.ENDED):
            stops.append(_stop(competition, status, None, Tense.PAST))
    return stops


def _will_be(competition: Competition, status: Status, now: datetime) -> bool:
    """Whether it comes by there, and does not pass it the moment it is published or ends."""
    match status:
        case Status.UPCOMING:
            return competition.start_at > now
        case Status.ACTIVE:
            return competition.end_at > now
        case Status.ENDED:
            return competition.closes_at > competition.end_at
    return True


def _stop(competition: Competition, status: Status, move: StatusMove | None, tense: Tense) -> Stop:
    dates = {
        Status.DRAFT: competition.created_at,
        Status.UPCOMING: competition.published_at,
        Status.ACTIVE: competition.start_at,
        Status.ENDED: competition.end_at,
        Status.COMPLETED: competition.closes_at,
        Status.CANCELLED: competition.cancelled_at,
    }
    by = str(move.moved_by) if move and move.moved_by else ""
    return Stop(status, dates[status], tense, by or ("its dates" if move else ""))
