"""What is sent over one socket, made up by hypothesis: messages that may hold anything, and how it ends."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

MESSAGES = 32
"""Of one socket."""
FLOOD = 60
"""More at once than anybody may send; this installation has no limits, so that sessions of one person do not end each
other. That a flood closes its socket elsewhere is in tests/flows/test_sockets.py."""
LARGEST = 16 * 1024

Frames = tuple[bytes, ...]


@dataclass(frozen=True)
class Message:
    """``frames`` as bytes on the wire. ``unreadable``: it must be answered so; None where nobody can say, because it
    depends on how deep the server's stack is."""

    frames: Frames
    unreadable: bool | None
    is_ping: bool = False


@dataclass(frozen=True)
class Ending:
    """``code``: with which the server must close, None for whichever; ``abrupt``: the client does not wait for it."""

    name: str
    frames: Frames
    code: int | None = None
    abrupt: bool = False


@dataclass(frozen=True)
class Session:
    path: int
    messages: Sequence[Message]
    ending: Ending


# --- Messages ---

_EDGES: st.SearchStrategy[Any] = st.sampled_from(
    [0, -1, 1, 2**31, 2**63, 10**400, 1.5, "1", "1000", "٣", "-1", True, None, [], {}, "\x00", "\ud800"]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(width=32) | st.text(max_size=10) | _EDGES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def _commands(boards: Sequence[str]) -> st.SearchStrategy[Any]:
    board = st.sampled_from(boards)
    return st.fixed_dictionaries(
        {"type": st.sampled_from(["subscribe", "unsubscribe", "resume", "ping", "pong", "subscribe"]) | _JSON},
        optional={
            "competitionId": board | board | _JSON,
            "mode": st.sampled_from(["snapshot", "delta"]) | _JSON,
            "limit": st.integers(1, 1000) | _EDGES,
            "window": st.integers(1, 25) | _EDGES,
            "epoch": st.text(max_size=8) | _EDGES,
            "version": st.integers(0, 99) | _EDGES,
        },
    )


@st.composite
def _mutated(draw: Any, commands: st.SearchStrategy[Any]) -> str:
    """JSON with a few characters lost, doubled or replaced."""
    text = list(json.dumps(draw(commands)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(text) - 1)))
        text[place : place + draw(st.integers(0, 3))] = draw(st.text(max_size=3))
    return "".join(text)


_DEPTHS = st.integers(1, 60) | st.integers(880, 1010) | st.integers(1010, 7000)
_DEEP = st.builds(
    lambda depth, wrapped: wrapped % ("[" * depth + "]" * depth),
    _DEPTHS,
    st.sampled_from(['{"type": "subscribe", "competitionId": "x", "version": %s}', '{"type": %s}', "%s"]),
)
_LONG = st.builds(lambda digits: '{"type": "resume", "version": %s}' % ("9" * digits), st.integers(18, 9000))


def _texts(boards: Sequence[str]) -> st.SearchStrategy[str]:
    commands = _commands(boards)
    dumped = commands.map(json.dumps)
    return st.one_of(dumped, dumped, _mutated(commands), _JSON.map(json.dumps), st.text(max_size=40), _DEEP, _LONG)


def _is_unreadable(text: str) -> bool | None:
    if text.count("[") > 800:
        return None
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return True
    return not (isinstance(message, dict) and "type" in message)


def _is_ping(text: str) -> bool:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and message.get("type") == "ping"


@st.composite
def _text_message(draw: Any, boards: Sequence[str]) -> Message:
    text = draw(_texts(boards)).encode("utf-8", "replace")[: LARGEST - 1].decode("utf-8", "ignore")
    data = text.encode()
    cut = draw(st.none() | st.integers(0, len(data)))  # a fragment may end in the middle of a character
    whole = (frame(TEXT, data),)
    parts = (frame(TEXT, data[:cut], final=False), frame(PING, b"between"), frame(CONTINUATION, data[cut:]))
    return Message(whole if cut is None else parts, _is_unreadable(text), _is_ping(text))


_BINARY = st.binary(max_size=200).map(lambda data: Message((frame(BINARY, data),), unreadable=True))
_CONTROL = st.binary(max_size=125).flatmap(
    lambda data: st.sampled_from([PING, PONG]).map(lambda opcode: Message((frame(opcode, data),), unreadable=False))
)


# --- Endings ---

_GOODBYE = frame(CLOSE, b"\x03\xe8")
_ENDINGS: dict[str, Callable[[bytes], Ending]] = {
    "goes": lambda data: Ending("goes", (_GOODBYE,), 1000),
    "is gone": lambda data: Ending("is gone", (), abrupt=True),
    "floods": lambda data: Ending("floods", (*(frame(TEXT, b'{"type": "ping"}'),) * FLOOD, _GOODBYE), 1000),
    "subscribes in a flood": lambda data: Ending(
        "subscribes in a flood",
        (*(frame(TEXT, b'{"type": "subscribe", "competitionId": "%s"}' % data.hex().encode()),) * FLOOD, _GOODBYE),
        1000,
    ),
    "sends too much": lambda data: Ending("sends too much", (frame(TEXT, b"x" * (LARGEST + 1 + len(data))),), 1009),
    "sends too much in parts": lambda data: Ending(
        "sends too much in parts",
        (frame(TEXT, b"x" * LARGEST, final=False), frame(CONTINUATION, b"x" * (1 + len(data)))),
        1009,
    ),
    "writes no UTF-8": lambda data: Ending("writes no UTF-8", (frame(TEXT, data + b"\xff\xfe"),), 1007),
    "sets a reserved bit": lambda data: Ending("sets a reserved bit", (frame(TEXT, data, reserved=4),), 1002),
    "uses an unknown opcode": lambda data: Ending("uses an unknown opcode", (frame(0x5, data),), 1002),
    "does not mask": lambda data: Ending("does not mask", (frame(TEXT, data, masked=False),), 1002),
    "continues nothing": lambda data: Ending("continues nothing", (frame(CONTINUATION, data),), 1002),
    "cuts a control frame": lambda data: Ending("cuts a control frame", (frame(PING, data, final=False),), 1002),
    "pings too much": lambda data: Ending("pings too much", (frame(PING, b"x" * 126),), 1002),
    "closes with a wrong code": lambda data: Ending("closes with a wrong code", (frame(CLOSE, b"\x00\x05"),), 1002),
    "closes with half a code": lambda data: Ending("closes with half a code", (frame(CLOSE, b"\x03"),), 1002),
    "stops in a frame": lambda data: Ending("stops in a frame", (frame(TEXT, data + b"more")[:-3],), abrupt=True),
    "sends bytes": lambda data: Ending("sends bytes", (data,), abrupt=True),
}


@st.composite
def _sessions(draw: Any, boards: Sequence[str], paths: int) -> Session:
    message = st.one_of(_text_message(boards), _text_message(boards), _text_message(boards), _BINARY, _CONTROL)
    messages = draw(st.lists(message, min_size=MESSAGES, max_size=MESSAGES))
    ending = _ENDINGS[draw(st.sampled_from(sorted(_ENDINGS)))](draw(st.binary(min_size=1, max_size=60)))
    return Session(draw(st.integers(0, paths - 1)), messages, ending)


def make_sessions(boards: Sequence[str], *, paths: int, count: int, number: int) -> list[Session]:
    """The same ``number`` gives the same sessions, but for the masks. ``paths``: how many addresses there are."""
    made: list[Session] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_sessions(boards, paths))
    def note(session: Session) -> None:
        made.append(session)

    note()
    return made[:count]
