"""What a watcher of boards is, whatever it is connected by.

Nothing waits in a watcher: it is told that a board has news, and takes the newest when its connection can. However slow
it is, it holds no frame, and what it takes is whole.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from config.core.metrics import DELIVERY_SECONDS, FRAMES, FRAMES_CONFLATED, SNAPSHOTS
from config.core.tally import observe_all

SLOW_SECONDS = 5.0
"""How long a connection may take to take one frame."""

FRAME_ROWS = 100
MOST_ROWS = 1000
MOST_NEIGHBOURS = 25
MOST_WAIT_SECONDS = 60


class Close(IntEnum):
    """Why a connection ends, as the code of a socket; ``words`` says it to people."""

    words: str

    def __new__(cls, code: int, words: str) -> "Close":
        close = int.__new__(cls, code)
        close._value_, close.words = code, words
        return close

    RESTARTING = 1012, "The server restarts; come again."
    TOO_SLOW = 4008, "This connection takes too long to take what it is sent."
    UNAUTHENTICATED = 4401, "A valid access token or ticket is needed."
    FORBIDDEN = 4403, "You may not do this."
    NOT_FOUND = 4404, "There is no such competition."
    TOO_MANY = 4429, "Too many connections or messages; come again a little later."


class At(NamedTuple):
    """Which state of a board somebody has seen."""

    epoch: str
    version: int


class View(NamedTuple):
    """What somebody wants to see: the best ``limit`` rows, or their own row with ``window`` neighbours on each side;
    the whole each time, or with ``delta`` after the first time only what has changed."""

    limit: int = FRAME_ROWS
    window: int | None = None
    delta: bool = False


class InvalidView(ValueError):
    """``field`` wants another value."""

    def __init__(self, field: str, message: str) -> None:
        self.field, self.message = field, message
        super().__init__(f"{field}: {message}")


def view_of(asked: Mapping[str, object]) -> View:
    """Out of ``mode``, ``limit`` and ``window`` as a query or a message has them. Raises InvalidView."""
    mode = asked.get("mode", "snapshot")
    if mode not in ("snapshot", "delta"):
        raise InvalidView("mode", "Known modes are snapshot and delta.")
    limit = _number(asked, "limit", most=MOST_ROWS)
    window = _number(asked, "window", most=MOST_NEIGHBOURS)
    return View(limit or FRAME_ROWS, window, mode == "delta")


def at_of(asked: Mapping[str, object]) -> At | None:
    """The state that somebody says they have seen, in ``epoch`` and ``version``; None where they say nothing usable."""
    epoch, version = asked.get("epoch"), str(asked.get("version", ""))
    if isinstance(epoch, str) and version.isdecimal() and version.isascii() and len(version) < 19:
        return At(epoch, int(version))
    return None


def _number(asked: Mapping[str, object], name: str, *, most: int) -> int | None:
    given = asked.get(name)
    if given is None:
        return None
    text = str(given)
    if not (text.isdecimal() and text.isascii() and len(text) < 9 and 1 <= int(text) <= most):
        raise InvalidView(name, f"Write a whole number from 1 to {most}.")
    return int(text)


class Scene(Protocol):
    """What a sight is of: it has the frame for whoever has last seen ``at``, and says what they have seen then."""

    def frame(self, sight: "Sight") -> str | None: ...


@dataclass(eq=False, slots=True)
class Sight:
    """One board, or one person's activity, as one watcher sees it.

    ``at`` is what they saw last. ``owed``: they asked, so they are answered even if nothing has changed since ``at``.
    """

    of_id: UUID
    scene: Scene
    watcher: "Watcher"
    view: View
    at: At | None = None
    owed: bool = True


class Ended(Exception):
    """The watcher has to go. ``reason`` None: they have gone by themselves."""

    def __init__(self, reason: Close | None) -> None:
        self.reason = reason
        super().__init__(reason)


class Counted:
    """Frames since they were last put into the metrics: a lock for each of them would cost as much as the frame.
    ``lags``, in seconds, of those that somebody was shown because a board had moved; ``made`` and ``reused`` of
    snapshots, which many share."""

    taken = 0
    conflated = 0
    made = 0
    reused = 0
    lags: list[float] = []


def count_frames() -> None:
    FRAMES.inc(Counted.taken)
    FRAMES_CONFLATED.inc(Counted.conflated)
    SNAPSHOTS.labels(result="miss").inc(Counted.made)
    SNAPSHOTS.labels(result="hit").inc(Counted.reused)
    lags, Counted.lags = Counted.lags, []
    observe_all(DELIVERY_SECONDS, lags)
    Counted.taken = Counted.conflated = Counted.made = Counted.reused = 0


@dataclass(eq=False, slots=True)
class Watcher:
    """A connection's place at the hub. ``viewer_id`` is who watches, None with a public board's ticket.

    ``sending_since``, on the monotonic clock, is set while the connection takes a frame; ``stalled`` is called when it
    takes too long over it, because then nobody waits for `next_frame`.
    """

    viewer_id: UUID | None = None
    sights: dict[UUID, Sight] = field(default_factory=dict)
    sending_since: float | None = None
    stalled: Callable[[], None] = lambda: None
    _due: dict[Sight, None] = field(default_factory=dict)
    _stirred: asyncio.Future[None] | None = None
    _ended: Ended | None = None

    def stir(self, sight: Sight) -> None:
        """There is something to see."""
        if sight in self._due:
            Counted.conflated += 1
            return
        self._due[sight] = None
        self._wake()

    def end(self, reason: Close | None) -> None:
        """Whoever waits for a frame gets Ended, now and from now on."""
        self._ended = self._ended or Ended(reason)
        self._wake()

    def look_away(self, of_id: UUID) -> Sight | None:
        sight = self.sights.pop(of_id, None)
        if sight is not None:
            self._due.pop(sight, None)
        return sight

    async def next_sight(self) -> Sight:
        """Waits until there is something to see, in the order in which it came up. Raises Ended."""
        while not self._due and self._ended is None:
            self._stirred = asyncio.get_running_loop().create_future()
            await self._stirred
        if self._ended is not None:
            raise Ended(self._ended.reason)
        sight = next(iter(self._due))
        del self._due[sight]
        return sight

    async def next_frame(self) -> str:
        """The next frame that this watcher has not seen. Raises Ended."""
        while True:
            sight = await self.next_sight()
            frame = sight.scene.frame(sight)
            if frame is not None:
                Counted.taken += 1
                return frame

    def _wake(self) -> None:
        if self._stirred is not None and not self._stirred.done():
            self._stirred.set_result(None)
